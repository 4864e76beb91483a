package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// verboseNames are the names of IP protocols in what -v prints, tcpdump's.
var verboseNames = map[layers.IPProtocol]string{
	0: "Options", 1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 8: "EGP", 9: "IGRP", 17: "UDP",
	33: "DCCP", 41: "IPv6", 43: "Routing", 44: "Fragment", 46: "RSVP", 47: "GRE", 50: "ESP",
	51: "AH", 55: "Mobile IP", 58: "ICMPv6", 59: "no next header", 60: "unknown", 62: "Mobile IP (old)",
	88: "EIGRP", 89: "OSPF", 97: "EtherIP", 103: "PIM", 108: "Compressed IP", 112: "VRRP",
	113: "PGM", 132: "SCTP", 135: "Mobility",
}

func (p *Printer) verboseName(n layers.IPProtocol) *Printer {
	name, ok := verboseNames[n]
	if !ok {
		name = "unknown"
	}
	return p.text(name).text(" (").uint(uint32(n)).text(")")
}

// ipv4Fields prints the fields of an IPv4 header, and ends the first line of a packet.
func (p *Printer) ipv4Fields(b []byte, header int) {
	p.text("(tos 0x").hexInt(int64(b[1]))
	p.text([...]string{"", ",ECT(1)", ",ECT(0)", ",CE"}[b[1]&3])
	if b[8] > 0 {
		p.text(", ttl ").uint(uint32(b[8]))
	}
	field := binary.BigEndian.Uint16(b[6:])
	p.text(", id ").uint(uint32(binary.BigEndian.Uint16(b[4:]))).text(", offset ").uint(uint32(field&0x1fff) * 8)
	p.text(", flags [").bits(uint32(field), []bit{{ip4MF, "+"}, {ip4DF, "DF"}, {ip4Reserved, "rsvd"}}).text("], proto ")
	p.verboseName(layers.IPProtocol(b[9]))
	p.text(", length ").uint(uint32(binary.BigEndian.Uint16(b[2:])))
	if header > ip4Size {
		p.text(", options (")
		p.ipv4Options(b[ip4Size:min(header, len(b))])
		if len(b) < header {
			p.text(" [truncated-option]")
		}
		p.text(")")
	}
	if len(b) >= header {
		if sum := ^fold(checksum(0, b[:header])); sum != 0 {
			found := binary.BigEndian.Uint16(b[10:])
			p.color(sgrError).text(", bad cksum ").hexInt(int64(found)).text(" (->").hexInt(int64(shouldBe(found, sum))).text(")!").color(sgrReset)
		}
	}
	p.text(")\n    ")
}

// Options of IPv4, from the IANA registry.
var ip4Options = map[uint8]string{
	0: "EOL", 1: "NOP", 7: "RR", 68: "timestamp", 82: "traceroute", 130: "security", 131: "LSRR",
	137: "SSRR", 148: "RA",
}

func (p *Printer) ipv4Options(b []byte) {
	for n := 0; len(b) > 0; n++ {
		if n > 0 {
			p.text(",")
		}
		name, ok := ip4Options[b[0]]
		if ok {
			p.text(name)
		} else {
			p.text("unknown ").uint(uint32(b[0]))
		}
		size := 1
		switch {
		case b[0] == 0:
			return
		case b[0] == 1:
		case len(b) < 2:
			return
		default:
			size = int(b[1])
			if size < 2 || size > len(b) {
				p.text(" [bad length ").int(int64(size)).text("]")
				return
			}
		}
		if b[0] == 148 && size >= 4 {
			if value := binary.BigEndian.Uint16(b[2:]); value != 0 {
				p.text(" value ").uint(uint32(value))
			}
		}
		b = b[size:]
	}
}

// ipv6Fields prints the fields of an IPv6 header.
func (p *Printer) ipv6Fields(b []byte) {
	flow := binary.BigEndian.Uint32(b)
	p.text("(")
	if class := flow >> 20 & 0xff; class != 0 {
		p.text("class ").hex8(uint8(class)).text(", ")
	}
	if label := flow & 0xfffff; label != 0 {
		p.text("flowlabel 0x").hexDigits(label, 5).text(", ")
	}
	p.text("hlim ").uint(uint32(b[7])).text(", next-header ").verboseName(layers.IPProtocol(b[6]))
	p.text(" payload length: ").uint(uint32(binary.BigEndian.Uint16(b[4:]))).text(") ")
}

// Options of IPv6, RFC 8200, 2711 and 2675.
const (
	optionPad1        = 0
	optionPadN        = 1
	optionRouterAlert = 5
	optionJumbo       = 0xc2
)

func (p *Printer) ipv6Options(b []byte) {
	for n := 0; len(b) > 0; n++ {
		if n == maxExtensions {
			p.text("… ")
			return
		}
		if b[0] == optionPad1 {
			p.text("(pad1) ")
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return
		}
		value := b[2 : 2+int(b[1])]
		switch {
		case b[0] == optionPadN:
			p.text("(padn) ")
		case b[0] == optionRouterAlert && len(value) == 2:
			p.text("(rtalert: 0x").hex(string(value)).text(") ")
		case b[0] == optionJumbo && len(value) == 4:
			p.text("(jumbo: ").uint(binary.BigEndian.Uint32(value)).text(") ")
		default:
			p.text("(opt_type 0x").hex(string(b[:1])).text(": len=").int(int64(len(value))).text(") ")
		}
		b = b[2+len(value):]
	}
}

// tcpChecksum says whether the checksum of a segment is right. That of one which was
// captured on its way out is wrong where the network interface makes it.
func (p *Printer) tcpChecksum(d *datagram, v view) {
	p.text(", cksum ").hex16(binary.BigEndian.Uint16(v.data[16:]))
	if d.fragment || len(v.data) < v.length {
		return // not all of what it is of
	}
	found, sum := binary.BigEndian.Uint16(v.data[16:]), p.pseudoChecksum(d, layers.IPProtocolTCP, v)
	if sum == 0 {
		p.text(" (correct)")
	} else {
		p.color(sgrError).text(" (incorrect -> ").hex16(shouldBe(found, sum)).text(")").color(sgrReset)
	}
}

// udpChecksum says whether the checksum of a datagram is right. v is what its header
// says that it has.
func (p *Printer) udpChecksum(d *datagram, v view) {
	found := binary.BigEndian.Uint16(v.data[6:])
	switch {
	case d.fragment:
	case found == 0:
		p.text("[no cksum] ")
	case len(v.data) < v.length:
	default:
		if sum := p.pseudoChecksum(d, layers.IPProtocolUDP, v); sum != 0 {
			p.color(sgrError).text("[bad udp cksum ").hex16(found).text(" -> ").hex16(shouldBe(found, sum)).text("!]").color(sgrReset).text(" ")
		} else {
			p.text("[udp sum ok] ")
		}
	}
}

// pseudoChecksum is 0 if the checksum over a segment and its pseudo-header, RFC 9293
// section 3.1 and RFC 8200 section 8.1, is right.
func (p *Printer) pseudoChecksum(d *datagram, protocol layers.IPProtocol, v view) uint16 {
	var sum uint32
	if d.v6 {
		src, dst := d.src.As16(), d.dst.As16()
		sum = checksum(checksum(0, src[:]), dst[:])
	} else {
		src, dst := d.src.As4(), d.dst.As4()
		sum = checksum(checksum(0, src[:]), dst[:])
	}
	sum += uint32(v.length>>16) + uint32(v.length&0xffff) + uint32(protocol)
	return ^fold(checksum(sum, v.data[:v.length]))
}

// checksum adds 16-bit words, RFC 1071.
func checksum(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
		if sum >= 1<<31 {
			sum = sum>>16 + sum&0xffff
		}
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// shouldBe is the checksum that would have been right in place of the one found, given
// what came out over all of it, RFC 1624.
func shouldBe(found, sum uint16) uint16 {
	return fold(uint32(found) + uint32(sum))
}

// A bit is a flag with a name.
type bit struct {
	mask uint32
	name string
}

// bits prints the names of the flags that are set, or none.
func (p *Printer) bits(n uint32, names []bit) *Printer {
	start := len(p.out)
	for _, b := range names {
		if n&b.mask == b.mask {
			if len(p.out) > start {
				p.text(", ")
			}
			p.text(b.name)
		}
	}
	if len(p.out) == start {
		p.text("none")
	}
	return p
}

// separate begins a header inside another: on a line of its own if there are several.
func (p *Printer) separate(one string) *Printer {
	if p.Verbose > 0 {
		return p.text("\n\t")
	}
	return p.text(one)
}
