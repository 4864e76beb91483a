package report

import (
	"bytes"
	"net/netip"

	"netcap/internal/decode"
)

// Protocols of IP whose packets belong to a flow.
const (
	protocolTCP = 6
	protocolUDP = 17
)

// flowKey is a connection of TCP, or what two ports of UDP say to each other, in both
// directions.
type flowKey struct {
	low, high         [16]byte
	lowPort, highPort uint16
	protocol          uint8
}

// keyOf returns the key, and which of the two directions it is.
func keyOf(f *decode.Flow) (k flowKey, direction int) {
	k = flowKey{f.Source.Addr().As16(), f.Destination.Addr().As16(), f.Source.Port(), f.Destination.Port(), f.Protocol}
	if c := bytes.Compare(k.low[:], k.high[:]); c > 0 || c == 0 && k.lowPort > k.highPort {
		k.low, k.high, k.lowPort, k.highPort = k.high, k.low, k.highPort, k.lowPort
		direction = 1
	}
	return k, direction
}

// flow is what is counted for a connection. Its protocol is the first that a packet of it
// was recognised by.
type flow struct {
	packets, bytes uint64
	protocol       string // "" while none was recognised
	payload        bool   // there was some
	begun          bool   // its beginning is in the capture
	cut            bool   // by the snap length
	over           bool   // it has been counted for its protocol
	into           *flow  // that it was joined to
	syn            [2]uint32
	hasSYN         [2]bool
}

// again reports whether a packet begins another connection between the same ports: it has a
// SYN that is none of this one's, sent again, or this one had none.
func (f *flow) again(p *decode.Flow, direction int) bool {
	switch {
	case !p.SYN:
		return false
	case !f.begun:
		return true
	}
	return f.hasSYN[direction] && f.syn[direction] != p.Seq
}

func (f *flow) add(length uint64, protocol string, p *decode.Flow, direction int) {
	f.packets++
	f.bytes += length
	f.payload = f.payload || p.Payload > 0
	f.cut = f.cut || p.Cut
	if p.SYN {
		f.begun, f.syn[direction], f.hasSYN[direction] = true, p.Seq, true
	}
	if f.protocol == "" && recognised(protocol) {
		f.protocol = protocol
	}
}

// join adds what another file has of the same connection, later.
func (f *flow) join(g *flow) {
	f.packets += g.packets
	f.bytes += g.bytes
	f.payload = f.payload || g.payload
	f.begun = f.begun || g.begun
	f.cut = f.cut || g.cut
	for i, ok := range g.hasSYN {
		if ok && !f.hasSYN[i] {
			f.syn[i], f.hasSYN[i] = g.syn[i], true
		}
	}
	if f.protocol == "" {
		f.protocol = g.protocol
	}
	g.into = f
}

// continues reports whether a flow of a later file may be the same connection.
func (f *flow) continues(g *flow) bool {
	if !g.begun {
		return true
	}
	for i, ok := range g.hasSYN {
		if ok && f.hasSYN[i] && f.syn[i] != g.syn[i] {
			return false
		}
	}
	return f.begun
}

func recognised(protocol string) bool { return protocol != "tcp" && protocol != "udp" }

// name is what a flow counts for. If its beginning or some of its payload wasn't captured, and
// none of its packets was recognised, the port tells, and that is said.
func (f *flow) name(k *flowKey) string {
	switch {
	case f.protocol != "":
		return f.protocol
	case k.protocol == protocolUDP:
		return "udp"
	case f.payload && (!f.begun || f.cut):
		known := registered[k.lowPort]
		// Of two ports that are known, the lower one is more likely the server's.
		if other := registered[k.highPort]; other != "" && (known == "" || k.highPort < k.lowPort) {
			known = other
		}
		if known != "" {
			return known + " (by port)"
		}
	}
	return "tcp"
}

// registered are ports of TCP, by IANA's registry or by custom, whose protocols are
// recognised by their content too.
var registered = map[uint16]string{
	22: "ssh", 53: "dns", 80: "http", 104: "dicom", 139: "smb", 389: "ldap", 443: "tls", 445: "smb2", 554: "rtsp",
	636: "tls", 2575: "hl7", 2762: "tls", 3268: "ldap", 3269: "tls", 4242: "dicom", 5060: "sip", 8080: "http", 8443: "tls", 11112: "dicom",
}

// fragmentKey is a datagram that came in fragments, RFC 791 section 3.2 and RFC 8200
// section 4.5.
type fragmentKey struct {
	source, destination netip.Addr
	id                  uint32
	protocol            uint8
}

func fragmentOf(f *decode.Flow) fragmentKey {
	return fragmentKey{f.Source.Addr(), f.Destination.Addr(), f.ID, f.Protocol}
}

// datagram is what is known of one in fragments.
type datagram struct {
	of *flow // nil until the first fragment, which has the ports, was read
	// Of the others before that.
	packets, bytes uint64
	protocol       string
}
