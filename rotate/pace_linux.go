package rotate

import (
	"runtime"
	"time"

	"netcap/internal/priority"
)

// way is how bytes get into a file.
type way uint8

const (
	// cached goes into the page cache, which takes what comes at the speed of memory.
	// What brings it to the disk is the kernel, and the syncer. (RWF_DONTCACHE of
	// pwritev2(2) does both in one call, and leaves nothing behind; but where another
	// process writes past the page cache such a call waited for half a second.)
	cached way = iota
	// direct goes past the page cache: the cheapest, while the disk keeps up.
	direct
)

// pieceSize is how much a buffer takes on its way into the page cache, in bytes: little
// enough to be in the processor's caches still when the kernel copies it from there.
const pieceSize = 256 << 10

// pace decides which way full buffers go. Past the page cache is the cheaper way; but such a
// write can't be called back when the disk turns out to be busy with something else, and all
// that comes meanwhile waits behind it. So what comes too fast for that goes into the page
// cache, which takes it at the speed of memory, until the disk has shown that it keeps up;
// and so does all, for a time, when buffers wait. Where the page cache blocks too, more
// buffers wait.
type pace struct {
	limit int64 // bytes a second that may go past the page cache untried

	way   way
	begun time.Duration // when the burst began, by the boot clock as all of these
	last  time.Duration // when a full buffer went
	until time.Duration // not before that is the disk tried
	tried time.Duration // when the disk was tried last
	pause time.Duration // how long it is left alone
	fresh bool          // nothing waited in this burst

	since time.Duration // when the current window began
	bytes int64         // what came in it
	rate  int64         // bytes a second of the window before; 0 at the beginning of a burst
}

const (
	// patience is how many buffers may be in use, the front's and the one that is
	// written among them, before the page cache takes over.
	patience = 8
	// holdUp is how long a write past the page cache may be held up without that more
	// comes than there are buffers for: beside processes that write to the same disk it
	// took up to 0.1 s.
	holdUp = 250 * time.Millisecond
	// window is over how long a rate is measured.
	window = 50 * time.Millisecond
	// A burst begins behind at least as much of quiet, and lasts when it is as old.
	burst = 2 * time.Second
	// A disk that did not keep up is left alone for a time: for twice as long whenever it
	// did not keep up for longer than it was left alone before.
	leastPause = time.Second
	mostPause  = time.Minute
	// recheck is how long it takes until a disk that was busy is looked at again: the
	// kernel walks over all pages of the file for that.
	recheck = 250 * time.Millisecond
)

// next is the way of the next bytes, a full buffer of n, while so many buffers are in use.
// clear says whether the disk has done with what the page cache was given: a write past it
// would wait behind that.
func (p *pace) next(now time.Duration, n, inUse int, clear func() bool) way {
	p.measure(now, n)
	switch {
	case p.way == direct && inUse > patience:
		if now-p.tried > p.pause {
			p.pause = 0 // it kept up for longer than it was left alone
		}
		p.pause = min(max(2*p.pause, leastPause), mostPause)
		p.way, p.until, p.fresh = cached, now+p.pause, false
	case p.way == cached && now >= p.until && inUse <= usualBuffers:
		slow := p.rate > 0 && p.rate <= p.limit
		lasts := now-p.begun >= burst
		switch {
		case p.fresh && slow, (!p.fresh || lasts) && clear():
			p.way, p.tried = direct, now
		case p.fresh && !lasts:
			p.until = now + window
		default:
			p.until = now + recheck
		}
	}
	return p.way
}

// measure keeps the rate. Behind quiet another burst begins, which the page cache takes.
func (p *pace) measure(now time.Duration, n int) {
	if p.last == 0 || now-p.last >= burst {
		p.way, p.begun, p.fresh = cached, now, now >= p.until
		p.since, p.bytes, p.rate = now, 0, 0
		p.until = max(p.until, now+window)
	}
	p.last = now
	p.bytes += int64(n)
	if d := now - p.since; d >= window {
		p.rate = int64(float64(p.bytes) / d.Seconds())
		p.since, p.bytes = now, 0
	}
}

// way is how the next full buffer of n bytes goes, and whether the front is to fill small ones.
func (b *back) way(n int) way {
	if b.file == nil { // a stream, whose reader may be slow
		return cached
	}
	inUse := b.pool.inUse()
	b.keepUp(inUse)
	if b.file.indirect {
		return cached
	}
	w := b.pace.next(b.boot(), n, inUse, func() bool {
		clear := b.file.clear()
		if !clear && !b.syncer.busy.Load() {
			b.sync()
		}
		return clear
	})
	b.pieces.Store(w == cached)
	return w
}

// strain is how many buffers in use say that the back is left behind: the page cache takes
// what comes, if only the back gets to run. Memory is then what is used up.
const strain = 2 * patience

// keepUp has the back go before other threads of the machine while it is left behind.
func (b *back) keepUp(inUse int) {
	switch {
	case b.restore == nil && !b.noPriority && inUse > strain:
		runtime.LockOSThread()
		var err error
		if b.restore, err = priority.Ahead(); err != nil {
			runtime.UnlockOSThread()
			b.noPriority = true
			b.cfg.Log.Debug("no priority for what writes the files", "because", err)
		}
	case b.restore != nil && inUse <= usualBuffers:
		b.restore()
		b.restore = nil
		runtime.UnlockOSThread()
	}
}
