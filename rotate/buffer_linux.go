package rotate

import (
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
	// head is how much of a record that began before off the buffer begins
	// with; headStart is where that began in the segment, headPackets whether
	// it is a packet.
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

func (b *buffer) publish() { b.published.Store(pack(min(len(b.data), bufferSize), b.packets)) }

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

func newPool(bytes int64) *pool {
	p := &pool{most: int(max(bytes/bufferSize, 3))}
	p.freed = sync.NewCond(&p.mu)
	return p
}

// get returns an empty buffer. It waits where the bound is reached: the disk
// is then slower than all the memory there is for it.
func (p *pool) get() (*buffer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for p.out >= p.most {
			p.freed.Wait()
		}
		b, err := p.take()
		if err == nil || p.out == 0 {
			return b, err
		}
		p.most = p.out // this is all the memory there is
	}
}

func (p *pool) take() (*buffer, error) {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		p.out++
		return b, nil
	}
	mem, err := unix.Mmap(-1, 0, bufferSize+MaxRecord, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("memory for a write buffer: %w", os.NewSyscallError("mmap", err))
	}
	// Fewer page faults, and fewer pages to pin for each write; a kernel
	// without huge pages says no, which changes nothing else.
	_ = unix.Madvise(mem[:bufferSize], unix.MADV_HUGEPAGE)
	p.out++
	return &buffer{mem: mem}, nil
}

// put takes a buffer back.
func (p *pool) put(b *buffer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
	p.freed.Signal()
	if len(p.free) < idleBuffers {
		*b = buffer{mem: b.mem}
		p.free = append(p.free, b)
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(b.mem))
}

// close unmaps the buffers that nobody has.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.free {
		if err := unix.Munmap(b.mem); err != nil {
			return os.NewSyscallError("munmap", err)
		}
	}
	p.free = nil
	return nil
}

// inUse returns the bytes of the buffers given out.
func (p *pool) inUse() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.out) * bufferSize
}
