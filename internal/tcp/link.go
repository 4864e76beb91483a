package tcp

import (
	"encoding/binary"

	"netcap/pcapfile"
)

// Link types of hosts that write their own number for raw IP, and PPP with HDLC's framing.
const (
	linkTypeRaw12     pcapfile.LinkType = 12
	linkTypeRaw14     pcapfile.LinkType = 14
	linkTypePPPSerial pcapfile.LinkType = 50
)

// maxDepth bounds headers within one another, tunnels and tags alike.
const maxDepth = 16

// link reads a packet from its first byte on. What reads the layers above takes the depth
// that is left, and gives up at 0.
func (s *Segment) link(t pcapfile.LinkType, v view) Kind {
	switch t {
	case pcapfile.LinkTypeEthernet:
		if s.layout != nil && len(v.data) >= 14 && registered(binary.BigEndian.Uint16(v.data[12:]), v.length-14) {
			s.passed(v.after(14))
		}
		return s.ethernet(v, maxDepth)
	case pcapfile.LinkTypeLinuxSLL:
		return s.cooked(v, 16, 2, 14)
	case pcapfile.LinkTypeLinuxSLL2:
		return s.cooked(v, 20, 8, 0)
	case pcapfile.LinkTypeRaw, linkTypeRaw12, linkTypeRaw14, pcapfile.LinkTypeIPv4, pcapfile.LinkTypeIPv6:
		return s.ip(v, maxDepth)
	case pcapfile.LinkTypeNull, pcapfile.LinkTypeLoop:
		return s.family(v)
	case pcapfile.LinkTypePPP, linkTypePPPSerial:
		if len(v.data) >= 2 && v.data[0] == 0xff && v.data[1] == 0x03 { // RFC 1662
			v = v.after(2)
		}
		return s.ppp(v, maxDepth)
	}
	return None
}

// EtherTypes.
const (
	typeIPv4    = 0x0800
	typeARP     = 0x0806
	typeBridged = 0x6558 // Ethernet in GRE
	typeVLAN    = 0x8100
	typeIPv6    = 0x86dd
	typeMPLS    = 0x8847
	typeMPLS2   = 0x8848
	typePPPoE   = 0x8864
	typeQinQ    = 0x88a8
	typeQinQ91  = 0x9100
	typeQinQ92  = 0x9200

	typeLLC    = 0x0004 // Linux's ETH_P_802_2, in cooked headers
	typeLength = 0x0600 // below, the field is a length and LLC follows
)

func (s *Segment) ethernet(v view, depth int) Kind {
	if len(v.data) < 14 {
		return None
	}
	return s.etherType(binary.BigEndian.Uint16(v.data[12:]), v.after(14), depth)
}

// registered reports whether an EtherType is one of those that are met, or the length of what
// follows: else it isn't known that what precedes it are addresses.
func registered(t uint16, rest int) bool {
	switch t {
	case typeIPv4, typeARP, typeBridged, typeVLAN, typeIPv6, typeMPLS, typeMPLS2, typePPPoE, typeQinQ, typeQinQ91, typeQinQ92,
		0x8035, 0x8808, 0x8809, 0x8863, 0x888e, 0x8892, 0x88a4, 0x88cc, 0x88e5, 0x88f7, 0x8902, 0x9000: // RARP to loops, of IEEE's list
		return true
	}
	return t < typeLength && int(t) <= rest
}

// etherType reads what an EtherType announces.
func (s *Segment) etherType(t uint16, v view, depth int) Kind {
	for ; depth > 0; depth-- {
		switch t {
		case typeIPv4:
			return s.ipv4(v, depth)
		case typeIPv6:
			return s.ipv6(v, depth)
		case typeARP:
			return s.arp(v)
		case typeVLAN, typeQinQ, typeQinQ91, typeQinQ92:
			if len(v.data) < 4 {
				return None
			}
			t, v = binary.BigEndian.Uint16(v.data[2:]), v.after(4)
		case typeMPLS, typeMPLS2:
			s.enter()
			return s.mpls(v, depth)
		case typePPPoE:
			if len(v.data) < 6 || v.data[1] != 0 { // RFC 2516: code 0 is a session's data
				return None
			}
			return s.ppp(v.after(6), depth)
		case typeBridged:
			return s.ethernet(v, depth-1)
		default:
			// SNAP: RFC 1042. Other LLC is spanning trees' and the like.
			if t >= typeLength || len(v.data) < 8 {
				return None
			}
			if [6]byte(v.data) != [6]byte{0xaa, 0xaa, 3} {
				return None
			}
			t, v = binary.BigEndian.Uint16(v.data[6:]), v.after(8)
			if t < typeLength {
				return None
			}
		}
	}
	return None
}

// cooked reads Linux's cooked headers: size bytes, with an ARPHRD_ number and an EtherType
// at these offsets.
func (s *Segment) cooked(v view, size, hardware, protocol int) Kind {
	if len(v.data) < size {
		return None
	}
	if !s.cookedHeader(v, size) {
		return None
	}
	const arphrdNetlink, arphrdFrad, arphrdRadiotap = 824, 770, 803 // no EtherType follows these
	switch binary.BigEndian.Uint16(v.data[hardware:]) {
	case arphrdNetlink, arphrdFrad, arphrdRadiotap:
		return None
	}
	t := binary.BigEndian.Uint16(v.data[protocol:])
	if t < typeLength && t != typeLLC {
		return None
	}
	return s.etherType(t, v.after(size), maxDepth)
}

// cookedHeader notes what a cooked header has that may be anything, and reports whether it may
// be one, or nobody wants to know: LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2 of tcpdump.org.
func (s *Segment) cookedHeader(v view, size int) bool {
	if s.layout == nil {
		return true
	}
	const address, lastType = 8, 7 // the longest address; PACKET_KERNEL
	b := v.data
	kind, length, at := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[4:])), 6
	if size == 20 {
		kind, length, at = int(b[10]), int(b[11]), 12
		if b[2] != 0 || b[3] != 0 || b[4] != 0 { // reserved, and an index of millions
			return false
		}
	}
	if kind > lastType || length > address {
		return false
	}
	s.passed(v.after(size))
	s.anything(v, at+length, at+address)
	return true
}

// family reads BSD's loopback header: the number of an address family, in the byte order of
// the host that wrote it, or in the network's. IPv6 has a number on each BSD.
func (s *Segment) family(v view) Kind {
	if len(v.data) < 4 {
		return None
	}
	f := binary.LittleEndian.Uint32(v.data)
	if f > 0xffff {
		f = binary.BigEndian.Uint32(v.data)
	}
	if f <= 0xff {
		s.passed(v.after(4))
	}
	switch f {
	case 2, 10, 24, 28, 30:
		return s.ip(v.after(4), maxDepth)
	}
	return None
}

// ppp reads from the protocol field on, which may be compressed to one byte (RFC 1661).
func (s *Segment) ppp(v view, depth int) Kind {
	if len(v.data) < 2 {
		return None
	}
	s.enter()
	protocol := uint16(v.data[0])
	if protocol&1 != 0 {
		v = v.after(1)
	} else {
		protocol, v = binary.BigEndian.Uint16(v.data), v.after(2)
	}
	switch protocol {
	case 0x0021:
		return s.ipv4(v, depth-1)
	case 0x0057:
		return s.ipv6(v, depth-1)
	case 0x0281, 0x0283:
		return s.mpls(v, depth-1)
	}
	return None
}

// mpls passes over a stack of labels (RFC 3032). Nothing says what is behind it but its
// first four bits: a pseudowire's control word begins with 0.
func (s *Segment) mpls(v view, depth int) Kind {
	for ; depth > 0 && len(v.data) >= 4; depth-- {
		bottom := v.data[2]&1 != 0
		v = v.after(4)
		if bottom {
			return s.ip(v, depth-1)
		}
	}
	return None
}
