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

	info int // where in the line the text behind the addresses begins
}

type tcpFacts struct {
	found    bool
	flags    uint16
	seq, ack uint32
	window   uint16
	length   int
}
