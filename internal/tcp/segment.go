package tcp

import (
	"net/netip"

	"netcap/pcapfile"
)

// Kind says what Segment.Read found in a packet.
type Kind uint8

const (
	None       Kind = iota // nothing that is told of here
	TCP                    // a TCP segment
	ICMP                   // an ICMP error about a TCP segment
	ARPRequest             // who has Dst? Src asks. ARP's, or a neighbour solicitation (RFC 4861)
	ARPReply               // Src has an address and tells Dst. ARP's, or a neighbour advertisement
	Fragment               // an IP fragment that isn't its datagram's first: TCP, if it is, can't be told
)

// Flags are the control bits of a TCP header (RFC 9293, section 3.1).
type Flags uint8

const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// A Segment is a TCP segment, or what says something of one. Its Payload belongs to the
// packet that it was read from.
type Segment struct {
	// Packet is the number of the packet in the capture, from 1. Read leaves it alone:
	// who reads several files as one counts.
	Packet int64
	// Time is in nanoseconds since the epoch, 0 for a packet without a time.
	Time int64

	// Src and Dst are the innermost addresses. Of an ICMP error they are those of the
	// segment that it is about; of ARP they have no ports.
	Src, Dst netip.AddrPort

	Seq, Ack uint32
	Flags    Flags
	Window   uint16 // as in the header, not scaled

	// ID is the IPv4 identification, 0 for none: Linux has none in a SYN-ACK, others have
	// none in any segment that mustn't be fragmented, and IPv6 has none at all.
	ID uint16

	// HasTimestamps says that there is a timestamps option (RFC 7323), with TSval, TSecr.
	HasTimestamps bool
	TSval, TSecr  uint32

	// MSS, Scale and HasScale are options of a SYN: maximum segment size in bytes, 0 for
	// none, and the shift of the windows to come (RFC 7323).
	MSS      uint16
	Scale    uint8
	HasScale bool

	// Fragmented says that the segment goes on in fragments, which are passed over: Length
	// is that of its first fragment.
	Fragmented bool

	// Payload is what was captured of Length bytes. Length is told by the IP header, so
	// padding isn't counted; where that has none, for the network card was to fill it in,
	// it is told by the packet's.
	Payload []byte
	Length  int

	layout *Layout // what Locate wants to know; nil otherwise

	// Reporter sent an ICMP error, of a type and a code (RFC 792, RFC 4443); the addresses
	// are IPv4's or IPv6's, and so are the numbers.
	Reporter           netip.Addr
	ICMPType, ICMPCode uint8
}

// Read reads a packet and says what it is. VLAN tags, MPLS, PPPoE, IP in IP, GRE, VXLAN
// and Geneve are passed through, to a bounded depth. Checksums are not looked at: where a
// network card was to fill them in, they are wrong in captures. All fields but Packet are
// set, whatever the Kind, and only those that it has mean something.
//
// A segment of which less than the first 16 bytes were captured is None. Options that the
// snap length cut off are missing without a word.
func (s *Segment) Read(p *pcapfile.Packet) Kind {
	*s = Segment{Packet: s.Packet, layout: s.layout}
	if p.HasTime {
		s.Time = pcapfile.UnixNano(p.Time)
	}
	length := len(p.Data)
	if p.Length < maxPacket {
		length = max(length, int(p.Length))
	}
	return s.link(p.Interface.LinkType, view{p.Data, length})
}

// maxPacket is beyond all lengths that a packet can have had.
const maxPacket = 1 << 28

// view is a part of a packet: what was captured of so many bytes on the wire. A length may
// be less than that of the data only inside this file's readers, never more than int's. The
// data's capacity is that of the packet from there on: a Layout tells by it where that is.
type view struct {
	data   []byte
	length int
}

// after is the view behind n bytes, which are there.
func (v view) after(n int) view { return view{v.data[n:], v.length - n} }

// first limits the view to n bytes: what is behind them is padding.
func (v view) first(n int) view {
	if len(v.data) > n {
		v.data = v.data[:n]
	}
	return view{v.data, n}
}

// bare reports whether it is an acknowledgement and nothing else.
func (s *Segment) bare() bool { return s.Length == 0 && s.Flags&(SYN|FIN|RST|ACK) == ACK }
