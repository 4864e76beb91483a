package rotate

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize is what one write past the page cache holds: a huge page, and so a
	// multiple of every alignment that O_DIRECT asks for. Larger ones gain nothing, and
	// hold up longer what waits behind them on a disk that others keep busy.
	bufferSize = largestWrite
	// MaxRecord is the longest record that the front may append at once, in
	// bytes. A record may begin before the end of a buffer and end behind it.
	MaxRecord = 512 << 10
)

// buffer is a stretch of one segment: limit bytes but for the last.
type buffer struct {
	mapped []byte
	mem    []byte // of mapped: bufferSize+MaxRecord bytes, at the border of a page
	huge   bool   // in huge pages: it stays mapped until the end
	data   []byte // what the front appended; the back sees up to published

	seg *segment
	off int64 // where the buffer stands in the segment
	// limit is how much the buffer takes, bufferSize at most.
	limit int
	// head is how much the buffer begins with that stays whole or goes: the
	// header, or the rest of a record that began before off. headStart is where
	// that began in the segment, headPackets whether it is a packet.
	head        int
	headStart   int64
	headPackets int
	packets     int // that end in the buffer, as far as appended

	published atomic.Uint64 // length and packets, packed: what the back may take

	// The back's: how much of the buffer is written.
	written        int
	writtenPackets int
}

func pack(length, packets int) uint64 { return uint64(length)<<32 | uint64(uint32(packets)) }

func (b *buffer) publish() { b.published.Store(pack(len(b.data), b.packets)) }

func (b *buffer) taken() (length, packets int) {
	v := b.published.Load()
	return int(v >> 32), int(uint32(v))
}

// skip leaves out what the segment's file doesn't get.
func (b *buffer) skip() {
	if b.off == 0 {
		b.written = max(b.written, b.seg.skip)
	}
}

// pool gives out buffers, up to a bound.
type pool struct {
	looking sync.Mutex // held while the bound is asked for

	mu     sync.Mutex
	freed  *sync.Cond // the front waits for it
	wanted *sync.Cond // grow does
	free   []*buffer  // the one that was used last is at the end: its memory is in the caches
	huge   int        // buffers in huge pages
	mapped int        // buffers there are
	out    int        // buffers given out
	peak   int        // the most of those since trim
	waited int64      // how often there was none
	most   int        // bound of them all
	by     BufferBound
	// bound says in bytes what most is now, and ceiling is the most that it may become.
	bound   func() (int64, BufferBound)
	ceiling int
	asked   bool // grow is to look whether one is missing
	closed  bool
	grown   chan struct{} // closed when grow has ended
}

// usualBuffers is how many suffice while the disk keeps up: one that fills, one that is
// written, one between them. They are in huge pages, and stay.
const usualBuffers = 3

// newPool returns a pool with one buffer. The others are found when the first of them
// is needed soon, see ahead. bound says how many bytes there may be of them now, and ceiling
// how many that will ever be.
func newPool(ceiling int64, bound func() (int64, BufferBound)) (*pool, error) {
	p := &pool{bound: bound, ceiling: buffersIn(ceiling), grown: make(chan struct{})}
	p.look()
	p.freed, p.wanted = sync.NewCond(&p.mu), sync.NewCond(&p.mu)
	b, err := newBuffer(true)
	if err != nil {
		return nil, err
	}
	p.free, p.huge, p.mapped = append(p.free, b), 1, 1
	go p.grow()
	return p, nil
}

func buffersIn(bytes int64) int { return int(min(max(bytes/bufferSize, usualBuffers), maxBuffers)) }

// look asks again how much memory there is for buffers. Those that are out beyond that are
// given back as they return.
func (p *pool) look() (bytes int64, by BufferBound) {
	p.looking.Lock() // what was found first isn't entered last
	defer p.looking.Unlock()
	bytes, by = p.bound()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most, p.by = min(buffersIn(bytes), p.ceiling), by
	return int64(p.most) * bufferSize, by
}

// maxBuffers is more than any machine has memory for.
const maxBuffers = 1 << 20

// hugePage is what huge pages are aligned to, in bytes. Where it is another
// number, buffers are of smaller pages.
const hugePage = 2 << 20

// newBuffer maps a buffer. The kernel finds the memory now, and not under a
// packet.
//
// In huge pages a buffer takes a fifth of the time to write, for fewer pages are
// pinned; but they may take a hypervisor ten times as long to find, measured at
// 9 ms instead of 1 ms for 4 MiB, which is too long while packets wait.
func newBuffer(huge bool) (*buffer, error) {
	mapped, err := unix.Mmap(-1, 0, bufferSize+MaxRecord+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("memory for a write buffer: %w", os.NewSyscallError("mmap", err))
	}
	skip := -int(uintptr(unsafe.Pointer(&mapped[0]))) & (hugePage - 1)
	b := &buffer{mapped: mapped, mem: mapped[skip:][:bufferSize+MaxRecord], huge: huge}
	data := b.mem[:bufferSize]
	if huge {
		// A kernel without huge pages says no, which changes nothing else.
		_ = unix.Madvise(data, unix.MADV_HUGEPAGE)
	} else {
		_ = unix.Madvise(data, unix.MADV_NOHUGEPAGE)
	}
	if unix.Madvise(data, unix.MADV_POPULATE_WRITE) != nil { // older than Linux 5.14
		for i := 0; i < len(data); i += os.Getpagesize() {
			data[i] = 0
		}
	}
	return b, nil
}

// grow maps another buffer whenever it is told that none is free and there may be more,
// so that the front finds its memory there.
func (p *pool) grow() {
	defer close(p.grown)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for !p.closed && !p.asked {
			p.wanted.Wait()
		}
		p.asked = false
		p.mu.Unlock()
		p.look()
		p.mu.Lock()
		for !p.closed && p.short() && p.mapped < p.most {
			huge := p.huge < usualBuffers
			p.mu.Unlock()
			b, err := newBuffer(huge)
			p.mu.Lock()
			if err != nil {
				p.most, p.ceiling = p.mapped, p.mapped // this is all the memory there is
				break
			}
			if huge {
				p.huge++
			}
			p.mapped++
			p.free = append(p.free, b)
			p.freed.Signal()
		}
		if p.closed {
			return
		}
	}
}

// ahead has another buffer be there when the current one is full.
func (p *pool) ahead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask()
}

func (p *pool) ask() {
	if p.short() {
		p.asked = true
		p.wanted.Signal()
	}
}

// short reports whether more buffers should be free than are: one, and while the disk
// stalls as many as are filled while memory for another is found.
func (p *pool) short() bool {
	if p.out > usualBuffers {
		return len(p.free) < usualBuffers
	}
	return len(p.free) == 0
}

// get returns an empty buffer, and how many are given out with it. It waits where there is
// none: the disk is then slower than all the memory there is for it, or than memory can be
// had.
func (p *pool) get() (b *buffer, inUse int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 && p.out >= usualBuffers {
		p.waited++
	}
	p.ask()
	for len(p.free) == 0 {
		p.freed.Wait()
	}
	n := len(p.free) - 1
	b = p.free[n]
	p.free = p.free[:n]
	p.out++
	p.peak = max(p.peak, p.out)
	return b, p.out
}

// put takes a buffer back.
func (p *pool) put(b *buffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
	if p.mapped > p.most && !b.huge {
		p.mapped--
		_ = unix.Munmap(b.mapped) // it was mapped, so it can be
		return
	}
	*b = buffer{mapped: b.mapped, mem: b.mem, huge: b.huge}
	p.free = append(p.free, b)
	p.freed.Signal()
}

// trim gives back what was taken for a disk that stalled, if it did not since trim was
// called last: while a stall lasts its memory is used again, and not found anew.
func (p *pool) trim() {
	p.mu.Lock()
	stalled := p.peak > usualBuffers
	p.peak = p.out
	var surplus []*buffer
	if !stalled {
		p.free = slices.DeleteFunc(p.free, func(b *buffer) bool {
			if !b.huge {
				surplus = append(surplus, b)
			}
			return !b.huge
		})
		p.mapped -= len(surplus)
	}
	p.mu.Unlock()
	for _, b := range surplus {
		_ = unix.Munmap(b.mapped) // it was mapped, so it can be
	}
}

// close unmaps the buffers. Nobody has one any more.
func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	p.wanted.Signal()
	p.mu.Unlock()
	<-p.grown
	return p.unmap()
}

func (p *pool) unmap() error {
	var err error
	for _, b := range p.free {
		err = errors.Join(err, os.NewSyscallError("munmap", unix.Munmap(b.mapped)))
	}
	p.free = nil
	return err
}

// inUse is how many buffers are given out: the front's, the one that is written, and
// those between.
func (p *pool) inUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out
}

// use adds the bytes of the buffers given out and their bound, and how often there was none.
func (p *pool) use(s *Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Buffers, s.Waited = int64(p.out)*bufferSize, p.waited
	s.BufferBound, s.BufferBy = int64(p.most)*bufferSize, p.by
}
