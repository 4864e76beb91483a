package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// op is what the front asks of the back. Ops are done in order.
type op struct {
	open  *segment // open its file, or
	write *buffer  // write what the front appended to it and free it
	last  bool     // and close its segment
}

// How often the back looks after the set, and while it is paused.
const (
	housekeepingInterval = 30 * time.Second
	resumeInterval       = time.Second
)

// machine is what tests put something else in place of.
type machine struct {
	boot   func() time.Duration            // a clock that nobody can set
	ring   func() (*uring, error)          // for the files of one Writer
	sink   func(f *file, name string) sink // of a file that was made
	create func(d *directory, name string) (*os.File, error)
	lstat  func(d *directory, name string) (fs.FileInfo, error)
	self   string // of proc(5): says what memory there is
}

func realMachine() machine {
	return machine{
		boot: bootClock, ring: newURing,
		sink:   func(f *file, _ string) sink { return f },
		create: (*directory).create,
		self:   self,
		lstat:  func(d *directory, name string) (fs.FileInfo, error) { return d.root.Lstat(name) },
	}
}

// back is the goroutine that does everything that may wait for a disk.
type back struct {
	machine
	cfg  *Config
	lim  bounds
	dir  *directory
	set  *set
	pool *pool

	ops       chan op
	current   atomic.Pointer[buffer] // the front's, for flushing
	epoch     time.Time
	due       atomic.Int64  // when the next flush is due, ns since epoch; never while nothing is published
	dirty     chan struct{} // due is earlier than it was
	now       chan struct{} // a flush is asked for
	attention chan struct{}
	paused    atomic.Bool
	full      atomic.Bool // what failed last failed for want of room
	fatal     atomicError // why nothing will be written any more
	fault     atomicError // what the disk failed with first
	done      chan struct{}

	file       *file // what out writes to, nil for a stream
	pace       pace
	pieces     atomic.Bool // the front is to hand over buffers that hold little
	memory     *memory
	maxBacklog atomic.Int64  // how many bytes the page cache may hold
	bufferSaid int64         // bound of the buffers that was last told of
	restore    func()        // ends its priority; nil while it has none
	noPriority bool          // the machine gives it none
	uring      *uring        // nil where there is none
	out        *output       // the file that is being written, nil between two
	last       *segment      // the one that was opened last
	ending     *segment      // has ended, and its file is open until the next one is
	next       *next         // made ahead, nil mostly
	retry      *time.Timer   // of making it
	retryAfter time.Duration // 0 while files can be begun
	failing    bool          // segments end in errors, and no packet was written since
	house      *time.Timer
	credit     credit
	free       int64 // bytes of the file system, when that was last told
	blind      bool  // it isn't told any more
	began      int64 // bytes that were free, or the set's, at the start
	kept       bool  // it is paused for the sake of Config.KeepAtLeast
	// complained is when it was last complained that the set exceeds its bounds, by the boot clock.
	complained time.Duration
	syncer     *syncer

	written, dropped, bytes, files, suspect atomic.Int64

	mu   sync.Mutex // of what follows
	snap Stats
}

func newBack(c *Config, p *pool, mem *memory, m machine) (*back, error) {
	b := &back{
		machine: m, cfg: c, pool: p, memory: mem, epoch: time.Now(),
		// Each write holds a buffer, and there is one open for each last write
		// and one more: the front never waits to send, but for a buffer.
		ops:   make(chan op, 2*p.ceiling+1),
		dirty: make(chan struct{}, 1), now: make(chan struct{}, 1), attention: make(chan struct{}, 1), done: make(chan struct{}),
	}
	b.due.Store(never)
	b.retry = stoppedTimer()
	b.remember()
	b.syncer = newSyncer(b)
	var err error
	if c.Stream == nil {
		err = b.prepare()
		b.uring = b.openURing()
	}
	if err != nil {
		return nil, errors.Join(err, b.abandon())
	}
	return b, nil
}

// close ends the back after run.
func (b *back) close() error {
	err := b.fatal.get()
	if fault := b.fault.get(); fault != nil {
		err = errors.Join(err, fmt.Errorf("the disk failed, and %d file(s) may be damaged: see the log: %w", b.suspect.Load(), fault))
	}
	return errors.Join(err, b.release())
}

func (b *back) run() {
	defer close(b.done)
	defer b.syncer.stop()
	defer func() {
		b.letGo()
		if b.out != nil { // the one file of Config.File
			b.syncer.close(b.last, b.cfg.Now())
		}
		if b.next != nil {
			b.discard(b.next)
		}
	}()
	flush := stoppedTimer()
	sync := stoppedTimer()
	b.house = time.NewTimer(housekeepingInterval)
	defer b.house.Stop()
	defer b.retry.Stop()
	syncArmed := false
	for {
		select {
		case o, ok := <-b.ops:
			if !ok {
				return
			}
			b.do(o)
		case <-b.dirty:
			flush.Reset(time.Duration(b.due.Load()) - time.Since(b.epoch))
		case <-b.now:
			b.flush()
		case <-flush.C:
			b.due.Store(never)
			b.flush()
		case <-sync.C:
			syncArmed = false
			b.sync()
		case <-b.house.C:
			b.housekeep()
			b.house.Reset(b.interval())
		case <-b.retry.C:
			b.tryNext()
		case l := <-b.set.looked():
			b.set.takeOver(l)
		}
		if b.out != nil && b.out.wrote && !syncArmed {
			syncArmed = true
			// What was written now may have waited for its flush before.
			sync.Reset(b.cfg.Sync - max(0, b.cfg.Flush))
		}
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

func (b *back) interval() time.Duration {
	switch {
	case !b.paused.Load():
		return housekeepingInterval
	case b.retryAfter > 0:
		return b.retryAfter
	}
	return resumeInterval
}

// never is when a flush is due while nothing is published.
const never = math.MaxInt64

// wake has what is published, and is of some age, flushed in time.
func (b *back) wake(age time.Duration) {
	due := int64(time.Since(b.epoch) + max(0, b.cfg.Flush-age))
	for {
		before := b.due.Load()
		if due >= before {
			return
		}
		if b.due.CompareAndSwap(before, due) {
			break
		}
	}
	select {
	case b.dirty <- struct{}{}:
	default: // it will look at this one
	}
}

// hurry has what is published flushed now.
func (b *back) hurry() {
	select {
	case b.now <- struct{}{}:
	default: // that is asked for already, and will see this too
	}
}

// call has the front ask Ready.
func (b *back) call() {
	select {
	case b.attention <- struct{}{}:
	default:
	}
}

func (b *back) do(o op) {
	if o.open != nil {
		if err := b.open(o.open); err != nil {
			b.end(o.open, nil, err)
		}
		return
	}
	buf := o.write
	buf.skip()
	length, packets := buf.taken()
	if !buf.seg.dead.Load() {
		b.write(buf, length, packets)
	}
	if missing := packets - buf.writtenPackets; missing > 0 {
		b.dropped.Add(int64(missing))
	}
	if o.last {
		b.finish(buf.seg)
	}
	b.pool.put(buf)
}

// flush writes what the front has published of its buffer, if everything before
// it is written.
func (b *back) flush() {
	buf := b.current.Load()
	if buf == nil || buf.seg.dead.Load() {
		return
	}
	buf.skip()
	if buf.seg.out == nil || buf.off+int64(buf.written) != buf.seg.end {
		b.wake(0) // ops come first
		return
	}
	length, packets := buf.taken()
	b.write(buf, length, packets)
}

// write writes a buffer up to length, and deals with what goes wrong.
func (b *back) write(buf *buffer, length, packets int) {
	if length == buf.written {
		return
	}
	for {
		err := b.put(buf, length, packets)
		if err == nil {
			return
		}
		if isFull(err) {
			roomErr := b.makeRoomBy(int64(length-buf.written), err)
			if roomErr == nil {
				continue
			}
			if errors.Is(roomErr, ErrFull) || errors.Is(roomErr, errKept) {
				err = roomErr
			}
		}
		b.end(buf.seg, buf, err)
		return
	}
}

// put writes a buffer up to length. Where that fails, buf.written says how much
// of it is on the disk.
func (b *back) put(buf *buffer, length, packets int) error {
	seg := buf.seg
	if err := b.makeRoom(int64(length-buf.written), trailerRoom); err != nil {
		return err
	}
	from, w := buf.written, cached
	if length == buf.limit {
		w = b.way(length)
	}
	if length < bufferSize || seg.base+int64(seg.skip) > 0 {
		w = cached // only what is aligned goes past the page cache
	}
	if w == direct {
		from = 0 // the aligned rewrite covers what was flushed
	}
	n, err := seg.out.writeAt(buf.mem[from:length], seg.base+buf.off+int64(from), w)
	grown := max(0, from+n-buf.written)
	buf.written += grown
	seg.out.wrote = seg.out.wrote || n > 0
	b.credit.spend(int64(grown))
	b.account(seg, buf.off+int64(buf.written))
	if err != nil {
		return err
	}
	if b.file != nil && b.file.backlog() >= b.maxBacklog.Load()+stepSize && !b.syncer.busy.Load() {
		b.syncer.writeBehind(seg)
	}
	b.count(seg, buf, packets)
	if b.failing && seg.packets > 0 {
		b.failing = false
		b.cfg.Log.Info("writing again", "file", b.cfg.path(seg.out.name))
	}
	return nil
}

// count notes how many packets of a buffer are written, fewer than before
// perhaps.
func (b *back) count(seg *segment, buf *buffer, packets int) {
	delta := int64(packets - buf.writtenPackets)
	b.written.Add(delta)
	seg.packets += delta
	seg.out.packets += delta
	buf.writtenPackets = packets
}

// account notes up to where a segment's file is written.
func (b *back) account(seg *segment, end int64) {
	b.bytes.Add(end - seg.end)
	seg.end = end
	if b.set != nil {
		b.set.grown(seg.base + end)
	}
	b.snapshot()
}

// finish has a segment's file closed, as soon as the next one is open, once its last buffer is
// written. The one file of Config.File stays open until the end.
func (b *back) finish(seg *segment) {
	if b.set != nil && !seg.dead.Load() {
		b.ending = seg
	}
}

func (b *back) housekeep() {
	b.remember()
	if b.set != nil {
		b.renewUnnamed()
		b.lookAround()
		b.set.refreshHolds()
		b.expire()
		if err := b.makeRoom(0, 0); err != nil && !isFull(err) && !errors.Is(err, ErrFull) {
			b.cfg.Log.Error("looking after the set failed", "error", err)
		}
	}
	b.resume()
	b.snapshot()
}

// renewUnnamed has another file begun where the one that is being written was removed: what
// goes into it is lost.
func (b *back) renewUnnamed() {
	if b.out == nil || b.file == nil || b.last.renew.Load() {
		return
	}
	if st, err := b.file.f.Stat(); err != nil || st.Sys().(*syscall.Stat_t).Nlink > 0 {
		return
	}
	b.cfg.Log.Error("the file that is being written was removed, and what is in it is lost: beginning another", "file", b.cfg.path(b.out.name))
	b.last.renew.Store(true)
	b.call()
}

// sync has the file that is being written synced.
func (b *back) sync() {
	b.pool.trim()
	if b.out != nil && b.out.wrote && b.syncer.sync(b.last) {
		b.out.wrote = false
	}
}
