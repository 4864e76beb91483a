package capture

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"netcap/capture/internal/tpacket"
)

// Batch is a block of the ring on lease: its packets lie in memory shared with
// the kernel, which gets the block back at Release.
type Batch struct {
	block   []byte
	off     int // of the next packet
	left    int // packets not yet handed out
	snapLen int
	early   bool
	err     error

	handle *Handle // who gets the block back; nil once it has
	whole  []byte  // the block with what it doesn't use
}

// Len returns how many packets are yet to be handed out.
func (b *Batch) Len() int { return b.left }

// Next fills p with the next packet and reports whether there was one.
func (b *Batch) Next(p *Packet) bool {
	if b.left == 0 {
		return false
	}
	hdr := tpacket.Packet(b.block, b.off)
	if hdr == nil {
		return b.fail("packet header", b.off)
	}
	mac, n := b.off+int(hdr.Mac), int(hdr.Snaplen)
	if n < 0 || mac < b.off+tpacket.AddrOffset+tpacket.AddrSize || n > len(b.block)-mac {
		return b.fail("frame", b.off)
	}
	addr := tpacket.Addr(b.block, b.off)

	p.Data = b.block[mac : mac+n : mac+n]
	p.Time = int64(hdr.Sec)*1e9 + int64(hdr.Nsec)
	p.Length = int(hdr.Len)
	p.Interface = int(addr.Ifindex)
	p.Type = PacketType(addr.Pkttype)
	p.HardwareType = addr.Hatype
	p.Protocol = ntohs(addr.Protocol)
	p.HeaderLen = max(0, int(hdr.Net)-int(hdr.Mac))
	p.Source = addr8(addr)
	if hdr.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		b.putBackTag(p, hdr, mac)
	}
	if len(p.Data) > b.snapLen {
		p.Data = p.Data[:b.snapLen]
	}

	b.left--
	if b.left > 0 && hdr.Next_offset == 0 { // the same would come for ever
		b.fail("next packet", b.off)
	}
	b.off += int(hdr.Next_offset)
	return true
}

// Peek fills r with the packet that Next will return, as a filter in the kernel
// sees it, and reports whether there is one that Config.Direction wants: of those
// on the loopback interface that is one of the two that each is seen as. It is for
// Config.Unfiltered; else the kernel has asked that.
func (b *Batch) Peek(r *Raw) bool {
	if b.left == 0 {
		return false
	}
	hdr := tpacket.Packet(b.block, b.off)
	if hdr == nil {
		return false // Next says so
	}
	mac, n := b.off+int(hdr.Mac), int(hdr.Snaplen)
	if n < 0 || mac < b.off+tpacket.AddrOffset+tpacket.AddrSize || n > len(b.block)-mac {
		return false
	}
	addr := tpacket.Addr(b.block, b.off)
	*r = Raw{
		Data: b.block[mac : mac+n : mac+n], Length: int(hdr.Len), Network: max(0, int(hdr.Net)-int(hdr.Mac)),
		Protocol: ntohs(addr.Protocol), Type: PacketType(addr.Pkttype), Interface: int(addr.Ifindex), HardwareType: addr.Hatype,
	}
	if hdr.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		r.VLAN, r.Tagged = uint16(hdr.Hv1.Vlan_tci), true
	}
	return b.handle.wants(r)
}

// TimedOut reports whether the kernel gave the block up because the retire
// time-out had passed, and not because it was full: few packets come.
func (b *Batch) TimedOut() bool { return b.early }

// Err returns what ended Next early: a block that isn't laid out as
// packet(7)'s ring, which the kernel never hands over.
func (b *Batch) Err() error { return b.err }

// Release gives the block back to the kernel. Packets of the batch must not be
// used after it. It does nothing the second time.
func (b *Batch) Release() {
	if b.handle != nil {
		b.handle.release(b.whole)
	}
	b.handle, b.block, b.whole, b.left = nil, nil, nil, 0
}

func (b *Batch) fail(what string, off int) bool {
	b.err = fmt.Errorf("ring block is malformed: %s at offset %d isn't within it", what, off)
	b.left = 0
	return false
}

// macAddrs is the length of the two addresses that precede an Ethernet tag.
const macAddrs = 12

// putBackTag puts the outermost VLAN tag, which the kernel keeps beside the
// frame, back into it: the addresses move four bytes down into room that
// PACKET_RESERVE left before the frame. A TCI of 0 is a tag like any other.
func (b *Batch) putBackTag(p *Packet, hdr *unix.Tpacket3Hdr, mac int) {
	room := mac - (b.off + tpacket.AddrOffset + tpacket.AddrSize)
	if !isEthernet(p.HardwareType) || len(p.Data) < macAddrs || room < tpacket.VLANTagSize {
		return
	}
	tpid := uint16(unix.ETH_P_8021Q)
	if hdr.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = hdr.Hv1.Vlan_tpid
	}
	start := mac - tpacket.VLANTagSize
	frame := b.block[start : mac+len(p.Data) : mac+len(p.Data)]
	copy(frame, frame[tpacket.VLANTagSize:tpacket.VLANTagSize+macAddrs])
	binary.BigEndian.PutUint16(frame[macAddrs:], tpid)
	binary.BigEndian.PutUint16(frame[macAddrs+2:], uint16(hdr.Hv1.Vlan_tci))
	p.Data = frame
	p.Length += tpacket.VLANTagSize
	p.Protocol = tpid
}

func isEthernet(hardwareType uint16) bool {
	return hardwareType == unix.ARPHRD_ETHER || hardwareType == unix.ARPHRD_LOOPBACK
}

func addr8(a *unix.RawSockaddrLinklayer) []byte {
	return a.Addr[:min(int(a.Halen), len(a.Addr))]
}

// ntohs swaps a 16-bit number that the kernel keeps in network byte order; it
// serves both ways.
func ntohs(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}
