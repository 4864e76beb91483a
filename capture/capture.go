package capture

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/bpf"
)

// Any is the interface name that stands for all interfaces, those that are
// yet to come included.
const Any = "any"

// MaxSnapLen is the largest snap length, in bytes: MAXIMUM_SNAPLEN of libpcap.
const MaxSnapLen = 262144

// Bounds and defaults of the ring, in bytes.
const (
	// BlockSize is what the kernel hands over at once, and gets back as a whole. It
	// must hold a frame of MaxSnapLen: with BIG TCP segments have up to 512 KiB.
	BlockSize = 512 << 10
	// MinRingSize is the smallest ring.
	MinRingSize = 2 << 20
	// DefaultRingSize rides out some tens of milliseconds at 10 Gbit/s.
	DefaultRingSize = 16 << 20
	// MaxRingSize is the largest ring; beyond it memory is better spent on
	// buffers that aren't locked.
	MaxRingSize = 1 << 30
)

// MaxThreads is how many Handles share an interface at most: PACKET_FANOUT_MAX of the
// kernels that have the fewest.
const MaxThreads = 256

// DefaultRetireTimeout is how long a packet may wait in a block that isn't full.
const DefaultRetireTimeout = 100 * time.Millisecond

// ErrNoInterface is what Open returns for a name that no interface has.
var ErrNoInterface = errors.New("no such interface")

// Direction selects packets by where they are going, seen from this host.
type Direction uint8

// Directions.
const (
	InOut Direction = iota // both; the default
	In                     // received by this host, or passing by
	Out                    // sent by this host
)

// ParseDirection reads a direction as tcpdump's -Q names it: in, out or inout.
func ParseDirection(s string) (Direction, error) {
	switch s {
	case "in":
		return In, nil
	case "out":
		return Out, nil
	case "inout":
		return InOut, nil
	}
	return 0, fmt.Errorf("direction %q: not one of in, out, inout", s)
}

func (d Direction) String() string {
	return [...]string{"inout", "in", "out"}[d]
}

// Config says what to capture. The zero value of each field is its default,
// but for Interface, which must be named.
type Config struct {
	// Interface is the name of an interface, an alternative one perhaps, or Any.
	Interface string
	// SnapLen is how many bytes of a packet are kept, 1 to MaxSnapLen.
	// Default: MaxSnapLen.
	SnapLen int
	// Direction is InOut by default.
	Direction Direction
	// NoPromiscuous leaves the interface in the mode it is in. By default it is
	// promiscuous for as long as the Handle is open: a packet(7) membership,
	// which ends with the socket even if the process is killed. Any never is.
	NoPromiscuous bool
	// Filter is a classic BPF program for the frames of this interface, as the
	// kernel sees them: outermost VLAN tag taken off, and for Any with the
	// link-layer header that each interface has. Nil accepts all. The slice is
	// not kept.
	Filter []bpf.RawInstruction
	// Unfiltered is for whoever filters packets itself, since Open has failed with
	// a FilterError: all packets come, up to MaxSnapLen of each into the ring, and
	// Batch.Peek tells what Direction wants. Filter must be nil.
	Unfiltered bool
	// RingSize is the size of the kernel's ring in bytes, rounded up to whole
	// blocks and held between MinRingSize and MaxRingSize.
	// Default: DefaultRingSize.
	RingSize int
	// RetireTimeout is how long a packet may wait in a block that isn't full,
	// in whole milliseconds. Default: DefaultRetireTimeout.
	RetireTimeout time.Duration
	// NoRing goes without a ring at once, as is done anyway where none can be
	// had.
	NoRing bool
}

// withDefaults returns c with defaults filled in, or an error that names the
// field and its bounds.
func (c *Config) withDefaults() (Config, error) {
	out := *c
	if out.Interface == "" {
		return out, errors.New("no interface named")
	}
	switch {
	case out.SnapLen == 0:
		out.SnapLen = MaxSnapLen
	case out.SnapLen < 0 || out.SnapLen > MaxSnapLen:
		return out, fmt.Errorf("snap length %d: not between 1 and %d bytes", out.SnapLen, MaxSnapLen)
	}
	if out.Unfiltered && out.Filter != nil {
		return out, errors.New("a filter is given, and none is to be used")
	}
	if out.Direction > Out {
		return out, fmt.Errorf("direction %d: unknown", out.Direction)
	}
	if out.RingSize == 0 {
		out.RingSize = DefaultRingSize
	}
	out.RingSize = min(max(out.RingSize, MinRingSize), MaxRingSize)
	out.RingSize = (out.RingSize + BlockSize - 1) / BlockSize * BlockSize
	if out.RetireTimeout == 0 {
		out.RetireTimeout = DefaultRetireTimeout
	}
	if out.RetireTimeout < time.Millisecond || out.RetireTimeout > 10*time.Second {
		return out, fmt.Errorf("retire time-out %v: not between 1ms and 10s", out.RetireTimeout)
	}
	return out, nil
}

// FilterError is the error of Open where the kernel refuses the program that is to
// choose packets: the filter, with what direction and loopback call for. With
// Config.Unfiltered the interface can be captured all the same.
type FilterError struct {
	Interface string
	// Instructions is how many the program has.
	Instructions int
	// Err is the kernel's error.
	Err error
	// Needs is the value of the sysctl net.core.optmem_max, in bytes, with which
	// the kernel takes the program; 0 where that isn't why, or couldn't be found
	// out. Has is what it is now, 0 where that isn't known.
	Needs, Has int64
}

func (e *FilterError) Error() string {
	text := fmt.Sprintf("interface %q: the kernel refuses the filter's program of %d instructions: %v", e.Interface, e.Instructions, e.Err)
	switch {
	case e.Needs > 0 && e.Has > 0:
		text += fmt.Sprintf(" (net.core.optmem_max is %d)", e.Has)
	case e.Needs > 0:
		text += " (by net.core.optmem_max)"
	}
	return text
}

// Unwrap returns the kernel's error.
func (e *FilterError) Unwrap() error { return e.Err }

// Mend says what to do to have the kernel take the program.
func (e *FilterError) Mend() string {
	if e.Needs > 0 {
		return fmt.Sprintf("sysctl -w net.core.optmem_max=%d", e.Needs)
	}
	return "make the filter shorter, or see what denies setsockopt SO_ATTACH_FILTER"
}

// Link is the interface that a capture is bound to.
type Link struct {
	// Index is the index of the interface (netdevice(7)), 0 for Any, and -1
	// once it was deleted.
	Index int
	// HardwareType is the ARPHRD_ number that tells what its frames begin with.
	HardwareType uint16
	// Up tells that packets can come.
	Up bool
}

// Errors of Next that tell of the interface. They are wrapped with its name.
var (
	// ErrInterfaceDown: the interface was or went down. Next can be called
	// again; it goes on when the interface comes up.
	ErrInterfaceDown = errors.New("interface is down")
	// ErrInterfaceUp: the interface is up again. Next goes on.
	ErrInterfaceUp = errors.New("interface is up")
	// ErrInterfaceGone: the interface was deleted. Nothing more will come;
	// an interface made anew under the same name needs a new Handle.
	ErrInterfaceGone = errors.New("interface is gone")
)

// Stats counts packets since Open. Received = handed out by Next + Dropped,
// once Next has returned io.EOF.
type Stats struct {
	// Received is how many packets passed the filter, the dropped included.
	Received uint64
	// Dropped is how many of them found the ring full.
	Dropped uint64
}

// ErrNoCount is what Handle.InterfaceDrops returns where an interface doesn't
// say, or several were meant.
var ErrNoCount = errors.New("the interface does not count its drops")

// PacketType tells how a packet came to this host: sll_pkttype of packet(7).
type PacketType uint8

// Packet types, with packet(7)'s numbers.
const (
	ToHost    PacketType = 0 // addressed to this host
	Broadcast PacketType = 1
	Multicast PacketType = 2
	OtherHost PacketType = 3 // addressed to another host, seen promiscuously
	Outgoing  PacketType = 4 // sent by this host
)

// Raw is a packet as a filter in the kernel would see it.
type Raw struct {
	// Data is the frame from its link-layer header on, without the VLAN tag that
	// the kernel keeps beside it. It is valid until Batch.Next is called.
	Data []byte
	// Length is how many bytes the frame had, that tag not included.
	Length int
	// Network is the offset in Data of what follows the link-layer header.
	Network   int
	Protocol  uint16 // as Packet has it, without the tag
	Type      PacketType
	Interface int
	// HardwareType is the interface's, ARPHRD_* of <linux/if_arp.h>.
	HardwareType uint16
	// VLAN is the tag control information beside the frame, if Tagged.
	VLAN   uint16
	Tagged bool
}

// Packet is one captured packet.
type Packet struct {
	// Data is the frame from its link-layer header on, VLAN tags put back,
	// up to the snap length. It lies in the ring: it is valid until the batch
	// is released, and may be changed until then.
	Data []byte
	// Time is when the kernel saw the packet, in nanoseconds since the epoch.
	// It is CLOCK_REALTIME, so it can go backwards.
	Time int64
	// Length is how many bytes the frame had, VLAN tags included.
	Length int
	// Interface is the index of the interface (netdevice(7)).
	Interface int
	// Type tells where the packet was going.
	Type PacketType
	// HardwareType is the ARPHRD_ number of the interface, which tells what
	// link-layer header Data begins with.
	HardwareType uint16
	// Protocol is the EtherType the kernel took the packet for, in host byte
	// order; with a tag put back, the tag's.
	Protocol uint16
	// HeaderLen is the length of the link-layer header in Data, VLAN tags that
	// were put back not included.
	HeaderLen int
	// Source is the link-layer address of the sender. It is valid as long as
	// Data is.
	Source []byte
}
