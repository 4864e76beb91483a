package rotate

import "time"

// way is how bytes get into a file.
type way uint8

const (
	// direct goes past the page cache: the cheapest, while the disk keeps up.
	direct way = iota
	// passing goes through the page cache and on to the disk at once, and leaves
	// nothing behind: RWF_DONTCACHE, pwritev2(2). It takes what comes at the speed of
	// memory until the disk's queue is full.
	passing
	// cached goes through the page cache, and to the disk when the kernel likes.
	cached
)

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
	// Buffers in use, the front's and the one that is written among them, from which
	// on the page cache takes over, and from which on it keeps what it takes.
	passingFrom = 8
	cachedFrom  = 16
	// A disk that did not keep up is left alone for a time: for twice as long whenever it
	// did not keep up for longer than it was left alone before.
	leastPause = 250 * time.Millisecond
	mostPause  = time.Minute
)

// next is the way of the next bytes, while so many buffers are in use.
func (p *pace) next(now time.Duration, inUse int) way {
	switch {
	case p.way == direct && inUse > passingFrom:
		if now-p.tried > p.pause {
			p.pause = 0 // it kept up for longer than it was left alone
		}
		p.stalled(passing, now)
	case p.way == passing && inUse > cachedFrom:
		p.stalled(cached, now)
	case p.way != direct && now >= p.until && inUse <= usualBuffers:
		p.way, p.tried = direct, now
	}
	return p.way
}

// stalled has bytes go another way for a time.
func (p *pace) stalled(instead way, now time.Duration) {
	p.pause = min(max(2*p.pause, leastPause), mostPause)
	p.way, p.until = instead, now+p.pause
}

// way is how the next bytes go, and whether the front is to hand them over in pieces.
func (b *back) way() way {
	if b.file == nil || b.file.indirect {
		return cached
	}
	w := b.pace.next(b.boot(), b.pool.inUse())
	b.pieces.Store(w != direct)
	return w
}
