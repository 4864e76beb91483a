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
	// LinkHeader prints the header of the link layer too, as tcpdump -e does.
	LinkHeader bool
	// Verbose prints more of the headers of IP, and checks checksums, as tcpdump -v
	// does; a packet may take several lines then. From 2 on the checksums of UDP in
	// IPv4 are checked too.
	Verbose int
	// Quiet prints less: of TCP and UDP only how much they carry.
	Quiet bool
	// Dump is how the bytes of a packet are printed, on the lines after its own.
	Dump DumpStyle
	// Colors has a terminal tell times, protocols and errors apart. The text
	// between the control sequences stays the same.
	Colors bool

	first, previous time.Time // of the packets printed so far
	clocked         clockText

	out   []byte
	pk    *pcapfile.Packet
	depth int // headers that can hold one another, in this packet
	mac   macPair
	frame int // length of the Ethernet frame that is being printed

	network int    // where the network layer begins in the packet, behind the link layer
	facts   facts  // what the packet says, for JSON
	json    []byte // the line of a packet on its way into JSON

	protocol string // deepest that was recognised, for JSON

	loopback layers.Loopback
	arp      layers.ARP
	udp      layers.UDP
	icmp4    layers.ICMPv4
	icmp6    layers.ICMPv6
}

// macPair are the addresses of the Ethernet header, nil without one.
type macPair struct{ src, dst []byte }

// maxDepth bounds headers inside one another: VLAN tags, tunnels, IPv6
// extensions. A made-up packet can hold thousands.
const maxDepth = 16

// Append appends a packet to dst as one line of text, without a newline at its
// end. With Verbose or Dump, lines that begin with a tab or spaces may follow it.
// It keeps nothing of the packet.
func (p *Printer) Append(dst []byte, pk *pcapfile.Packet) (line []byte) {
	p.begin(dst, pk)
	defer func() {
		// Some of the decoders are gopacket's, and the bytes anybody's.
		if recover() != nil {
			p.malformed()
		}
		line, p.out, p.pk = p.out, nil, nil
	}()
	p.time()
	if p.Interfaces && pk.Interface.LinkType != pcapfile.LinkTypeLinuxSLL2 {
		p.captured(pk.Interface.Name, pk.InterfaceID, direction(pk.Flags))
	}
	p.packet()
	p.dump()
	return p.out
}

func (p *Printer) begin(dst []byte, pk *pcapfile.Packet) {
	p.out, p.pk, p.depth, p.mac, p.protocol = dst, pk, 0, macPair{}, ""
	p.network, p.facts = 0, facts{}
}

// packet prints a packet from its first byte on.
func (p *Printer) packet() {
	length := int(min(p.pk.Length, math.MaxInt32))
	p.link(p.pk.Interface.LinkType, view{p.pk.Data, max(length, len(p.pk.Data))})
}

func (p *Printer) malformed() {
	if p.Colors {
		p.text(sgrReset)
	}
	p.text(" [malformed packet]")
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
	p.facts.flow = Flow{} // that of a header around this one
	if p.depth > maxDepth {
		p.color(sgrError).text("[nested too deep]").color(sgrReset)
		return false
	}
	return true
}

// cut says that the packet ends, or was cut by the capture, in a header.
func (p *Printer) cut(protocol string) {
	p.color(sgrError).text("[|").text(protocol).text("]").color(sgrReset)
}
