package rotate

import (
	"errors"
	"fmt"
	"time"
)

// errNoRoom says that what is to be kept free would not be.
var errNoRoom = errors.New("no room")

// credit is what was deleted lately and may not yet show as free: file systems
// free space in the background. Without it, more would be deleted than needed.
type credit struct {
	bytes int64
	until time.Duration // by the boot clock
}

// creditTime is how long deleted bytes are expected to take to become free.
const creditTime = 5 * time.Second

func (c *credit) add(n int64) {
	c.bytes = c.left() + n
	c.until = bootClock() + creditTime
}

func (c *credit) left() int64 {
	if bootClock() > c.until {
		return 0
	}
	return c.bytes
}

// makeRoom sees that n more bytes can be written within budget and keep-free,
// and deletes the oldest files of the set for it.
func (b *back) makeRoom(n int64) error {
	if b.dir == nil {
		return nil
	}
	for b.set != nil && b.set.bytes()+n > b.lim.budget {
		if err := b.delete("disk budget"); err != nil {
			return err
		}
	}
	_, free, err := b.dir.usage()
	if err != nil {
		return err
	}
	freed := int64(0)
	for free+freed-n < b.lim.keepFree {
		if free+freed-n+b.credit.left() >= b.lim.keepFree {
			break // what was deleted before is on its way
		}
		if b.set == nil {
			return b.noRoom(free)
		}
		before := b.set.bytes()
		if err := b.delete("keep-free"); err != nil {
			return err
		}
		freed += before - b.set.bytes()
	}
	if freed > 0 {
		b.credit.add(freed)
	}
	return nil
}

// makeRoomBy deletes the oldest file though the bounds don't call for it: the
// file system is full nevertheless.
func (b *back) makeRoomBy(n int64) error {
	if b.set == nil {
		return errNoRoom
	}
	for freed := int64(0); freed < n; {
		before := b.set.bytes()
		if err := b.delete("the disk is full"); err != nil {
			return err
		}
		freed += before - b.set.bytes()
	}
	return nil
}

// prune deletes what is too old or too much; with one, there is to be room for
// one file more.
func (b *back) prune(one bool) error {
	more := 0
	if one {
		more = 1
	}
	for b.cfg.SegmentCount > 0 && len(b.set.files)+more > b.cfg.SegmentCount {
		if err := b.delete("file count"); err != nil {
			return err
		}
	}
	for b.cfg.MaxAge > 0 && len(b.set.files) > 1 && b.set.age(0) > b.cfg.MaxAge {
		if err := b.delete("age"); err != nil {
			return err
		}
	}
	return b.makeRoom(0)
}

// delete deletes the oldest file, unless nothing may be deleted or is left.
func (b *back) delete(why string) error {
	if b.cfg.NoDelete && why != "age" {
		return fmt.Errorf("%w (%s), and --no-delete is given", ErrFull, why)
	}
	_, err := b.set.deleteOldest(why)
	if errors.Is(err, errNothingLeft) {
		_, free, _ := b.dir.usage()
		return b.noRoom(free)
	}
	return err
}

func (b *back) noRoom(free int64) error {
	return fmt.Errorf("%w: %s are free and %s are to be kept free", errNoRoom, Size(free), Size(b.lim.keepFree))
}
