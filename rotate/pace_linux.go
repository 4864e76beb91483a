package rotate

import "time"

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

// afterglow is how many bytes the page cache may hold of the files, so that a burst isn't
// held up by what can wait until it is over: a sixteenth of the memory, 1 GiB at most.
func afterglow() int64 { return min(totalMemory()/16, 1<<30) }

// pieceSize is how much a buffer takes on its way into the page cache, in bytes: little
// enough to be in the processor's caches still when the kernel copies it from there.
const pieceSize = 256 << 10

// pace decides which way full buffers go. Bursts go into the page cache, which takes them
// at the speed of memory: a write past it can't be called back when the disk turns out to be
// busy with something else, and all that comes meanwhile waits behind it. What lasts goes
// past it, as soon as the disk has shown that it keeps up. Where the page cache blocks too,
// buffers wait, and become more.
type pace struct {
	way   way
	until time.Duration // not before that is the disk tried, by the boot clock
	last  time.Duration // when a full buffer went
	tried time.Duration // when the disk was tried last
	pause time.Duration // how long it is left alone
}

const (
	// patience is how many buffers may be in use, the front's and the one that is
	// written among them, before the page cache takes over.
	patience = 8
	// A burst is what began less than burst ago, behind at least as much of quiet.
	burst = 2 * time.Second
	// A disk that did not keep up is left alone for a time: for twice as long whenever it
	// did not keep up for longer than it was left alone before.
	leastPause = time.Second
	mostPause  = time.Minute
	// recheck is how long it takes until a disk that was busy is looked at again: the
	// kernel walks over all pages of the file for that.
	recheck = 250 * time.Millisecond
)

// next is the way of the next bytes, while so many buffers are in use. clear says whether
// the disk has done with what the page cache was given: a write past it would wait behind
// that.
func (p *pace) next(now time.Duration, inUse int, clear func() bool) way {
	quiet := now - p.last
	p.last = now
	switch {
	case p.way == direct && inUse > patience:
		if now-p.tried > p.pause {
			p.pause = 0 // it kept up for longer than it was left alone
		}
		p.pause = min(max(2*p.pause, leastPause), mostPause)
		p.way, p.until = cached, now+p.pause
	case quiet >= burst:
		p.way, p.until = cached, max(p.until, now+burst)
	case p.way == cached && now >= p.until && inUse <= usualBuffers:
		if clear() {
			p.way, p.tried = direct, now
		} else {
			p.until = now + recheck
		}
	}
	return p.way
}

// way is how the next full buffer goes, and whether the front is to fill small ones.
func (b *back) way() way {
	if b.file == nil || b.file.indirect {
		return cached
	}
	w := b.pace.next(b.boot(), b.pool.inUse(), func() bool {
		clear := b.file.clear()
		if !clear && !b.syncer.busy.Load() {
			b.sync()
		}
		return clear
	})
	b.pieces.Store(w == cached)
	return w
}
