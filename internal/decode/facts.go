package decode

import "net/netip"

// facts are what a packet says, beside its line. Addresses and ports are those of the
// outermost IP header, and of what that carries.
type facts struct {
	linkSource, linkDestination []byte
	direction                   string // by the header of the link layer
	vlan                        [maxDepth]uint16
	vlans                       int

	src, dst         netip.Addr
	srcPort, dstPort uint16
	hasPorts         bool
	tcp              tcpFacts

	flow Flow // of the innermost header

	info int // where in the line the text behind the addresses begins
}

// Flow says of which exchange between two hosts a packet is part, by the innermost IP header,
// which is not one that an ICMP error quotes. It is the zero Flow where none is, or where
// something behind it isn't IP: another frame, a label.
type Flow struct {
	// Source and Destination have ports if HasPorts.
	Source, Destination netip.AddrPort
	HasPorts            bool
	Protocol            uint8 // as IP numbers it: 6 is TCP, 17 is UDP

	// Fragmented says that the datagram is in several fragments, which have an ID in common,
	// and Later that this isn't the first of them.
	Fragmented, Later bool
	ID                uint32

	// SYN is the flag of a TCP header, Seq its sequence number, and Payload how many bytes
	// were behind it on the wire; Cut says that they weren't all captured.
	SYN     bool
	Seq     uint32
	Payload int
	Cut     bool
}

type tcpFacts struct {
	found    bool
	flags    uint16
	seq, ack uint32
	window   uint16
	length   int
}
