package input

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"netcap/internal/fileset"
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
// comes the next one of the set; a file that was replaced or renamed is read to its end and
// followed by the one that has its name now, and if there is none, that is waited for; one
// that was truncated is read from its beginning, unless nothing was cut off but a record that
// was there in part. Config.Changed is told of all that isn't usual. A directory stands for
// the one set in it.
//
// A compressed file is read to its end, and so is what isn't a regular file.
func Follow(ctx context.Context, path string, cfg *Config) (*Stream, error) {
	s := newStream(cfg)
	w := &follower{ctx: ctx, path: path, stdin: s.cfg.Stdin, waiting: s.cfg.Waiting, changed: s.cfg.Changed}
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
	changed func(path, what string)
	since   time.Time // when one began to wait; zero while there is more

	path string // of the current file
	set  string // empty if it isn't a set's
	seq  uint64

	started bool
	ended   reason
	opened  bool   // a file was
	last    uint64 // of the set, that was
	file    *File  // the current one, once its header was read
	removed bool   // there is no file of its name, and that was said
	known   int64  // up to where packets of the current file were delivered before

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
	cutBack          // a record that was there in part was cut off
	vanished         // there was none of its name any more when it was to be opened
	succeeded        // the set has a later file
)

// take makes a path the current one.
func (w *follower) take(path string) {
	w.path, w.set, w.seq, w.listed, w.known = path, "", 0, time.Time{}, 0
	if _, f, ok := fileset.ParsePath(path); ok {
		w.set, w.seq = f.Set, f.Seq
	}
}

// goOn puts the next file into the queue, when there is one.
func (s *Stream) goOn() error {
	w := s.follow
	if w.started {
		switch w.ended {
		case truncated:
			w.known = 0
			w.say("it was truncated: it is read again from its beginning")
		case cutBack:
		case renamed:
			w.known = 0
			w.say("another file has its name now: that is read on")
		case vanished:
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
	e := &entry{path: w.path, end: math.MaxInt64, known: w.known}
	w.file = nil
	e.file, e.err = w.open()
	if w.opened && errors.Is(e.err, fs.ErrNotExist) {
		return w.vanish()
	}
	if w.opened && w.set != "" {
		w.sayMissing()
	}
	w.opened, w.removed, w.file, w.last = true, false, e.file, w.seq
	if e.err == nil {
		e.err = s.advance(e)
	}
	s.queue = append(s.queue, e)
	return nil
}

// vanish waits after a file that was there isn't any more when it is to be opened. Of a set
// another one may be, the same one compressed for instance.
func (w *follower) vanish() error {
	w.ended = vanished
	if w.set != "" {
		w.ended, w.seq = succeeded, w.last
	} else if !w.removed {
		w.removed = true
		w.sayRemoved()
	}
	return w.wait()
}

// judge says what is to be reported of a file's end.
func (w *follower) judge(err error) error {
	switch {
	case w.ended == stopped, w.ended == truncated, w.ended == cutBack:
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
	return newFile(w.path, &tail{f: f, was: st, w: w}, st.Size(), wholeWindow, nil, f.Close)
}

// tail reads a file that grows.
type tail struct {
	f   *os.File
	was fs.FileInfo // tells the file from others
	n   int64
	w   *follower

	compressed bool // it won't grow

	// Of the moment when it began to wait: the bytes before where it is, and those before
	// the end of the last whole record, and where that is.
	waited      bool
	end, anchor []byte
	wholeUpTo   int64
}

// Read waits for more at the end of the file, and returns io.EOF when no more will come.
func (t *tail) Read(b []byte) (int, error) {
	over := reason(0)
	for {
		n, err := t.f.Read(b)
		if n > 0 && t.waited {
			if reason := t.rewritten(); reason != 0 {
				t.w.ended = reason
				return 0, io.EOF
			}
			t.waited = false
		}
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
			t.mark()
			if err := t.w.wait(); err != nil {
				return 0, err
			}
		}
	}
}

// mark remembers what the file was like when it began to wait.
func (t *tail) mark() {
	if t.waited {
		return
	}
	t.waited, t.end, t.anchor = true, t.before(t.n), nil
	if !t.compressed && t.w.file != nil {
		t.wholeUpTo = t.w.file.Offset()
		t.anchor = t.before(t.wholeUpTo)
	}
}

// before are some bytes of the file that stand before an offset, fewer where it ends before
// that.
func (t *tail) before(off int64) []byte {
	b := make([]byte, min(off, mostBefore))
	n, _ := t.f.ReadAt(b, off-int64(len(b)))
	return b[:n]
}

const mostBefore = 64

// has reports whether the bytes before an offset still are what they were. Those of a file that
// was cut in the moment in which they were remembered are none.
func (t *tail) has(off int64, was []byte) bool {
	return int64(len(was)) == min(off, mostBefore) && bytes.Equal(t.before(off), was)
}

// rewritten says what became of the file if the bytes before where it is aren't those that
// were read there: who truncates a file may have written more since.
func (t *tail) rewritten() reason {
	switch {
	case t.has(t.n, t.end):
		return 0
	case t.anchor != nil && t.has(t.wholeUpTo, t.anchor):
		t.w.known = t.wholeUpTo
		return cutBack
	}
	return truncated
}

// over says why nothing more will be written to the file, if so.
func (t *tail) over() reason {
	st, err := t.f.Stat()
	if err == nil && st.Size() < t.n {
		if !t.waited {
			return truncated
		}
		return t.rewritten()
	}
	now, err := os.Stat(t.w.path)
	if err == nil && !os.SameFile(now, t.was) {
		return renamed
	}
	gone := errors.Is(err, fs.ErrNotExist)
	if t.w.set != "" {
		if next, err := t.w.next(); err == nil && next != "" {
			return succeeded
		}
	}
	if t.compressed {
		return whole
	}
	if gone && !t.w.removed {
		t.w.removed = true
		t.w.sayRemoved()
	}
	return 0
}

// say tells what became of the current file.
func (w *follower) say(what string) {
	if w.changed != nil {
		w.changed(w.path, what)
	}
}

func (w *follower) sayRemoved() {
	if w.set != "" {
		w.say("it was removed: the next file of the set is waited for")
	} else {
		w.say("it was removed: another one of its name is waited for")
	}
}

// sayMissing tells of files of the set between the last one that was read and the current one.
func (w *follower) sayMissing() {
	from := w.last + 1
	if w.seq <= from {
		return
	}
	switch missing := w.seq - from; missing {
	case 1:
		w.say(fmt.Sprintf("the file before it, number %d, is missing: it was deleted before it could be read", from))
	default:
		w.say(fmt.Sprintf("the %d files before it, from number %d on, are missing: they were deleted before they could be read", missing, from))
	}
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
	files, err := fileset.List(dir, w.set)
	if err != nil {
		return "", err
	}
	w.listed, w.looked = st.ModTime(), now
	for _, f := range files {
		plain, _ := trimCompression(f.Name())
		if f.Seq > w.seq && f.Type().IsRegular() && slices.Contains(captureExts, filepath.Ext(plain)) {
			return filepath.Join(dir, f.Name()), nil
		}
	}
	return "", nil
}
