package damage

import (
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
	"time"

	"netcap/pcapfile"
)

// Bounds of what is taken for the record of a packet.
const (
	maxCapLen = 256 << 10 // bytes captured, of one whose header isn't known to be one
	maxLength = 1 << 20   // bytes on the wire
	near      = 30 * 24 * time.Hour
)

// context is the capture that records without a header of their own would go on with.
type context struct {
	format pcapfile.Format
	big    bool
	last   time.Time // of a packet; zero if there was none

	// beyond is what packets must reach that begin before it, 0 if they needn't.
	beyond int64
	// own is where the records begin that a reader has found: others that begin there too
	// don't contradict it.
	own []int64

	// Of pcap.
	headerSize    int
	nano, swapped bool
	// Of pcapng.
	interfaces uint32 // that are described
}

// start is where a part begins.
type start struct {
	at      int64 // -1: nowhere
	header  bool  // that of a capture
	unknown int64 // packets before it whose interface isn't known
	first   int64 // the first of these
}

// What the finder has in memory: lookahead is that much more than it steps through at once,
// and bounds how far it looks to see whether records agree.
const (
	stride    = 1 << 20
	lookahead = 2 << 20
)

// finder looks for packets.
type finder struct {
	r    io.ReaderAt
	size int64
	buf  []byte
	base int64 // of buf in the file
}

// next finds the first part at an offset or behind it. A nil context is for headers alone.
func (f *finder) next(from int64, c *context) (start, error) {
	return f.within(from, f.size, c)
}

// within finds the first part that begins before an offset.
func (f *finder) within(from, to int64, c *context) (start, error) {
	unknown, first := int64(0), int64(0)
	for at := from; at < to; {
		if err := f.load(at); err != nil {
			return start{at: -1}, err
		}
		n := int(min(stride, to-at, int64(len(f.buf))))
		if n == 0 {
			break // the file has become shorter
		}
		i, s := 0, start{at: -1}
		for i < n {
			i = f.candidate(i, n, c)
			if i >= n {
				break
			}
			pos := at + int64(i)
			if f.capture(pos, c) {
				s = start{at: pos, header: true}
				break
			}
			if c != nil && c.format == pcapfile.PCAP && f.records(pos, c, false) {
				s = start{at: pos}
				break
			}
			if c != nil && c.format == pcapfile.PCAPNG {
				size, other := f.blocks(pos, c)
				if size > 0 && !other {
					s = start{at: pos}
					break
				}
				if size > 0 {
					if unknown++; unknown == 1 {
						first = pos
					}
					i += int(size)
					continue
				}
			}
			i++
		}
		if s.unknown, s.first = unknown, first; s.at >= 0 {
			return s, nil
		}
		at += int64(max(i, n))
	}
	return start{at: -1, unknown: unknown, first: first}, nil
}

// load has the bytes from an offset on in memory.
func (f *finder) load(at int64) error {
	if f.buf == nil {
		f.buf = make([]byte, 0, stride+lookahead)
	}
	n, err := f.r.ReadAt(f.buf[:cap(f.buf)], at)
	f.buf, f.base = f.buf[:n], at
	if err == io.EOF {
		return nil
	}
	return err
}

// bytes returns n bytes at an offset, nil if they are beyond what is looked at, or the end.
func (f *finder) bytes(at int64, n int) []byte {
	i := at - f.base
	if i < 0 || i+int64(n) > int64(len(f.buf)) {
		return nil
	}
	return f.buf[i : int(i)+n]
}

// begins are bytes that headers of captures begin with, and in pcapng, blocks.
var begins = func() (table [256]uint8) {
	for _, b := range []byte{0xa1, 0xd4, 0x4d, 0x34, 0x0a} {
		table[b] |= 1
	}
	for _, b := range []byte{1, 2, 3, 4, 5, 6} { // little-endian
		table[b] |= 2
	}
	table[0] |= 4 // big-endian
	return table
}()

// candidate is the next place of the buffer, before the n-th, where something may begin. This
// is the loop that sees every byte.
func (f *finder) candidate(i, n int, c *context) int {
	b := f.buf
	switch {
	case c != nil && c.format == pcapfile.PCAP:
		for ; i < n && i+16 <= len(b); i++ {
			if begins[b[i]]&1 != 0 {
				return i
			}
			capLen, length := binary.LittleEndian.Uint32(b[i+8:]), binary.LittleEndian.Uint32(b[i+12:])
			if c.big {
				capLen, length = bits.ReverseBytes32(capLen), bits.ReverseBytes32(length)
			}
			if c.swapped {
				capLen, length = length, capLen
			}
			if capLen-1 < maxCapLen && length-capLen <= maxLength {
				return i
			}
		}
	case c != nil:
		mask := uint8(1 | 2)
		if c.big {
			mask = 1 | 4
		}
		for ; i < n && i+12 <= len(b); i++ {
			if begins[b[i]]&mask == 0 {
				continue
			}
			if begins[b[i]]&1 != 0 {
				return i
			}
			if typ := order(c.big).Uint32(b[i:]); typ-1 < 6 {
				return i
			}
		}
	default:
		for ; i < n; i++ {
			if begins[b[i]]&1 != 0 {
				return i
			}
		}
	}
	return n
}

func order(big bool) binary.ByteOrder {
	if big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// capture reports whether a capture with a packet begins at an offset.
func (f *finder) capture(at int64, c *context) bool {
	h := f.bytes(at, pcapfile.FileHeaderSize)
	if !pcapfile.BeginsCapture(h) {
		return false
	}
	of := &context{headerSize: pcapfile.RecordHeaderSize}
	if c != nil {
		of.beyond, of.own = c.beyond, c.own
	}
	if h[0] == 0x0a {
		of.big = h[8] == 0x1a
		return f.section(at, of)
	}
	of.big = h[0] == 0xa1
	major, minor := order(of.big).Uint16(h[4:]), order(of.big).Uint16(h[6:])
	of.swapped = major == 2 && minor < 3
	switch magic := order(of.big).Uint32(h); magic {
	case 0xa1b23c4d:
		of.nano = true
	case 0xa1b2cd34: // Kuznetsov's
		of.headerSize += 8
	}
	return f.records(at+pcapfile.FileHeaderSize, of, true)
}

// records follows the records of a pcap capture, which perhaps begin at an offset, from one to
// the next. Three that agree are believed, or two before other damage, or a single one that is
// near in time to what preceded it or has the header of a capture before it.
func (f *finder) records(at int64, c *context, header bool) bool {
	const enough = 3
	var previous time.Time
	whole := 0 // those that begin before what is to be reached don't count
	for whole < enough && at < f.size {
		h := f.bytes(at, c.headerSize)
		if h == nil {
			break // the end, or as much as is looked at
		}
		if _, found := slices.BinarySearch(c.own, at); found {
			return false
		}
		t, size, ok := c.record(h)
		if !ok || at+size > f.size || !previous.IsZero() && t.Sub(previous).Abs() > near {
			break
		}
		if at >= c.beyond {
			whole++
		}
		previous = t
		at += size
	}
	switch {
	case whole == 0:
		return false
	case whole > 1, header:
		return true
	case c.beyond > 0:
		return at == f.size
	}
	return !c.last.IsZero() && previous.Sub(c.last).Abs() < near
}

// record reads the header of a record. It isn't one if its numbers contradict each other.
func (c *context) record(h []byte) (t time.Time, size int64, ok bool) {
	o := order(c.big)
	sec, frac, capLen, length := o.Uint32(h), o.Uint32(h[4:]), o.Uint32(h[8:]), o.Uint32(h[12:])
	if c.swapped {
		capLen, length = length, capLen
	}
	limit := uint32(1e6)
	if c.nano {
		limit = 1e9
	}
	ok = frac < limit && capLen > 0 && capLen <= maxCapLen && capLen <= length && length <= maxLength
	return time.Unix(int64(sec), 0), int64(c.headerSize) + int64(capLen), ok
}

// Types of pcapng blocks, draft-ietf-opsawg-pcapng section 11.1.
const (
	blockInterface  = 1
	blockPacketOld  = 2
	blockSimple     = 3
	blockStatistics = 5
	blockPacket     = 6
	blockSection    = 0x0a0d0d0a
)

// section reports whether a pcapng section begins at an offset, and a packet follows in it.
func (f *finder) section(at int64, c *context) bool {
	const most = 4096 // blocks before the first packet
	_, size := f.block(at, c.big)
	for range most {
		if size == 0 {
			return false
		}
		at += size
		if _, found := slices.BinarySearch(c.own, at); found {
			return false
		}
		var typ uint32
		switch typ, size = f.block(at, c.big); typ {
		case blockSection:
			return false // that one will be found itself
		case blockInterface:
			c.interfaces++
		case blockPacket, blockPacketOld, blockSimple:
			if known, ok := f.packet(at, size, typ, c); !ok || !known {
				return false
			}
			if at >= c.beyond {
				return true
			}
		}
	}
	return false
}

// blocks returns the size of a block that goes on with a pcapng section at an offset, 0 if none
// does: one with a packet, or another one and one more behind it, or the end. An unknown one is
// a packet whose interface isn't described.
func (f *finder) blocks(at int64, c *context) (size int64, unknown bool) {
	typ, size := f.block(at, c.big)
	if size == 0 {
		return 0, false
	}
	switch typ {
	case blockPacket, blockPacketOld, blockSimple:
		known, ok := f.packet(at, size, typ, c)
		if !ok {
			return 0, false
		}
		return size, !known
	case blockSection:
		return 0, false // which has its own rules
	}
	if _, following := f.block(at+size, c.big); following == 0 && at+size != f.size {
		return 0, false
	}
	return size, false
}

// block returns type and size of a block that is whole: its size stands at both its ends. The
// size is 0 if there is none.
func (f *finder) block(at int64, big bool) (typ uint32, size int64) {
	h := f.bytes(at, 8)
	if h == nil {
		return 0, 0
	}
	n := order(big).Uint32(h[4:])
	if n < 12 || n%4 != 0 || n > lookahead {
		return 0, 0
	}
	end := f.bytes(at+int64(n)-4, 4)
	if end == nil || order(big).Uint32(end) != n {
		return 0, 0
	}
	return order(big).Uint32(h), int64(n)
}

// packet reports whether a block, which is whole, holds a packet, and whether its interface is
// known.
func (f *finder) packet(at, size int64, typ uint32, c *context) (known, ok bool) {
	const least = 32 // of a block with a packet, but for the simple one
	if typ == blockSimple {
		return c.interfaces > 0, size >= 16
	}
	if size < least {
		return false, false
	}
	h := f.bytes(at, 28)
	id, capLen := order(c.big).Uint32(h[8:]), int64(order(c.big).Uint32(h[20:]))
	if typ == blockPacketOld {
		id = uint32(order(c.big).Uint16(h[8:]))
	}
	return id < c.interfaces, (capLen+3)&^3 <= size-least
}
