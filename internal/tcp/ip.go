package tcp

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers, and those of IPv6's extension headers.
const (
	protocolHopByHop    = 0
	protocolICMP        = 1
	protocolIPv4        = 4
	protocolTCP         = 6
	protocolUDP         = 17
	protocolIPv6        = 41
	protocolRouting     = 43
	protocolFragment    = 44
	protocolGRE         = 47
	protocolAuth        = 51
	protocolICMPv6      = 58
	protocolDestination = 60
	protocolMobility    = 135
	protocolHIP         = 139
	protocolShim6       = 140
)

// ends are a datagram's addresses, and how it was cut.
type ends struct {
	src, dst netip.Addr
	more     bool // it goes on in other fragments
	room     int  // the capacity of the packet from its header on, which tells where that is
}

// ip tells the version by the first four bits.
func (s *Segment) ip(v view, depth int) Kind {
	if len(v.data) == 0 {
		return None
	}
	switch v.data[0] >> 4 {
	case 4:
		return s.ipv4(v, depth)
	case 6:
		return s.ipv6(v, depth)
	}
	return None
}

func (s *Segment) ipv4(v view, depth int) Kind {
	if depth <= 0 || len(v.data) < 20 {
		return None
	}
	b := v.data
	header := int(b[0]&15) * 4
	if b[0]>>4 != 4 || header < 20 {
		return None
	}
	if s.inside() && (len(b) < header || !agrees(v, header)) {
		return None
	}
	whole := v.length
	// A total length of 0 is filled in by the network card, segment by segment.
	if total := int(binary.BigEndian.Uint16(b[2:])); total != 0 {
		v = v.first(total)
	}
	if v.length < header || len(v.data) < header {
		return None
	}
	// Outside of tunnels an odd length or a wrong checksum is a sender's or a card's mistake.
	if s.layout != nil && (int(binary.BigEndian.Uint16(b[2:])) <= whole || agrees(v, header)) {
		s.passed(v.after(header))
		s.options4(v, header)
	}
	const moreFragments, offset = 0x2000, 0x1fff
	fragment := binary.BigEndian.Uint16(b[6:])
	if fragment&offset != 0 {
		return Fragment
	}
	s.ID = binary.BigEndian.Uint16(b[4:])
	e := ends{netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), fragment&moreFragments != 0, cap(b)}
	return s.transport(b[9], &e, v.after(header), depth)
}

func (s *Segment) ipv6(v view, depth int) Kind {
	if depth <= 0 || len(v.data) < 40 || v.data[0]>>4 != 6 {
		return None
	}
	b := v.data
	length := int(binary.BigEndian.Uint16(b[4:]))
	if s.layout != nil && (40+length > v.length || length == 0 && b[6] != protocolHopByHop && b[6] != protocolTCP) {
		return None
	}
	s.passed(v.after(40))
	if length != 0 {
		v = v.first(40 + length)
	}
	s.ID = 0
	e := ends{netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), false, cap(b)}
	next, v, kind := s.extensions(b[6], &e, v.after(40))
	switch kind {
	case TCP:
		s.passed(v)
		return s.transport(next, &e, v, depth)
	case Fragment:
		s.passed(v)
		return Fragment
	}
	return None
}

// maxExtensions bounds the extension headers of a datagram.
const maxExtensions = 8

// extensions passes over IPv6's extension headers (RFC 8200, section 4) and returns the
// protocol behind them. The Kind is TCP if there is one, or Fragment.
func (s *Segment) extensions(next uint8, e *ends, v view) (uint8, view, Kind) {
	for range maxExtensions {
		size := 0
		switch next {
		case protocolHopByHop, protocolRouting, protocolDestination, protocolMobility, protocolHIP, protocolShim6:
			if len(v.data) < 8 {
				return 0, v, None
			}
			size = 8 + int(v.data[1])*8
		case protocolAuth: // RFC 4302
			if len(v.data) < 8 {
				return 0, v, None
			}
			size = 8 + int(v.data[1])*4
		case protocolFragment:
			if len(v.data) < 8 {
				return 0, v, None
			}
			size = 8
			const offset, more = 0xfff8, 1
			fragment := binary.BigEndian.Uint16(v.data[2:])
			if fragment&offset != 0 {
				return v.data[0], v.after(size), Fragment
			}
			e.more = fragment&more != 0
		default:
			return next, v, TCP
		}
		if len(v.data) < size || v.length < size {
			return 0, v, None
		}
		s.extension(next, v, size)
		next, v = v.data[0], v.after(size)
	}
	return 0, v, None
}

// transport reads what an IP protocol number announces.
func (s *Segment) transport(protocol uint8, e *ends, v view, depth int) Kind {
	switch protocol {
	case protocolTCP:
		return s.tcp(e, v)
	case protocolUDP:
		return s.udp(e, v, depth)
	case protocolICMP, protocolICMPv6:
		return s.icmp(protocol, e, v)
	}
	s.enter()
	switch protocol {
	case protocolIPv4:
		return s.ipv4(v, depth-1)
	case protocolIPv6:
		return s.ipv6(v, depth-1)
	case protocolGRE:
		return s.gre(v, depth-1)
	}
	return None
}

// udp enters VXLAN (RFC 7348), by its port and by Linux's first one, and Geneve (RFC 8926).
func (s *Segment) udp(e *ends, v view, depth int) Kind {
	const header, tunnel = 8, 8
	if len(v.data) < header || v.length < header {
		return None
	}
	whole := v
	if length := int(binary.BigEndian.Uint16(v.data[4:])); length >= header && length < v.length {
		whole = v.first(length)
	}
	s.covered(protocolUDP, e, whole, 6)
	if length := int(binary.BigEndian.Uint16(v.data[4:])); length >= header && length <= v.length { // of all fragments one can't tell
		s.passed(v.after(header))
	}
	s.enter()
	if len(v.data) < header+tunnel || v.length < header+tunnel {
		return None
	}
	port := binary.BigEndian.Uint16(v.data[2:])
	b := v.data[header:]
	switch port {
	case 4789, 8472:
		const hasVNI = 0x08
		if b[0]&hasVNI == 0 || s.layout != nil && (b[0] != hasVNI || b[1] != 0 || b[2] != 0 || b[3] != 0 || b[7] != 0) {
			return None
		}
		return s.ethernet(v.after(header+tunnel), depth-1)
	case 6081:
		const version, optionWords = 0xc0, 0x3f
		size := header + tunnel + int(b[0]&optionWords)*4
		t := binary.BigEndian.Uint16(b[2:])
		if b[0]&version != 0 || t < typeLength || len(v.data) < size || v.length < size {
			return None
		}
		s.anything(v, header+tunnel, size)
		return s.etherType(t, v.after(size), depth-1)
	}
	return None
}

// gre enters GRE (RFC 2784, RFC 2890) with an EtherType.
func (s *Segment) gre(v view, depth int) Kind {
	if len(v.data) < 4 {
		return None
	}
	const checksum, routing, key, sequence, version = 0x8000, 0x4000, 0x2000, 0x1000, 7
	flags := binary.BigEndian.Uint16(v.data)
	if flags&(routing|version) != 0 {
		return None
	}
	size := 4
	for _, bit := range [...]uint16{checksum, key, sequence} {
		if flags&bit != 0 {
			size += 4
		}
	}
	if len(v.data) < size || v.length < size {
		return None
	}
	if flags&checksum != 0 {
		s.covered(protocolGRE, nil, v, 4)
	}
	t := binary.BigEndian.Uint16(v.data[2:])
	if t < typeLength {
		return None
	}
	return s.etherType(t, v.after(size), depth)
}

// arp reads requests and replies for IPv4 addresses (RFC 826).
func (s *Segment) arp(v view) Kind {
	b := v.data
	if len(b) < 8 {
		return None
	}
	const ethernet, ipv4, addresses = 6, 4, 28
	const known = 1<<16 | typeIPv4 // Ethernet's addresses, and IPv4's
	if binary.BigEndian.Uint32(b) == known && b[4] == ethernet && b[5] == ipv4 {
		s.passed(v.after(min(addresses, len(b))))
	}
	hardware, protocol := int(b[4]), int(b[5])
	if binary.BigEndian.Uint16(b[2:]) != typeIPv4 || protocol != 4 || len(b) < 8+2*hardware+8 {
		return None
	}
	s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[8+hardware:])), 0)
	s.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12+2*hardware:])), 0)
	switch binary.BigEndian.Uint16(b[6:]) {
	case 1:
		return ARPRequest
	case 2:
		return ARPReply
	}
	return None
}
