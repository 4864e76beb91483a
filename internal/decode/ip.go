package decode

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket/layers"
)

// A datagram is what transport protocols need of the IP header before them.
type datagram struct {
	src, dst netip.Addr
	named    bool // the addresses are printed already
	fragment bool // the first of several: lengths in it may exceed it
	outer    bool // it is in no other
	ttl      uint8
	v6       bool
	piece    bool // behind a fragment header, so that checksums may be over more
	id       uint32
}

// flow notes whose packet it is.
func (p *Printer) flow(d *datagram, protocol layers.IPProtocol, later bool) {
	p.facts.flow = Flow{
		Source: netip.AddrPortFrom(d.src, 0), Destination: netip.AddrPortFrom(d.dst, 0), Protocol: uint8(protocol),
		Fragmented: d.fragment || d.piece || later, Later: later, ID: d.id,
	}
}

// hosts prints the addresses, for protocols without ports.
func (p *Printer) hosts(d *datagram) {
	if d.named {
		return
	}
	p.addr(d.src).text(" > ").addr(d.dst).text(": ")
	d.named = true
	if d.outer {
		p.facts.src, p.facts.dst, p.facts.info = d.src, d.dst, len(p.out)
	}
}

// ports prints the addresses with the ports behind them, or the ports alone.
func (p *Printer) ports(d *datagram, src, dst uint16) {
	if d.named {
		p.uint(uint32(src)).text(" > ").uint(uint32(dst)).text(": ")
	} else {
		p.endpoint(d.src, src).text(" > ").endpoint(d.dst, dst).text(": ")
		d.named = true
	}
	if d.outer {
		f := &p.facts
		f.src, f.dst, f.info = d.src, d.dst, len(p.out)
		f.srcPort, f.dstPort, f.hasPorts = src, dst, true
	}
}

// portsOf prints the ports that TCP, UDP and others begin with, or the hosts if they
// were not captured.
func (p *Printer) portsOf(d *datagram, v view) bool {
	if len(v.data) < 4 {
		p.hosts(d)
		return false
	}
	src, dst := binary.BigEndian.Uint16(v.data), binary.BigEndian.Uint16(v.data[2:])
	p.ports(d, src, dst)
	f := &p.facts.flow
	f.Source, f.Destination, f.HasPorts = netip.AddrPortFrom(d.src, src), netip.AddrPortFrom(d.dst, dst), true
	return true
}

// transport prints what an IP protocol number announces.
func (p *Printer) transport(d *datagram, protocol layers.IPProtocol, v view) {
	p.flow(d, protocol, false)
	switch protocol {
	case layers.IPProtocolTCP:
		p.tcpSegment(d, v)
		return
	case layers.IPProtocolUDP:
		p.udpDatagram(d, v)
		return
	case layers.IPProtocolSCTP:
		p.sctp(d, v)
		return
	case layers.IPProtocolUDPLite, protocolDCCP:
		p.protocol = protocolFields[protocol]
		p.portsOf(d, v)
		p.protocolName(protocol).length(v.length)
		return
	}
	p.hosts(d)
	if name, ok := protocolFields[protocol]; ok {
		p.protocol = name
	}
	switch protocol {
	case layers.IPProtocolICMPv4:
		p.icmp(v)
	case layers.IPProtocolICMPv6:
		p.icmpv6(d, v)
	case layers.IPProtocolIPv4:
		p.ipv4(v)
	case layers.IPProtocolIPv6:
		p.ipv6(v)
	case protocolEthernet:
		p.etherFrame(v)
	case layers.IPProtocolIGMP:
		p.igmp(v)
	case layers.IPProtocolGRE:
		p.gre(v)
	case layers.IPProtocolEtherIP:
		p.etherIP(v)
	case layers.IPProtocolMPLSInIP:
		p.mpls(v)
	case layers.IPProtocolESP:
		p.esp(v)
	case layers.IPProtocolAH:
		p.ah(d, v)
	case protocolIPComp:
		p.ipComp(v)
	case layers.IPProtocolOSPF:
		p.ospf(v)
	case protocolEIGRP:
		p.eigrp(v)
	case protocolPIM:
		p.pim(v)
	case layers.IPProtocolVRRP:
		p.vrrp(d, v)
	case protocolRSVP:
		p.rsvp(v)
	case layers.IPProtocolNoNextHeader:
		p.text("no next header")
	default:
		p.protocolName(protocol).length(v.length)
	}
}

// Protocols that gopacket has no name for, from the IANA registry.
const (
	protocolDCCP   layers.IPProtocol = 33
	protocolRSVP   layers.IPProtocol = 46
	protocolEIGRP  layers.IPProtocol = 88
	protocolPIM    layers.IPProtocol = 103
	protocolIPComp layers.IPProtocol = 108

	protocolEthernet layers.IPProtocol = 143 // RFC 8986
)

// protocolNames are protocols that are named; not all are decoded.
var protocolNames = map[layers.IPProtocol]string{
	1: "icmp", 2: "IGMP", 4: "ipip", 6: "tcp", 17: "udp", 33: "DCCP", 41: "ipv6",
	46: "RSVP", 47: "GRE", 50: "ESP", 51: "AH", 58: "icmp6", 59: "no next header",
	88: "EIGRP", 89: "OSPF", 94: "ipip", 97: "EtherIP", 103: "PIM", 108: "IPComp", 112: "VRRP",
	113: "PGM", 115: "L2TP", 132: "SCTP", 135: "mobility", 136: "UDPLite", 137: "MPLS",
}

// protocolFields are the names of protocols in JSON.
var protocolFields = map[layers.IPProtocol]string{
	1: "icmp", 2: "igmp", 33: "dccp", 46: "rsvp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp6",
	88: "eigrp", 89: "ospf", 97: "etherip", 103: "pim", 108: "ipcomp", 112: "vrrp", 113: "pgm",
	115: "l2tp", 135: "mobility", 136: "udplite",
}

func (p *Printer) protocolName(n layers.IPProtocol) *Printer {
	if name, ok := protocolNames[n]; ok {
		return p.text(name)
	}
	return p.text("ip-proto-").uint(uint32(n))
}

const ip4Size = 20 // without options

// Bits of the field of an IPv4 header that has the fragment offset.
const (
	ip4Reserved = 0x8000
	ip4DF       = 0x4000
	ip4MF       = 0x2000
)

func (p *Printer) ipv4(v view) {
	b := v.data
	if len(b) > 0 && b[0]>>4 != 4 {
		p.color(sgrError).text("IP").uint(uint32(b[0] >> 4))
		if b[0]>>4 == 6 {
			p.text(", wrong link-layer encapsulation")
		}
		p.text(" (invalid)").color(sgrReset)
		return
	}
	p.version("IP ")
	if !p.nest() {
		return
	}
	if len(b) < ip4Size {
		p.cut("ip")
		return
	}
	header := int(b[0]&0xf) * 4
	// Linux hands out packets of segmentation offload with a length of 0 if
	// they are too long for the field.
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = v.length
	}
	switch {
	case header < ip4Size:
		p.wrong("bad-hlen ").int(int64(header))
		return
	case total < header:
		p.wrong("bad-len ").int(int64(total))
		return
	}
	if missing := total - v.length; missing > 0 {
		p.text("truncated-ip - ").int(int64(missing)).text(" bytes missing! ")
	}
	protocol := layers.IPProtocol(b[9])
	if p.Verbose > 0 {
		p.ipv4Fields(b, header)
	}
	payload := view{v.first(total).after(header).data, total - header}
	d := datagram{
		src: netip.AddrFrom4([4]byte(b[12:])), dst: netip.AddrFrom4([4]byte(b[16:])), ttl: b[8],
		outer: !p.facts.src.IsValid(),
	}
	p.protocol = "ip"
	field := binary.BigEndian.Uint16(b[6:])
	offset, more := int(field&0x1fff)*8, field&ip4MF != 0
	if offset == 0 && !more {
		p.transport(&d, protocol, payload)
		return
	}
	d.id = uint32(binary.BigEndian.Uint16(b[4:]))
	if offset > 0 {
		p.flow(&d, protocol, true)
		p.hosts(&d)
		p.protocolName(protocol)
		if name, ok := protocolFields[protocol]; ok {
			p.protocol = name
		}
	} else {
		d.fragment = true
		p.transport(&d, protocol, payload)
	}
	if p.Verbose > 0 {
		return // said that already
	}
	p.text(" (frag ").uint(uint32(binary.BigEndian.Uint16(b[4:]))).text(":").int(int64(payload.length)).text("@").int(int64(offset))
	if more {
		p.text("+")
	}
	p.text(")")
}

// version prints the name of a protocol which the header of the link layer has told
// already, if that is printed.
func (p *Printer) version(name string) {
	if !p.LinkHeader {
		p.word(name)
	}
}

const ip6Size = 40

func (p *Printer) ipv6(v view) {
	p.version("IP6 ")
	if !p.nest() {
		return
	}
	b := v.data
	if len(b) > 0 && b[0]>>4 != 6 {
		p.wrong("version error: ").uint(uint32(b[0] >> 4)).text(" != 6")
		return
	}
	if len(b) < ip6Size {
		p.cut("ip6")
		return
	}
	next := layers.IPProtocol(b[6])
	payload := v.after(ip6Size)
	if p.Verbose > 0 {
		p.ipv6Fields(b)
	}
	// A length of 0 is that of a jumbogram, RFC 2675, or of segmentation
	// offload that needs no such option on the way to us.
	if length := int(binary.BigEndian.Uint16(b[4:])); length != 0 {
		if missing := length - payload.length; missing > 0 {
			p.text("truncated-ip6 - ").int(int64(missing)).text(" bytes missing! ")
		}
		payload = view{payload.data[:min(length, len(payload.data))], length}
	}
	d := datagram{
		src: netip.AddrFrom16([16]byte(b[8:])), dst: netip.AddrFrom16([16]byte(b[24:])), ttl: b[7],
		outer: !p.facts.src.IsValid(), v6: true,
	}
	p.protocol = "ip6"
	p.extensions(&d, next, payload)
}

// maxExtensions bounds the addresses and options that are printed of an IPv6
// extension header.
const maxExtensions = 16

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
		if len(v.data) < 8 {
			if next == layers.IPProtocolIPv6Fragment {
				p.cut("frag")
			} else {
				p.cut("ip6ext")
			}
			return
		}
		after := layers.IPProtocol(v.data[0])
		if next == layers.IPProtocolIPv6Fragment {
			field := binary.BigEndian.Uint16(v.data[2:])
			id := binary.BigEndian.Uint32(v.data[4:])
			v = v.after(8)
			offset := int64(field &^ 7)
			p.text("(")
			if p.Verbose > 0 {
				p.hex32(id).text(":")
			}
			p.int(offset).text("|").int(int64(v.length)).text(") ")
			d.id = id
			if offset > 0 {
				p.flow(d, after, true)
				p.protocolName(after)
				return
			}
			d.fragment, d.piece = field&1 != 0, true
			next = after
			continue
		}
		size := (int(v.data[1]) + 1) * 8
		if len(v.data) < size {
			p.cut("ip6ext")
			return
		}
		switch {
		case next == layers.IPProtocolIPv6Routing:
			p.routing(v.data[:size])
		case p.Verbose > 0:
			p.ipv6Options(v.data[2:size])
		}
		v = v.after(size)
		next = after
	}
}

// Routing headers with addresses: the source route that RFC 5095 abolished, that of
// mobile IPv6, and segment routing, RFC 8754.
const (
	routingSource  = 0
	routingMobile  = 2
	routingSegment = 4
)

// routing prints a routing header, RFC 8200 section 4.4.
func (p *Printer) routing(b []byte) {
	p.text("(len=").uint(uint32(b[1])).text(", type=").uint(uint32(b[2])).text(", segleft=").uint(uint32(b[3]))
	addresses := b[8:]
	switch b[2] {
	case routingSource, routingMobile:
		if reserved := binary.BigEndian.Uint32(b[4:]); reserved != 0 {
			p.text(", rsv=0x").hexInt(int64(reserved))
		}
	case routingSegment:
		p.text(", last-entry=").uint(uint32(b[4]))
		if b[5] != 0 || p.Verbose > 0 {
			p.text(", flags=0x").hexInt(int64(b[5]))
		}
		p.text(", tag=").hexInt(int64(binary.BigEndian.Uint16(b[6:])))
		addresses = addresses[:min(len(addresses), (int(b[4])+1)*16)]
	default:
		addresses = nil
	}
	for i := 0; len(addresses) >= 16; i++ {
		if i == maxExtensions {
			p.text(", …")
			break
		}
		p.text(", [").int(int64(i)).text("]").addrBytes(addresses[:16])
		addresses = addresses[16:]
	}
	p.text(") ")
}
