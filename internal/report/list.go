package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"netcap/internal/fileset"
	"netcap/internal/label"
	"netcap/internal/printable"
	"netcap/pcapfile"
)

// State is how far a file of a set has come.
type State string

// The states of a file.
const (
	// Open is the newest file of a set that a capture is writing.
	Open State = "open"
	// Closed is a file that was ended in an orderly way; one of pcapng ends in statistics.
	// Whether all between is whole is known of those that were read (see File.JudgedBy).
	Closed State = "closed"
	// Recovered is a file that was not closed in an orderly way, but can be read to its
	// end: repair has cut its torn tail, or the crash left none.
	Recovered State = "recovered"
	// Suspect is a file that nobody writes, and that can't be read to its end, or of which
	// nothing is known.
	Suspect State = "suspect"
)

// By what a File was judged.
const (
	ByContent = "content" // it was read to its end, or to its damage
	ByEnds    = "ends"    // what is between them may be damaged
	ByLabel   = "label"   // what was in it when netcap compressed it: docs/label.md
	ByNothing = "nothing" // it is compressed, and has no label
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
	JudgedBy    string     `json:"judged_by"`
	Held        bool       `json:"held"` // exempt from deletion

	// Err says why the file could not be looked at.
	Err error `json:"-"`

	set        string
	start      time.Time
	compressed bool
	newest     bool // of its set
}

// Place is where captures are: in a directory, or in one file.
type Place struct {
	Path string
	// Set is the one set that is meant of those in the directory; "" for all of them.
	Set string
}

// List describes the files of capture sets in a place, by set and sequence; whatever else is in
// a directory is passed over. Of a place that is a file it describes that. Of a pcapng file that
// netcap has closed only the two ends are read, unless there is little to read in all or the file
// system has a hole in it; of a compressed one its label; of others everything.
func List(p Place) ([]File, error) {
	st, err := os.Stat(p.Path)
	if err != nil {
		return nil, FileError(p.Path, err)
	}
	var files []File
	switch {
	case st.IsDir():
		files, err = filesIn(p)
	case st.Mode().IsRegular():
		files, err = theFile(p.Path)
	default:
		err = fmt.Errorf("%s: neither a directory nor a regular file", printable.Text(p.Path))
	}
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for n := range files {
		if st, err := os.Stat(files[n].Path); err == nil && !files[n].compressed {
			total += st.Size()
		}
	}
	for n := range files {
		f := &files[n]
		// The lock first: a capture that ends meanwhile leaves a whole file.
		open := f.newest && fileset.Running(filepath.Dir(f.Path), f.set)
		f.Err = f.look(total <= little)
		if open {
			f.State = Open
		}
	}
	// A running capture deletes its oldest files.
	return slices.DeleteFunc(files, func(f File) bool { return errors.Is(f.Err, fs.ErrNotExist) }), nil
}

// filesIn are the captures of sets in a directory.
func filesIn(p Place) ([]File, error) {
	entries, err := fileset.List(p.Path, p.Set)
	if err != nil {
		return nil, FileError(p.Path, err)
	}
	files := []File{}
	for _, e := range entries {
		if e.Type().IsRegular() && e.IsCapture("") {
			files = append(files, newFile(filepath.Join(p.Path, e.Name()), e.File))
		}
	}
	for n := range files {
		files[n].newest = n == len(files)-1 || files[n+1].set != files[n].set
	}
	return files, markHeld(files)
}

// theFile is one file alone, of a set or not.
func theFile(path string) ([]File, error) {
	if dir, name, ok := fileset.ParsePath(path); ok {
		all, err := filesIn(Place{Path: dir, Set: name.Set})
		if n := slices.IndexFunc(all, func(f File) bool { return filepath.Base(f.Path) == name.String() }); err != nil || n >= 0 {
			return slices.Clone(all[max(n, 0):min(n+1, len(all))]), err
		}
	}
	return []File{{Path: path, Format: strings.TrimPrefix(filepath.Ext(path), ".")}}, nil
}

func newFile(path string, name fileset.File) File {
	return File{Path: path, Format: name.Ext[1:], Sequence: name.Seq, set: name.Set, start: name.Start, compressed: name.Suffix != ""}
}

// little is how many bytes of files, all together, are read though their ends would do.
var little int64 = 64 << 20

// look fills in what the file says, all of it if whole.
func (f *File) look(whole bool) error {
	f.State, f.JudgedBy = Suspect, ByNothing
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
	if f.compressed {
		if l, err := label.Read(file, f.Bytes); err == nil {
			f.takeLabel(l)
		} else {
			f.Reason = "it is compressed, and was not read: " + err.Error()
		}
		return nil
	}

	if f.Format == pcapfile.PCAPNG.String() && !whole && !hasHole(file, f.Bytes) {
		if t, err := pcapfile.ReadTail(file, f.Bytes); err == nil && f.takeTail(t) {
			return nil
		}
	}
	f.JudgedBy = ByContent
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
	f.State, f.JudgedBy = Closed, ByEnds
	return true
}

// takeLabel takes what a compressed file says of itself.
func (f *File) takeLabel(l *label.Label) {
	f.JudgedBy = ByLabel
	f.Packets, f.Dropped = &l.Packets, l.Dropped
	if !l.First.IsZero() {
		f.FirstPacket, f.LastPacket = &l.First, &l.Last
	}
	switch {
	case !l.Whole:
		f.Reason = "it was damaged before it was compressed"
	case l.Closed:
		f.State = Closed
	default:
		f.State = Recovered
	}
}

func (f *File) takeInfo(i *FileInfo) {
	f.FirstPacket, f.LastPacket = i.FirstPacket, i.LastPacket
	f.Packets, f.Dropped = &i.Packets, i.Dropped
	f.Bytes, f.JudgedBy = max(f.Bytes, i.BytesFile), ByContent
	switch {
	case !i.Complete:
		f.Reason = i.Reason
	case i.orderly():
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
		if e.Name()[0] == '.' {
			continue // no set is called so
		}
		path := filepath.Join(base, e.Name())
		// A set's directory may be a link to where there is room.
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			dirs = append(dirs, path)
		}
	}
	return dirs, nil
}
