package rotate

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
)

// view is what a directory was seen to have of a set.
type view struct {
	files []found
	// hidden are the names of files that can't be examined, and why the first can't.
	hidden map[string]bool
	why    error
	err    error // why the directory itself can't be listed
	took   time.Duration
}

type found struct {
	name fileset.File
	size int64
}

// namesAtOnce bounds the memory for the names of a directory, which may be millions.
const namesAtOnce = 1024

// look lists the set's files, whoever made them. It ends early where it is to stop.
func (s *set) look(stop *atomic.Bool) *view {
	begun := time.Now()
	l := &view{hidden: make(map[string]bool)}
	l.err = s.list(l, stop)
	l.took = time.Since(begun)
	return l
}

func (s *set) list(l *view, stop *atomic.Bool) error {
	dir, err := s.dir.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(namesAtOnce)
		for _, file := range names {
			if stop.Load() {
				return errStopped
			}
			s.examine(l, file)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", s.dir.path, err)
		}
	}
}

var errStopped = errors.New("stopped")

// examine enters a file into a listing if it is the set's.
func (s *set) examine(l *view, file string) {
	name, ok := fileset.Parse(file)
	if !ok || name.Set != s.name || !name.IsCapture(s.ext) {
		return
	}
	st, err := s.lstat(s.dir, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		if l.hidden[file] = true; l.why == nil {
			l.why = err
		}
	case !s.ours(st):
		s.log.Debug("left alone: not a regular file of this user alone", "file", file)
	default:
		l.files = append(l.files, found{name, st.Size()})
	}
}

// watch is what the set does while the directory is looked at, which knows better.
type watch struct {
	stop    atomic.Bool
	done    chan *view
	touched map[fileset.Key]bool // files that were begun, written or removed meanwhile
}

// startLook has a goroutine look at the directory: that may take long, and nothing waits for it.
// pending is the name of a file that was made and isn't the set's yet, "" for none.
func (s *set) startLook(pending string) {
	w := &watch{done: make(chan *view, 1), touched: make(map[fileset.Key]bool)}
	s.watch = w
	if s.current >= 0 {
		s.touch(s.files[s.current].name)
	}
	if name, ok := fileset.Parse(pending); ok {
		s.touch(name)
	}
	go func() { w.done <- s.look(&w.stop) }()
}

// looked is where the listing comes from, nil while nobody looks.
func (s *set) looked() <-chan *view {
	if s == nil || s.watch == nil {
		return nil
	}
	return s.watch.done
}

// touch notes that a listing is out of date about a file.
func (s *set) touch(name fileset.File) {
	if s.watch != nil {
		s.watch.touched[name.Key()] = true
	}
}

// endLook ends a look. A disk that doesn't answer isn't waited for: the goroutine ends when it
// does.
func (s *set) endLook() {
	if s.watch == nil {
		return
	}
	s.watch.stop.Store(true)
	select {
	case <-s.watch.done:
	case <-time.After(time.Second):
	}
	s.watch = nil
}

// takeOver brings the list of files up to date with what was seen: files that others removed or
// changed, and those of earlier runs.
func (s *set) takeOver(l *view) {
	touched := map[fileset.Key]bool{}
	if s.watch != nil {
		touched = s.watch.touched
	}
	s.watch, s.lookTook, s.lookEnded = nil, l.took, s.boot()
	if l.err != nil {
		if !s.blind {
			s.log.Warn("the directory can't be listed: what others do to the set isn't seen until it can", "directory", s.dir.path, "error", l.err)
		}
		s.blind = true
		return
	}
	s.blind = false
	s.hide(l)
	known := make(map[fileset.Key]int, len(s.files))
	for i := range s.files {
		known[s.files[i].name.Key()] = i
	}
	files := make([]entry, 0, len(s.files)+1)
	for _, f := range l.files {
		k := f.name.Key()
		if touched[k] {
			continue
		}
		s.last = max(s.last, f.name.Seq)
		e := entry{born: s.origin - s.wall.Sub(f.name.Start), start: f.name.Start, packets: -1}
		if i, ok := known[k]; ok {
			e = s.files[i]
		}
		e.name, e.size = f.name, f.size
		files = append(files, e)
		delete(known, k)
	}
	for i, e := range s.files {
		k := e.name.Key()
		if j, left := known[k]; !left || i != j {
			continue
		}
		if !touched[k] && !l.hidden[e.name.String()] {
			name, _, err := s.find(e.name) // it may have got another name just then
			if errors.Is(err, fs.ErrNotExist) {
				s.miss(e.name.String())
				continue
			}
			e.name = name
		}
		files = append(files, e)
	}
	s.replace(files)
}

// replace puts other files in the place of those that are known.
func (s *set) replace(files []entry) {
	var current fileset.File
	if s.current >= 0 {
		current = s.files[s.current].name
	}
	slices.SortFunc(files, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.name.Seq, b.name.Seq), a.name.Start.Compare(b.name.Start))
	})
	s.files, s.total = files, 0
	for i := range files {
		s.total += files[i].size
		if s.current >= 0 && files[i].name == current {
			s.current = i
		}
	}
}

// hide notes which files can't be examined, and says so of those that could be before.
func (s *set) hide(l *view) {
	first, count := "", 0
	for file := range l.hidden {
		if name, ok := fileset.Parse(file); ok {
			s.last = max(s.last, name.Seq)
		}
		if s.hidden[file] {
			continue
		}
		if count++; first == "" || file < first {
			first = file
		}
	}
	s.hidden = l.hidden
	if count > 0 {
		s.log.Warn("files of the set can't be examined: they are passed over, and not deleted; check the file system (fsck), or move them away", "files", count, "first", filepath.Join(s.dir.path, first), "error", l.why)
	}
}

// passOver notes that a file can't be examined.
func (s *set) passOver(file string, why error) {
	hidden := maps.Clone(s.hidden)
	hidden[file] = true
	s.hide(&view{hidden: hidden, why: why})
}

// damaged reports whether an error is about what a file system, or a disk, has of one file.
func damaged(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EBADMSG) || errors.Is(err, unix.EUCLEAN) || errors.Is(err, unix.ESTALE)
}
