package rotate

import (
	"errors"
	"os"
	"time"

	"netcap/internal/fileset"
)

// next is a file of the set that was made and that nothing is written to yet.
type next struct {
	f    *os.File
	name fileset.File
}

// The next file is tried again after leastRetry, then after twice as long each time.
const (
	leastRetry = 10 * time.Millisecond
	mostRetry  = time.Minute
)

// openNext opens the next file of the set, and lets the one before go. If it can't be made the
// segment goes on in the one before.
func (b *back) openNext(seg *segment) error {
	b.expire()
	n, err := b.takeNext(seg.start)
	if err != nil {
		if b.goOn(seg, err) {
			return nil
		}
		return err
	}
	b.letGo()
	b.set.begin(n.name, seg.start)
	b.opened(n.f, n.name.String(), seg.start)
	b.cfg.Log.Debug("began a file", "file", b.cfg.path(n.name.String()))
	if b.retryAfter > 0 && !b.failing {
		b.cfg.Log.Warn("the next file is begun", "file", b.cfg.path(n.name.String()))
	}
	b.retryAfter = 0
	b.lookAround()
	return nil
}

// takeNext is the next file: the one that was made before, if its name tells the right second.
func (b *back) takeNext(start time.Time) (*next, error) {
	if n := b.next; n != nil {
		b.next = nil
		if n.name.Start.Unix() == start.Unix() {
			return n, nil
		}
		b.discard(n)
	}
	n, err := b.makeNext(start)
	if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, errNoRoom) {
		n, err = b.makeNext(start) // at once: it may have been for a moment
	}
	return n, err
}

// makeNext makes the next file, within the bounds of the set.
func (b *back) makeNext(start time.Time) (*next, error) {
	if err := b.makeNames(); err != nil {
		return nil, err
	}
	if err := b.makeRoom(1, trailerRoom); err != nil {
		return nil, err
	}
	for {
		f, name, err := b.set.create(start)
		if err == nil {
			return &next{f, name}, nil
		}
		if !isFull(err) {
			return nil, err
		}
		if roomErr := b.makeRoomBy(1, err); roomErr != nil {
			return nil, errors.Join(roomErr, err)
		}
		// What is deleted while it waits to be synced keeps its blocks until it is closed.
		b.syncer.settle()
	}
}

// goOn has a segment go on in the file before, whose segment has ended, and reports whether
// that can be.
func (b *back) goOn(seg *segment, err error) bool {
	before := b.ending
	if before == nil || errors.Is(err, ErrFull) {
		b.letGo()
		return false
	}
	b.ending = nil
	seg.joined = true
	seg.base = before.base + before.end
	if !b.cfg.Joins {
		seg.skip = seg.head
		seg.base, seg.end = seg.base-int64(seg.skip), int64(seg.skip)
	}
	before.err = err
	close(before.ended)
	if b.retryAfter == 0 {
		b.retryAfter = leastRetry
		b.cfg.Log.Error("the next file can't be begun: the capture goes on in the one before, beyond its size, until it can", "file", b.cfg.path(b.out.name), "error", err)
	}
	b.retry.Reset(b.retryAfter)
	return true
}

// tryNext makes the next file if that is overdue, and has the front begin it.
func (b *back) tryNext() {
	if b.next != nil || b.retryAfter == 0 || b.last.dead.Load() {
		return
	}
	n, err := b.makeNext(b.cfg.Now())
	if err != nil {
		b.retryAfter = min(2*b.retryAfter, mostRetry)
		b.retry.Reset(b.retryAfter)
		return
	}
	b.next = n
	b.last.renew.Store(true)
	b.call()
}

// discard removes a file that nothing was written to.
func (b *back) discard(n *next) {
	if err := errors.Join(n.f.Close(), b.dir.root.Remove(n.name.String())); err != nil {
		b.cfg.Log.Error("removing an empty file failed", "file", b.cfg.path(n.name.String()), "error", err)
	}
}

// letGo closes the file of the segment that has ended, if there is one.
func (b *back) letGo() {
	seg := b.ending
	if seg == nil {
		return
	}
	b.ending = nil
	b.set.ended(seg.stop, seg.out.packets)
	b.set.finished()
	b.out = nil
	b.syncer.close(seg, seg.stop)
}

// lookAround has the directory be looked at, unless that was done a moment ago: a tenth of the
// time is enough.
func (b *back) lookAround() {
	s := b.set
	if s.watch != nil || b.boot()-s.lookEnded < 9*s.lookTook {
		return
	}
	pending := ""
	if b.next != nil {
		pending = b.next.name.String()
	}
	s.startLook(pending)
}
