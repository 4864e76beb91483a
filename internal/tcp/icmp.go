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
		switch b[0] {
		case 3, 4, 11, 12: // unreachable, source quench, time exceeded, parameter problem
			s.covered(protocol, nil, v, 2)
			return s.quoted4(v.after(8))
		case 5: // redirect: no error
			s.covered(protocol, nil, v, 2)
			return s.opaque(v.after(8))
		}
		return None
	}
	if protocol != protocolICMPv6 || !e.src.Is6() {
		return None
	}
	const solicitation, advertisement, redirect = 135, 136, 137
	switch b[0] {
	case 1, 2, 3, 4: // unreachable, too big, time exceeded, parameter problem
		s.covered(protocol, e, v, 2)
		return s.quoted6(v.after(8))
	case redirect: // the packet is in an option: RFC 4861, section 4.5
		s.covered(protocol, e, v, 2)
		return s.opaque(v.after(8))
	case solicitation, advertisement: // RFC 4861, sections 4.3 and 4.4
		if len(b) < 24 {
			return None
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
		return s.opaque(v)
	}
	header := int(b[0]&15) * 4
	if header < 20 || len(b) < header {
		return s.opaque(v)
	}
	v = v.after(header)
	if b[9] != protocolTCP || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return s.quotedOther(v)
	}
	s.ID = binary.BigEndian.Uint16(b[4:])
	e := ends{src: netip.AddrFrom4([4]byte(b[12:])), dst: netip.AddrFrom4([4]byte(b[16:]))}
	return s.quotedTCP(&e, v)
}

func (s *Segment) quoted6(v view) Kind {
	b := v.data
	if len(b) < 40 || b[0]>>4 != 6 {
		return s.opaque(v)
	}
	s.ID = 0
	e := ends{src: netip.AddrFrom16([16]byte(b[8:])), dst: netip.AddrFrom16([16]byte(b[24:]))}
	next, v, kind := extensions(b[6], &e, v.after(40))
	if kind != TCP || next != protocolTCP {
		return s.quotedOther(v)
	}
	return s.quotedTCP(&e, v)
}

// leastQuoted is how much of a header is quoted at least (RFC 792).
const leastQuoted = 8

// quotedOther passes over what is quoted of another protocol, which may be a tunnel.
func (s *Segment) quotedOther(v view) Kind {
	return s.opaque(v.after(min(leastQuoted, len(v.data))))
}

// quotedTCP reads the beginning of a header.
func (s *Segment) quotedTCP(e *ends, v view) Kind {
	b := v.data
	if len(b) < leastQuoted {
		return s.opaque(v)
	}
	s.Src = netip.AddrPortFrom(e.src, binary.BigEndian.Uint16(b))
	s.Dst = netip.AddrPortFrom(e.dst, binary.BigEndian.Uint16(b[2:]))
	s.Seq = binary.BigEndian.Uint32(b[4:])
	header := minHeader
	if len(b) > minHeader {
		header = max(header, int(b[12]>>4)*4)
	}
	s.opaque(v.after(min(header, len(b))))
	return ICMP
}
