package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Packet is a packet as read from a file. The Packet, its Data, Comments and
// Options belong to the Reader and are valid until its next Next.
type Packet struct {
	Time    time.Time // UTC, of the years 0 to 9999; the zero Time if HasTime is false
	HasTime bool      // false for a pcapng Simple Packet Block, which has no timestamp

	Data   []byte // the bytes captured
	Length uint32 // bytes the packet had on the wire, as the file claims

	Interface   *Interface // where it was captured; never nil
	InterfaceID int        // the number of that interface in its section

	Flags    Flags
	Dropped  Counter // packets lost since the one before it on the same interface
	Comments []string
	Options  []Option // all others that it has; they and their values are the Reader's too

	Offset int64 // of its record or block in the file
}

// Queue returns which queue of its interface the packet came by (epb_queue), if it says so.
func (p *Packet) Queue() (queue uint32, ok bool) {
	for i := range p.Options {
		if o := &p.Options[i]; o.Code == OptionQueue && !o.Unknown {
			return binary.LittleEndian.Uint32(o.Value), true
		}
	}
	return 0, false
}

// Reader decodes a pcap or pcapng file.
//
// What the blocks between the packets say is kept up to 16 MiB; beyond that
// it is passed over, names and comments of interfaces come out empty, and
// Overflowed reports true. An interface of the current section always remains
// known by its link type, snap length and clock; a section of more than 65,536
// interfaces is refused. The largest block accepted is 16 MiB (129 MiB once an
// interface of type D-Bus was seen), and memory for it is taken only as its
// bytes arrive; a larger one that holds no packet is passed over. So is a section
// of another major version: Sections has it, with that version and without
// interfaces.
//
// What no packet can be is damage, though libpcap reads it as packets without
// length: zeros in place of a pcap record, and the header of another capture.
type Reader struct {
	w      window
	format Format
	packet Packet
	err    error // what Next returns from now on

	big      byteOrder
	pcap     pcapState
	ng       pcapngState
	sections []*Section
	all      []*Interface

	statistics []InterfaceStatistics
	names      []Name
	macNames   []Name
	custom     []Custom
	room       int // bytes that may still be kept
	overflowed bool

	blocks       []Block // that nobody asked for yet
	blockBytes   int
	blocksMissed int

	options []Option // of the last packet, whose memory the next one's take
}

// metadataLimit bounds what a Reader keeps beside packets, in bytes.
const metadataLimit = 16 << 20

// NewReader returns a Reader for the capture that r delivers. It reads the
// file header or the first section header, and buffers: r should not be used by
// anyone else afterwards. The error is ErrFormat if the input is not a
// capture, a *FormatError if it is one that can't be read, a *TruncatedError
// if it ends in the header, or an error of r.
func NewReader(r io.Reader) (*Reader, error) {
	return newReader(r, windowSize)
}

// NewReaderSize is NewReader with a buffer of size bytes at first, at least 64, instead of
// 256 KiB: for those who want no more than the beginning of a file.
func NewReaderSize(r io.Reader, size int) (*Reader, error) {
	return newReader(r, max(size, 64))
}

func newReader(r io.Reader, size int) (*Reader, error) {
	d := &Reader{w: window{r: r, buf: make([]byte, size)}, room: metadataLimit}
	b := d.w.peek(12)
	if len(b) < 12 && d.w.err != io.EOF {
		return nil, fmt.Errorf("read at offset %d: %w", len(b), d.w.err)
	}
	if len(b) < 4 {
		return nil, unrecognised(b)
	}
	if binary.LittleEndian.Uint32(b) == blockSection {
		// Bytes 8 to 11 are the byte-order magic: without it, this may
		// be any text that begins with line ends.
		if len(b) == 12 && !isByteOrderMagic(b[8:]) {
			return nil, unrecognised(b)
		}
		d.format = PCAPNG
		d.ng.maxBlock = maxBlock
		if err := d.readSection(); err != nil {
			return nil, err
		}
		return d, nil
	}
	known, err := d.readFileHeader(b)
	if !known {
		return nil, unrecognised(b)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Next returns the next packet. At the end of the file the error is io.EOF; if
// the file ends inside a record or block it is a *TruncatedError, if what
// follows can't be read a *FormatError, otherwise an error of the io.Reader.
// After an error Next returns the same error for ever.
func (r *Reader) Next() (*Packet, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.format == PCAP {
		r.err = r.nextRecord()
	} else {
		r.err = r.nextPacketBlock()
	}
	if r.err != nil {
		return nil, r.err
	}
	return &r.packet, nil
}

// Buffered reports whether Next will return without a read of the input.
func (r *Reader) Buffered() bool {
	b := r.w.buf[r.w.start:r.w.end]
	if r.err != nil {
		return true
	}
	for { // blocks that are no packets come before one
		var size uint64
		packet := true
		switch {
		case r.format == PCAP && len(b) >= r.pcap.headerSize:
			size = uint64(r.pcap.headerSize) + uint64(r.big.uint32(b[8:]))
		case r.format == PCAPNG && len(b) >= minBlock:
			size = uint64(r.big.uint32(b[4:]))
			switch r.big.uint32(b) {
			case blockPacket, blockPacketOld, blockSimple:
			default:
				packet = false
			}
		default:
			return false
		}
		switch {
		case size > uint64(len(b)):
			return false
		case packet || size < minBlock: // what is wrong, Next says
			return true
		}
		b = b[size:]
	}
}

// Continue has the Reader go on behind damage that Next has reported: in delivers the bytes of
// the file from offset on, where a record or block begins. What was said of sections and
// interfaces remains so.
func (r *Reader) Continue(in io.Reader, offset int64) {
	r.w = window{r: in, buf: r.w.buf, offset: offset}
	r.big = r.ng.section.ByteOrder == binary.BigEndian // not that of a section that was passed over
	r.err = nil
}

// Format returns the format of the file.
func (r *Reader) Format() Format { return r.format }

// Offset returns the length of the file up to the end of the last whole record
// or block that was read. After an error other than io.EOF that is the longest
// prefix that is a valid file.
func (r *Reader) Offset() int64 { return r.w.offset }

// Section returns the current section. A pcap file is described as one.
func (r *Reader) Section() *Section { return r.ng.section }

// Sections returns the sections seen so far.
func (r *Reader) Sections() []*Section { return r.sections }

// Interfaces returns the interfaces seen so far, in all sections. A pcap file
// has one from the start; those of a pcapng file are read as Next comes upon
// them, usually before the first packet.
func (r *Reader) Interfaces() []*Interface { return r.all }

// Described returns how many interfaces the current section of a pcapng file has described, all
// of which packets may be from, though Interfaces doesn't list more than are kept.
func (r *Reader) Described() int { return len(r.ng.interfaces) }

// LinkTypes returns the link types of the interfaces seen so far, each once.
func (r *Reader) LinkTypes() []LinkType {
	var types []LinkType
	seen := make(map[LinkType]bool)
	for _, i := range r.all {
		if !seen[i.LinkType] {
			seen[i.LinkType] = true
			types = append(types, i.LinkType)
		}
	}
	return types
}

// Statistics returns the Interface Statistics Blocks seen so far, in the order
// of the file. When the limit on what is kept is reached, each interface's
// latest replaces the one before.
func (r *Reader) Statistics() []InterfaceStatistics { return r.statistics }

// Names returns the records of the Name Resolution Blocks seen so far.
func (r *Reader) Names() []Name { return r.names }

// MACNames returns the names of hardware addresses seen so far.
func (r *Reader) MACNames() []Name { return r.macNames }

// Custom returns the Custom Blocks seen so far.
func (r *Reader) Custom() []Custom { return r.custom }

// Overflowed reports whether the file said more beside its packets than a
// Reader keeps.
func (r *Reader) Overflowed() bool { return r.overflowed }

// keep reports whether n more bytes of metadata may be kept.
func (r *Reader) keep(n int) bool {
	if n > r.room {
		r.overflowed = true
		return false
	}
	r.room -= n
	return true
}

// keepString returns a copy of b, or "" if there is no room for it.
func (r *Reader) keepString(b []byte) string {
	if !r.keep(len(b)) {
		return ""
	}
	return string(b)
}

// short is what Next returns when only n bytes are left where a header or a
// record or block of the given size should be.
func (r *Reader) short(n int, size int64) error {
	switch {
	case r.w.err != nil && r.w.err != io.EOF:
		return fmt.Errorf("read at offset %d: %w", r.w.offset+int64(n), r.w.err)
	case n == 0:
		return io.EOF
	}
	return &TruncatedError{Format: r.format, Offset: r.w.offset, Remaining: int64(n), Size: size}
}

// bad returns a FormatError about what begins at the current offset.
func (r *Reader) bad(format string, args ...any) error {
	return &FormatError{Format: r.format, Offset: r.w.offset, Reason: fmt.Sprintf(format, args...)}
}

// another returns a FormatError that names the capture that begins at the current offset.
func (r *Reader) another() error {
	format := PCAP
	if b := r.w.peek(4); binary.LittleEndian.Uint32(b) == blockSection {
		format = PCAPNG
	}
	return &FormatError{Format: r.format, Offset: r.w.offset, Reason: "the header of a " + format.String() + " file", Another: true}
}
