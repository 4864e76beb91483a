package rotate

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

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
	mem  []byte // mapped, bufferSize+MaxRecord bytes
	data []byte // what the front appended; the back sees up to published

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
	mu    sync.Mutex
	freed *sync.Cond
	free  []*buffer
	out   int // buffers given out
	most  int // bound of out
}

// idleBuffers are kept mapped when nobody needs them: what is in use while a
// disk keeps up.
const idleBuffers = 2

// newPool maps the idle buffers. There are never fewer, so that get can always
// wait for one.
func newPool(bytes int64) (*pool, error) {
	p := &pool{most: int(min(max(bytes/bufferSize, idleBuffers+1), maxBuffers))}
	p.freed = sync.NewCond(&p.mu)
	for range idleBuffers {
		b, err := newBuffer()
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.free = append(p.free, b)
	}
	return p, nil
}

// maxBuffers is more than any machine has memory for.
const maxBuffers = 1 << 20

func newBuffer() (*buffer, error) {
	mem, err := unix.Mmap(-1, 0, bufferSize+MaxRecord, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("memory for a write buffer: %w", os.NewSyscallError("mmap", err))
	}
	// Fewer page faults, and fewer pages to pin for each write; a kernel
	// without huge pages says no, which changes nothing else.
	_ = unix.Madvise(mem[:bufferSize], unix.MADV_HUGEPAGE)
	return &buffer{mem: mem}, nil
}

// get returns an empty buffer. It waits where the bound is reached: the disk
// is then slower than all the memory there is for it.
func (p *pool) get() *buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if n := len(p.free); n > 0 {
			b := p.free[n-1]
			p.free = p.free[:n-1]
			p.out++
			return b
		}
		if p.out < p.most {
			b, err := newBuffer()
			if err == nil {
				p.out++
				return b
			}
			p.most = p.out // this is all the memory there is
		}
		p.freed.Wait()
	}
}

// put takes a buffer back.
func (p *pool) put(b *buffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
	p.freed.Signal()
	if len(p.free) >= idleBuffers && unix.Munmap(b.mem) == nil {
		return
	}
	*b = buffer{mem: b.mem}
	p.free = append(p.free, b)
}

// close unmaps the buffers. Nobody has one any more.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for _, b := range p.free {
		err = errors.Join(err, os.NewSyscallError("munmap", unix.Munmap(b.mem)))
	}
	p.free = nil
	return err
}

// inUse returns the bytes of the buffers given out.
func (p *pool) inUse() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.out) * bufferSize
}
