package tcp

import (
	"encoding/binary"

	"netcap/pcapfile"
)

// A Layout says where in the data of a packet things are, in bytes from its beginning: for
// who changes them.
type Layout struct {
	// Payload is where that of a segment begins, and padding behind it; of any other packet
	// where what isn't a header begins. A header is what its place and its content say is
	// one: of a tunnel it is, if a header of IP that agrees with itself is behind it.
	Payload int
	// Options are those parts of the headers that may be anything: options of IP and TCP of
	// which the Segment's fields don't tell, and what pads them.
	Options []Range
	// Multipath are those of the Options that are MPTCP's (RFC 8684), kind and length included.
	Multipath []Range
	// Checksums are those that cover Payload or Options, the outermost first.
	Checksums []Checksum

	room  int  // the capacity of the data
	inner bool // what is read is in a tunnel
}

// A Range is from a byte of a packet up to another.
type Range struct{ From, To int }

// A Checksum is one of RFC 1071 in the header of a protocol.
type Checksum struct {
	Protocol uint8 // of the header, as IP numbers it
	IP       int   // where the IP header is whose addresses it covers too; -1 where it covers none
	At       int   // where it is; it may be beyond the data
	From     int   // from where on it covers the packet
	Length   int   // of what it covers from there on, on the wire; -1 if it goes on in other fragments
}

// Locate does what Read does, and says where it was, in what l has memory for. What is in a
// tunnel is read only if it begins with a header of IP that agrees with itself.
func (s *Segment) Locate(p *pcapfile.Packet, l *Layout) Kind {
	*l = Layout{Options: l.Options[:0], Multipath: l.Multipath[:0], Checksums: l.Checksums[:0], room: cap(p.Data)}
	s.layout = l
	kind := s.Read(p)
	s.layout = nil
	return kind
}

// passed notes that all before a view are headers.
func (s *Segment) passed(v view) {
	if s.layout != nil {
		s.layout.Payload = s.layout.room - cap(v.data)
	}
}

// enter notes that what is read is in a tunnel.
func (s *Segment) enter() {
	if s.layout != nil {
		s.layout.inner = true
	}
}

// inside reports whether what is read is in a tunnel, and has to agree with itself.
func (s *Segment) inside() bool { return s.layout != nil && s.layout.inner }

// anything notes that bytes of a header may be anything, from one up to another, as far as
// they were captured.
func (s *Segment) anything(v view, from, to int) {
	if to = min(to, len(v.data)); s.layout != nil && from < to {
		at := s.layout.room - cap(v.data)
		s.layout.Options = append(s.layout.Options, Range{at + from, at + to})
	}
}

// options4 notes what may be anything in the options of an IPv4 header, RFC 791.
func (s *Segment) options4(v view, header int) {
	const fixed = 20
	if s.layout == nil || header == fixed {
		return
	}
	if routerAlert := [4]byte{0x94, 4}; header == fixed+4 && [4]byte(v.data[fixed:]) == routerAlert { // RFC 2113
		return
	}
	s.covered(0, nil, v.first(header), 10)
	s.anything(v, fixed, header)
}

// extension notes what may be anything in an extension header of IPv6, RFC 8200.
func (s *Segment) extension(kind uint8, v view, size int) {
	switch kind {
	case protocolHopByHop, protocolDestination:
		const jumbo, routerAlert = 0xc2, 5 // RFC 2675, RFC 2711
		for at := 2; at < size; {
			n := 1
			if v.data[at] != 0 && at+1 < size {
				n = 2 + int(v.data[at+1])
			}
			known := v.data[at] == 0 || v.data[at] == jumbo && n == 6 || v.data[at] == routerAlert && n == 4
			if end := min(at+n, size); !known {
				from := at
				if v.data[at] == 1 { // PadN
					from = min(at+2, end)
				}
				s.anything(v, from, end)
			}
			at += n
		}
	case protocolAuth:
		from := 12
		if v.data[2] != 0 || v.data[3] != 0 { // reserved, RFC 4302
			from = 0
		}
		s.anything(v, from, size)
	case protocolRouting:
		s.anything(v, s.routing(v, size), size)
	case protocolMobility, protocolHIP, protocolShim6:
		s.anything(v, 2, size)
	}
}

// routing notes what may be anything in a routing header, and returns where what is known of it
// ends: behind the addresses of those kinds that have whole ones.
func (s *Segment) routing(v view, size int) int {
	const kind, reserved, addresses = 2, 4, 8
	n := 0
	switch v.data[kind] {
	case 0: // RFC 2460, section 4.4
		n = size
	case 2: // RFC 6275, section 6.4
		n = addresses + 16
	case 4: // RFC 8754: the last entry's number, flags, a tag
		return min(size, addresses+16*(int(v.data[reserved])+1))
	default:
		return kind
	}
	s.anything(v, reserved, addresses)
	return min(size, n)
}

// optionsTCP notes what may be anything in the options of a TCP header.
func (s *Segment) optionsTCP(v view, header int) {
	if s.layout == nil {
		return
	}
	const end, noOperation, maxSegmentSize, windowScale, permitted, selective, timestamps, multipath = 0, 1, 2, 3, 4, 5, 8, 30
	header = min(header, len(v.data))
	for at := minHeader; at < header; {
		kind, n := v.data[at], 0
		if kind == noOperation {
			at++
			continue
		}
		if at+1 < header {
			n = int(v.data[at+1])
		}
		if kind == end || n < 2 || at+n > header {
			s.anything(v, at, header)
			return
		}
		switch {
		case kind == maxSegmentSize && n == 4, kind == windowScale && n == 3, kind == permitted && n == 2, kind == timestamps && n == 10, kind == selective && n%8 == 2:
		default:
			s.anything(v, at+2, at+n)
			if kind == multipath {
				from := s.layout.room - cap(v.data)
				s.layout.Multipath = append(s.layout.Multipath, Range{from + at, from + at + n})
			}
		}
		at += n
	}
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

// agrees reports whether the header of IPv4 that a view begins with may be one in a tunnel:
// the datagram isn't longer than what it is in, and the checksum is right, or none yet.
func agrees(v view, header int) bool {
	b := v.data
	total := int(binary.BigEndian.Uint16(b[2:]))
	return total <= v.length && (total == 0 || total >= header) && (b[10] == 0 && b[11] == 0 || sumsUp(b[:header]))
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
