package capture

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netcap/capture/internal/tpacket"
)

// errNoRing is why a ring can't be had, for openRing's caller.
var errNoRing = errors.New("no ring")

// openRing opens a socket with a TPACKET_V3 ring.
func openRing(c *Config, ifi *net.Interface, program []bpf.RawInstruction) (*Handle, error) {
	// With protocol 0 the socket receives nothing: packet(7). So no packet
	// arrives before ring and filter stand.
	conn, err := packet.Listen(ifi, packet.Raw, 0, nil)
	if err != nil {
		return nil, explain(c.Interface, err)
	}
	if err := attach(conn, c.Interface, program); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s, err := newRingSocket(conn, c)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	h, err := New(s, c)
	if err == nil {
		err = s.start(c, ifi)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	h.mode = fmt.Sprintf("ring of %d MiB", len(s.ring)>>20)
	if len(s.ring) < c.RingSize {
		h.degrade = s.smaller
	}
	return h, nil
}

// ringSocket is an AF_PACKET socket with its ring mapped.
type ringSocket struct {
	name    string
	conn    *packet.Conn
	raw     syscall.RawConn
	ring    []byte
	smaller error // why the ring is smaller than asked for
}

func newRingSocket(conn *packet.Conn, c *Config) (*ringSocket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, explain(c.Interface, err)
	}
	s := &ringSocket{name: c.Interface, conn: conn, raw: raw}
	var ringErr error
	err = raw.Control(func(fd uintptr) { ringErr = s.mapRing(int(fd), c) })
	if err != nil {
		return nil, explain(c.Interface, err)
	}
	return s, ringErr
}

// mapRing sets up a ring of the size asked for, or where memory is short of
// half that, and so on down to MinRingSize. Its errors are errNoRing.
func (s *ringSocket) mapRing(fd int, c *Config) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("%w: the kernel has no TPACKET_V3: %w", errNoRing, err)
	}
	// Room before each frame to put a VLAN tag back in place.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, tpacket.VLANTagSize); err != nil {
		return fmt.Errorf("%w: PACKET_RESERVE: %w", errNoRing, err)
	}
	for size := c.RingSize; ; size = max(size/2/BlockSize*BlockSize, MinRingSize) {
		err := requestRing(fd, size, c.RetireTimeout)
		if err == nil {
			s.ring, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				return fmt.Errorf("%w: mmap of %d bytes: %w", errNoRing, size, err)
			}
			return nil
		}
		if !errors.Is(err, unix.ENOMEM) || size == MinRingSize {
			return fmt.Errorf("%w of %d bytes: %w", errNoRing, size, err)
		}
		s.smaller = fmt.Errorf("no memory for %d MiB: %w", c.RingSize>>20, err)
	}
}

func requestRing(fd, size int, retire time.Duration) error {
	const frameSize = 2048 // not used by TPACKET_V3 but checked
	req := unix.TpacketReq3{
		Block_size:     BlockSize,
		Block_nr:       uint32(size / BlockSize),
		Frame_size:     frameSize,
		Frame_nr:       uint32(size / frameSize),
		Retire_blk_tov: uint32(retire / time.Millisecond),
	}
	return os.NewSyscallError("setsockopt PACKET_RX_RING", unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req))
}

// start binds the socket anew, now with all protocols: packets flow from here.
func (s *ringSocket) start(c *Config, ifi *net.Interface) error {
	if ifi.Index != 0 && !c.NoPromiscuous {
		if err := s.conn.SetPromiscuous(true); err != nil {
			return fmt.Errorf("%s: making the interface promiscuous: %w", c.Interface, err)
		}
	}
	var bindErr error
	err := s.raw.Control(func(fd uintptr) { bindErr = bindAll(int(fd), ifi.Index) })
	if err = errors.Join(err, bindErr); err != nil {
		return explain(c.Interface, err)
	}
	return nil
}

func bindAll(fd, index int) error {
	sa := &unix.SockaddrLinklayer{Protocol: ntohs(unix.ETH_P_ALL), Ifindex: index}
	return os.NewSyscallError("bind", unix.Bind(fd, sa))
}

func (s *ringSocket) bindNothing() (err error) {
	ctlErr := s.raw.Control(func(fd uintptr) { err = bindNothing(int(fd)) })
	return errors.Join(ctlErr, err)
}

// bindNothing binds a socket to packets of which there are none: EtherType 0xffff is
// reserved (RFC 1701, section 4). What was received stays in the ring.
func bindNothing(fd int) error {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	ll, ok := sa.(*unix.SockaddrLinklayer)
	if !ok {
		return fmt.Errorf("getsockname: %w", unix.EAFNOSUPPORT)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0xffff, Ifindex: ll.Ifindex}))
}

func (s *ringSocket) Ring() ([]byte, int) { return s.ring, BlockSize }

// Wait parks in Go's poller: no thread waits in poll(2).
func (s *ringSocket) Wait(ready func() bool) error {
	var pending error
	err := s.raw.Read(func(fd uintptr) bool {
		if ready() {
			return true
		}
		pending = pendingError(int(fd))
		return pending != nil
	})
	return errors.Join(err, pending)
}

// pendingError takes the error that the socket holds, such as ENETDOWN. Left
// there, it would make every wait end at once.
//
// It is asked before each wait, and never waits itself: as a raw system call it
// doesn't wake Go's monitor thread, which then looks at the process some fifteen
// thousand times a second.
func pendingError(fd int) error {
	var value int32
	size := uint32(unsafe.Sizeof(value))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&size)), 0)
	switch {
	case errno != 0:
		return os.NewSyscallError("getsockopt SO_ERROR", errno)
	case value != 0:
		return unix.Errno(value)
	}
	return nil
}

func (s *ringSocket) Link() (l Link, err error) {
	ctlErr := s.raw.Control(func(fd uintptr) { l, err = linkOf(int(fd)) })
	return l, errors.Join(ctlErr, err)
}

// linkOf asks a socket for its interface.
func linkOf(fd int) (Link, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return Link{}, os.NewSyscallError("getsockname", err)
	}
	ll, ok := sa.(*unix.SockaddrLinklayer)
	if !ok {
		return Link{}, fmt.Errorf("getsockname: %w", unix.EAFNOSUPPORT)
	}
	l := Link{Index: int(int32(ll.Ifindex)), HardwareType: ll.Hatype}
	switch l.Index {
	case 0:
		l.Up = true
		return l, nil
	case deleted:
		return l, nil
	}
	// Flags are asked for by name, which may be another by now.
	req, err := unix.NewIfreq("")
	if err != nil {
		return l, err
	}
	req.SetUint32(uint32(l.Index))
	if unix.IoctlIfreq(fd, unix.SIOCGIFNAME, req) == nil && unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req) == nil {
		l.Up = req.Uint16()&unix.IFF_UP != 0
	}
	return l, nil
}

func (s *ringSocket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

func (s *ringSocket) SetBPF(program []bpf.RawInstruction) error { return s.conn.SetBPF(program) }

func (s *ringSocket) Stats() (packets, drops uint32, err error) {
	stats, err := s.conn.Stats()
	if err != nil {
		return 0, 0, err
	}
	return stats.Packets, stats.Drops, nil
}

func (s *ringSocket) Close() error {
	return errors.Join(os.NewSyscallError("munmap", unix.Munmap(s.ring)), s.conn.Close())
}
