package tcp

import (
	"encoding/binary"

	"netcap/pcapfile"
)

// A Layout says where in the data of a packet things are, in bytes from its beginning: for
// who changes them.
type Layout struct {
	// Payload is where that of a segment begins, and padding behind it; of an ICMP error
	// that of what it quotes. For all other Kinds it is where what may hold segments begins
	// that aren't told of: an IP fragment, a tunnel or an encapsulation that isn't entered.
	// It is the length of the data where there is nothing of that.
	Payload int
	// Checksums are those that cover it, the outermost first. Those of IPv4 headers don't.
	Checksums []Checksum

	room int // the capacity of the data
}

// A Checksum is one of RFC 1071 in the header of a protocol.
type Checksum struct {
	Protocol uint8 // of the header, as IP numbers it
	IP       int   // where the IP header is whose addresses it covers too; -1 where it covers none
	At       int   // where it is; it may be beyond the data
	From     int   // from where on it covers the packet
	Length   int   // of what it covers from there on, on the wire; -1 if it goes on in other fragments
}

// Locate does what Read does, and says where it was, in what l has memory for.
func (s *Segment) Locate(p *pcapfile.Packet, l *Layout) Kind {
	*l = Layout{Payload: len(p.Data), Checksums: l.Checksums[:0], room: cap(p.Data)}
	s.layout = l
	kind := s.Read(p)
	s.layout = nil
	return kind
}

// opaque notes what can't be looked into, and may be anything.
func (s *Segment) opaque(v view) Kind {
	if s.layout != nil {
		s.layout.Payload = s.layout.room - cap(v.data)
	}
	return None
}

// fragment notes one that isn't its datagram's first.
func (s *Segment) fragment(protocol uint8, v view) Kind {
	if protocol != protocolICMP && protocol != protocolICMPv6 && !quietProtocol(protocol) {
		s.opaque(v)
	}
	return Fragment
}

// covered notes a checksum at an offset from where it covers the packet on.
func (s *Segment) covered(protocol uint8, e *ends, v view, at int) {
	if s.layout != nil {
		s.layout.add(protocol, e, v, at)
	}
}

func (l *Layout) add(protocol uint8, e *ends, v view, at int) {
	from := l.room - cap(v.data)
	c := Checksum{Protocol: protocol, IP: -1, At: from + at, From: from, Length: v.length}
	if e != nil {
		c.IP = l.room - e.room
		if e.more {
			c.Length = -1
		}
	}
	l.Checksums = append(l.Checksums, c)
}

// quiet reports whether what an EtherType announces is known, and isn't TCP in any wrapping:
// discovery, configuration, time, and the like.
func quiet(etherType uint16) bool {
	switch etherType {
	case 0x0842, // Wake-on-LAN
		0x8035,         // RARP
		0x8863,         // PPPoE discovery, RFC 2516
		0x8808, 0x8809, // pause frames, LACP: IEEE 802.3
		0x888e, // EAPOL, IEEE 802.1X
		0x88cc, // LLDP
		0x88f7, // PTP, IEEE 1588
		0x8902, // connectivity faults, IEEE 802.1ag
		0x9000: // loopback test
		return true
	}
	return false
}

// quietProtocol is that of IP protocol numbers: IGMP, OSPF, VRRP, SCTP.
func quietProtocol(protocol uint8) bool {
	switch protocol {
	case 2, 89, 112, 132:
		return true
	}
	return false
}

// searched is how far into a datagram an IP header is looked for, in bytes: what is known
// to precede one is shorter.
const searched = 64

// encapsulates reports whether a payload of UDP looks like a tunnel on a port of its own
// choice: there is an IP header in its beginning whose fields agree with the rest, and which
// announces TCP or another IP header.
func encapsulates(v view) bool {
	for n := 0; n < searched && n+20 <= len(v.data); n++ {
		b := v.data[n:]
		rest := v.length - n
		protocol := b[9]
		switch b[0] >> 4 {
		case 4:
			header := int(b[0]&15) * 4
			total := int(binary.BigEndian.Uint16(b[2:]))
			if header < 20 || header > len(b) || total < header || total > rest || !sumsUp(b[:header]) {
				continue
			}
		case 6:
			if len(b) < 40 || 40+int(binary.BigEndian.Uint16(b[4:])) > rest || rest > 40+int(binary.BigEndian.Uint16(b[4:]))+searched {
				continue
			}
			protocol = b[6]
		default:
			continue
		}
		switch protocol {
		case protocolTCP, protocolIPv4, protocolIPv6, protocolGRE, protocolUDP, protocolFragment, protocolHopByHop, protocolDestination, protocolRouting:
			return true
		}
	}
	return false
}

// sumsUp reports whether the checksum of an IPv4 header is right.
func sumsUp(header []byte) bool {
	sum := uint32(0)
	for i := 0; i+1 < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff
}
