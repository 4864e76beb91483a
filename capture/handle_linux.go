package capture

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netcap/capture/internal/tpacket"
)

// Handle is an open capture. Next and the batches belong to one goroutine;
// Stop, Stats and Close may be called from any.
type Handle struct {
	sock    Socket
	name    string
	snapLen int
	retire  time.Duration
	mode    string
	degrade error
	missed  func() (uint64, error) // nil where it isn't known

	direction Direction
	loopback  bool // the interface is, and
	all       bool // all are meant

	blocks [][]byte
	next   int         // index of the block that Next waits for
	ready  func() bool // whether the kernel gave that block up
	tail   bool        // it is handed out though the kernel didn't give it up
	batch  Batch
	down   bool // ErrInterfaceDown was returned, and ErrInterfaceUp not yet

	mu       sync.Mutex
	seen     uint64 // packets in the batches handed out
	stats    Stats
	ending   time.Time // since when no more packets are accepted
	stopped  bool      // by Stop, else because the interface is gone
	closing  bool
	inUse    bool // Next runs, or a batch is out: the ring stays mapped
	unmapped bool
}

// New returns a Handle on a socket that is already set up. It owns the socket.
// Of cfg the snap length and the retire time-out matter, and the interface's
// name for errors. Most callers want Open.
func New(s Socket, cfg *Config) (*Handle, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	memory, size := s.Ring()
	if size < tpacket.DescSize || len(memory) < size || len(memory)%size != 0 {
		return nil, fmt.Errorf("ring of %d bytes in blocks of %d: not a whole number of blocks", len(memory), size)
	}
	h := &Handle{sock: s, name: c.Interface, snapLen: c.SnapLen, retire: c.RetireTimeout}
	h.ready = func() bool { return tpacket.Status(h.blocks[h.next])&unix.TP_STATUS_USER != 0 }
	for ; len(memory) > 0; memory = memory[size:] {
		h.blocks = append(h.blocks, memory[:size:size])
	}
	return h, nil
}

// Mode says in a few words how packets are received, such as "ring of 16 MiB",
// and why it is not a ring of the size asked for, or nil.
func (h *Handle) Mode() (mode string, reason error) { return h.mode, h.degrade }

// Link returns the interface, as it is now.
func (h *Handle) Link() (Link, error) { return h.sock.Link() }

// InterfaceDrops returns how many packets the interface itself has missed since
// Open, for want of room in the card or its driver: rx_missed_errors and
// rx_fifo_errors, which libpcap calls ps_ifdrop. They reached no socket, so
// Stats doesn't have them. Its error is ErrNoCount, or the kernel's.
func (h *Handle) InterfaceDrops() (uint64, error) {
	if h.missed == nil {
		return 0, ErrNoCount
	}
	return h.missed()
}

// Next waits for packets and returns them on lease: until Release is called
// the kernel has one block less, and Next must not be called again.
//
// It returns io.EOF after Stop, once all that was received has been handed
// out; errors that are ErrInterfaceDown and ErrInterfaceUp, after which it can
// be called again; one that is ErrInterfaceGone; and net.ErrClosed after Close.
func (h *Handle) Next() (*Batch, error) {
	if !h.use() {
		return nil, net.ErrClosed
	}
	b, err := h.await()
	if err != nil {
		h.leave()
	}
	return b, err
}

// use keeps the ring mapped until leave, unless it is closed already.
func (h *Handle) use() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inUse = !h.closing
	return h.inUse
}

func (h *Handle) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inUse = false
	if h.closing {
		// The error of unmapping, if there were one, has nobody to go to: Close
		// has returned.
		_ = h.unmap()
	}
}

func (h *Handle) await() (*Batch, error) {
	for {
		if h.tail || h.ready() {
			return h.lease(h.blocks[h.next])
		}
		if err := h.drained(); err != nil {
			if h.ready() { // retired while we looked
				continue
			}
			return nil, err
		}
		if h.tail {
			continue
		}
		if err := h.wait(); err != nil {
			return nil, err
		}
	}
}

// downInterval is how often an interface that is down is looked at. The kernel
// tells a socket once that its interface went down, and neither when it is
// deleted after that nor when it comes up.
const downInterval = 500 * time.Millisecond

// deleted is the index that the kernel gives a socket whose interface is no
// more (packet_notifier in net/packet/af_packet.c).
const deleted = -1

// wait waits until the block is ready, or a deadline, and tells of the interface.
func (h *Handle) wait() error {
	if h.down {
		if err := h.setDeadline(time.Now().Add(downInterval)); err != nil {
			return err
		}
	}
	err := h.sock.Wait(h.ready)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENETDOWN), h.down && errors.Is(err, os.ErrDeadlineExceeded):
		return h.look()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case errors.Is(err, os.ErrClosed), errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	}
	return fmt.Errorf("%s: waiting for packets: %w", h.name, err)
}

// look finds out how the interface is, once it was down.
func (h *Handle) look() error {
	link, err := h.sock.Link()
	was := h.down
	h.down = err == nil && !link.Up
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", h.name, err)
	case link.Index == deleted:
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.end()
	case h.down && !was:
		return fmt.Errorf("%s: %w", h.name, ErrInterfaceDown)
	case was && !h.down:
		return errors.Join(h.setDeadline(time.Time{}), fmt.Errorf("%s: %w", h.name, ErrInterfaceUp))
	}
	return nil
}

// setDeadline ends waiting, but for Stop's own deadline.
func (h *Handle) setDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || !h.ending.IsZero() {
		return nil
	}
	return h.sock.SetReadDeadline(t)
}

// lease hands out a block that the kernel gave up.
func (h *Handle) lease(block []byte) (*Batch, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return nil, net.ErrClosed
	}
	h.next = (h.next + 1) % len(h.blocks)
	h.tail = false
	desc := tpacket.Header(block)
	h.seen += uint64(desc.Num_pkts)
	h.batch = Batch{
		block:   block[:min(len(block), max(int(desc.Blk_len), tpacket.DescSize))],
		off:     int(desc.Offset_to_first_pkt),
		left:    int(desc.Num_pkts),
		snapLen: h.snapLen,
		early:   tpacket.Status(block)&unix.TP_STATUS_BLK_TMO != 0,
		handle:  h,
		whole:   block,
	}
	return &h.batch, nil
}

func (h *Handle) release(block []byte) {
	tpacket.SetPackets(block, 0) // until the kernel opens it again
	tpacket.SetStatus(block, unix.TP_STATUS_KERNEL)
	h.leave()
}

// dropAll is a program that accepts nothing.
var dropAll = []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K, K: 0}}

// settle is how long a packet that had passed the old filter may take to reach
// the ring after the new one stands.
const settle = 2 * time.Millisecond

// Stop begins the end: from now on no packet is accepted, and Next returns
// what was received before and then io.EOF. Without it, closing would lose the
// block that isn't full yet, which the kernel shows only when it retires it.
// Next reads that block where it lies if it holds all that the kernel's count
// says is missing; else it waits until the kernel retires it.
func (h *Handle) Stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || h.stopped {
		return nil
	}
	if err := h.deafen(); err != nil {
		return fmt.Errorf("%s: stopping: %w", h.name, err)
	}
	h.stopped = true
	return h.end()
}

// deafen has the socket accept no packet any more.
func (h *Handle) deafen() error {
	err := h.sock.SetBPF(dropAll)
	if binder, ok := h.sock.(interface{ bindNothing() error }); err != nil && ok {
		err = binder.bindNothing() // a kernel that takes no filter at all
	}
	return err
}

// end notes that nothing more is received, and has Next look for what was.
func (h *Handle) end() error {
	if h.ending.IsZero() {
		h.ending = time.Now()
	}
	return h.sock.SetReadDeadline(h.ending.Add(settle))
}

// drained returns io.EOF, or ErrInterfaceGone, once nothing more is received
// and all that was has been handed out. The kernel's own count says so; should
// it never agree, what is missing after a few retire time-outs is counted as
// dropped.
func (h *Handle) drained() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closing:
		return net.ErrClosed
	case h.ending.IsZero():
		return nil
	case time.Since(h.ending) < settle:
		return h.sock.SetReadDeadline(h.ending.Add(settle))
	}
	if err := h.readStats(); err != nil {
		return err
	}
	missing := int64(h.stats.Received - h.stats.Dropped - h.seen)
	if missing > 0 && tpacket.Holds(h.blocks[h.next], missing) {
		h.tail = true // it would take the retire time-out until it is given up
		return nil
	}
	if missing > 0 && time.Since(h.ending) < 5*h.retire+time.Second {
		return h.sock.SetReadDeadline(time.Now().Add(h.retire/4 + time.Millisecond))
	}
	h.stats.Dropped += uint64(max(missing, 0))
	if h.stopped {
		return io.EOF
	}
	return fmt.Errorf("%s: %w", h.name, ErrInterfaceGone)
}

// Stats returns the totals since Open.
func (h *Handle) Stats() (Stats, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return h.stats, nil
	}
	err := h.readStats()
	return h.stats, err
}

// readStats adds what the kernel counted since it was last asked: reading
// clears its counters, so nobody else may ask.
func (h *Handle) readStats() error {
	packets, drops, err := h.sock.Stats()
	if err != nil {
		return fmt.Errorf("%s: reading statistics: %w", h.name, err)
	}
	h.stats.Received += uint64(packets)
	h.stats.Dropped += uint64(drops)
	return nil
}

// Close ends the capture at once; what the ring holds is lost. The memory of a
// batch on lease stays valid, and the socket open, until it is released. Stats keeps the last totals.
func (h *Handle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return nil
	}
	statsErr := h.readStats()
	h.closing = true
	err := h.sock.SetReadDeadline(time.Unix(1, 0))
	if !h.inUse {
		err = h.unmap()
	}
	return errors.Join(err, statsErr)
}

func (h *Handle) unmap() error {
	if h.unmapped {
		return nil
	}
	h.unmapped = true
	return h.sock.Close()
}
