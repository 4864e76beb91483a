package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// maxBlock is the longest block that is read, in bytes, as in libpcap. Link
// types with larger packets raise it.
const (
	maxBlock        = 16 << 20
	maxSectionBlock = 1 << 20
	maxInterfaces   = 1 << 16
	minBlock        = 12
	minSectionBlock = 28
)

// pcapngState is what is known about the current section of a pcapng file.
type pcapngState struct {
	section    *Section
	interfaces []*Interface
	maxBlock   int
}

func isByteOrderMagic(b []byte) bool {
	return binary.LittleEndian.Uint32(b) == byteOrderMagic || binary.BigEndian.Uint32(b) == byteOrderMagic
}

// nextPacketBlock reads blocks up to the next one with a packet, into
// r.packet.
func (r *Reader) nextPacketBlock() error {
	for {
		h := r.w.peek(8)
		if len(h) < 8 {
			return r.short(len(h), 0)
		}
		typ := r.big.uint32(h)
		if typ == blockSection {
			if err := r.readSection(); err != nil {
				return err
			}
			continue
		}
		size := r.big.uint32(h[4:])
		switch {
		case typ == 0 && size == 0:
			return r.bad("zeros stand where a block should begin")
		case mayBeginCapture(h) && BeginsCapture(r.w.peek(FileHeaderSize)):
			return r.another()
		case size > uint32(r.ng.maxBlock) && size%4 == 0 && passable(typ):
			if err := r.passBlock(size); err != nil {
				return err
			}
			r.overflowed = true
			continue
		}
		b, err := r.block(size, minBlock, r.ng.maxBlock)
		if err != nil {
			return err
		}
		body := b[8 : len(b)-trailerSize]
		found := false
		switch typ {
		case blockPacket:
			found, err = true, r.readPacket(body)
		case blockSimple:
			found, err = true, r.readSimplePacket(body)
		case blockPacketOld:
			found, err = true, r.readOldPacket(body)
		case blockInterface:
			err = r.readInterface(body)
		case blockStatistics:
			r.readStatistics(body)
		case blockNames:
			r.readNames(body)
		case blockCustom, blockCustomLocal:
			r.readCustom(typ, body)
		default:
			r.holdBlock(typ, body)
		}
		if err != nil {
			return err
		}
		r.packet.Offset = r.w.offset
		r.w.advance(int(size))
		if found {
			return nil
		}
	}
}

// block returns the whole block at the current offset, whose header claims the
// given size.
func (r *Reader) block(size uint32, least, most int) ([]byte, error) {
	switch {
	case size < uint32(least):
		return nil, r.bad("total length %d is less than %d", size, least)
	case size%4 != 0:
		return nil, r.bad("total length %d is not a multiple of 4", size)
	case size > uint32(most):
		return nil, r.bad("total length %d exceeds the maximum of %d", size, most)
	}
	b := r.w.peek(int(size))
	if len(b) < int(size) {
		return nil, r.short(len(b), int64(size))
	}
	if trailer := r.big.uint32(b[size-trailerSize:]); trailer != size {
		return nil, r.bad("total length is %d at the beginning and %d at the end", size, trailer)
	}
	return b, nil
}

// passable reports whether a block can be passed over: it holds no packet, and nothing that
// those behind it depend on.
func passable(typ uint32) bool {
	switch typ {
	case blockSection, blockInterface, blockPacket, blockPacketOld, blockSimple:
		return false
	}
	return true
}

// passBlock passes over the block at the current offset, which may be larger than memory.
func (r *Reader) passBlock(size uint32) error {
	body := int64(size) - trailerSize
	n := r.w.skip(body)
	b := r.w.peek(trailerSize)
	if n < body || len(b) < trailerSize {
		if n += int64(len(b)); r.w.err != nil && r.w.err != io.EOF {
			return fmt.Errorf("read at offset %d: %w", r.w.offset+n, r.w.err)
		}
		return &TruncatedError{Format: r.format, Offset: r.w.offset, Remaining: n, Size: int64(size)}
	}
	if trailer := r.big.uint32(b); trailer != size {
		return r.bad("total length is %d at the beginning and %d at the end", size, trailer)
	}
	r.w.start += trailerSize
	r.w.offset += int64(size)
	return nil
}

// passSection passes over a section of a version that isn't known, behind its header block of
// size bytes: by the length that it gives, else by its blocks, whose outer form no version of
// the format changes. It reports whether another section follows.
func (r *Reader) passSection(s *Section, size uint32) (followed bool, err error) {
	r.w.advance(int(size))
	if s.Length > 0 {
		n := r.w.skip(s.Length)
		if n < s.Length {
			if r.w.err != nil && r.w.err != io.EOF {
				return false, fmt.Errorf("read at offset %d: %w", r.w.offset+n, r.w.err)
			}
			if n == 0 {
				return false, io.EOF
			}
			return false, &TruncatedError{Format: r.format, Offset: r.w.offset, Remaining: n, Size: s.Length}
		}
		r.w.offset += n
	}
	for {
		h := r.w.peek(8)
		if len(h) < 8 {
			return false, r.short(len(h), 0)
		}
		if r.big.uint32(h) == blockSection {
			return true, nil
		}
		size := r.big.uint32(h[4:])
		if size < minBlock || size%4 != 0 {
			return false, r.bad("total length %d, in a section of version %d.%d that is passed over", size, s.Major, s.Minor)
		}
		if err := r.passBlock(size); err != nil {
			return false, err
		}
	}
}

// readSection reads a Section Header Block: the rest of the file follows its
// byte order and counts interfaces from 0. Sections of other versions are passed over.
func (r *Reader) readSection() error {
	for {
		passed, err := r.nextSection()
		if !passed {
			return err
		}
	}
}

// nextSection reads a Section Header Block, or passes over a section up to the next one's.
func (r *Reader) nextSection() (passed bool, err error) {
	b := r.w.peek(minBlock)
	if len(b) < minBlock {
		return false, r.short(len(b), 0)
	}
	if !isByteOrderMagic(b[8:]) {
		return false, r.bad("section header with byte-order magic %x", b[8:12])
	}
	r.big = binary.BigEndian.Uint32(b[8:]) == byteOrderMagic
	size := r.big.uint32(b[4:])
	if b, err = r.block(size, minSectionBlock, maxSectionBlock); err != nil {
		return false, err
	}
	s := &Section{
		Offset:    r.w.offset,
		ByteOrder: r.big.binary(),
		Major:     r.big.uint16(b[12:]),
		Minor:     r.big.uint16(b[14:]),
		Length:    int64(r.big.uint64(b[16:])),
	}
	if s.Major != 1 || s.Minor != 0 && s.Minor != 2 {
		unknown := r.bad("section of version %d.%d is not supported (1.0 and 1.2 are)", s.Major, s.Minor)
		if s.Major == 1 {
			return false, unknown
		}
		return r.passUnknown(s, size, unknown)
	}
	options := optionList{b[24 : size-trailerSize], r.big}
	for {
		code, value, ok, _ := options.next()
		if !ok {
			break
		}
		switch code {
		case optComment:
			s.Comments = r.addComment(s.Comments, value)
		case optSectionHardware:
			s.Hardware = r.keepString(value)
		case optSectionOS:
			s.OS = r.keepString(value)
		case optSectionApplication:
			s.Application = r.keepString(value)
		default:
			s.Options = r.keepOption(s.Options, ofSection, code, value)
		}
	}
	r.ng.section = s
	r.ng.interfaces = nil
	if r.keep(sectionCost) {
		r.sections = append(r.sections, s)
	}
	r.w.advance(int(size))
	return false, nil
}

// passUnknown passes over a section of another major version, which is kept in the list of
// sections, without interfaces. If nothing that can be read precedes and follows it, the error
// is that of its version.
func (r *Reader) passUnknown(s *Section, size uint32, unknown error) (passed bool, err error) {
	first := r.ng.section == nil
	followed, err := r.passSection(s, size)
	if first && !followed {
		return false, unknown
	}
	if r.keep(sectionCost) {
		r.sections = append(r.sections, s)
	}
	return followed, err
}

// What keeping these costs beside their strings, roughly, in bytes.
const (
	sectionCost    = 200
	interfaceCost  = 400
	statisticsCost = 300
	nameCost       = 80
	stringCost     = 16
	customCost     = 64
)

func (r *Reader) readPacket(body []byte) error {
	if len(body) < 20 {
		return r.bad("packet block of %d bytes is too short", len(body)+minBlock)
	}
	p := &r.packet
	*p = Packet{}
	id := r.big.uint32(body)
	if err := r.findInterface(id); err != nil {
		return err
	}
	p.HasTime = true
	p.Time = p.Interface.clock.time(r.big.timestamp(body[4:]))
	return r.setData(body[20:], r.big.uint32(body[12:]), r.big.uint32(body[16:]))
}

// readSimplePacket reads a Simple Packet Block: it belongs to the first
// interface, has no timestamp, and leaves its captured length to be found from
// the snap length.
func (r *Reader) readSimplePacket(body []byte) error {
	if len(body) < 4 {
		return r.bad("simple packet block of %d bytes is too short", len(body)+minBlock)
	}
	r.packet = Packet{}
	if err := r.findInterface(0); err != nil {
		return err
	}
	length := r.big.uint32(body)
	capLen := length
	if snapLen := r.packet.Interface.SnapLen; snapLen != 0 {
		capLen = min(capLen, snapLen)
	}
	padded := (uint64(capLen) + 3) &^ 3
	if padded > uint64(len(body)-4) {
		return r.bad("captured length %d exceeds the %d bytes in the block", capLen, len(body)-4)
	}
	// What follows the data is not options, this block has none.
	return r.setData(body[4:4+padded], capLen, length)
}

// readOldPacket reads the obsolete Packet Block.
func (r *Reader) readOldPacket(body []byte) error {
	if len(body) < 20 {
		return r.bad("packet block of %d bytes is too short", len(body)+minBlock)
	}
	p := &r.packet
	*p = Packet{}
	if err := r.findInterface(uint32(r.big.uint16(body))); err != nil {
		return err
	}
	if drops := r.big.uint16(body[2:]); drops != math.MaxUint16 {
		p.Dropped = Count(uint64(drops))
	}
	p.HasTime = true
	p.Time = p.Interface.clock.time(r.big.timestamp(body[4:]))
	return r.setData(body[20:], r.big.uint32(body[12:]), r.big.uint32(body[16:]))
}

func (r *Reader) findInterface(id uint32) error {
	if uint64(id) >= uint64(len(r.ng.interfaces)) {
		return r.bad("packet from interface %d, where %d are described", id, len(r.ng.interfaces))
	}
	r.packet.InterfaceID = int(id)
	r.packet.Interface = r.ng.interfaces[id]
	return nil
}

// setData sets the data of r.packet from the rest of its block. A packet
// longer than the snap length is let pass, as tshark does and libpcap does
// not: the bytes are there.
func (r *Reader) setData(b []byte, capLen, length uint32) error {
	p := &r.packet
	if most := p.Interface.LinkType.maxSnapLen(); capLen > most {
		return r.bad("captured length %d exceeds the maximum of %d for link type %v", capLen, most, p.Interface.LinkType)
	}
	if int(capLen) > len(b) {
		return r.bad("captured length %d exceeds the %d bytes in the block", capLen, len(b))
	}
	p.Data = b[:capLen:capLen]
	p.Length = length
	if rest := b[(capLen+3)&^3:]; len(rest) > 0 {
		r.readPacketOptions(rest)
	}
	return nil
}

// maxPacketComments bounds the memory that the comments of one packet take, and
// that its other options take.
const maxPacketComments = 1000

// readPacketOptions reads what it can: damaged options don't cost the packet.
func (r *Reader) readPacketOptions(b []byte) {
	p := &r.packet
	kept := r.options[:0]
	options := optionList{b, r.big}
	for {
		code, value, ok, _ := options.next()
		switch {
		case !ok:
			if len(kept) > 0 {
				r.options, p.Options = kept, kept
			}
			return
		case code == optComment:
			if len(p.Comments) < maxPacketComments {
				p.Comments = append(p.Comments, string(value))
			}
		case code == optPacketFlags && len(value) == 4:
			p.Flags = Flags(r.big.uint32(value))
		case code == optPacketDropped && len(value) == 8:
			p.Dropped = Count(r.big.uint64(value))
		default:
			if len(kept) < maxPacketComments {
				kept = append(kept, r.big.option(ofPacket, code, value))
			}
		}
	}
}

func (r *Reader) addComment(comments []string, value []byte) []string {
	if !r.keep(len(value) + stringCost) {
		return comments
	}
	return append(comments, string(value))
}
