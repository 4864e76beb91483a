package tcp

import (
	"encoding/binary"
	"net/netip"
)

// icmp reads errors, which quote the datagram that they are about, and what IPv6 has for
// ARP.
func (s *Segment) icmp(protocol uint8, e *ends, v view) Kind {
	b := v.data
	if len(b) < 8 {
		return None
	}
	s.ICMPType, s.ICMPCode, s.Reporter = b[0], b[1], e.src
	if protocol == protocolICMP && e.src.Is4() {
		s.covered(protocol, nil, v, 2)
		switch b[0] {
		case 3, 4, 11, 12: // unreachable, source quench, time exceeded, parameter problem
			s.passed(v.after(8))
			// A pointer, a length (RFC 4884), the largest size (RFC 1191); else nothing.
			if b[0] != 12 {
				s.anything(v, 4, 5)
			}
			if b[0] != 3 || b[1] != 4 {
				s.anything(v, 6, 8)
			}
			return s.quoted4(v.after(8))
		case 0, 5, 8: // echo, redirect
			s.passed(v.after(8))
		}
		return None
	}
	if protocol != protocolICMPv6 || !e.src.Is6() {
		return None
	}
	s.covered(protocol, e, v, 2)
	const routers, solicitation, advertisement, redirect, listeners = 133, 135, 136, 137, 143
	switch b[0] {
	case 1, 2, 3, 4: // unreachable, too big, time exceeded, parameter problem
		s.passed(v.after(8))
		if b[0] == 2 || b[0] == 4 { // a size, or a pointer: less than 16 MiB
			s.anything(v, 4, 5)
		} else { // a length (RFC 4884)
			s.anything(v, 5, 8)
		}
		return s.quoted6(v.after(8))
	case 128, 129: // echo
		s.passed(v.after(8))
	case routers:
		s.passed(v.after(8))
		s.anything(v, 4, 8)
	case listeners:
		s.passed(v.after(8))
		s.anything(v, 4, 6)
	case redirect: // the packet is in an option: RFC 4861, section 4.5
		s.passed(v.after(min(40, len(b))))
		s.anything(v, 4, 8)
	case solicitation, advertisement: // RFC 4861, sections 4.3 and 4.4
		if len(b) < 24 {
			return None
		}
		s.passed(v.after(24))
		if b[0] == solicitation {
			s.anything(v, 4, 5)
		}
		s.anything(v, 5, 8)                                           // behind an advertisement's flags
		if len(b) >= 32 && (b[24] == 1 || b[24] == 2) && b[25] == 1 { // link-layer address
			s.passed(v.after(32))
		}
		target := netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:])), 0)
		if b[0] == solicitation {
			s.Src, s.Dst = netip.AddrPortFrom(e.src, 0), target
			return ARPRequest
		}
		s.Src, s.Dst = target, netip.AddrPortFrom(e.dst, 0)
		return ARPReply
	}
	return None
}

func (s *Segment) quoted4(v view) Kind {
	b := v.data
	if len(b) < 20 || b[0]>>4 != 4 {
		return None
	}
	header := int(b[0]&15) * 4
	if header < 20 || len(b) < header {
		return None
	}
	known := b[10] == 0 && b[11] == 0 || sumsUp(b[:header])
	if known {
		s.anything(v, 20, header)
	}
	v = v.after(header)
	if known {
		s.passed(v)
	}
	if b[9] != protocolTCP || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		if known && b[9] == protocolUDP && binary.BigEndian.Uint16(b[6:])&0x3fff == 0 { // and no fragment's
			s.quotedUDP(&ends{room: cap(b)}, v)
		}
		return None
	}
	s.ID = binary.BigEndian.Uint16(b[4:])
	e := ends{src: netip.AddrFrom4([4]byte(b[12:])), dst: netip.AddrFrom4([4]byte(b[16:]))}
	return s.quotedTCP(&e, v, known)
}

func (s *Segment) quoted6(v view) Kind {
	b := v.data
	if len(b) < 40 || b[0]>>4 != 6 {
		return None
	}
	s.ID = 0
	e := ends{src: netip.AddrFrom16([16]byte(b[8:])), dst: netip.AddrFrom16([16]byte(b[24:]))}
	next, v, kind := s.extensions(b[6], &e, v.after(40))
	if kind == TCP && next == protocolUDP && !e.more { // and no fragment's
		s.quotedUDP(&ends{room: cap(b)}, v)
	}
	if kind != TCP || next != protocolTCP {
		return None
	}
	return s.quotedTCP(&e, v, !e.more)
}

// leastQuoted is how much of a header is quoted at least (RFC 792).
const leastQuoted = 8

// quotedUDP passes over the header of a datagram of UDP.
func (s *Segment) quotedUDP(e *ends, v view) {
	if len(v.data) < leastQuoted {
		return
	}
	length := int(binary.BigEndian.Uint16(v.data[4:]))
	v.length = max(length, leastQuoted)
	s.covered(protocolUDP, e, v, 6)
	s.passed(v.after(leastQuoted))
}

// quotedTCP reads the beginning of a header; known says that what precedes it is one.
func (s *Segment) quotedTCP(e *ends, v view, known bool) Kind {
	b := v.data
	if len(b) < leastQuoted {
		return None
	}
	s.Src = netip.AddrPortFrom(e.src, binary.BigEndian.Uint16(b))
	s.Dst = netip.AddrPortFrom(e.dst, binary.BigEndian.Uint16(b[2:]))
	s.Seq = binary.BigEndian.Uint32(b[4:])
	if known {
		s.passed(v.after(leastQuoted))
	}
	if known && len(b) >= minHeader && b[12]>>4 >= minHeader/4 && sensible(b) {
		s.passed(v.after(minHeader))
	}
	return ICMP
}
