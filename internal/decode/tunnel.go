package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// layersType makes an EtherType of a number.
func layersType(n uint16) layers.EthernetType { return layers.EthernetType(n) }

// maxLabels bounds the labels of a stack.
const maxLabels = 16

// mpls prints a stack of labels, RFC 3032 section 2.1, and what is behind it, which
// no field announces.
func (p *Printer) mpls(v view) {
	if !p.nest() {
		return
	}
	if !p.facts.src.IsValid() {
		p.protocol = "mpls"
	}
	p.word("MPLS")
	var label uint32
	for n := 0; ; n++ {
		if len(v.data) < 4 {
			p.text(" ").cut("mpls")
			return
		}
		if n == maxLabels {
			p.text(" (…)")
			return
		}
		entry := binary.BigEndian.Uint32(v.data)
		label = entry >> 12
		if n > 0 {
			p.separate(" ")
		} else {
			p.text(" ")
		}
		p.text("(label ").uint(label)
		if p.Verbose > 0 {
			p.text(mplsLabels[label])
		}
		p.text(", tc ").uint(entry >> 9 & 7)
		if entry&0x100 != 0 {
			p.text(", [S]")
		}
		p.text(", ttl ").uint(entry & 0xff).text(")")
		v = v.after(4)
		if entry&0x100 != 0 {
			break
		}
	}
	if len(v.data) == 0 {
		return
	}
	const explicitNull4, explicitNull6 = 0, 2
	switch first := v.data[0]; {
	case label == explicitNull4, label != explicitNull6 && first >= 0x45 && first <= 0x4f:
		p.separate(" ")
		p.ipv4(v)
	case label == explicitNull6, first>>4 == 6:
		p.separate(" ")
		p.ipv6(v)
	case first >= 0x81 && first <= 0x83:
		p.separate(" ")
		p.osi(v)
	case first>>4 == 0 && len(v.data) >= 4+etherSize: // a pseudowire's control word, RFC 4385
		p.separate(" ")
		p.text("pseudowire")
		p.length(v.length)
	}
}

var mplsLabels = map[uint32]string{
	0: " (IPv4 explicit NULL)", 1: " (router alert)", 2: " (IPv6 explicit NULL)", 3: " (implicit NULL)",
}

// Bits of a GRE header, RFC 2784, 2890 and 2637.
const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080
)

const (
	etherTypePPP        = 0x880b
	etherTypeERSPAN     = 0x88be
	etherTypeERSPANIII  = 0x22eb
	etherTypeOSI        = 0x00fe
	etherTypeBridged    = uint16(layers.EthernetTypeTransparentEthernetBridging)
	etherTypeCiscoMPLS  = uint16(layers.EthernetTypeMPLSUnicast)
	etherTypeIP         = uint16(layers.EthernetTypeIPv4)
	etherTypeIP6        = uint16(layers.EthernetTypeIPv6)
	maxRoutingFragments = 4
)

func (p *Printer) gre(v view) {
	p.word("GRE")
	if !p.nest() {
		return
	}
	if len(v.data) < 4 {
		p.text(" ").cut("gre")
		return
	}
	flags, protocol := binary.BigEndian.Uint16(v.data), binary.BigEndian.Uint16(v.data[2:])
	version := flags & 7
	p.text("v").uint(uint32(version))
	length := v.length
	switch version {
	case 0:
		p.gre0(flags, protocol, v.after(4), length)
	case 1:
		p.gre1(flags, protocol, v.after(4), length)
	default:
		p.text(" ERROR: unknown-version")
	}
}

// word32 takes four bytes of a header, or says that they are missing.
func (p *Printer) word32(v *view, protocol string) (n uint32, ok bool) {
	if len(v.data) < 4 {
		p.text(" ").cut(protocol)
		return 0, false
	}
	n = binary.BigEndian.Uint32(v.data)
	*v = v.after(4)
	return n, true
}

func (p *Printer) gre0(flags, protocol uint16, v view, length int) {
	if p.Verbose > 0 {
		p.text(", Flags [").bits(uint32(flags), []bit{
			{greChecksum, "checksum present"},
			{greRouting, "routing present"},
			{greKey, "key present"},
			{greSequence, "sequence# present"},
			{0x0800, "source routing present"},
		}).text("]")
	}
	if flags&(greChecksum|greRouting) != 0 {
		n, ok := p.word32(&v, "gre")
		if !ok {
			return
		}
		if p.Verbose > 0 {
			p.text(", sum 0x").hexInt(int64(n >> 16))
		}
		if p.Verbose > 0 || flags&greRouting != 0 {
			p.text(", off 0x").hexInt(int64(n & 0xffff))
		}
	}
	if flags&greKey != 0 {
		n, ok := p.word32(&v, "gre")
		if !ok {
			return
		}
		p.text(", key=0x").hexInt(int64(n))
	}
	if flags&greSequence != 0 {
		n, ok := p.word32(&v, "gre")
		if !ok {
			return
		}
		p.text(", seq ").uint(n)
	}
	if flags&greRouting != 0 {
		for n := 0; ; n++ {
			entry, ok := p.word32(&v, "gre")
			if !ok {
				return
			}
			if entry == 0 {
				break
			}
			if n == maxRoutingFragments {
				p.text(" …")
				return
			}
			v = v.after(int(entry & 0xff))
		}
	}
	p.greProtocol(protocol)
	p.length(length)
	p.greSeparate()
	switch protocol {
	case etherTypeIP:
		p.ipv4(v)
	case etherTypeIP6:
		p.ipv6(v)
	case etherTypeCiscoMPLS, 0x8848:
		p.mpls(v)
	case etherTypeOSI:
		p.osi(v)
	case etherTypeBridged:
		p.etherFrame(v)
	case etherTypeERSPAN:
		p.erspan(flags&greSequence != 0, v)
	case etherTypeERSPANIII:
		p.erspan3(v)
	default:
		p.text("gre-proto-0x").hexInt(int64(protocol))
	}
}

// greProtocol prints the protocol that the header announces.
func (p *Printer) greProtocol(protocol uint16) {
	if !p.LinkHeader {
		return
	}
	name, ok := etherNames[layersType(protocol)]
	if !ok {
		name = "unknown"
	}
	p.text(", proto ").text(name).text(" (").hex16(protocol).text(")")
}

func (p *Printer) greSeparate() {
	if p.Verbose > 0 {
		p.text("\n\t")
	} else {
		p.text(": ")
	}
}

// gre1 prints the header that PPTP has, RFC 2637 section 4.1.
func (p *Printer) gre1(flags, protocol uint16, v view, length int) {
	if p.Verbose > 0 {
		p.text(", Flags [").bits(uint32(flags), []bit{
			{greChecksum, "checksum present"},
			{greRouting, "routing present"},
			{greKey, "key present"},
			{greSequence, "sequence# present"},
			{0x0800, "source routing present"},
			{greAck, "ack present"},
		}).text("]")
	}
	key, ok := p.word32(&v, "gre")
	if !ok {
		return
	}
	p.text(", call ").uint(key & 0xffff)
	if flags&greSequence != 0 {
		n, ok := p.word32(&v, "gre")
		if !ok {
			return
		}
		p.text(", seq ").uint(n)
	}
	if flags&greAck != 0 {
		n, ok := p.word32(&v, "gre")
		if !ok {
			return
		}
		p.text(", ack ").uint(n)
	}
	if flags&greSequence == 0 {
		p.text(", no-payload")
	}
	p.greProtocol(protocol)
	p.length(length)
	if flags&greSequence == 0 {
		return
	}
	p.greSeparate()
	if protocol != etherTypePPP {
		p.text("gre-proto-0x").hexInt(int64(protocol))
		return
	}
	if len(v.data) >= 2 && v.data[0] == 0xff && v.data[1] == 0x03 {
		v = v.after(2)
	}
	p.ppp(v)
}

// erspan prints a mirrored frame, draft-foschiano-erspan-03. The first type has no
// header of its own.
func (p *Printer) erspan(header bool, v view) {
	p.protocol = "erspan"
	if !header {
		p.word("ERSPAN").text(" I, ")
		p.etherFrame(v)
		return
	}
	p.word("ERSPAN").text(" II, ")
	if len(v.data) < 8 {
		p.cut("erspan")
		return
	}
	head := binary.BigEndian.Uint32(v.data)
	p.text("session ").uint(head & 0x3ff).text(", vlan ").uint(head >> 16 & 0xfff).text(", ")
	p.etherFrame(v.after(8))
}

func (p *Printer) erspan3(v view) {
	p.protocol = "erspan"
	p.word("ERSPAN").text(" III, ")
	if len(v.data) < 12 {
		p.cut("erspan")
		return
	}
	head := binary.BigEndian.Uint32(v.data)
	flags := binary.BigEndian.Uint16(v.data[10:])
	p.text("session ").uint(head & 0x3ff).text(", vlan ").uint(head >> 16 & 0xfff).text(", ")
	v = v.after(12)
	if flags&1 != 0 { // the platform's subheader
		v = v.after(8)
	}
	const frameEthernet, frameIP = 0, 2
	switch flags >> 10 & 0x1f {
	case frameEthernet:
		p.etherFrame(v)
	case frameIP:
		p.rawIP(v)
	default:
		p.text("frame type ").uint(uint32(flags >> 10 & 0x1f)).length(v.length)
	}
}

// etherIP prints an Ethernet frame in IP, RFC 3378.
func (p *Printer) etherIP(v view) {
	p.word("EtherIP").text(" ")
	if !p.nest() {
		return
	}
	if len(v.data) < 2 {
		p.cut("etherip")
		return
	}
	p.text(": ")
	p.etherFrame(v.after(2))
}

// vxlan prints VXLAN, RFC 7348, and its generic protocol extension.
func (p *Printer) vxlan(v view) bool {
	if !p.nest() {
		return true
	}
	p.protocol = "vxlan"
	p.word("VXLAN").text(", ")
	if len(v.data) < 8 {
		p.cut("vxlan")
		return true
	}
	flags := v.data[0]
	p.text("flags [")
	if flags&0x08 != 0 {
		p.text("I")
	} else {
		p.text(".")
	}
	p.text("] (").hex8(flags).text("), vni ").uint(binary.BigEndian.Uint32(v.data[4:]) >> 8).text(": ")
	const extended, ip4, ip6, ethernet, nsh = 0x04, 1, 2, 3, 4
	next := v.data[3]
	v = v.after(8)
	switch {
	case flags&extended == 0 || next == ethernet:
		p.etherFrame(v)
	case next == ip4:
		p.ipv4(v)
	case next == ip6:
		p.ipv6(v)
	case next == nsh:
		p.nsh(v)
	default:
		p.text("next protocol ").uint(uint32(next)).length(v.length)
	}
	return true
}

// nsh prints a network service header, RFC 8300 section 2.
func (p *Printer) nsh(v view) {
	if !p.nest() {
		return
	}
	p.protocol = "nsh"
	p.word("NSH").text(", ")
	b := v.data
	if len(b) < 8 {
		p.cut("nsh")
		return
	}
	p.text("flags [")
	if b[0]&0x20 != 0 {
		p.text("O")
	} else {
		p.text("none")
	}
	p.text("]")
	p.text(", service-path-id 0x").hexDigits(binary.BigEndian.Uint32(b[4:])>>8, 6).text(", service-index 0x").hexInt(int64(b[7])).text(": ")
	size, next := int(b[1]&0x3f)*4, b[3]
	if size < 8 || len(b) < size {
		p.cut("nsh")
		return
	}
	v = v.after(size)
	switch next {
	case 1:
		p.ipv4(v)
	case 2:
		p.ipv6(v)
	case 3:
		p.etherFrame(v)
	case 5:
		p.mpls(v)
	default:
		p.text("next protocol ").uint(uint32(next)).length(v.length)
	}
}

// geneve prints Geneve, RFC 8926.
func (p *Printer) geneve(v view) bool {
	if !p.nest() {
		return true
	}
	p.protocol = "geneve"
	p.word("Geneve")
	b := v.data
	if len(b) < 8 {
		p.text(" ").cut("geneve")
		return true
	}
	if version := b[0] >> 6; version != 0 {
		p.text(" ERROR: unknown-version ").uint(uint32(version))
		return true
	}
	p.text(", Flags [")
	switch b[1] >> 6 {
	case 0:
		p.text("none")
	case 1:
		p.text("C")
	case 2:
		p.text("O")
	case 3:
		p.text("OC")
	}
	p.text("]")
	vni := binary.BigEndian.Uint32(b[4:])
	p.text(", vni 0x").hexInt(int64(vni >> 8))
	if vni&0xff != 0 {
		p.text(", rsvd 0x").hexInt(int64(vni & 0xff))
	}
	protocol := binary.BigEndian.Uint16(b[2:])
	p.greProtocol(protocol)
	options := int(b[0]&0x3f) * 4
	if options > 0 {
		p.text(", options [").int(int64(options)).text(" bytes]")
	}
	if p.Verbose > 0 {
		p.text("\n    ")
	} else {
		p.text(": ")
	}
	if len(b) < 8+options {
		p.cut("geneve")
		return true
	}
	v = v.after(8 + options)
	switch protocol {
	case etherTypeBridged:
		p.etherFrame(v)
	case etherTypeIP:
		p.ipv4(v)
	case etherTypeIP6:
		p.ipv6(v)
	default:
		p.text("geneve-proto-0x").hexInt(int64(protocol))
	}
	return true
}
