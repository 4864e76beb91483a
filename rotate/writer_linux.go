package rotate

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Writer is the front of a set, a file or a stream. Its methods belong to one
// goroutine at a time, but for Stats and Attention, which any may call.
type Writer struct {
	cfg    Config
	limit  int64 // bytes of a segment
	memory *memory
	pool   *pool
	back   *back

	buf      *buffer // where the next record goes
	ahead    bool    // a buffer for what comes behind it is seen to
	seg      *segment
	begun    bool // a segment was begun before
	reserve  int64
	boot     func() time.Duration
	boundary int64         // no packet from this time on, ns since the epoch, belongs to the segment
	due      time.Duration // the same by the boot clock
	spill    []byte
	closed   bool
}

// Open checks directory, bounds and room, begins the first file with its
// header, and starts to write. What it made is removed if it fails.
func Open(cfg *Config) (*Writer, error) {
	return open(cfg, realMachine())
}

func open(cfg *Config, m machine) (*Writer, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Writer{cfg: c, limit: math.MaxInt64, boot: m.boot, memory: openMemory(m.self)}
	if w.pool, err = w.memory.pool(c.WriteBuffer); err != nil {
		return nil, errors.Join(err, w.memory.close())
	}
	if w.back, err = newBack(&w.cfg, w.pool, w.memory, m); err != nil {
		return nil, errors.Join(err, w.giveBack())
	}
	if c.Name != "" {
		w.limit = w.back.lim.segment
	}
	w.begin(c.Now())
	if err := w.back.begin(w.buf); err != nil {
		err = errors.Join(err, w.back.abandon())
		w.pool.put(w.buf)
		return nil, errors.Join(err, w.giveBack())
	}
	w.back.sayLowered()
	go w.back.run()
	return w, nil
}

// begin starts a segment in an empty buffer.
func (w *Writer) begin(now time.Time) {
	w.seg = &segment{start: now, ended: make(chan struct{})}
	b := w.take(0, 0)
	b.data = w.cfg.Header(b.mem[:0], !w.begun || w.cfg.File == "")
	b.head = len(b.data) // a header isn't a record: it stays whole or goes
	w.seg.head = b.head
	b.publish()
	w.begun = true
	w.boundary, w.due = math.MaxInt64, math.MaxInt64
	if w.cfg.Name != "" {
		ns, d := now.UnixNano(), int64(w.cfg.SegmentDuration)
		w.boundary = (ns/d + 1) * d
		w.due = w.boot() + time.Duration(w.boundary-ns)
	}
}

// take makes an empty buffer the current one, for what stands at off in the segment: that
// many bytes at once, and what follows them.
func (w *Writer) take(off int64, bytes int) *buffer {
	b, inUse := w.pool.get()
	b.seg, b.off = w.seg, off
	// It ends where a write past the page cache could begin.
	b.limit = bufferSize - int(off%bufferSize)
	if w.back.pieces.Load() && inUse <= usualBuffers { // else what waits holds what it can
		b.limit = min(b.limit, pieceSize)
	}
	for b.limit <= bytes {
		b.limit += pieceSize
	}
	w.buf, w.ahead = b, false
	return b
}

// Ready says whether records can be appended: not while there is no room for
// them, when they are to be passed to Discard. It is called before each batch.
// The error is why nothing will be written any more.
func (w *Writer) Ready() (bool, error) {
	switch err := w.back.fatal.get(); {
	case w.closed:
		return false, os.ErrClosed
	case err != nil:
		return false, err
	case w.seg.dead.Load() && w.back.paused.Load():
		return false, nil
	case w.seg.dead.Load():
		w.handOver(true)
		w.open(w.cfg.Now())
	case w.seg.renew.Load():
		return true, w.Rotate(0)
	}
	return true, nil
}

// open begins a segment and has the back open its file.
func (w *Writer) open(now time.Time) {
	w.begin(now)
	w.back.ops <- op{open: w.seg}
	w.back.current.Store(w.buf)
	w.Publish(0)
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
	if len(data) >= w.buf.limit {
		w.turnOver(start, packets)
	}
}

// Publish lets the back have what was committed. It is called after each batch, with the
// age of the oldest record of it: within Config.Flush of that it is handed to the operating
// system.
func (w *Writer) Publish(age time.Duration) {
	w.buf.publish()
	w.back.wake(age)
	if !w.ahead && len(w.buf.data) >= w.buf.limit/4 {
		w.ahead = true
		w.pool.ahead()
	}
}

// Flush publishes, and has the back hand that to the operating system without
// waiting for Config.Flush to pass.
func (w *Writer) Flush() {
	w.buf.publish()
	w.back.hurry()
}

// Rotate ends the current file of a set and begins the next one, for a packet
// of time ns or, if that is 0, for no packet. One file and a stream have no
// next one.
func (w *Writer) Rotate(ns int64) error {
	if w.seg.dead.Load() || w.closed || w.cfg.Name == "" {
		return nil
	}
	now := w.cfg.Now()
	if t := time.Unix(0, ns); ns != 0 && t.After(now) {
		// Packets are ahead of the clock, which was set back: the next boundary
		// is ahead of both, lest each packet begins a file.
		now = t
	}
	w.end(now) // the next begins where it ends
	w.open(now)
	return nil
}

// Ending tells when the current file of a set has ended.
func (w *Writer) Ending() Ending { return Ending{w.seg} }

// end writes the trailer and hands the segment over.
func (w *Writer) end(now time.Time) {
	w.seg.stop = now
	w.Commit(w.cfg.Trailer(w.buf.data), 0)
	w.handOver(true)
}

// Discard counts packets that could not be written.
func (w *Writer) Discard(packets int) { w.back.dropped.Add(int64(packets)) }

// Due returns how long it is until the current file has to end by the clock.
func (w *Writer) Due() time.Duration {
	if w.due == math.MaxInt64 {
		return w.due
	}
	return max(0, w.due-w.boot())
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
	if w.seg.dead.Load() {
		w.handOver(true)
	} else {
		w.end(w.cfg.Now())
	}
	close(w.back.ops)
	<-w.back.done
	return errors.Join(w.back.close(), w.giveBack())
}

// giveBack ends what holds memory, once nobody uses it.
func (w *Writer) giveBack() error { return errors.Join(w.pool.close(), w.memory.close()) }

// Stats returns what became of the records so far.
func (w *Writer) Stats() Stats { return w.back.stats() }

// turnOver hands a full buffer over. The record that began at start and ends
// behind the buffer goes on in the next one.
func (w *Writer) turnOver(start, packets int) {
	b := w.buf
	if len(b.data) > b.limit+MaxRecord {
		// append may have had to move it: the buffer holds what was there before.
		w.refuse(start, packets)
		return
	}
	w.spill = append(w.spill[:0], b.data[b.limit:]...)
	off, headStart := b.off+int64(b.limit), b.off+int64(start)
	if len(w.spill) == 0 {
		headStart, packets = off, 0 // the record ends with the buffer
	}
	b.data = b.data[:b.limit]
	b.packets -= packets
	w.handOver(false)
	next := w.take(off, len(w.spill))
	next.data = append(next.mem[:0], w.spill...)
	next.head, next.headStart, next.headPackets = len(w.spill), headStart, packets
	next.packets = packets
	next.publish()
	w.back.current.Store(next)
}

// refuse takes back a record that is too long. Its author must mend that.
func (w *Writer) refuse(start, packets int) {
	b := w.buf
	n := len(b.data) - start
	b.data = b.mem[:start]
	b.packets -= packets
	w.back.dropped.Add(int64(packets))
	w.back.fatal.set(fmt.Errorf("rotate: a record of %d bytes: longer than %d", n, MaxRecord))
	w.back.call()
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
