package report

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"netcap/internal/printable"
	"netcap/pcapfile"
	"netcap/rotate"
)

// State is how far a file of a set has come.
type State string

// The states of a file.
const (
	// Open is the newest file of a set that a capture is writing.
	Open State = "open"
	// Closed is a file that is whole; one of pcapng ends in statistics.
	Closed State = "closed"
	// Recovered is a file that was not closed in an orderly way, but can be read to its
	// end: repair has cut its torn tail, or the crash left none.
	Recovered State = "recovered"
	// Suspect is a file that nobody writes, and that can't be read to its end.
	Suspect State = "suspect"
)

// File is a file of a capture set. What is not known is nil.
type File struct {
	Path        string     `json:"path"`
	Format      string     `json:"format"` // by the name
	Sequence    uint64     `json:"sequence"`
	FirstPacket *time.Time `json:"first_packet"` // UTC
	LastPacket  *time.Time `json:"last_packet"`
	Packets     *uint64    `json:"packets"`
	Bytes       int64      `json:"bytes"`
	Dropped     *uint64    `json:"dropped"` // packets that interfaces and operating system had no room for
	State       State      `json:"state"`
	Reason      string     `json:"reason,omitempty"` // why it is suspect
	Held        bool       `json:"held"`             // exempt from deletion

	// Err says why the file could not be looked at.
	Err error `json:"-"`

	set        string
	start      time.Time
	compressed bool
}

// List describes the files of capture sets in a directory, by set and sequence.
// Whatever else is there is passed over. Of a pcapng file that netcap has
// closed only the two ends are read, of others everything.
func List(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, FileError(dir, err)
	}
	files := []File{}
	for _, e := range entries {
		set, start, seq, ext, ok := rotate.ParseName(e.Name())
		plain := strings.TrimSuffix(strings.TrimSuffix(ext, ".gz"), ".zst")
		if !ok || !e.Type().IsRegular() || plain != ".pcapng" && plain != ".pcap" {
			continue
		}
		files = append(files, File{
			Path: filepath.Join(dir, e.Name()), Format: plain[1:], Sequence: seq,
			set: set, start: start, compressed: plain != ext,
		})
	}
	slices.SortFunc(files, bySequence)
	if err := markHeld(dir, files); err != nil {
		return nil, err
	}
	for n := range files {
		f := &files[n]
		newest := n == len(files)-1 || files[n+1].set != f.set
		// The lock first: a capture that ends meanwhile leaves a whole file.
		open := newest && rotate.Running(dir, f.set)
		f.Err = f.look()
		if open {
			f.State = Open
		}
	}
	// A running capture deletes its oldest files.
	return slices.DeleteFunc(files, func(f File) bool { return errors.Is(f.Err, fs.ErrNotExist) }), nil
}

func bySequence(a, b File) int {
	return cmp.Or(strings.Compare(a.set, b.set), cmp.Compare(a.Sequence, b.Sequence), a.start.Compare(b.start), strings.Compare(a.Path, b.Path))
}

// look fills in what the file says.
func (f *File) look() error {
	f.State = Suspect
	file, err := os.Open(f.Path)
	if err != nil {
		return FileError(f.Path, err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return FileError(f.Path, err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s: no longer a regular file", printable.Text(f.Path))
	}
	f.Bytes = st.Size()
	if f.compressed { // only whole files are
		f.State = Closed
		return nil
	}

	if f.Format == pcapfile.PCAPNG.String() {
		if t, err := pcapfile.ReadTail(file, f.Bytes); err == nil && f.takeTail(t) {
			return nil
		}
	}
	info, err := Info(f.Path, nil)
	if info != nil {
		f.takeInfo(info)
	}
	if err != nil && !damaged(err) {
		return err
	}
	return nil
}

// takeTail takes what the ends of a file say, if that is all there is to know.
// The counters of others' files need not be those of the one file: programs
// that split or filter a capture copy them.
func (f *File) takeTail(t *pcapfile.Tail) bool {
	if !strings.HasPrefix(t.Section.Application, "netcap") {
		return false
	}
	counters := lastCounters(t.Statistics)
	var packets uint64
	for _, i := range t.Interfaces {
		c := counters[i]
		if !c.Delivered.Known {
			f.Dropped = nil
			return false
		}
		packets += c.Delivered.Value
		if n := dropped(c); n != nil {
			f.Dropped = sum(f.Dropped, *n)
		}
	}
	if len(t.Interfaces) == 0 || (packets > 0) != (t.LastInterface != nil) {
		f.Dropped = nil
		return false
	}
	f.Packets = &packets
	if !t.First.IsZero() && !t.Last.IsZero() {
		first, last := t.First.UTC(), t.Last.UTC()
		f.FirstPacket, f.LastPacket = &first, &last
	}
	f.State = Closed
	return true
}

func (f *File) takeInfo(i *FileInfo) {
	f.FirstPacket, f.LastPacket = i.FirstPacket, i.LastPacket
	f.Packets, f.Dropped = &i.Packets, i.Dropped
	f.Bytes = max(f.Bytes, i.BytesFile)
	switch {
	case !i.Complete:
		f.Reason = i.Reason
	case i.closed || i.Format == pcapfile.PCAP.String():
		f.State = Closed
	default:
		f.State = Recovered
	}
}

// damaged reports whether an error is about what the file holds.
func damaged(err error) bool {
	var format *pcapfile.FormatError
	var truncated *pcapfile.TruncatedError
	return errors.Is(err, pcapfile.ErrFormat) || errors.As(err, &format) || errors.As(err, &truncated)
}

// SetDirs returns the directories in base, which are those of capture sets, in
// alphabetical order. There are none if base doesn't exist.
func SetDirs(base string) ([]string, error) {
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, FileError(base, err)
	}
	var dirs []string
	for _, e := range entries {
		path := filepath.Join(base, e.Name())
		// A set's directory may be a link to where there is room.
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			dirs = append(dirs, path)
		}
	}
	return dirs, nil
}
