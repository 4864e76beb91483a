package pcapfile

import (
	"encoding/binary"
	"slices"
)

// MaxCapLen is the most packet data that is written into one block or record,
// in bytes: the largest packet that libpcap reads back from any link type.
// For most link types it reads 256 KiB.
const MaxCapLen = 128 << 20

// PacketHeaderSize is what precedes the data in the block that AppendPacket
// writes, in bytes.
const PacketHeaderSize = 28

// maxAddrs is how many addresses an interface block holds.
const maxAddrs = 1000

const (
	trailerSize  = 4
	flagsOptSize = 12 // epb_flags and the end of the options
	queueOptSize = 8  // epb_queue
	optsEndSize  = 4
)

// PacketSize returns how many bytes AppendPacket appends for capLen bytes of
// packet.
func PacketSize(capLen int, flags Flags) int {
	n := PacketHeaderSize + (min(capLen, MaxCapLen)+3)&^3 + trailerSize
	if flags != 0 {
		n += flagsOptSize
	}
	return n
}

// AppendPacket appends an Enhanced Packet Block to dst: a packet from the
// interface id (the number of AppendInterface calls before its own in this
// section), its time ns in nanoseconds since the epoch, the bytes captured,
// its length on the wire (raised to len(data) if it is less), and the
// epb_flags option unless flags is 0. The format has no time before the epoch:
// a negative ns is written as 0. More than MaxCapLen bytes of data are cut to
// that.
//
// Every byte of the block is written: dst may be a recycled buffer.
func AppendPacket(dst []byte, id uint32, ns int64, data []byte, length uint32, flags Flags) []byte {
	capLen := min(len(data), MaxCapLen)
	size := PacketSize(capLen, flags)
	n := len(dst)
	dst = slices.Grow(dst, size)[:n+size]
	b := dst[n:]
	ts := uint64(max(ns, 0))

	h := (*[PacketHeaderSize]byte)(b)
	binary.LittleEndian.PutUint32(h[0:], blockPacket)
	binary.LittleEndian.PutUint32(h[4:], uint32(size))
	binary.LittleEndian.PutUint32(h[8:], id)
	binary.LittleEndian.PutUint32(h[12:], uint32(ts>>32))
	binary.LittleEndian.PutUint32(h[16:], uint32(ts))
	binary.LittleEndian.PutUint32(h[20:], uint32(capLen))
	binary.LittleEndian.PutUint32(h[24:], max(length, uint32(capLen)))

	// The word that holds the last bytes and the padding, or what follows
	// the data, is cleared before the copy: cheaper than counting.
	binary.LittleEndian.PutUint32(b[PacketHeaderSize+capLen&^3:], 0)
	copy(b[PacketHeaderSize:], data[:capLen])

	if flags != 0 {
		o := (*[flagsOptSize]byte)(b[size-trailerSize-flagsOptSize:])
		binary.LittleEndian.PutUint32(o[0:], 2|4<<16) // epb_flags, 4 bytes
		binary.LittleEndian.PutUint32(o[4:], uint32(flags))
		binary.LittleEndian.PutUint32(o[8:], 0)
	}
	binary.LittleEndian.PutUint32(b[size-trailerSize:], uint32(size))
	return dst
}

// QueuedPacketSize is PacketSize for AppendQueuedPacket.
func QueuedPacketSize(capLen int, flags Flags) int {
	n := PacketSize(capLen, flags) + queueOptSize
	if flags == 0 {
		n += optsEndSize
	}
	return n
}

// AppendQueuedPacket is AppendPacket for a packet of one of several queues of its
// interface, which it tells by epb_queue.
func AppendQueuedPacket(dst []byte, id uint32, ns int64, data []byte, length uint32, flags Flags, queue uint32) []byte {
	at := len(dst)
	dst = AppendPacket(dst, id, ns, data, length, flags)
	dst = dst[:len(dst)-trailerSize]
	if flags != 0 {
		dst = dst[:len(dst)-optsEndSize]
	}
	dst = appendOptionHeader(dst, OptionQueue, 4)
	dst = binary.LittleEndian.AppendUint32(dst, queue)
	dst = append(dst, 0, 0, 0, 0) // opt_endofopt
	return endBlock(dst, at)
}

// AppendPacketOptions is AppendPacket for packets that have options: beside
// flags, how many packets were lost before this one (epb_dropcount, unless it
// is unknown), comments, and others.
func AppendPacketOptions(dst []byte, id uint32, ns int64, data []byte, length uint32, flags Flags, dropped Counter, comments []string, others ...Option) []byte {
	at := len(dst)
	dst = AppendPacket(dst, id, ns, data, length, 0)
	if flags == 0 && !dropped.Known && len(comments) == 0 && len(others) == 0 {
		return dst
	}
	dst = dst[:len(dst)-trailerSize]
	mark := len(dst)
	dst = appendComments(dst, comments)
	if flags != 0 {
		dst = appendOptionHeader(dst, optPacketFlags, 4)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(flags))
	}
	dst = appendCounter(dst, optPacketDropped, dropped)
	dst = appendOptions(dst, others)
	dst = endOptions(dst, mark)
	return endBlock(dst, at)
}

// AppendSimplePacket appends a Simple Packet Block to dst: a packet without a
// time, from the first interface of the section. Its captured length is not
// recorded: data has to be the length of the packet on the wire, or of the
// interface's snap length if that is less.
func AppendSimplePacket(dst []byte, data []byte, length uint32) []byte {
	data = data[:min(len(data), MaxCapLen)]
	dst, at := beginBlock(dst, blockSimple)
	dst = binary.LittleEndian.AppendUint32(dst, length)
	dst = append(dst, data...)
	dst = appendPadding(dst, len(data))
	return endBlock(dst, at)
}

// AppendSection appends a Section Header Block of unknown section length to
// dst. It begins a file, or a new section in one: interfaces count from 0
// again. Here and below, a string or comment longer than 65,535 bytes is cut
// to that, an empty one is not written, and comments end where those of one
// block pass 256 KiB.
func AppendSection(dst []byte, s *Section) []byte {
	dst, at := beginBlock(dst, blockSection)
	dst = binary.LittleEndian.AppendUint32(dst, byteOrderMagic)
	dst = append(dst, 1, 0, 0, 0) // version 1.0
	dst = binary.LittleEndian.AppendUint64(dst, ^uint64(0))
	mark := len(dst)
	dst = appendComments(dst, s.Comments)
	dst = appendStringOption(dst, optSectionHardware, s.Hardware)
	dst = appendStringOption(dst, optSectionOS, s.OS)
	dst = appendStringOption(dst, optSectionApplication, s.Application)
	dst = appendOptions(dst, s.Options)
	dst = endOptions(dst, mark)
	return endBlock(dst, at)
}

// AppendInterface appends an Interface Description Block to dst. Timestamps of
// the interface are nanoseconds since the epoch, which is what AppendPacket
// and AppendStatistics write. A MAC that is not 6 bytes long, invalid
// addresses, and those after the first 1000 are not written.
func AppendInterface(dst []byte, i *Interface) []byte {
	dst, at := beginBlock(dst, blockInterface)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(i.LinkType)) // upper half reserved
	dst = binary.LittleEndian.AppendUint32(dst, i.SnapLen)
	mark := len(dst)
	dst = appendComments(dst, i.Comments)
	dst = appendStringOption(dst, optInterfaceName, i.Name)
	dst = appendStringOption(dst, optInterfaceDescription, i.Description)
	for _, p := range i.Addrs[:min(len(i.Addrs), maxAddrs)] {
		dst = appendPrefixOption(dst, p)
	}
	if len(i.MAC) == 6 {
		dst = appendOptionHeader(dst, optInterfaceMAC, 6)
		dst = append(append(dst, i.MAC...), 0, 0)
	}
	if i.Speed != 0 {
		dst = appendUint64Option(dst, optInterfaceSpeed, i.Speed)
	}
	dst = appendByteOption(dst, optInterfaceResolution, byte(Nanoseconds))
	if i.Filter != "" {
		// A first byte of 0 says that an expression follows.
		dst = appendPrefixedString(dst, optInterfaceFilter, "\x00", i.Filter)
	}
	dst = appendStringOption(dst, optInterfaceOS, i.OS)
	if i.FCSLen > 0 && i.FCSLen <= 255 {
		dst = appendByteOption(dst, optInterfaceFCSLen, byte(i.FCSLen))
	}
	dst = appendStringOption(dst, optInterfaceHardware, i.Hardware)
	dst = appendOptions(dst, i.Options)
	dst = endOptions(dst, mark)
	return endBlock(dst, at)
}

// AppendStatistics appends an Interface Statistics Block to dst: the counters
// of the interface id as they stood at ns nanoseconds since the epoch (a
// negative time is written as 0). Counters that are not known are not written.
func AppendStatistics(dst []byte, id uint32, ns int64, s *Statistics) []byte {
	dst, at := beginBlock(dst, blockStatistics)
	dst = binary.LittleEndian.AppendUint32(dst, id)
	dst = appendTimestamp(dst, ns)
	mark := len(dst)
	dst = appendComments(dst, s.Comments)
	if s.Start > 0 {
		dst = appendOptionHeader(dst, optStatisticsStart, 8)
		dst = appendTimestamp(dst, s.Start)
	}
	if s.End > 0 {
		dst = appendOptionHeader(dst, optStatisticsEnd, 8)
		dst = appendTimestamp(dst, s.End)
	}
	dst = appendCounter(dst, optStatisticsReceived, s.Received)
	dst = appendCounter(dst, optStatisticsDroppedByInterface, s.DroppedByInterface)
	dst = appendCounter(dst, optStatisticsFilterAccepted, s.FilterAccepted)
	dst = appendCounter(dst, optStatisticsDroppedByOS, s.DroppedByOS)
	dst = appendCounter(dst, optStatisticsDelivered, s.Delivered)
	dst = appendOptions(dst, s.Options)
	dst = endOptions(dst, mark)
	return endBlock(dst, at)
}

// AppendNames appends a Name Resolution Block to dst. A name with no address,
// an address with no name, names with a NUL in them, and what makes a record
// longer than 65,535 bytes are left out, as is what follows once the block has
// reached 1 MiB. The block's options are those of the first name.
func AppendNames(dst []byte, names []Name) []byte {
	dst, at := beginBlock(dst, blockNames)
	for i := range names {
		if len(dst)-at > 1<<20 {
			break
		}
		dst = appendName(dst, &names[i])
	}
	dst = append(dst, 0, 0, 0, 0) // nrb_record_end
	if mark := len(dst); len(names) > 0 {
		dst = appendOptions(dst, names[0].Options)
		dst = endOptions(dst, mark)
	}
	return endBlock(dst, at)
}

// AppendCustom appends a Custom Block to dst: data that only the owner of the
// Private Enterprise Number pen understands. The data is padded with zeros to
// a multiple of 4 bytes and its own length is not recorded. A program that
// rewrites the file keeps the block only if it is copyable. Data is cut to what
// a Reader takes, 16 MiB but for 16 bytes. Mind that Wireshark and tshark show the block
// as one more record, without a time, and count it as such.
func AppendCustom(dst []byte, pen uint32, data []byte, copyable bool) []byte {
	typ := uint32(blockCustom)
	if !copyable {
		typ = blockCustomLocal
	}
	dst, at := beginBlock(dst, typ)
	dst = binary.LittleEndian.AppendUint32(dst, pen)
	data = data[:min(len(data), maxBlock-minBlock-4)]
	dst = append(dst, data...)
	dst = appendPadding(dst, len(data))
	return endBlock(dst, at)
}

// beginBlock appends a block header whose length endBlock fills in, given
// the position that it returns.
func beginBlock(dst []byte, typ uint32) ([]byte, int) {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, typ)
	return append(dst, 0, 0, 0, 0), at
}

func endBlock(dst []byte, at int) []byte {
	size := uint32(len(dst) - at + trailerSize)
	binary.LittleEndian.PutUint32(dst[at+4:], size)
	return binary.LittleEndian.AppendUint32(dst, size)
}

func appendTimestamp(dst []byte, ns int64) []byte {
	ts := uint64(max(ns, 0))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(ts>>32))
	return binary.LittleEndian.AppendUint32(dst, uint32(ts))
}

func appendName(dst []byte, n *Name) []byte {
	typ := uint16(recordIPv6)
	if n.Addr.Is4() || n.Addr.Is4In6() {
		typ = recordIPv4
	}
	addr := n.Addr.Unmap().AsSlice()
	switch len(n.MAC) {
	case 6:
		typ, addr = recordEUI48, n.MAC
	case 8:
		typ, addr = recordEUI64, n.MAC
	}
	at := len(dst)
	dst = appendOptionHeader(dst, typ, 0)
	dst = append(dst, addr...)
	for _, name := range n.Names {
		if name == "" || containsNUL(name) || len(dst)-at-4+len(name)+1 > maxOption {
			continue
		}
		dst = append(dst, name...)
		dst = append(dst, 0)
	}
	size := len(dst) - at - 4
	if len(addr) == 0 || size == len(addr) {
		return dst[:at]
	}
	binary.LittleEndian.PutUint16(dst[at+2:], uint16(size))
	return appendPadding(dst, size)
}
