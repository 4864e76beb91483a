package pcapfile

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"
)

// pcapState is what the header of a pcap file says about the records.
type pcapState struct {
	headerSize int
	fraction   int64  // nanoseconds in a unit of the second timestamp field
	snapLen    uint32 // data beyond it is cut off
	maxLen     uint32 // a longer packet is damage
	minor      uint16 // decides where the lengths stand; 0 for DG/UX as well
}

// readFileHeader reads the header of a pcap file. It reports false if b, its
// first 4 bytes or more, is not the beginning of one.
func (r *Reader) readFileHeader(b []byte) (known bool, err error) {
	magic := binary.LittleEndian.Uint32(b)
	switch magic {
	case magicMicro, magicNano, magicKuznetsov:
	default:
		magic, r.big = bits.ReverseBytes32(magic), true
	}
	i := &Interface{FCSLen: -1, Resolution: Microseconds}
	p := pcapState{headerSize: RecordHeaderSize, fraction: 1000}
	switch magic {
	case magicMicro:
	case magicNano:
		i.Resolution = Nanoseconds
		p.fraction = 1
	case magicKuznetsov:
		// Alexey Kuznetsov's patch of libpcap 0.4 added interface
		// index, protocol and packet type to each record.
		p.headerSize += 8
	default:
		return false, nil
	}

	r.format = PCAP
	if b = r.w.peek(FileHeaderSize); len(b) < FileHeaderSize {
		return true, r.short(len(b), FileHeaderSize)
	}
	major, minor := r.big.uint16(b[4:]), r.big.uint16(b[6:])
	if !(major == 2 && minor <= 4 || major == 543 && minor == 0) {
		return true, r.bad("version %d.%d is not supported (2.0 to 2.4 are)", major, minor)
	}
	linkType := r.big.uint32(b[20:])
	if linkType&0x03ff0000 != 0 {
		return true, r.bad("reserved bits of the link type field %#08x are set", linkType)
	}
	i.LinkType = LinkType(linkType)
	if linkType&(1<<26) != 0 {
		i.FCSLen = int(linkType>>28) * 2 // counted in 16-bit words
	}
	i.SnapLen = r.big.uint32(b[16:])

	p.minor = minor
	p.maxLen = i.LinkType.maxSnapLen()
	p.snapLen = i.SnapLen
	if p.snapLen == 0 || p.snapLen > math.MaxInt32 {
		p.snapLen = p.maxLen
	}
	if magic == magicKuznetsov && i.LinkType == LinkTypeEthernet {
		// Such a libpcap put an Ethernet header of its own before the
		// packets of other links, after it had applied the snap length.
		p.snapLen += 14
	}

	r.pcap = p
	r.ng.section = &Section{ByteOrder: r.big.binary(), Major: major, Minor: minor, Length: -1}
	r.sections = []*Section{r.ng.section}
	r.all = []*Interface{i}
	r.packet = Packet{HasTime: true, Interface: i}
	r.w.advance(FileHeaderSize)
	return true, nil
}

// nextRecord reads the next record of a pcap file into r.packet, and agrees
// with libpcap about what one may look like.
func (r *Reader) nextRecord() error {
	p := &r.pcap
	h := r.w.peek(p.headerSize)
	if len(h) < p.headerSize {
		return r.short(len(h), 0)
	}
	sec, frac := r.big.uint32(h), r.big.uint32(h[4:])
	capLen, length := r.big.uint32(h[8:]), r.big.uint32(h[12:])

	// Version 2.3 interchanged the two lengths, but some programs wrote
	// its number and the old order; DG/UX wrote 543.0 and the old order.
	if p.minor < 3 || p.minor == 3 && capLen > length {
		capLen, length = length, capLen
	}
	if capLen == 0 && length == 0 || capLen > p.maxLen {
		if err := r.noRecord(h); err != nil {
			return err
		}
	}
	if capLen > p.maxLen {
		return r.bad("captured length %d exceeds the maximum of %d for link type %v",
			capLen, p.maxLen, r.packet.Interface.LinkType)
	}
	size := p.headerSize + int(capLen)
	b := r.w.peek(size)
	if len(b) < size {
		return r.short(len(b), int64(size))
	}

	pkt := &r.packet
	pkt.Time = time.Unix(int64(sec), int64(frac)*p.fraction).UTC()
	pkt.Data = b[p.headerSize:size:size]
	if capLen > p.snapLen {
		// Solaris 2.3 wrote such files; libpcap hands out no more than
		// the header promises.
		pkt.Data = pkt.Data[:p.snapLen]
	}
	pkt.Length = length
	pkt.Offset = r.w.offset
	r.w.advance(size)
	return nil
}

// noRecord says what stands in place of a record, if that is known: zeros, which a crash leaves
// where the file's size was written and its data wasn't, or the header of another capture.
// libpcap reads both as packets without length.
func (r *Reader) noRecord(h []byte) error {
	if allZero(h) {
		return r.bad("zeros stand where a record should begin")
	}
	if mayBeginCapture(h) && BeginsCapture(r.w.peek(FileHeaderSize)) {
		return r.another()
	}
	return nil
}
