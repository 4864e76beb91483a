package input

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"netcap/rotate"
)

// pollInterval is how often one looks whether a file has grown. Asking is a system call
// that takes a microsecond. Being told (inotify(7)) would take a library, and doesn't tell
// of what other machines write to a network's file system.
const pollInterval = 200 * time.Millisecond

// Follow returns a Stream of a file that is still being written: at its end Next waits for
// more, until ctx is done, and then returns io.EOF. A record that is there in part is
// waited for.
//
// What the writer does to bound its files is followed too: after a file of a netcap set
// comes the next one of the set; a file that was renamed is followed by the one that has
// its name now; one that was emptied is read from its beginning. A directory stands for
// the one set in it.
//
// A compressed file is read to its end, and so is what isn't a regular file.
func Follow(ctx context.Context, path string, cfg *Config) (*Stream, error) {
	s := newStream(cfg)
	w := &follower{ctx: ctx, path: path, stdin: s.cfg.Stdin, waiting: s.cfg.Waiting}
	if path != "-" {
		st, err := os.Stat(path)
		if err == nil && st.IsDir() {
			path, err = s.firstOfSet(path)
		}
		if err != nil {
			return nil, fileError(w.path, err)
		}
	}
	w.take(path)
	s.follow = w
	return s, nil
}

// firstOfSet is the first file within the bounds of the one set in a directory.
func (s *Stream) firstOfSet(dir string) (string, error) {
	entries, err := capturesIn(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.set == "" || e.set != entries[0].set {
			return "", errors.New("not one set of captures: name a file of the one to follow")
		}
	}
	last := entries[len(entries)-1]
	if entries = s.choose(entries); len(entries) == 0 {
		return last.path, nil
	}
	return entries[0].path, nil
}

// follower knows what comes after a file.
type follower struct {
	ctx     context.Context
	stdin   io.Reader
	waiting func(time.Duration) // nil for nothing
	since   time.Time           // when one began to wait; zero while there is more

	path string // of the current file
	set  string // empty if it isn't a set's
	seq  uint64

	started bool
	ended   reason
	tail    *tail

	looked time.Time // at the directory
	listed time.Time // its time then
}

// reason is why a file ended.
type reason int

const (
	_         reason = iota
	stopped          // ctx is done
	whole            // it doesn't grow
	renamed          // its name is another file's
	truncated        // it was emptied
	succeeded        // the set has a later file
)

// take makes a path the current one.
func (w *follower) take(path string) {
	w.path, w.set, w.seq, w.listed = path, "", 0, time.Time{}
	if set, _, seq, _, ok := rotate.ParseName(filepath.Base(path)); ok {
		w.set, w.seq = set, seq
	}
}

// goOn puts the next file into the queue, when there is one.
func (s *Stream) goOn() error {
	w := s.follow
	if w.started {
		switch w.ended {
		case truncated, renamed:
		case succeeded:
			next, err := w.next()
			if err != nil {
				return fileError(filepath.Dir(w.path), err)
			}
			if next == "" { // it was deleted meanwhile: wait for another
				return w.wait()
			}
			w.take(next)
		default:
			return io.EOF
		}
	}
	w.started, w.ended = true, 0
	e := &entry{path: w.path, end: math.MaxInt64}
	e.file, e.err = w.open()
	if e.err == nil {
		e.err = s.advance(e)
	}
	s.queue = append(s.queue, e)
	return nil
}

// judge says what is to be reported of a file's end.
func (w *follower) judge(err error) error {
	switch {
	case w.ended == stopped, w.ended == truncated:
		return io.EOF // what it ends in was being written, or is gone
	case w.ended == 0 && w.set != "":
		w.ended = succeeded // it can't be read on: the next one perhaps can
	}
	return err
}

// wait waits a moment. io.EOF says that ctx is done.
func (w *follower) wait() error {
	if w.since.IsZero() {
		w.since = time.Now()
	}
	if w.waiting != nil {
		w.waiting(time.Since(w.since))
	}
	select {
	case <-w.ctx.Done():
		w.ended = stopped
		return io.EOF
	case <-time.After(pollInterval):
		return nil
	}
}

// open opens the current file.
func (w *follower) open() (*File, error) {
	w.tail = nil
	if w.path == "-" {
		w.ended = whole
		return Open(w.path, w.stdin)
	}
	f, err := os.Open(w.path)
	if err != nil {
		return nil, fileError(w.path, err)
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = errors.New("is a directory")
	}
	if err != nil {
		f.Close()
		return nil, fileError(w.path, err)
	}
	if !st.Mode().IsRegular() {
		w.ended = whole
		return newFile(w.path, f, -1, wholeWindow, nil, f.Close)
	}
	w.tail = &tail{f: f, was: st, w: w}
	return newFile(w.path, w.tail, st.Size(), wholeWindow, nil, f.Close)
}

// tail reads a file that grows.
type tail struct {
	f   *os.File
	was fs.FileInfo // tells the file from others
	n   int64
	w   *follower

	compressed bool // it won't grow
}

// Read waits for more at the end of the file, and returns io.EOF when no more will come.
func (t *tail) Read(b []byte) (int, error) {
	over := reason(0)
	for {
		n, err := t.f.Read(b)
		if n > 0 {
			if t.n == 0 {
				t.compressed = CompressionOf(b[:n]) != ""
			}
			t.n += int64(n)
			t.w.since = time.Time{}
			return n, nil
		}
		if err != nil && err != io.EOF {
			return 0, err
		}
		// Whoever goes on to another file has written the last of this one before: it
		// has ended if nothing came since that was seen.
		if over != 0 {
			t.w.ended = over
			return 0, io.EOF
		}
		if over = t.over(); over == 0 {
			if err := t.w.wait(); err != nil {
				return 0, err
			}
		}
	}
}

// over says why nothing more will be written to the file, if so.
func (t *tail) over() reason {
	st, err := t.f.Stat()
	if err == nil && st.Size() < t.n {
		return truncated
	}
	if now, err := os.Stat(t.w.path); err == nil && !os.SameFile(now, t.was) {
		return renamed
	}
	if t.w.set != "" {
		if next, err := t.w.next(); err == nil && next != "" {
			return succeeded
		}
	}
	if t.compressed {
		return whole
	}
	return 0
}

// next returns the file of the set that follows the current one, "" if there is none yet.
func (w *follower) next() (string, error) {
	dir := filepath.Dir(w.path)
	st, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	// The directory is read if it has changed. Its time isn't exact to less than some
	// milliseconds.
	now := time.Now()
	if st.ModTime().Equal(w.listed) && w.looked.Sub(w.listed) > time.Second && w.ended != succeeded {
		return "", nil
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	w.listed, w.looked = st.ModTime(), now
	type candidate struct {
		name string
		seq  uint64
	}
	var later []candidate
	for _, f := range files {
		name := f.Name()
		plain, _ := trimCompression(name)
		set, _, seq, _, ok := rotate.ParseName(name)
		if ok && set == w.set && seq > w.seq && f.Type().IsRegular() && slices.Contains(captureExts, filepath.Ext(plain)) {
			later = append(later, candidate{name, seq})
		}
	}
	if len(later) == 0 {
		return "", nil
	}
	first := slices.MinFunc(later, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(len(a.name), len(b.name)))
	})
	return filepath.Join(dir, first.name), nil
}
