package decode

import (
	"math"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket/layers"

	"netcap/pcapfile"
)

// Printer prints packets. The zero Printer prints the time of day. A Printer
// is used by one goroutine at a time.
type Printer struct {
	// Time is how the time of a packet is printed.
	Time TimeStyle
	// Location is the time zone of TimeOfDay and TimeDate. Default: the local one.
	Location *time.Location
	// Interfaces prints interface and direction of each packet, as captures
	// of several interfaces need it. Packets of link type LINUX_SLL2 have
	// them anyway.
	Interfaces bool
	// Names are printed in place of addresses.
	Names map[netip.Addr]string

	first, previous time.Time // of the packets printed so far

	out   []byte
	pk    *pcapfile.Packet
	depth int     // headers that can hold one another, in this packet
	mac   macPair // of the Ethernet header, nil without one

	protocol string // deepest that was recognised, for JSON

	loopback layers.Loopback
	ethernet layers.Ethernet
	vlan     layers.Dot1Q
	llc      layers.LLC
	snap     layers.SNAP
	arp      layers.ARP
	ip4      ip4Header
	ip6      layers.IPv6
	ip6ext   layers.IPv6ExtensionSkipper
	ip6frag  layers.IPv6Fragment
	tcp      layers.TCP
	udp      layers.UDP
	icmp4    layers.ICMPv4
	icmp6    layers.ICMPv6
	quoted4  ip4Header // the header in an ICMP error
	quoted6  layers.IPv6
}

type macPair struct{ src, dst []byte }

// maxDepth bounds headers inside one another: VLAN tags, tunnels, IPv6
// extensions. A made-up packet can hold thousands.
const maxDepth = 16

// Append appends a packet to dst as one line of text, without a newline at its
// end. It keeps nothing of the packet.
func (p *Printer) Append(dst []byte, pk *pcapfile.Packet) (line []byte) {
	p.out, p.pk, p.depth, p.mac, p.protocol = dst, pk, 0, macPair{}, ""
	defer func() {
		// The decoders are gopacket's, and the bytes anybody's.
		if recover() != nil {
			p.text(" [malformed packet]")
		}
		line, p.out, p.pk = p.out, nil, nil
	}()
	p.time()
	if p.Interfaces && pk.Interface.LinkType != pcapfile.LinkTypeLinuxSLL2 {
		p.captured(pk.Interface.Name, pk.InterfaceID, direction(pk.Flags))
	}
	length := int(min(pk.Length, math.MaxInt32))
	p.link(pk.Interface.LinkType, view{pk.Data, max(length, len(pk.Data))})
	return p.out
}

// A view is a header and what follows it: the bytes that were captured, and
// how many there were on the wire, which is at least as many.
type view struct {
	data   []byte
	length int
}

// after is the view without its first n bytes, or none of it.
func (v view) after(n int) view {
	return view{v.data[min(n, len(v.data)):], max(v.length-n, 0)}
}

// first is the view cut to n bytes on the wire, if it has more.
func (v view) first(n int) view {
	return view{v.data[:min(n, len(v.data))], min(n, v.length)}
}

// nest counts a header that can hold another of its kind. If it returns false,
// it has said why nothing more is printed.
func (p *Printer) nest() bool {
	p.depth++
	if p.depth > maxDepth {
		p.text("[nested too deep]")
		return false
	}
	return true
}

// cut says that the packet ends, or was cut by the capture, in a header.
func (p *Printer) cut(protocol string) {
	p.text("[|").text(protocol).text("]")
}
