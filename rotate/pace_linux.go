package rotate

import "time"

// way is how bytes get into a file.
type way uint8

const (
	// direct goes past the page cache: the cheapest, while the disk keeps up.
	direct way = iota
	// cached goes into the page cache, which takes what comes at the speed of memory.
	// What brings it to the disk is the kernel, and the syncer. (RWF_DONTCACHE of
	// pwritev2(2) does both in one call, and leaves nothing behind; but where another
	// process writes past the page cache such a call waited for half a second.)
	cached
)

// behindSize is how much goes into the page cache before the syncer is called, in bytes:
// pages that are on the disk are dropped, and used again.
const behindSize = 64 << 20

// pieceSize is how much goes into the page cache at once, in bytes: little enough to be
// in the processor's cache still when the kernel copies it from there.
const pieceSize = 256 << 10

// pace decides which way full buffers go, by how many are in use: each that waits holds
// memory that has to be found and cleared, which the page cache needn't be. So it takes
// what the disk doesn't, and only where that blocks too do more buffers wait.
type pace struct {
	way   way
	until time.Duration // not before that is the disk tried again, by the boot clock
	tried time.Duration // when it was tried last
	pause time.Duration // how long it is left alone
}

const (
	// patience is how many buffers may be in use, the front's and the one that is
	// written among them, before the page cache takes over.
	patience = 8
	// A disk that did not keep up is left alone for a time: for twice as long whenever it
	// did not keep up for longer than it was left alone before.
	leastPause = time.Second
	mostPause  = time.Minute
)

// next is the way of the next bytes, while so many buffers are in use. clear says whether
// the disk has done with what the page cache was given: a write past it would wait behind
// that.
func (p *pace) next(now time.Duration, inUse int, clear func() bool) way {
	switch {
	case p.way == direct && inUse > patience:
		if now-p.tried > p.pause {
			p.pause = 0 // it kept up for longer than it was left alone
		}
		p.pause = min(max(2*p.pause, leastPause), mostPause)
		p.way, p.until = cached, now+p.pause
	case p.way != direct && now >= p.until && inUse <= usualBuffers && clear():
		p.way, p.tried = direct, now
	}
	return p.way
}

// way is how the next bytes go, and whether the front is to hand them over in pieces.
func (b *back) way() way {
	if b.file == nil || b.file.indirect {
		return cached
	}
	w := b.pace.next(b.boot(), b.pool.inUse(), b.file.clear)
	b.pieces.Store(w != direct)
	return w
}
