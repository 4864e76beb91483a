package input

import (
	"cmp"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"netcap/internal/fileset"
	"netcap/pcapfile"
)

// entry is a file of a Stream.
type entry struct {
	path    string
	index   int  // in the order of the arguments
	regular bool // that is, it can be opened twice
	listed  bool // found in a directory, where a capture may compress or delete it
	size    int64

	// Of a set's file.
	dir, set string
	start    time.Time
	seq      uint64

	file   *File
	packet *pcapfile.Packet // the next one; nil if it wasn't read yet
	order  *order           // of several rings' packets; nil for one's
	err    error            // instead of a packet
	// unchecked: the packet was read to tell its time, and may be out of bounds.
	unchecked bool

	// known is up to where its packets were delivered before it was opened again.
	known int64

	// key is the time of the next packet, or when it is time to open the file, in
	// nanoseconds.
	key       int64
	turnKnown bool
	// end is when what follows in the file is too late, in nanoseconds.
	end int64
}

// Expand returns the files that paths stand for, as a Stream of them reads: of a directory
// the captures in it. An error, a *FileError, is about what isn't there.
func Expand(paths []string) (files []string, errs []error) {
	entries, errs := expand(paths)
	for _, e := range entries {
		files = append(files, e.path)
	}
	return files, errs
}

// expand makes entries of arguments. What isn't there is a problem.
func expand(paths []string) (entries []*entry, problems []error) {
	for _, path := range paths {
		if path == "-" {
			entries = append(entries, &entry{path: path, size: -1})
			continue
		}
		st, err := os.Stat(path)
		switch {
		case err != nil:
			problems = append(problems, fileError(path, err))
		case st.IsDir():
			more, err := capturesIn(path)
			if err != nil {
				problems = append(problems, fileError(path, err))
			}
			entries = append(entries, more...)
		default:
			e := &entry{path: path, size: -1}
			if st.Mode().IsRegular() {
				e.regular, e.size = true, st.Size()
				e.parse()
			}
			entries = append(entries, e)
		}
	}
	for i, e := range entries {
		e.index, e.end = i, math.MaxInt64
	}
	return entries, problems
}

// parse takes the name of a set's file apart.
func (e *entry) parse() {
	if dir, f, ok := fileset.ParsePath(e.path); ok {
		e.dir, e.set, e.start, e.seq = dir, f.Set, f.Start, f.Seq
	}
}

// capturesIn returns the captures in a directory: files that are called so, and those
// that begin like one. Sets' files come in their order, others by their names.
func capturesIn(dir string) ([]*entry, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(files))
	for _, f := range files {
		names[f.Name()] = true
	}
	var entries []*entry
	for _, f := range files {
		name := f.Name()
		path := filepath.Join(dir, name)
		st, err := os.Stat(path) // a link to a capture is one
		if err != nil || !st.Mode().IsRegular() || name[0] == '.' {
			continue
		}
		plain, compressed := trimCompression(name)
		if compressed && names[plain] {
			continue // it has just been compressed, and is there twice
		}
		if !slices.Contains(captureExts, filepath.Ext(plain)) && !isCapture(path) {
			continue
		}
		e := &entry{path: path, regular: true, listed: true, size: st.Size()}
		e.parse()
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil, errors.New("no captures are in that directory")
	}
	slices.SortStableFunc(entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.set, b.set), cmp.Compare(a.seq, b.seq), a.start.Compare(b.start))
	})
	return entries, nil
}

var (
	captureExts     = []string{".pcapng", ".pcap", ".cap", ".ntar"}
	compressionExts = []string{".gz", ".zst", ".lz4", ".xz", ".bz2"}
)

// Compresses reports whether an extension, with its dot, is one of compressed files that can be
// read.
func Compresses(ext string) bool { return slices.Contains(compressionExts, ext) }

func trimCompression(name string) (plain string, compressed bool) {
	for _, ext := range compressionExts {
		if plain, ok := strings.CutSuffix(name, ext); ok {
			return plain, true
		}
	}
	return name, false
}

// isCapture reports whether a file, whatever its name, begins as a capture does.
func isCapture(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 1<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	_, err = pcapfile.NewReaderSize(strings.NewReader(string(head[:n])), n)
	return err == nil
}

// A set's file reaches from the time in its name to that in the next one's, but for a
// clock that was set. Packets may have waited in the kernel before their file was begun,
// while the disk didn't take them: as long as that at most, but for a disk that stalls for
// longer.
const (
	early     = time.Minute
	nameExact = time.Second // names have whole seconds
)

// choose leaves out the files of sets that are outside the bounds, without opening more
// than a few, and says when the turn of the others is.
func (s *Stream) choose(entries []*entry) []*entry {
	sets := make(map[[2]string][]*entry)
	for _, e := range entries {
		if e.set != "" {
			key := [2]string{e.dir, e.set}
			sets[key] = append(sets[key], e)
		}
	}
	out := make(map[*entry]bool)
	for _, files := range sets {
		slices.SortStableFunc(files, func(a, b *entry) int {
			return cmp.Or(cmp.Compare(a.seq, b.seq), a.start.Compare(b.start))
		})
		s.chooseOf(files, out)
	}
	return slices.DeleteFunc(entries, func(e *entry) bool { return out[e] })
}

func (s *Stream) chooseOf(files []*entry, out map[*entry]bool) {
	late := false // the files that follow begin after the bounds
	for i, e := range files {
		var next time.Time
		if i+1 < len(files) {
			next = files[i+1].start
		}
		if !next.IsZero() && next.Before(e.start) {
			// The clock was set back while it was written, or just after: any time
			// may be in it.
			late = false
			continue
		}
		e.key, e.turnKnown = pcapfile.UnixNano(e.start.Add(-early)), true
		if !s.bounded {
			continue
		}
		if s.to != math.MaxInt64 {
			e.end = pcapfile.UnixNano(s.cfg.To.Add(early))
		}
		switch {
		case !next.IsZero() && pcapfile.UnixNano(next.Add(2*nameExact)) <= s.from:
			out[e] = true
		case pcapfile.UnixNano(e.start) < s.to:
			late = false
		case late:
			out[e] = true
		default:
			// What is in the first file that ought to be too late, the file says.
			if t, ok := firstTime(e, nil); ok && t >= s.to {
				out[e], late = true, true
			}
		}
	}
}

// firstTime is the time of a file's first packet, or, where several rings' packets aren't in
// order, one that none is before.
func firstTime(e *entry, w *Windows) (ns int64, ok bool) {
	f, err := open(e.path, nil, peekWindow, w)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	p, err := f.Next()
	if err != nil || !p.HasTime {
		return 0, false
	}
	ns = pcapfile.UnixNano(p.Time)
	if ofSeveral(f, p) {
		ns -= orderSpan
	}
	return ns, true
}
