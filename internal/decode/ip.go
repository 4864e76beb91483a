package decode

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// A datagram is what transport protocols need of the IP header before them.
type datagram struct {
	src, dst netip.Addr
	named    bool // the addresses are printed already
	fragment bool // the first of several: lengths in it may exceed it
}

// hosts prints the addresses, for protocols without ports.
func (p *Printer) hosts(d *datagram) {
	if !d.named {
		p.addr(d.src).text(" > ").addr(d.dst).text(": ")
		d.named = true
	}
}

// ports prints the addresses with the ports behind them, or the ports alone.
func (p *Printer) ports(d *datagram, src, dst uint16) {
	if !d.named {
		p.endpoint(d.src, src).text(" > ").endpoint(d.dst, dst).text(": ")
		d.named = true
		return
	}
	p.uint(uint32(src)).text(" > ").uint(uint32(dst)).text(": ")
}

// portsOf prints the ports that TCP, UDP and others begin with, or the hosts if they
// were not captured.
func (p *Printer) portsOf(d *datagram, v view) bool {
	if len(v.data) < 4 {
		p.hosts(d)
		return false
	}
	p.ports(d, binary.BigEndian.Uint16(v.data), binary.BigEndian.Uint16(v.data[2:]))
	return true
}

// transport prints what an IP protocol number announces.
func (p *Printer) transport(d *datagram, protocol layers.IPProtocol, v view) {
	switch protocol {
	case layers.IPProtocolTCP:
		p.tcpSegment(d, v)
		return
	case layers.IPProtocolUDP:
		p.udpDatagram(d, v)
		return
	case layers.IPProtocolSCTP, layers.IPProtocolUDPLite, protocolDCCP:
		p.portsOf(d, v)
		p.protocolName(protocol).length(v.length)
		return
	}
	p.hosts(d)
	switch protocol {
	case layers.IPProtocolICMPv4:
		p.icmp(v)
	case layers.IPProtocolICMPv6:
		p.icmpv6(v)
	case layers.IPProtocolIPv4:
		p.ipv4(v)
	case layers.IPProtocolIPv6:
		p.ipv6(v)
	default:
		p.protocolName(protocol).length(v.length)
	}
}

const protocolDCCP layers.IPProtocol = 33

// protocolNames are protocols that are named; most are not decoded.
var protocolNames = map[layers.IPProtocol]string{
	1: "icmp", 2: "IGMP", 4: "ipip", 6: "tcp", 17: "udp", 33: "DCCP", 41: "ipv6",
	46: "RSVP", 47: "GRE", 50: "ESP", 51: "AH", 58: "icmp6", 59: "no next header",
	88: "EIGRP", 89: "OSPF", 94: "ipip", 103: "PIM", 108: "IPComp", 112: "VRRP",
	113: "PGM", 115: "L2TP", 132: "SCTP", 136: "UDPLite", 137: "MPLS",
}

func (p *Printer) protocolName(n layers.IPProtocol) *Printer {
	if name, ok := protocolNames[n]; ok {
		return p.text(name)
	}
	return p.text("ip-proto-").uint(uint32(n))
}

const ip4Size = 20 // without options

// ip4Header is an IPv4 header without its options: none of them is printed, and
// the layer refuses a packet for one bad option.
type ip4Header struct {
	layers.IPv4
	fixed [ip4Size]byte
}

// read reads a header of at least ip4Size bytes.
func (h *ip4Header) read(b []byte) {
	copy(h.fixed[:], b)
	h.fixed[0] = 4<<4 | ip4Size/4
	binary.BigEndian.PutUint16(h.fixed[2:], ip4Size)
	// Nothing else in these bytes can be wrong.
	_ = h.DecodeFromBytes(h.fixed[:], gopacket.NilDecodeFeedback)
}

func (p *Printer) ipv4(v view) {
	p.text("IP ")
	if !p.nest() {
		return
	}
	if len(v.data) > 0 && v.data[0]>>4 != 4 {
		p.text("[version ").uint(uint32(v.data[0] >> 4)).text("]").length(v.length)
		return
	}
	if len(v.data) < ip4Size {
		p.cut("ip")
		return
	}
	ip := &p.ip4
	ip.read(v.data)
	header := int(v.data[0]&0xf) * 4
	// Linux hands out packets of segmentation offload with a length of 0 if
	// they are too long for the field.
	total := int(binary.BigEndian.Uint16(v.data[2:]))
	if total == 0 {
		total = v.length
	}
	switch {
	case header < ip4Size:
		p.text("bad-hlen ").int(int64(header))
		return
	case total < header:
		p.text("bad-len ").int(int64(total))
		return
	}
	if missing := total - v.length; missing > 0 {
		p.text("truncated-ip - ").int(int64(missing)).text(" bytes missing! ")
	}
	payload := view{v.first(total).after(header).data, total - header}
	d := datagram{src: address(ip.SrcIP), dst: address(ip.DstIP)}
	offset, more := int(ip.FragOffset)*8, ip.Flags&layers.IPv4MoreFragments != 0
	id := ip.Id // the layer may be used again for a packet inside
	if offset > 0 {
		p.hosts(&d)
		p.protocolName(ip.Protocol)
	} else {
		d.fragment = more
		p.transport(&d, ip.Protocol, payload)
	}
	if offset > 0 || more {
		p.text(" (frag ").uint(uint32(id)).text(":").int(int64(payload.length)).text("@").int(int64(offset))
		if more {
			p.text("+")
		}
		p.text(")")
	}
}

const ip6Size = 40

func (p *Printer) ipv6(v view) {
	p.text("IP6 ")
	if !p.nest() {
		return
	}
	if len(v.data) > 0 && v.data[0]>>4 != 6 {
		p.text("[version ").uint(uint32(v.data[0] >> 4)).text("]").length(v.length)
		return
	}
	if len(v.data) < ip6Size {
		p.cut("ip6")
		return
	}
	// What the layer could complain about lies behind the fixed header, and
	// is looked at below.
	ip := &p.ip6
	_ = ip.DecodeFromBytes(v.data[:ip6Size], gopacket.NilDecodeFeedback)
	payload := v.after(ip6Size)
	// A length of 0 is that of a jumbogram, RFC 2675, or of segmentation
	// offload that needs no such option on the way to us.
	if ip.Length != 0 {
		length := int(ip.Length)
		if missing := length - payload.length; missing > 0 {
			p.text("truncated-ip6 - ").int(int64(missing)).text(" bytes missing! ")
		}
		payload = view{payload.data[:min(length, len(payload.data))], length}
	}
	d := datagram{src: address(ip.SrcIP), dst: address(ip.DstIP)}
	p.extensions(&d, ip.NextHeader, payload)
}

// extensions prints the IPv6 extension headers, RFC 8200 section 4, and what
// follows them.
func (p *Printer) extensions(d *datagram, next layers.IPProtocol, v view) {
	for {
		var name string
		switch next {
		case layers.IPProtocolIPv6HopByHop:
			name = "HBH "
		case layers.IPProtocolIPv6Destination:
			name = "DSTOPT "
		case layers.IPProtocolIPv6Routing:
			name = "RT6 "
		case layers.IPProtocolIPv6Fragment:
			name = "frag "
		default:
			p.transport(d, next, v)
			return
		}
		p.hosts(d)
		p.text(name)
		if !p.nest() {
			return
		}
		if next == layers.IPProtocolIPv6Fragment {
			f := &p.ip6frag
			if err := f.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
				p.cut("frag")
				return
			}
			v = v.after(len(f.Contents))
			offset := int64(f.FragmentOffset) * 8
			p.text("(").int(offset).text("|").int(int64(v.length)).text(") ")
			if offset > 0 {
				p.protocolName(f.NextHeader)
				return
			}
			d.fragment = f.MoreFragments
			next = f.NextHeader
			continue
		}
		x := &p.ip6ext
		if err := x.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
			p.cut("ip6ext")
			return
		}
		if next == layers.IPProtocolIPv6Routing {
			p.text("(type=").uint(uint32(x.Contents[2])).text(", segleft=").uint(uint32(x.Contents[3])).text(") ")
		}
		v = v.after(len(x.Contents))
		next = x.NextHeader
	}
}

// address makes an address of 4 or 16 bytes.
func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}
