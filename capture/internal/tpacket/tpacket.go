//go:build linux

// Package tpacket is the memory layout of a TPACKET_V3 receive ring, as
// Documentation/networking/packet_mmap.rst and linux/if_packet.h give it:
// what the kernel writes, what user space reads, and who owns a block when.
//
// It is read by package capture, and written by whoever stands in for the
// kernel: the recvmsg(2) path of package capture and package capturetest.
package tpacket

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes and offsets in bytes.
const (
	// DescSize is struct tpacket_block_desc: version, offset to the private
	// area, and the block header.
	DescSize = int(unsafe.Sizeof(unix.TpacketBlockDesc{}))
	// PacketHeaderSize is struct tpacket3_hdr, which starts each packet.
	PacketHeaderSize = unix.SizeofTpacket3Hdr
	// AddrOffset is where struct sockaddr_ll stands, from the packet's start:
	// TPACKET_ALIGN(sizeof(struct tpacket3_hdr)).
	AddrOffset = (PacketHeaderSize + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)
	// AddrSize is struct sockaddr_ll.
	AddrSize = unix.SizeofSockaddrLinklayer
	// VLANTagSize is an IEEE 802.1Q tag: TPID and TCI.
	VLANTagSize = 4
	// FrameAlign is what the kernel aligns the start of a packet to within a
	// block (V3_ALIGNMENT in net/packet/af_packet.c).
	FrameAlign = 8

	descHeaderOffset = int(unsafe.Offsetof(unix.TpacketBlockDesc{}.Hdr))
)

// Header returns the block header of the block that starts at block[0].
// The block is at least DescSize bytes and 8-byte aligned.
func Header(block []byte) *unix.TpacketHdrV1 {
	_ = block[DescSize-1]
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&block[descHeaderOffset]))
}

// Status loads the owner of a block: TP_STATUS_KERNEL, or TP_STATUS_USER with
// further bits. What the kernel wrote before is visible after.
func Status(block []byte) uint32 { return atomic.LoadUint32(&Header(block).Block_status) }

// SetStatus hands a block over: all that was written or read before is done.
func SetStatus(block []byte, status uint32) {
	atomic.StoreUint32(&Header(block).Block_status, status)
}

// SetPackets stores how many packets a block has. What was written of them before is visible
// to whoever asks Holds.
func SetPackets(block []byte, n uint32) { atomic.StoreUint32(&Header(block).Num_pkts, n) }

// Holds reports whether a block that the kernel still fills has n packets, all of them
// complete: the kernel counts a packet in the block's header when it finds room for it, and
// sets TP_STATUS_USER in the packet's once it has copied it there (tpacket_rcv in
// net/packet/af_packet.c). That no more come is for the caller to see to.
func Holds(block []byte, n int64) bool {
	desc := Header(block)
	if int64(atomic.LoadUint32(&desc.Num_pkts)) != n {
		return false
	}
	off := int(desc.Offset_to_first_pkt)
	for range n {
		hdr := Packet(block, off)
		if hdr == nil || hdr.Status&unix.TP_STATUS_USER == 0 {
			return false
		}
		off += int(hdr.Next_offset)
	}
	return true
}

// Packet returns the packet header at offset off of a block, or nil if the
// header and the link-layer address behind it don't fit there.
func Packet(block []byte, off int) *unix.Tpacket3Hdr {
	if off < 0 || off%4 != 0 || off+AddrOffset+AddrSize > len(block) {
		return nil
	}
	return (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[off]))
}

// Addr returns the link-layer address of the packet at offset off, for which
// Packet did not return nil.
func Addr(block []byte, off int) *unix.RawSockaddrLinklayer {
	return (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&block[off+AddrOffset : off+AddrOffset+AddrSize][0]))
}
