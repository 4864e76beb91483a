//go:build linux

package tpacket

import "golang.org/x/sys/unix"

// Frame is one packet as the kernel would hand it to a ring.
type Frame struct {
	Time     int64  // nanoseconds since the epoch
	Data     []byte // link-layer header and payload, without a stripped VLAN tag
	Length   int    // bytes on the wire, without a stripped VLAN tag
	Status   uint32 // TP_STATUS_ bits of the packet
	VLANTCI  uint16
	VLANTPID uint16
	NetOff   int // length of the link-layer header within Data, in bytes
	Addr     unix.RawSockaddrLinklayer
}

// Writer fills one block as the kernel does (prb_open_block and tpacket_rcv in
// net/packet/af_packet.c): headers, alignment, the room before the frame.
// The zero Writer has no block; Open gives it one.
type Writer struct {
	block []byte
	end   int // where the next packet starts
	last  int // where the last packet starts, 0 if there is none
	seq   uint64
}

// Open starts to fill block, whose status is TP_STATUS_KERNEL.
func (w *Writer) Open(block []byte) {
	w.block, w.last = block, 0
	w.end = align(DescSize, FrameAlign)
	w.seq++
	desc := Header(block)
	SetPackets(block, 0)
	desc.Offset_to_first_pkt = uint32(w.end)
	desc.Blk_len = uint32(w.end)
	desc.Seq_num = w.seq
}

// Room returns how many bytes of frame the open block can still take.
func (w *Writer) Room() int {
	return max(0, len(w.block)-w.end-macOffset(0)-unix.TPACKET_ALIGNMENT)
}

// Append puts a frame into the open block, and reports whether it fitted.
// Like the kernel it keeps the frame whole or not at all; a frame longer than
// an empty block is cut to it.
func (w *Writer) Append(f *Frame) bool {
	mac := macOffset(f.NetOff)
	data := f.Data
	if room := len(w.block) - w.end - mac; len(data) > room {
		if w.last != 0 || room < 0 {
			return false
		}
		data = data[:room]
	}
	hdr := Packet(w.block, w.end)
	if hdr == nil {
		return false
	}
	next := min(align(w.end+mac+len(data), FrameAlign), len(w.block))
	*hdr = unix.Tpacket3Hdr{
		Next_offset: uint32(next - w.end),
		Sec:         uint32(f.Time / 1e9),
		Nsec:        uint32(f.Time % 1e9),
		Snaplen:     uint32(len(data)),
		Len:         uint32(f.Length),
		Status:      f.Status | unix.TP_STATUS_USER,
		Mac:         uint16(mac),
		Net:         uint16(mac + f.NetOff),
	}
	hdr.Hv1.Vlan_tci = uint32(f.VLANTCI)
	hdr.Hv1.Vlan_tpid = f.VLANTPID
	*Addr(w.block, w.end) = f.Addr
	copy(w.block[w.end+mac:], data)

	w.last, w.end = w.end, next
	desc := Header(w.block)
	desc.Blk_len = uint32(w.end)
	SetPackets(w.block, desc.Num_pkts+1)
	return true
}

// Empty reports whether nothing was appended since Open.
func (w *Writer) Empty() bool { return w.last == 0 }

// Retire hands the block to the reader, with further TP_STATUS_ bits if any,
// and leaves the Writer without one.
func (w *Writer) Retire(status uint32) {
	SetStatus(w.block, unix.TP_STATUS_USER|status)
	w.block, w.last, w.end = nil, 0, 0
}

// IsOpen reports whether there is a block to append to.
func (w *Writer) IsOpen() bool { return w.block != nil }

// macOffset is where the frame starts, from the packet's start, for a
// link-layer header of n bytes and PACKET_RESERVE of one VLAN tag.
func macOffset(n int) int {
	return align(AddrOffset+AddrSize+max(n, 16), unix.TPACKET_ALIGNMENT) + VLANTagSize - n
}

func align(n, to int) int { return (n + to - 1) &^ (to - 1) }
