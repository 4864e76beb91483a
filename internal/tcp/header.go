package tcp

import (
	"encoding/binary"
	"net/netip"
)

// minHeader is a TCP header without options; of it minCaptured bytes, up to the window,
// have to be there.
const (
	minHeader   = 20
	minCaptured = 16
)

// tcp reads a TCP header (RFC 9293, section 3.1).
func (s *Segment) tcp(e *ends, v view) Kind {
	b := v.data
	if len(b) < minCaptured {
		return None
	}
	header := int(b[12]>>4) * 4
	if s.layout != nil && !sensible(b) {
		return None
	}
	if header < minHeader || v.length < header {
		return None
	}
	s.covered(protocolTCP, e, v, 16)
	s.Src = netip.AddrPortFrom(e.src, binary.BigEndian.Uint16(b))
	s.Dst = netip.AddrPortFrom(e.dst, binary.BigEndian.Uint16(b[2:]))
	s.Seq, s.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.Flags = Flags(b[13])
	s.Window = binary.BigEndian.Uint16(b[14:])
	s.Fragmented = e.more
	s.Length = v.length - header
	s.passed(v.after(min(header, len(b))))
	s.optionsTCP(v, header)
	if len(b) > header {
		s.Payload = b[header:]
	}
	if len(b) > minHeader {
		s.options(b[minHeader:min(header, len(b))])
	}
	return TCP
}

// sensible reports whether what is captured of a header may be one: reserved bits are 0, a
// segment without ACK begins or resets a connection, and what is urgent is said to be.
func sensible(b []byte) bool {
	const reserved, urgent = 0x0e, 18
	f := Flags(b[13])
	switch {
	case b[12]&reserved != 0, f&(ACK|SYN|RST) == 0:
		return false
	case len(b) >= minHeader:
		return f&URG != 0 || b[urgent] == 0 && b[urgent+1] == 0
	}
	return true
}

// options reads those of RFC 9293, section 3.2, and RFC 7323 that are of use here.
func (s *Segment) options(b []byte) {
	const end, noOperation, maxSegmentSize, windowScale, timestamps = 0, 1, 2, 3, 8
	// What most segments have, and nothing else: RFC 7323, appendix A.
	if len(b) == 12 && binary.BigEndian.Uint32(b) == noOperation<<24|noOperation<<16|timestamps<<8|10 {
		s.HasTimestamps, s.TSval, s.TSecr = true, binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
		return
	}
	for len(b) > 0 {
		switch b[0] {
		case end:
			return
		case noOperation:
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return
		}
		option := b[:b[1]]
		b = b[b[1]:]
		switch syn := s.Flags&SYN != 0; {
		case option[0] == timestamps && len(option) == 10:
			s.HasTimestamps, s.TSval, s.TSecr = true, binary.BigEndian.Uint32(option[2:]), binary.BigEndian.Uint32(option[6:])
		case option[0] == maxSegmentSize && len(option) == 4 && syn:
			s.MSS = binary.BigEndian.Uint16(option[2:])
		case option[0] == windowScale && len(option) == 3 && syn:
			s.HasScale, s.Scale = true, min(option[2], maxScale)
		}
	}
}

// maxScale: RFC 7323, section 2.3.
const maxScale = 14
