package rotate

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Writer is the front of a set, a file or a stream. Its methods belong to one
// goroutine at a time, but for Stats and Attention, which any may call.
type Writer struct {
	cfg   Config
	limit int64 // bytes of a segment
	pool  *pool
	back  *back

	buf      *buffer // where the next record goes
	seg      *segment
	begun    bool // a segment was begun before
	reserve  int64
	boundary int64         // no packet from this time on, ns since the epoch, belongs to the segment
	due      time.Duration // the same by the boot clock
	spill    []byte
	closed   bool
}

// Stats is a snapshot of what became of the records.
type Stats struct {
	Written int64  // packets handed to the operating system
	Dropped int64  // packets that could not be written
	Bytes   int64  // bytes written to files, headers and trailers included
	Files   int64  // files begun by this Writer
	Suspect int64  // files of which the disk lost something
	Current string // path of the file being written, "" if there is none
	Set     int64  // bytes of the set's files, earlier runs' included
	SetLen  int    // number of the set's files
	Budget  int64  // bound of Set in bytes, 0 if there is none
	Free    int64  // bytes free on the file system when last looked
	Buffers int64  // bytes of buffers in use
	Paused  bool   // nothing is written for want of room
}

// Open checks directory, bounds and room, begins the first file with its
// header, and starts to write. What it made is removed if it fails.
func Open(cfg *Config) (*Writer, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.WriteBuffer == 0 {
		c.WriteBuffer = min(DefaultWriteBuffer, totalMemory()/16)
	}
	w := &Writer{cfg: c, limit: math.MaxInt64, pool: newPool(c.WriteBuffer)}
	w.back, err = newBack(&w.cfg, w.pool)
	if err != nil {
		return nil, err
	}
	if c.Name != "" {
		w.limit = w.back.lim.segment
	}
	if err := w.start(); err != nil {
		return nil, err
	}
	return w, nil
}

// start begins the first file and sees its header written.
func (w *Writer) start() error {
	err := w.begin(w.cfg.Now())
	if err == nil {
		err = w.back.begin(w.buf)
	}
	if err != nil {
		return errors.Join(err, w.back.abandon())
	}
	go w.back.run()
	return nil
}

// begin starts a segment in an empty buffer.
func (w *Writer) begin(now time.Time) error {
	b, err := w.pool.get()
	if err != nil {
		return err
	}
	w.seg = &segment{start: now}
	w.buf = b
	b.seg = w.seg
	b.data = w.cfg.Header(b.mem[:0], !w.begun || w.cfg.File == "")
	b.head = len(b.data) // a header isn't a record: it stays whole or goes
	b.publish()
	w.begun = true
	w.boundary, w.due = math.MaxInt64, math.MaxInt64
	if w.cfg.Name != "" {
		d := w.cfg.SegmentDuration
		next := now.Truncate(d).Add(d)
		w.boundary, w.due = next.UnixNano(), bootClock()+next.Sub(now)
	}
	return nil
}

// Ready says whether records can be appended: not while there is no room for
// them, when they are to be passed to Discard. It is called before each batch.
// The error is why nothing will be written any more.
func (w *Writer) Ready() (bool, error) {
	if err := w.back.failed(); err != nil {
		return false, err
	}
	if w.seg.dead.Load() {
		if w.back.paused.Load() {
			return false, nil
		}
		w.handOver(true)
		return true, w.open(w.cfg.Now())
	}
	if w.back.rotate.Load() {
		return true, w.Rotate(0)
	}
	return true, nil
}

// open begins a segment and has the back open its file.
func (w *Writer) open(now time.Time) error {
	if err := w.begin(now); err != nil {
		return err
	}
	w.back.ops <- op{open: w.seg}
	w.back.current.Store(w.buf)
	w.Publish()
	return nil
}

// Fits reports whether a record of n bytes and of time ns, in nanoseconds since
// the epoch, belongs to the current file. If not, Rotate comes first.
func (w *Writer) Fits(n int, ns int64) bool {
	return ns < w.boundary && w.buf.off+int64(len(w.buf.data)+n)+w.reserve <= w.limit
}

// Reserve keeps n bytes of each file for its trailer.
func (w *Writer) Reserve(n int) { w.reserve = int64(n) }

// Tail returns the buffer to append one record to, at most MaxRecord bytes. The
// result goes to Commit; nothing else may be kept of it.
func (w *Writer) Tail() []byte { return w.buf.data }

// Commit takes what was appended to Tail: one record, which is a packet or none.
func (w *Writer) Commit(data []byte, packets int) {
	start := len(w.buf.data)
	w.buf.data = data
	w.buf.packets += packets
	if len(data) >= bufferSize {
		w.turnOver(start, packets)
	}
}

// Publish lets the back have what was committed. It is called after each batch.
func (w *Writer) Publish() {
	w.buf.publish()
	w.back.wake()
}

// Rotate ends the current file of a set and begins the next one, for a packet
// of time ns or, if that is 0, for no packet. One file and a stream have no
// next one.
func (w *Writer) Rotate(ns int64) error {
	w.back.rotate.Store(false)
	if w.seg.dead.Load() || w.closed || w.cfg.Name == "" {
		return nil
	}
	now := w.cfg.Now()
	if t := time.Unix(0, ns); ns != 0 && t.After(now) {
		// Packets are ahead of the clock, which was set back: the next boundary
		// is ahead of both, lest each packet begins a file.
		now = t
	}
	w.end()
	return w.open(now)
}

// end writes the trailer and hands the segment over.
func (w *Writer) end() {
	w.Commit(w.cfg.Trailer(w.buf.data, false), 0)
	w.handOver(true)
}

// Discard counts packets that could not be written.
func (w *Writer) Discard(packets int) { w.back.dropped.Add(int64(packets)) }

// Due returns how long it is until the current file has to end by the clock.
func (w *Writer) Due() time.Duration {
	if w.due == math.MaxInt64 {
		return w.due
	}
	return max(0, w.due-bootClock())
}

// Attention tells that Ready has something new to say.
func (w *Writer) Attention() <-chan struct{} { return w.back.attention }

// Close ends the file, waits until all is on the disk, and gives everything
// back. The error says what became of the files if not all went well.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.seg.dead.Load() || w.back.failed() != nil {
		w.handOver(true)
	} else {
		w.end()
	}
	close(w.back.ops)
	<-w.back.done
	return errors.Join(w.back.close(), w.pool.close())
}

// Stats returns what became of the records so far.
func (w *Writer) Stats() Stats { return w.back.stats() }

// turnOver hands a full buffer over. The record that began at start and ends
// behind the buffer goes on in the next one.
func (w *Writer) turnOver(start, packets int) {
	for len(w.buf.data) >= bufferSize {
		b := w.buf
		if len(b.data) > len(b.mem) {
			w.back.fail(fmt.Errorf("rotate: a record of %d bytes: longer than %d", len(b.data)-start, MaxRecord))
			b.data = b.data[:bufferSize]
		}
		w.spill = append(w.spill[:0], b.data[bufferSize:]...)
		next := buffer{seg: b.seg, off: b.off + bufferSize, head: len(w.spill), headStart: b.off + int64(start)}
		if next.head > 0 {
			next.headPackets, next.packets = packets, packets
			b.packets -= packets
		}
		b.data = b.data[:bufferSize]
		w.handOver(false)
		to, err := w.pool.get()
		if err != nil {
			w.back.fail(err)
			to = &buffer{mem: make([]byte, bufferSize+MaxRecord)}
		}
		to.seg, to.off, to.head = next.seg, next.off, next.head
		to.headStart, to.headPackets, to.packets = next.headStart, next.headPackets, next.packets
		to.data = append(to.mem[:0], w.spill...)
		to.publish()
		w.buf = to
		w.back.current.Store(to)
	}
}

// handOver gives the current buffer to the back, which frees it.
func (w *Writer) handOver(last bool) {
	w.buf.publish()
	w.back.current.Store(nil)
	w.back.ops <- op{write: w.buf, last: last}
}

// path names a file for people.
func (c *Config) path(name string) string {
	if c.Stream != nil {
		return "standard output"
	}
	return filepath.Join(c.Dir, name)
}

type atomicError struct{ p atomic.Pointer[error] }

func (e *atomicError) set(err error) { e.p.CompareAndSwap(nil, &err) }

func (e *atomicError) get() error {
	if p := e.p.Load(); p != nil {
		return *p
	}
	return nil
}
