package rotate

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize is what one write to the disk holds: a multiple of every
	// alignment that O_DIRECT asks for.
	bufferSize = 4 << 20
	// MaxRecord is the longest record that the front may append at once, in
	// bytes. A record may begin before bufferSize and end behind it.
	MaxRecord = 512 << 10
)

// buffer is a stretch of one segment, bufferSize bytes but for the last.
type buffer struct {
	mapped []byte
	mem    []byte // of mapped: bufferSize+MaxRecord bytes, at the border of a page
	huge   bool   // in huge pages: it stays mapped until the end
	data   []byte // what the front appended; the back sees up to published

	seg *segment
	off int64 // where the buffer stands in the segment
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

// pool gives out buffers, up to a bound.
type pool struct {
	mu     sync.Mutex
	freed  *sync.Cond // the front waits for it
	wanted *sync.Cond // grow does
	free   []*buffer
	out    int   // buffers given out
	waited int64 // how often there was none
	most   int   // bound of them all
	closed bool
	grown  chan struct{} // closed when grow has ended
}

// leastBuffers is how many there are at least, in huge pages: one that fills,
// one that is written, one between them. While the disk keeps up no other is
// needed.
const leastBuffers = 3

func newPool(bytes int64) (*pool, error) {
	p := &pool{most: int(min(max(bytes/bufferSize, leastBuffers), maxBuffers)), grown: make(chan struct{})}
	p.freed, p.wanted = sync.NewCond(&p.mu), sync.NewCond(&p.mu)
	for range leastBuffers {
		b, err := newBuffer(true)
		if err != nil {
			return nil, errors.Join(err, p.unmap())
		}
		p.free = append(p.free, b)
	}
	go p.grow()
	return p, nil
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

// grow maps another buffer whenever none is free and there may be more, so that
// the front finds its memory there.
func (p *pool) grow() {
	defer close(p.grown)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for !p.closed && (len(p.free) > 0 || p.out >= p.most) {
			p.wanted.Wait()
		}
		if p.closed {
			return
		}
		p.mu.Unlock()
		b, err := newBuffer(false)
		p.mu.Lock()
		if err != nil {
			p.most = p.out // this is all the memory there is
			continue
		}
		p.free = append(p.free, b)
		p.freed.Signal()
	}
}

// get returns an empty buffer. It waits where there is none: the disk is then
// slower than all the memory there is for it, or than memory can be had.
func (p *pool) get() *buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.waited++
	}
	for len(p.free) == 0 {
		p.freed.Wait()
	}
	n := len(p.free) - 1
	b := p.free[n]
	p.free = p.free[:n]
	p.out++
	if n == 0 {
		p.wanted.Signal()
	}
	return b
}

// put takes a buffer back.
func (p *pool) put(b *buffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
	if !b.huge && unix.Munmap(b.mapped) == nil {
		return
	}
	*b = buffer{mapped: b.mapped, mem: b.mem, huge: b.huge}
	p.free = append(p.free, b)
	p.freed.Signal()
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

// pressed reports whether a quarter of the memory is in use, or pressure of it: the
// disk is slower than packets come.
func (p *pool) pressed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out > max(leastBuffers, min(p.most/4, pressure/bufferSize))
}

const pressure = 64 << 20 // bytes

// use returns the bytes of the buffers given out, and how often there was none.
func (p *pool) use() (bytes, waited int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.out) * bufferSize, p.waited
}
