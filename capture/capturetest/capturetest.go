//go:build linux

// Package capturetest has a network interface that exists only in memory, for
// tests of programs that use package capture. What is sent on it is written as
// genuine TPACKET_V3 bytes, as the kernel lays them out, and read by the ring
// reader of package capture: blocks fill, are retired when they are full or
// after a time-out, and packets are dropped while the reader holds them all.
//
// It needs no privilege. It does not apply a direction or a filter of
// capture.Config, since that is the kernel's part in Open.
package capturetest

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netcap/capture"
	"netcap/capture/internal/tpacket"
)

// Frame is a packet to be sent on an Interface.
type Frame struct {
	// Time is the time stamp, in nanoseconds since the epoch; 0 is now.
	Time int64
	// Data is the frame as on the wire, VLAN tags included.
	Data []byte
	// Length is the length on the wire in bytes; 0 is that of Data.
	Length int
	// Type is where the frame goes; the zero value is to this host.
	Type capture.PacketType
	// Interface is the index it is seen on; 0 is that of the Interface.
	Interface int
	// HardwareType is the ARPHRD_ number; 0 is Ethernet's.
	HardwareType uint16
}

// Interface is a fake network interface with one socket on it.
type Interface struct {
	s *ring
}

// Options are how the ring is laid out. The zero value is useful.
type Options struct {
	// Blocks is how many blocks the ring has. Default: 4.
	Blocks int
	// BlockSize is their size in bytes. Default: capture.BlockSize.
	BlockSize int
	// Index is the index of the interface. Default: 7.
	Index int
}

// Open returns a Handle and the interface that feeds it. cfg.Interface is the
// name; cfg may be nil.
func Open(cfg *capture.Config, o Options) (*capture.Handle, *Interface, error) {
	c := capture.Config{}
	if cfg != nil {
		c = *cfg
	}
	if c.Interface == "" {
		c.Interface = "fake0"
	}
	if c.RetireTimeout == 0 {
		c.RetireTimeout = capture.DefaultRetireTimeout
	}
	if o.Blocks == 0 {
		o.Blocks = 4
	}
	if o.BlockSize == 0 {
		o.BlockSize = capture.BlockSize
	}
	if o.Index == 0 {
		o.Index = 7
	}
	// Of 64-bit words, so that blocks are aligned as the kernel's pages are.
	words := make([]uint64, o.Blocks*o.BlockSize/8)
	s := &ring{
		memory: unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8),
		size:   o.BlockSize, index: o.Index, retire: c.RetireTimeout, up: true,
	}
	s.changed = sync.NewCond(&s.mu)
	h, err := capture.New(s, &c)
	return h, &Interface{s}, err
}

// Send puts frames into the ring, in order. Those for which there is no room
// are dropped and counted, as the kernel does.
func (i *Interface) Send(frames ...Frame) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	for k := range frames {
		i.s.send(&frames[k])
	}
}

// Retire hands the block that isn't full yet to the reader, as the kernel's
// timer does after the retire time-out.
func (i *Interface) Retire() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.s.retireBlock(unix.TP_STATUS_BLK_TMO)
}

// Down takes the interface down: the reader learns of it once.
func (i *Interface) Down() { i.s.goDown(false) }

// Up brings it up again, which the reader has to find out.
func (i *Interface) Up() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.s.up = true
}

// Delete deletes the interface, which takes it down first.
func (i *Interface) Delete() { i.s.goDown(true) }

// ring is the kernel's side: the capture.Socket of an Interface.
type ring struct {
	memory []byte
	size   int
	index  int
	retire time.Duration

	mu       sync.Mutex
	changed  *sync.Cond // of all below, and of the blocks' status
	w        tpacket.Writer
	next     int // index of the block to fill after the open one
	timer    *time.Timer
	filter   *bpf.VM
	packets  uint32
	drops    uint32
	pending  error
	up, gone bool
	closed   bool
	deadline time.Time
	alarm    *time.Timer
}

func (s *ring) send(f *Frame) {
	data := f.Data
	if s.filter != nil {
		if n, err := s.filter.Run(data); err != nil || n == 0 {
			return
		}
	}
	s.packets++
	frame := s.frame(f)
	if s.w.IsOpen() && s.w.Append(frame) {
		return
	}
	s.retireBlock(0)
	block := s.memory[s.next*s.size:][:s.size:s.size]
	if tpacket.Status(block)&unix.TP_STATUS_USER != 0 {
		s.drops++
		return
	}
	s.next = (s.next + 1) % (len(s.memory) / s.size)
	s.w.Open(block)
	if !s.w.Append(frame) {
		s.drops++
	}
	s.timer = time.AfterFunc(s.retire, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.retireBlock(unix.TP_STATUS_BLK_TMO)
	})
}

// frame lays a frame out as the kernel does, which takes the outermost VLAN tag
// of Ethernet frames off (skb_vlan_untag in net/core/skbuff.c).
func (s *ring) frame(f *Frame) *tpacket.Frame {
	out := &tpacket.Frame{Time: f.Time, Data: f.Data, Length: f.Length, NetOff: ethernetHeader}
	if out.Time == 0 {
		out.Time = time.Now().UnixNano()
	}
	if out.Length == 0 {
		out.Length = len(f.Data)
	}
	out.Addr = unix.RawSockaddrLinklayer{
		Family: unix.AF_PACKET, Ifindex: int32(s.index), Pkttype: uint8(f.Type), Halen: 6, Hatype: unix.ARPHRD_ETHER,
	}
	if f.Interface != 0 {
		out.Addr.Ifindex = int32(f.Interface)
	}
	if f.HardwareType != 0 {
		out.Addr.Hatype = f.HardwareType
	}
	if out.Addr.Hatype != unix.ARPHRD_ETHER && out.Addr.Hatype != unix.ARPHRD_LOOPBACK {
		out.NetOff, out.Addr.Halen = 0, 0
		return out
	}
	if len(f.Data) < ethernetHeader {
		return out
	}
	copy(out.Addr.Addr[:], f.Data[6:12])
	tpid := binary.BigEndian.Uint16(f.Data[12:])
	if (tpid == unix.ETH_P_8021Q || tpid == unix.ETH_P_8021AD) && len(f.Data) >= ethernetHeader+tpacket.VLANTagSize {
		out.Status |= unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
		out.VLANTPID, out.VLANTCI = tpid, binary.BigEndian.Uint16(f.Data[14:])
		out.Data = append(append([]byte(nil), f.Data[:12]...), f.Data[16:]...)
		out.Length -= tpacket.VLANTagSize
	}
	// sll_protocol is in network byte order in memory.
	out.Addr.Protocol = binary.NativeEndian.Uint16(out.Data[12:])
	return out
}

const ethernetHeader = 14

func (s *ring) retireBlock(status uint32) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.w.IsOpen() && !s.closed {
		s.w.Retire(status)
		s.changed.Broadcast()
	}
}

func (s *ring) goDown(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending, s.up, s.gone = unix.ENETDOWN, false, gone
	s.changed.Broadcast()
}

func (s *ring) Ring() ([]byte, int) { return s.memory, s.size }

func (s *ring) Wait(ready func() bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return os.ErrClosed
		case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
			return os.ErrDeadlineExceeded
		case ready():
			return nil
		case s.pending != nil:
			err := s.pending
			s.pending = nil
			return err
		}
		s.changed.Wait()
	}
}

func (s *ring) Link() (capture.Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return capture.Link{Index: -1}, nil
	}
	return capture.Link{Index: s.index, HardwareType: unix.ARPHRD_ETHER, Up: s.up}, nil
}

func (s *ring) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alarm != nil {
		s.alarm.Stop()
		s.alarm = nil
	}
	s.deadline = t
	if !t.IsZero() {
		s.alarm = time.AfterFunc(time.Until(t), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})
	}
	return nil
}

func (s *ring) SetBPF(program []bpf.RawInstruction) error {
	instructions, ok := bpf.Disassemble(program)
	if !ok {
		return errors.New("capturetest: a program with instructions that package bpf doesn't know")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filter = vm
	return nil
}

func (s *ring) Stats() (packets, drops uint32, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	packets, drops = s.packets, s.drops
	s.packets, s.drops = 0, 0
	return packets, drops, nil
}

func (s *ring) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.alarm != nil {
		s.alarm.Stop()
	}
	s.closed = true
	s.changed.Broadcast()
	return nil
}
