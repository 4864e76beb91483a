package rotate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"
)

// trailerRoom is left when the floor of keep-free is reached, so that the file
// can be ended, in bytes.
const trailerRoom = 16 << 10

// end gives a segment up because of err: cuts its file back to the last whole
// record, with a trailer where there is room for one, and decides how it goes
// on. buf is what could not be written whole, nil if nothing was to be.
func (b *back) end(seg *segment, buf *buffer, err error) {
	defer func() {
		// Last: when the front sees it, it must also see whether to go on.
		seg.dead.Store(true)
		b.call()
	}()
	if buf != nil {
		b.cut(seg, buf)
	}
	kept, before := b.retire(seg), b.retryAfter
	switch {
	case b.cfg.Stream != nil, errors.Is(err, ErrFull):
		b.fatal.set(err)
		return
	case errors.Is(err, unix.EFBIG) && b.cfg.File != "":
		b.fatal.set(fmt.Errorf("%s: %w: raise the limit (ulimit -f), or give -C to write a set of smaller files", b.cfg.path(b.cfg.File), err))
		return
	case errors.Is(err, errKept): // stopAt says it
	case isFull(err):
		b.complain(seg, "no room: packets are dropped, and counted, until there is; free some room or lower --disk-budget and --keep-free", err)
	case errors.Is(err, unix.EFBIG):
		b.complain(seg, "the process may not write larger files (ulimit -f); beginning another", err)
	case kept:
		b.suspects(seg.out, err)
		b.complain(seg, "writing failed; the file may be damaged, beginning another", err)
	default:
		b.fault.set(err)
		b.complain(seg, "no file can be begun: packets are dropped, and counted, until one can", err)
	}
	b.failing = true
	b.full.Store(isFull(err))
	b.stopAt(err)
	b.retry.Stop()
	b.retryAfter = 0
	if seg.out == nil {
		b.retryAfter = min(max(2*before, leastRetry), resumeInterval)
	}
	// Where nothing could be kept, the next file would do no better at once.
	if isFull(err) || seg.packets == 0 {
		b.pause()
	}
}

// complain logs an error, aloud only if things went well before.
func (b *back) complain(seg *segment, what string, err error) {
	level := slog.LevelError
	if b.failing {
		level = slog.LevelDebug
	}
	path := b.cfg.Dir
	if seg.out != nil {
		path = b.cfg.path(seg.out.name)
	}
	b.cfg.Log.Log(context.Background(), level, what, "path", path, "error", err)
}

// suspects notes that the disk failed an output. Any goroutine may call it.
func (b *back) suspects(out *output, err error) {
	b.fault.set(err)
	if out.suspect.CompareAndSwap(false, true) {
		b.suspect.Add(1)
	}
}

// retire closes the file of a set's segment that was given up, and reports
// whether there is still one. Without a packet in it it is removed, lest a
// failing disk fill the set with empty files.
func (b *back) retire(seg *segment) bool {
	if seg.out == nil {
		close(seg.ended) // there never was a file
		return false
	}
	if b.set == nil {
		return true
	}
	kept, now := seg.out.packets > 0, b.cfg.Now()
	if kept {
		b.set.ended(now, seg.out.packets)
	} else {
		if err := b.set.discardCurrent(); err != nil {
			b.fault.set(err)
			b.cfg.Log.Error("removing an empty file failed", "file", b.cfg.path(seg.out.name), "error", err)
		}
		b.syncer.directory()
	}
	b.set.finished()
	b.out = nil
	b.syncer.close(seg, now)
	return kept
}

// cut makes the file end in a whole record, followed by a trailer. That may
// take the room of records, if there is no other.
func (b *back) cut(seg *segment, buf *buffer) {
	var trailer []byte
	if b.cfg.Stream == nil {
		trailer = b.cfg.CutTrailer(nil)
	}
	size := seg.end // of what is on the disk
	pos, packets := b.boundary(buf, buf.written)
	end := pos
	for _, n := range []int{buf.written, buf.written - len(trailer)} {
		at, before := b.boundary(buf, n)
		after := at + int64(len(trailer))
		// A trailer never stands alone, nor where a file may not reach.
		if len(trailer) == 0 || at <= int64(seg.skip) || after > size && !b.extend(seg, after) {
			continue
		}
		n, err := seg.out.writeAt(trailer, seg.base+at, cached)
		size = max(size, at+int64(n))
		if err == nil {
			pos, packets, end = at, before, after
			break
		}
	}
	b.count(seg, buf, packets)
	if b.cfg.Stream != nil {
		return
	}
	// There may be more than was told of.
	if err := seg.out.truncate(seg.base + end); err != nil {
		if size > end {
			b.cfg.Log.Error("cutting a file back to its last whole record failed; repair it with: netcap repair", "file", b.cfg.path(seg.out.name), "error", err)
		}
	}
	b.account(seg, end)
}

// extend reports whether a segment may reach up to end.
func (b *back) extend(seg *segment, end int64) bool {
	return (b.set == nil || end <= b.lim.segment) && b.makeRoom(end-seg.end, 0) == nil
}

// boundary returns the last place up to n bytes into a buffer where a record
// ends, and how many of the buffer's packets lie before it.
func (b *back) boundary(buf *buffer, n int) (pos int64, packets int) {
	if n < buf.head {
		return buf.headStart, 0
	}
	whole, packets := b.cfg.Records(buf.mem[buf.head:n])
	return buf.off + int64(buf.head+whole), packets + buf.headPackets
}

// stopAt notes whether nothing is written for the sake of Config.KeepAtLeast, and says it.
func (b *back) stopAt(err error) {
	kept := errors.Is(err, errKept)
	if kept && !b.kept {
		b.cfg.Log.Error("the disk or the budget is full, and what is left of the set is kept by --keep-at-least: packets are dropped, and counted, until there is room; free some",
			"path", b.cfg.Dir, "free", Size(b.free), "set", Size(b.set.bytes()))
	}
	b.kept = kept
}

func (b *back) pause() {
	b.paused.Store(true)
	b.house.Reset(b.interval())
	b.snapshot()
}

// resume lets the front try again, if there is room.
func (b *back) resume() {
	if !b.paused.Load() || b.fatal.get() != nil {
		return
	}
	err := b.makeRoom(b.margin(), trailerRoom)
	b.stopAt(err)
	if err != nil {
		return
	}
	b.paused.Store(false)
	b.call()
}

// margin is how much must be free before writing begins, or goes on: enough not
// to stop again at once, on small file systems and with small budgets too.
func (b *back) margin() int64 {
	m := int64(bufferSize)
	if total, _, err := b.dir.usage(); err == nil {
		m = min(m, total/16)
	}
	if b.set != nil {
		m = min(m, b.lim.segment)
	}
	return m
}
