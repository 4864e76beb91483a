package capture

import (
	"time"

	"golang.org/x/net/bpf"
)

// Socket is what a Handle needs of an AF_PACKET socket: a ring that is filled,
// and a way to wait for it. Open supplies the kernel's; package capturetest has
// one for tests. Its methods may be called from several goroutines, Wait from
// one at a time.
type Socket interface {
	// Ring returns the memory of the ring, in TPACKET_V3's layout: blocks of
	// blockSize bytes each, 8-byte aligned. It is valid until Close.
	Ring() (memory []byte, blockSize int)
	// Wait returns when ready does, which it calls at first and whenever
	// something may have changed. It returns os.ErrDeadlineExceeded when the
	// read deadline has passed, net.ErrClosed or os.ErrClosed after Close, and
	// an error that is unix.ENETDOWN, once, when the interface went down.
	Wait(ready func() bool) error
	// Link returns what the socket is bound to.
	Link() (Link, error)
	// SetReadDeadline ends a Wait, the running one too. Zero means none.
	SetReadDeadline(t time.Time) error
	// SetBPF replaces the filter.
	SetBPF(program []bpf.RawInstruction) error
	// Stats returns what PACKET_STATISTICS does: counts since the last call,
	// packets with the dropped ones included.
	Stats() (packets, drops uint32, err error)
	// Close closes the socket and unmaps the ring.
	Close() error
}
