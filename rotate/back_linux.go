package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// op is what the front asks of the back. Ops are done in order.
type op struct {
	open  *segment // open its file, or
	write *buffer  // write what the front appended to it and free it
	last  bool     // and close its segment
}

// maxOps bounds what waits for the back. Each op but open carries a buffer, and
// there is one open for each last: the pool's bound is reached first.
const maxOps = 1 << 10

// How often the back looks after the set, and while it is paused.
const (
	housekeepingInterval = 10 * time.Second
	resumeInterval       = time.Second
)

// back is the goroutine that does everything that may wait for a disk.
type back struct {
	cfg  *Config
	lim  bounds
	dir  *directory
	set  *set
	pool *pool

	ops       chan op
	current   atomic.Pointer[buffer] // the front's, for flushing
	armed     atomic.Bool            // a wake-up is under way
	dirty     chan struct{}
	attention chan struct{}
	paused    atomic.Bool
	rotate    atomic.Bool // the front should begin another file
	fatal     atomicError
	done      chan struct{}

	single  *file    // the one file of Config.File
	last    *segment // the one that was opened last
	failing bool     // the last segment ended in an error with nothing written
	credit  credit
	syncer  *syncer

	written, dropped, bytes, files, suspect atomic.Int64

	mu   sync.Mutex // of what follows
	snap Stats
}

func newBack(c *Config, p *pool) (*back, error) {
	b := &back{
		cfg: c, pool: p,
		ops: make(chan op, maxOps), dirty: make(chan struct{}, 1), attention: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if c.Stream != nil {
		b.syncer = newSyncer(b)
		return b, nil
	}
	// What can be refused is refused before anything is created.
	total, free, err := usageOf(c.Dir)
	if err != nil {
		return nil, err
	}
	if b.lim, err = c.bounds(total); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(c.Dir); err != nil && free < b.lim.keepFree {
		return nil, b.tooFull(total, free)
	}
	dir, err := openDirectory(c.Dir, c.MakeDir)
	if err != nil {
		return nil, err
	}
	b.dir = dir
	if c.Name != "" {
		b.set, err = openSet(dir, c.Name, c.Now(), c.Log)
	}
	if err == nil {
		err = b.checkRoom(total)
	}
	if err != nil {
		return nil, errors.Join(err, b.release())
	}
	b.syncer = newSyncer(b)
	return b, nil
}

// checkRoom refuses a disk that is too full to begin.
func (b *back) checkRoom(total int64) error {
	err := b.makeRoom(1)
	if !errors.Is(err, errNoRoom) {
		return err
	}
	_, free, err := b.dir.usage()
	if err != nil {
		return err
	}
	return b.tooFull(total, free)
}

func (b *back) tooFull(total, free int64) error {
	return fmt.Errorf("%s: the disk is full: %s of %s are free, and %s are to be kept free: free some room, choose another directory, or lower --keep-free", b.cfg.Dir, Size(free), Size(total), Size(b.lim.keepFree))
}

// begin opens the first file and writes its header, before the goroutine runs.
func (b *back) begin(buf *buffer) error {
	if err := b.open(buf.seg); err != nil {
		return err
	}
	b.current.Store(buf)
	length, packets := buf.taken()
	err := b.put(buf, length, packets)
	if err != nil && b.cfg.Stream == nil {
		err = fmt.Errorf("%s: %w", b.cfg.path(buf.seg.name), err)
	}
	return err
}

// abandon undoes newBack and begin.
func (b *back) abandon() error {
	var err error
	if b.last != nil && b.last.sink != nil {
		err = b.last.sink.close()
		if b.dir != nil {
			err = errors.Join(err, b.dir.root.Remove(b.last.name))
		}
	}
	b.syncer.stop()
	return errors.Join(err, b.release())
}

// release closes what newBack opened.
func (b *back) release() error {
	var err error
	if b.set != nil {
		err = b.set.close()
	}
	if b.dir != nil {
		err = errors.Join(err, b.dir.close())
	}
	return err
}

// close ends the back after run.
func (b *back) close() error {
	err := b.failed()
	if n := b.suspect.Load(); n > 0 {
		err = errors.Join(err, fmt.Errorf("the disk failed while %d file(s) were written: see the log", n))
	}
	return errors.Join(err, b.release())
}

func (b *back) run() {
	defer close(b.done)
	defer b.syncer.stop()
	defer b.finishSingle()
	flush := stoppedTimer()
	sync := stoppedTimer()
	house := time.NewTimer(housekeepingInterval)
	defer house.Stop()
	syncArmed := false
	for {
		select {
		case o, ok := <-b.ops:
			if !ok {
				return
			}
			b.do(o)
		case <-b.dirty:
			flush.Reset(max(0, b.cfg.Flush))
		case <-flush.C:
			b.armed.Store(false)
			b.flush()
		case <-sync.C:
			syncArmed = false
			b.sync()
		case <-house.C:
			b.housekeep()
			house.Reset(b.interval())
		}
		if b.last != nil && b.last.wrote && !syncArmed {
			syncArmed = true
			sync.Reset(b.cfg.Sync)
		}
		if b.paused.Load() {
			house.Reset(resumeInterval)
		}
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

func (b *back) interval() time.Duration {
	if b.paused.Load() {
		return resumeInterval
	}
	return housekeepingInterval
}

// wake has what is published flushed in time.
func (b *back) wake() {
	if b.armed.CompareAndSwap(false, true) {
		b.dirty <- struct{}{} // never waits: one wake-up is under way at most
	}
}

// call has the front ask Ready.
func (b *back) call() {
	select {
	case b.attention <- struct{}{}:
	default:
	}
}

func (b *back) fail(err error) {
	b.fatal.set(err)
	b.call()
}

func (b *back) failed() error { return b.fatal.get() }

func (b *back) do(o op) {
	if o.open != nil {
		if err := b.open(o.open); err != nil {
			b.end(o.open, nil, err)
		}
		return
	}
	buf := o.write
	length, packets := buf.taken()
	if !buf.seg.dead.Load() {
		b.write(buf, length, packets)
	}
	if missing := packets - buf.writtenPackets; missing > 0 {
		b.dropped.Add(int64(missing))
	}
	seg := buf.seg
	if err := b.pool.put(buf); err != nil {
		b.fail(err)
	}
	if o.last {
		b.finish(seg)
	}
}

// flush writes what the front has published of its buffer, if everything before
// it is written.
func (b *back) flush() {
	buf := b.current.Load()
	if buf == nil || buf.seg.dead.Load() {
		return
	}
	if buf.seg.sink == nil || buf.off+int64(buf.written) != buf.seg.end {
		b.wake() // ops come first
		return
	}
	length, packets := buf.taken()
	b.write(buf, length, packets)
}

// write writes a buffer up to length, and deals with what goes wrong.
func (b *back) write(buf *buffer, length, packets int) {
	if length == buf.written {
		buf.writtenPackets = packets
		return
	}
	for {
		err := b.put(buf, length, packets)
		if err == nil {
			return
		}
		if isFull(err) && b.makeRoomBy(int64(length-buf.written)) == nil {
			continue
		}
		b.end(buf.seg, buf, err)
		return
	}
}

// put writes a buffer up to length. Where that fails, buf.written says how much
// of it is on the disk.
func (b *back) put(buf *buffer, length, packets int) error {
	seg := buf.seg
	if err := b.makeRoom(int64(length - buf.written)); err != nil {
		return err
	}
	from := buf.written
	whole := length == bufferSize
	if whole {
		from = 0 // the aligned rewrite covers what was flushed
	}
	n, err := seg.sink.writeAt(buf.mem[from:length], seg.base+buf.off+int64(from), whole)
	grown := max(0, from+n-buf.written)
	buf.written += grown
	seg.end = max(seg.end, buf.off+int64(buf.written))
	seg.wrote = seg.wrote || n > 0
	b.account(seg, int64(grown))
	if err != nil {
		return err
	}
	b.failing = false
	b.count(seg, buf, packets)
	return nil
}

// count notes how many packets of a buffer are written, fewer than before
// perhaps.
func (b *back) count(seg *segment, buf *buffer, packets int) {
	delta := int64(packets - buf.writtenPackets)
	b.written.Add(delta)
	seg.packets += delta
	buf.writtenPackets = packets
}

// account notes how much a segment's file has grown.
func (b *back) account(seg *segment, n int64) {
	b.bytes.Add(n)
	if b.set != nil && len(b.set.files) > 0 {
		b.set.files[len(b.set.files)-1].size = seg.base + seg.end
	}
	b.snapshot()
}

// open opens the file of a segment.
func (b *back) open(seg *segment) error {
	switch {
	case b.cfg.Stream != nil:
		seg.sink = &stream{w: b.cfg.Stream}
	case b.cfg.File != "":
		seg.name = b.cfg.File
		if b.single == nil {
			plain, err := b.dir.create(b.cfg.File)
			if err != nil {
				return b.explainFile(err)
			}
			b.single = newFile(b.dir, plain, b.cfg.File)
			b.files.Add(1)
			if err := b.dir.sync(); err != nil {
				return err
			}
		} else {
			seg.base = b.last.base + b.last.end
		}
		seg.sink = b.single
	default:
		if err := b.set.scan(); err != nil {
			return err
		}
		if err := b.prune(true); err != nil {
			return err
		}
		if err := b.makeRoom(1); err != nil {
			return err
		}
		f, name, err := b.set.create(seg.start, b.cfg.Ext)
		if err != nil {
			return err
		}
		seg.sink, seg.name = f, name
		b.files.Add(1)
		b.cfg.Log.Debug("began a file", "file", b.cfg.path(name))
	}
	b.last = seg
	b.snapshot()
	return nil
}

func (b *back) explainFile(err error) error {
	path := filepath.Join(b.dir.path, b.cfg.File)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w, and nothing is ever overwritten: choose another name, move it away, or give -C, -G or -W to write a set beside it", path, fs.ErrExist)
	}
	return explainDir(b.dir.path, err)
}

// finish closes a segment's file once its last buffer is written. The one file
// of Config.File stays open until the end.
func (b *back) finish(seg *segment) {
	if b.set != nil && seg.sink != nil && !seg.dead.Load() {
		b.syncer.close(seg, false)
	}
}

// finishSingle closes the one file of Config.File.
func (b *back) finishSingle() {
	if b.single != nil {
		b.syncer.close(b.last, false)
	}
}

// end gives a segment up because of err: cuts its file back to the last whole
// record, with a trailer where there is room for one, and decides how it goes
// on. buf is what could not be written whole, nil if nothing was to be.
func (b *back) end(seg *segment, buf *buffer, err error) {
	seg.dead.Store(true)
	log := b.cfg.Log.With("file", b.cfg.path(seg.name), "error", err)
	if buf != nil {
		b.cut(seg, buf)
	}
	damaged := false
	switch {
	case b.cfg.Stream != nil:
		b.fail(err)
	case errors.Is(err, ErrFull):
		b.fail(err)
	case errors.Is(err, unix.EFBIG) && b.cfg.File != "":
		b.fail(fmt.Errorf("%s: %w: raise the limit (ulimit -f), or give -C to write a set of smaller files", b.cfg.path(seg.name), err))
	case isFull(err):
		b.pause()
		log.Error("no room: packets are dropped, and counted, until there is; free some room or lower --disk-budget and --keep-free")
	case errors.Is(err, unix.EFBIG):
		b.failing = b.failing || buf == nil
		log.Warn("the process may not write larger files (ulimit -f); beginning another")
	default:
		if damaged = buf != nil; damaged {
			b.suspect.Add(1)
		}
		if b.failing || !damaged {
			b.pause()
		}
		b.failing = true
		log.Error("writing failed; the file may be damaged, beginning another")
	}
	if b.set != nil && seg.sink != nil {
		b.syncer.close(seg, damaged)
	}
	b.call()
}

// cut makes the file end in a whole record. The trailer takes the place of
// records rather than room which isn't there.
func (b *back) cut(seg *segment, buf *buffer) {
	if b.cfg.Stream != nil {
		return
	}
	trailer := b.cfg.Trailer(nil, true)
	pos, packets := b.keep(buf, buf.written-len(trailer))
	end := pos
	if pos+int64(len(trailer)) <= buf.off+int64(buf.written) {
		if _, err := seg.sink.writeAt(trailer, seg.base+pos, false); err == nil {
			end += int64(len(trailer))
		}
	} else {
		pos, packets = b.keep(buf, buf.written)
		end = pos
	}
	if err := seg.sink.truncate(seg.base + end); err != nil {
		b.cfg.Log.Error("cutting a file back to its last whole record failed; repair it with: netcap repair", "file", b.cfg.path(seg.name), "error", err)
	}
	b.count(seg, buf, packets)
	grown := end - seg.end
	seg.end = end
	b.account(seg, grown)
}

// keep returns where the last whole record ends that lies within the first n
// bytes of a buffer, and the packets up to there that the buffer counts.
func (b *back) keep(buf *buffer, n int) (pos int64, packets int) {
	if n < buf.head {
		return buf.headStart, 0
	}
	whole, packets := b.cfg.Records(buf.mem[buf.head:n])
	return buf.off + int64(buf.head+whole), packets + buf.headPackets
}

func (b *back) pause() {
	b.paused.Store(true)
	b.snapshot()
}

// resume lets the front try again, if there is room.
func (b *back) resume() {
	if !b.paused.Load() || b.failed() != nil {
		return
	}
	if b.dir != nil && b.makeRoom(b.margin()) != nil {
		return
	}
	b.paused.Store(false)
	b.cfg.Log.Info("writing again")
	b.snapshot()
	b.call()
}

// margin is how much must be free before writing goes on: enough not to stop
// again at once, on small file systems too.
func (b *back) margin() int64 {
	total, _, err := b.dir.usage()
	if err != nil {
		return bufferSize
	}
	return min(bufferSize, total/16)
}

func (b *back) housekeep() {
	if b.set != nil {
		if err := b.prune(false); err != nil && !errors.Is(err, errNoRoom) && !errors.Is(err, ErrFull) {
			b.cfg.Log.Error("looking after the set failed", "error", err)
		}
	}
	b.resume()
	b.snapshot()
}

// sync has the last segment synced.
func (b *back) sync() {
	if seg := b.last; seg != nil && seg.wrote && !seg.dead.Load() && b.syncer.sync(seg) {
		seg.wrote = false
	}
}

// isFull reports whether room for bytes or names is what was missing.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, errNoRoom)
}

func (b *back) snapshot() {
	s := Stats{Budget: b.lim.budget, Paused: b.paused.Load()}
	if b.dir != nil {
		if _, free, err := b.dir.usage(); err == nil {
			s.Free = free
		}
	}
	if b.last != nil && b.cfg.Stream == nil {
		s.Current = b.cfg.path(b.last.name)
	}
	switch {
	case b.set != nil:
		s.Set, s.SetLen = b.set.bytes(), len(b.set.files)
	case b.single != nil:
		s.Set, s.SetLen = b.last.base+b.last.end, 1
	}
	b.mu.Lock()
	b.snap = s
	b.mu.Unlock()
}

func (b *back) stats() Stats {
	b.mu.Lock()
	s := b.snap
	b.mu.Unlock()
	s.Written, s.Dropped, s.Bytes = b.written.Load(), b.dropped.Load(), b.bytes.Load()
	s.Files, s.Suspect = b.files.Load(), b.suspect.Load()
	s.Buffers = b.pool.inUse()
	return s
}

// totalMemory is the machine's memory in bytes.
func totalMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 16 * DefaultWriteBuffer
	}
	return int64(info.Totalram) * int64(info.Unit)
}
