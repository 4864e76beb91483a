package rotate

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// errNoRoom says that what is to be kept free would not be, or that files which
// should go can't be deleted.
var errNoRoom = errors.New("no room")

// isFull reports whether room for bytes or names is what was missing.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, errNoRoom)
}

// errKept says that what could go is kept by Config.KeepAtLeast.
var errKept = fmt.Errorf("%w: the rest of the set is kept by --keep-at-least", errNoRoom)

// errAllHeld says that all files that could go are held.
var errAllHeld = errors.New("the older files are all held (netcap hold lists them)")

// heldUp reports whether the files on hold leave the bounds of the set no room for one
// file that is written and one that is kept. Then only keep-free bounds the set.
func (b *back) heldUp() bool {
	b.set.refreshHolds()
	n, bytes := b.set.heldFiles()
	if n == 0 || bytes+2*b.lim.segment <= b.lim.budget && (b.cfg.SegmentCount == 0 || n+2 <= b.cfg.SegmentCount) {
		return false
	}
	b.complainOfHolds()
	return true
}

// complainOfHolds says that the bounds of the set are exceeded for the sake of what is
// held: once, and again each hour.
func (b *back) complainOfHolds() {
	if b.hourly() {
		_, held := b.set.heldFiles()
		b.cfg.Log.Error("files on hold fill the bounds of the set: it grows beyond them, as long as keep-free allows; release holds that are no longer needed, or raise --disk-budget",
			"held", Size(held), "budget", Size(b.lim.budget))
	}
}

// complainOfSize says that the budget is exceeded for the sake of what is kept: the oldest file
// is so large, of an earlier run perhaps, that less would be left. It goes when the newer ones
// are enough.
func (b *back) complainOfSize() {
	if b.hourly() {
		b.cfg.Log.Warn("without the oldest file less than --keep-at-least would be left: the set grows beyond its budget until the newer ones are enough",
			"keep-at-least", Size(b.lim.atLeast), "set", Size(b.set.bytes()), "budget", Size(b.lim.budget))
	}
}

// hourly is true once an hour.
func (b *back) hourly() bool {
	now := b.boot()
	if b.complained != 0 && now-b.complained < time.Hour {
		return false
	}
	b.complained = now
	return true
}

// credit is what was deleted lately and doesn't show as free yet: file systems
// free space in the background, and files that somebody reads only when closed.
// Without it, more would be deleted than needed.
type credit struct {
	deleted []deletion
	free    int64 // what will be free once all of that shows
}

type deletion struct {
	bytes int64
	until time.Duration // by the boot clock
}

// creditTime is how long deleted bytes are expected to take to become free.
const creditTime = 5 * time.Second

// add notes n bytes that were deleted when free bytes were free.
func (c *credit) add(now time.Duration, free, n int64) {
	c.free = free + c.left(now, free) + n
	c.deleted = append(c.deleted, deletion{n, now + creditTime})
}

// spend notes n bytes that were written.
func (c *credit) spend(n int64) { c.free -= n }

// left returns how many bytes are still to become free, when free bytes are.
// What others write meanwhile looks the same, hence the bound, and nothing is
// expected any more once all was seen.
func (c *credit) left(now time.Duration, free int64) int64 {
	if free >= c.free {
		c.deleted = nil
	}
	for len(c.deleted) > 0 && c.deleted[0].until <= now {
		c.deleted = c.deleted[1:]
	}
	var bound int64
	for _, d := range c.deleted {
		bound += d.bytes
	}
	return min(max(c.free-free, 0), bound)
}

// freeBytes is what is free on the file system. Where that isn't told it is what it was: whether
// there is room shows when it is written.
func (b *back) freeBytes() int64 {
	_, free, err := b.dir.usage()
	if err == nil {
		b.free, b.blind = free, false
		return free
	}
	if !b.blind {
		b.blind = true
		b.cfg.Log.Error("what is free on the disk can't be told: going on as if it were what it was", "free", Size(b.free), "error", err)
	}
	return b.free
}

// makeRoom sees that n more bytes can be written within budget and keep-free,
// with spare bytes left of the latter, and deletes the oldest files of the set
// for it.
func (b *back) makeRoom(n, spare int64) error {
	if b.dir == nil {
		return nil
	}
	for b.set != nil && b.set.bytes()+n > b.lim.budget && !b.heldUp() {
		_, err := b.delete(ByBudget)
		if errors.Is(err, errAllHeld) {
			b.complainOfHolds()
			break
		}
		if errors.Is(err, errKept) && b.lim.atLeast > 0 {
			b.complainOfSize()
			break
		}
		if err != nil {
			return err
		}
	}
	for {
		free := b.freeBytes()
		if free+b.credit.left(b.boot(), free)-n-spare >= b.lim.keepFree {
			return nil
		}
		if _, err := b.deleteSome(ByKeepFree); err != nil {
			return err
		}
	}
}

// makeRoomBy deletes the oldest files, n bytes together, though the bounds
// don't call for it: the file system is full nevertheless. Where it refuses though there is
// room, deleting would not help, and nothing goes. A quota is of this user's files alone.
func (b *back) makeRoomBy(n int64, refusal error) error {
	if free := b.freeBytes(); free >= n+b.margin() && !errors.Is(refusal, unix.EDQUOT) {
		return fmt.Errorf("%w: the file system refuses though %s are free, and nothing is deleted for that: see whether it has inodes left (df -i)", errNoRoom, Size(free))
	}
	if b.credit.left(b.boot(), b.freeBytes()) >= max(n, bufferSize) {
		return fmt.Errorf("%w: what was deleted isn't free yet", errNoRoom)
	}
	for n > 0 {
		freed, err := b.deleteSome(ByFullDisk)
		if err != nil {
			return err
		}
		n -= freed
	}
	return nil
}

// makeNames sees that one more file can be within the set's count.
func (b *back) makeNames() error {
	for b.cfg.SegmentCount > 0 && len(b.set.files)+1 > b.cfg.SegmentCount && !b.heldUp() {
		_, err := b.delete(ByCount)
		if errors.Is(err, errAllHeld) {
			b.complainOfHolds()
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// expire deletes what is too old.
func (b *back) expire() {
	for b.cfg.MaxAge > 0 && b.set.age() > b.cfg.MaxAge {
		if _, err := b.delete(ByAge); err != nil {
			b.cfg.Log.Error("a file is too old and can't be deleted", "error", err)
			return
		}
	}
}

// deleteSome deletes the oldest file, but keeps the newest: without it nothing
// would be left, for the sake of a disk that others fill.
func (b *back) deleteSome(why Bound) (int64, error) {
	if b.set == nil || len(b.set.files) < 2 {
		return 0, b.noRoom()
	}
	return b.delete(why)
}

// delete deletes the oldest file and returns its size, unless nothing may be
// deleted or is left.
func (b *back) delete(why Bound) (int64, error) {
	if b.cfg.NoDelete && why != ByAge {
		return 0, fmt.Errorf("%w (%s), and --no-delete is given", ErrFull, why)
	}
	if b.keeps(why) {
		return 0, errKept
	}
	free := b.freeBytes()
	size, err := b.set.deleteOldest(why, b.whoTakes(why, free)...)
	if errors.Is(err, errNothingLeft) {
		if held, _ := b.set.heldFiles(); held > 0 {
			return 0, errors.Join(errAllHeld, b.noRoom())
		}
		return 0, b.noRoom()
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errNoRoom, err)
	}
	b.credit.add(b.boot(), free, size)
	b.syncer.directory()
	return size, nil
}

// keeps reports whether Config.KeepAtLeast keeps the oldest file. Who bounds the age and the
// number of files has said what is not wanted.
func (b *back) keeps(why Bound) bool {
	i := b.set.oldest()
	if i < 0 || why == ByAge || why == ByCount {
		return false
	}
	newer, since := b.set.newer(i)
	return newer < b.lim.atLeast || since < b.lim.atLeastTime
}

// whoTakes says, for the log, of a file that is deleted because others fill the disk, what they
// have taken of it since this run began.
func (b *back) whoTakes(why Bound, free int64) []any {
	if why != ByKeepFree && why != ByFullDisk {
		return nil
	}
	taken := b.began - (free + b.credit.left(b.boot(), free) + b.set.bytes())
	return []any{"free", Size(free), "keep-free", Size(b.lim.keepFree), "taken by others since the start", Size(taken)}
}

// noRoom says why there is none.
func (b *back) noRoom() error {
	return fmt.Errorf("%w: %s are free and %s are to be kept free", errNoRoom, Size(b.freeBytes()), Size(b.lim.keepFree))
}
