package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netcap/capture/internal/tpacket"
)

// openMessages opens a socket that is read with recvmsg(2), a system call and a
// copy a packet, because of what reason says.
func openMessages(c *Config, ifi *net.Interface, program []bpf.RawInstruction, reason error) (*Handle, error) {
	conn, err := socket.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0, "packet", nil)
	if err != nil {
		return nil, explain(c.Interface, err)
	}
	s := &messageSocket{name: c.Interface, conn: conn}
	if err := attach(conn, c.Interface, program); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err = s.setUp(c, ifi); err != nil {
		return nil, errors.Join(explain(c.Interface, err), conn.Close())
	}
	h, err := New(s, c)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	h.mode, h.degrade = "recvmsg", reason
	return h, nil
}

// messageSocket fills a small ring of its own with what recvmsg(2) returns, so
// that everything behind it is the same as with the kernel's.
type messageSocket struct {
	name   string
	conn   *socket.Conn
	ring   []byte
	blocks [2][]byte
	next   int // index of the block to fill
	w      tpacket.Writer
	frame  []byte // holds one frame that didn't fit into the last block
	held   tpacket.Frame
	oob    [256]byte
}

func (s *messageSocket) setUp(c *Config, ifi *net.Interface) error {
	conn := s.conn
	if err := conn.SetsockoptInt(unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return err
	}
	if err := conn.SetsockoptInt(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return err
	}
	// As much of the wanted size as may be had: net.core.rmem_max bounds it
	// where CAP_NET_ADMIN is missing.
	if err := conn.SetReadBuffer(c.RingSize); err != nil {
		return err
	}
	if ifi.Index != 0 && !c.NoPromiscuous {
		mreq := &unix.PacketMreq{Ifindex: int32(ifi.Index), Type: unix.PACKET_MR_PROMISC}
		if err := conn.SetsockoptPacketMreq(unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, mreq); err != nil {
			return err
		}
	}
	ring, err := unix.Mmap(-1, 0, len(s.blocks)*BlockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	s.ring = ring
	for i := range s.blocks {
		s.blocks[i] = ring[i*BlockSize:][:BlockSize:BlockSize]
	}
	s.frame = make([]byte, c.SnapLen)
	if c.Unfiltered {
		s.frame = make([]byte, MaxSnapLen)
	}
	return conn.Bind(&unix.SockaddrLinklayer{Protocol: ntohs(unix.ETH_P_ALL), Ifindex: ifi.Index})
}

func (s *messageSocket) Ring() ([]byte, int) { return s.ring, BlockSize }

// Wait receives until a block is full or nothing more is there at once, and
// hands that block over.
func (s *messageSocket) Wait(ready func() bool) error {
	for !ready() {
		block := s.blocks[s.next]
		if tpacket.Status(block)&unix.TP_STATUS_USER != 0 {
			return fmt.Errorf("ring of recvmsg: %w", unix.ENOBUFS) // the reader holds both blocks
		}
		s.w.Open(block)
		if s.held.Data != nil {
			s.w.Append(&s.held)
			s.held.Data = nil
		}
		if err := s.fill(); err != nil && s.w.Empty() {
			return err
		}
		if !s.w.Empty() {
			s.w.Retire(0)
			s.next = (s.next + 1) % len(s.blocks)
		}
	}
	return nil
}

// fill waits for one packet unless the block has one, and takes what else is
// there.
func (s *messageSocket) fill() error {
	for {
		flags := 0
		if !s.w.Empty() {
			flags = unix.MSG_DONTWAIT
		}
		f, err := s.receive(flags)
		if err != nil {
			return err
		}
		if !s.w.Append(f) {
			s.held = *f
			return nil
		}
	}
}

// errNothing says that no packet is there now.
var errNothing = errors.New("no packet")

func (s *messageSocket) receive(flags int) (*tpacket.Frame, error) {
	var n, oobn int
	var from unix.Sockaddr
	// MSG_TRUNC makes n the length of the frame, however much of it was kept.
	op := func(fd int) (err error) {
		n, oobn, _, from, err = unix.Recvmsg(fd, s.frame, s.oob[:], unix.MSG_TRUNC|unix.MSG_DONTWAIT)
		if flags&unix.MSG_DONTWAIT != 0 && errors.Is(err, unix.EAGAIN) {
			return errNothing // and not: wait
		}
		return err
	}
	if err := s.conn.ReadFunc(context.Background(), "recvmsg", op); err != nil {
		return nil, err
	}
	f := &tpacket.Frame{Data: s.frame[:min(n, len(s.frame))], Length: n}
	if ll, ok := from.(*unix.SockaddrLinklayer); ok {
		f.Addr = unix.RawSockaddrLinklayer{
			Family: unix.AF_PACKET, Protocol: ll.Protocol, Ifindex: int32(ll.Ifindex),
			Hatype: ll.Hatype, Pkttype: ll.Pkttype, Halen: ll.Halen, Addr: ll.Addr,
		}
	}
	return f, controlMessages(f, s.oob[:oobn])
}

// controlMessages takes time stamp, original length and VLAN tag out of what
// recvmsg(2) returned beside the frame.
func controlMessages(f *tpacket.Frame, oob []byte) error {
	for len(oob) >= unix.CmsgLen(0) {
		hdr, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return os.NewSyscallError("recvmsg", err)
		}
		oob = rest
		switch {
		case hdr.Level == unix.SOL_PACKET && hdr.Type == unix.PACKET_AUXDATA && len(data) >= int(unsafe.Sizeof(unix.TpacketAuxdata{})):
			aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&data[0]))
			f.Status, f.VLANTCI, f.VLANTPID = aux.Status, aux.Vlan_tci, aux.Vlan_tpid
			f.Length, f.NetOff = int(aux.Len), max(0, int(aux.Net)-int(aux.Mac))
		case hdr.Level == unix.SOL_SOCKET && hdr.Type == unix.SO_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			ts := (*unix.Timespec)(unsafe.Pointer(&data[0]))
			f.Time = ts.Nano()
		}
	}
	return nil
}

func (s *messageSocket) Link() (l Link, err error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return l, err
	}
	ctlErr := raw.Control(func(fd uintptr) { l, err = linkOf(int(fd)) })
	return l, errors.Join(ctlErr, err)
}

func (s *messageSocket) bindNothing() error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	ctlErr := raw.Control(func(fd uintptr) { err = bindNothing(int(fd)) })
	return errors.Join(ctlErr, err)
}

func (s *messageSocket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

func (s *messageSocket) SetBPF(program []bpf.RawInstruction) error { return s.conn.SetBPF(program) }

func (s *messageSocket) Stats() (packets, drops uint32, err error) {
	stats, err := s.conn.GetsockoptTpacketStats(unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, 0, err
	}
	return stats.Packets, stats.Drops, nil
}

func (s *messageSocket) Close() error {
	return errors.Join(os.NewSyscallError("munmap", unix.Munmap(s.ring)), s.conn.Close())
}
