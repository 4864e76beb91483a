package decode

import (
	"encoding/binary"
	"math"
)

const (
	quicLong  = 0x80 // header form, RFC 8999 section 5.1
	quicFixed = 0x40
	quicV1    = 1
	quicV2    = 0x6b3343cf // RFC 9369
	quicMaxID = 20         // of connections, RFC 9000 section 17.2
)

// quicTypes are the types of long headers, RFC 9000 section 17.2; in version 2 they
// are numbered from Retry on.
var quicTypes = [4]string{"Initial", "0-RTT", "Handshake", "Retry"}

// quic names the packets of a datagram that have a long header; short ones can't be
// told from anything else.
func (p *Printer) quic(v view) bool {
	whole := v.length
	for printed := 0; ; {
		version, next, ok := quicHeader(v)
		if !ok {
			return printed > 0
		}
		if printed == 0 {
			p.protocol = "quic"
			p.text("UDP").length(whole).text(": QUIC ")
		}
		if !p.more(&printed, 4, ", ") {
			return true
		}
		kind := v.data[0] >> 4 & 3
		switch {
		case version == 0:
			p.text("Version Negotiation")
			return true
		case version == quicV1:
			p.mark(printed == 1, "v1 ")
		case version == quicV2:
			p.mark(printed == 1, "v2 ")
			kind = (kind + 3) & 3
		case version>>8 == 0xff0000:
			p.text("draft-").uint(version & 0xff).text(" ")
		default:
			// So that the other side negotiates; what its types are nobody says.
			p.text("reserved version 0x").hexInt(int64(version))
			return true
		}
		p.text(quicTypes[kind])
		v = v.after(next)
	}
}

// quicHeader reads a long header. The packet behind it begins at next.
func quicHeader(v view) (version uint32, next int, ok bool) {
	if len(v.data) < 7 || v.data[0]&quicLong == 0 {
		return 0, 0, false
	}
	b := v.data
	version = binary.BigEndian.Uint32(b[1:])
	r := tlsReader{b: b[5:]}
	for range 2 { // the connection IDs
		n := r.number(1)
		if n > quicMaxID || r.short {
			return 0, 0, false
		}
		r.take(n)
	}
	switch {
	case version == 0:
		// A list of versions, and nothing else.
		size := v.length - (len(b) - len(r.b))
		return 0, v.length, !r.short && size > 0 && size%4 == 0 && len(r.b) >= 4 && quicKnown(binary.BigEndian.Uint32(r.b))
	case b[0]&quicFixed == 0 || !quicKnown(version):
		return 0, 0, false
	}
	kind := b[0] >> 4 & 3
	if version == quicV2 {
		kind = (kind + 3) & 3
	}
	switch kind {
	case 3: // Retry: a token and 16 bytes of integrity tag
		return version, v.length, true
	case 0:
		r.take(r.varint())
	}
	size := r.varint()
	if r.short {
		return version, v.length, len(b) < v.length // not captured, so not known
	}
	next = len(b) - len(r.b) + size
	return version, next, next <= v.length
}

// quicKnown reports whether a version is one that was ever used, or reserved so that
// negotiation is tried, RFC 9000 section 15.
func quicKnown(version uint32) bool {
	return version == quicV1 || version == quicV2 || version>>8 == 0xff0000 && version&0xff > 0 ||
		version&0x0f0f0f0f == 0x0a0a0a0a
}

// varint reads a number as RFC 9000 section 16 has it.
func (r *tlsReader) varint() int {
	if len(r.b) == 0 {
		r.short = true
		return 0
	}
	size := 1 << (r.b[0] >> 6)
	if size == 8 {
		// Nothing in a datagram is as long as the upper half may say.
		if r.number(4)&0x3fffffff != 0 {
			r.short = true
		}
		return r.number(4) & math.MaxInt32
	}
	return r.number(size) & (1<<(size*8-2) - 1)
}
