package daemon

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// mostLines bounds the lines of an AsyncWriter that wait to be written.
const mostLines = 1000

// An AsyncWriter writes lines in a goroutine, so that nobody who has something to say waits
// for a disk, or for a reader that doesn't read. So many lines wait; of what comes beyond, and
// of what can't be written, the lines are counted, and the count is written before the next
// line that can be. The goroutine stays until the process ends: it may never come back.
type AsyncWriter struct {
	w     io.Writer
	queue chan queued
	lost  atomic.Int64
	left  atomic.Int64 // lines in the queue, and the one under way

	mu   sync.Mutex // of what follows
	gap  gap        // behind the last line in the queue
	note func(lines int64, since time.Time) []byte

	untold gap // the goroutine's: before the line that it writes next
}

// gap is lines that are missing.
type gap struct {
	lines int64
	since time.Time
}

// and is a gap and the one behind it.
func (g gap) and(next gap) gap {
	if g.lines == 0 {
		return next
	}
	return gap{g.lines + next.lines, g.since}
}

// queued is a line and what is missing before it, or something else to do.
type queued struct {
	line   []byte
	before gap
	do     func()
}

// NewAsyncWriter returns one that writes to w, each line by one call.
func NewAsyncWriter(w io.Writer) *AsyncWriter {
	a := &AsyncWriter{w: w, queue: make(chan queued, mostLines)}
	go a.run()
	return a
}

// Note sets what makes the line that tells of missing lines. Without it nothing tells.
func (a *AsyncWriter) Note(note func(lines int64, since time.Time) []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note = note
}

// Write implements io.Writer. It doesn't wait, and doesn't fail.
func (a *AsyncWriter) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case a.queue <- queued{line: bytes.Clone(p), before: a.gap}:
		a.gap = gap{}
		a.left.Add(1)
	default:
		a.gap = a.gap.and(gap{1, time.Now()})
		a.lost.Add(1)
	}
	return len(p), nil
}

// Do has something done by the goroutine that writes, between two lines. It reports whether
// there was room for that.
func (a *AsyncWriter) Do(f func()) bool {
	select {
	case a.queue <- queued{do: f}:
		return true
	default:
		return false
	}
}

// Behind reports whether lines wait, or one is being written.
func (a *AsyncWriter) Behind() bool { return a.left.Load() > 0 }

// Missed is how many lines were lost so far.
func (a *AsyncWriter) Missed() int64 { return a.lost.Load() }

// LastWords waits until all that was written before has gone out, but not longer than d. It
// reports whether it has.
func (a *AsyncWriter) LastWords(d time.Duration) bool {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	done := make(chan struct{})
	select {
	case a.queue <- queued{do: func() { close(done) }}:
	case <-timeout.C:
		return false
	}
	select {
	case <-done:
		return true
	case <-timeout.C:
		return false
	}
}

func (a *AsyncWriter) run() {
	for q := range a.queue {
		if q.do != nil {
			q.do()
		} else {
			a.put(q)
			a.left.Add(-1)
		}
		if len(a.queue) == 0 {
			a.tellLast()
		}
	}
}

// put writes a line, behind what tells of those missing before it.
func (a *AsyncWriter) put(q queued) {
	a.untold = a.untold.and(q.before)
	err := a.tell()
	if err == nil {
		_, err = a.w.Write(q.line)
	}
	if err != nil {
		a.untold = a.untold.and(gap{1, time.Now()})
		a.lost.Add(1)
	}
}

// tellLast tells of missing lines behind which none has come.
func (a *AsyncWriter) tellLast() {
	a.mu.Lock()
	if len(a.queue) == 0 { // else a line has them
		a.untold = a.untold.and(a.gap)
		a.gap = gap{}
	}
	a.mu.Unlock()
	_ = a.tell() // or before the next line
}

// tell writes that lines are missing, if any are.
func (a *AsyncWriter) tell() error {
	a.mu.Lock()
	note := a.note
	a.mu.Unlock()
	if a.untold.lines == 0 || note == nil {
		return nil
	}
	_, err := a.w.Write(note(a.untold.lines, a.untold.since))
	if err == nil {
		a.untold = gap{}
	}
	return err
}
