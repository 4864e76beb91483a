package decode

import (
	"encoding/binary"
)

// Service access points of IEEE 802.2.
const (
	sapSTP  = 0x42
	sapSNAP = 0xaa
	sapIPX  = 0xe0
	sapISO  = 0xfe
	llcUI   = 0x03 // unnumbered information
)

// sapNames are the service access points that are named.
var sapNames = map[uint8]string{
	0x00: "Null", 0x02: "802.1B I", 0x04: "SNA", 0x06: "IP", 0x0e: "ProWay NM", 0x42: "STP", 0x4e: "RS511",
	0x7e: "X.25", 0xaa: "SNAP", 0xbc: "VINES", 0xe0: "IPX", 0xf0: "NetBeui", 0xfe: "OSI",
}

func (p *Printer) sap(n uint8) *Printer {
	if name, ok := sapNames[n]; ok {
		return p.text(name).text(" (").hex8(n).text(")")
	}
	return p.text("Unknown (").hex8(n).text(")")
}

func (p *Printer) llcFrame(v view) {
	if len(v.data) < 3 {
		p.linkEnds(v)
		p.protocol = "llc"
		p.cut("llc")
		return
	}
	dsap, ssap := v.data[0], v.data[1]
	if dsap == 0xff && ssap == 0xff { // Novell's 802.3, without LLC
		p.linkEnds(v)
		p.protocol = "ipx"
		p.ipx(" 802.3", v)
		return
	}
	control, header := uint16(v.data[2]), 3
	if control&3 != 3 {
		if len(v.data) < 4 {
			p.linkEnds(v)
			p.protocol = "llc"
			p.cut("llc")
			return
		}
		control, header = binary.LittleEndian.Uint16(v.data[2:]), 4
	}
	if p.LinkHeader {
		p.text("LLC, dsap ").sap(dsap &^ 1).text([...]string{" Individual", " Group"}[dsap&1])
		p.text(", ssap ").sap(ssap &^ 1).text([...]string{" Command", " Response"}[ssap&1])
		p.text(", ctrl 0x").hexDigits(uint32(control), (header-2)*2).text(": ")
	}
	v = v.after(header)
	if dsap == sapSNAP && ssap == sapSNAP && control == llcUI {
		p.snapFrame(v)
		return
	}
	p.linkEnds(v)
	p.protocol = "llc"
	switch {
	case dsap == sapSTP && ssap == sapSTP && control == llcUI:
		p.stp(v)
	case dsap == sapIPX && ssap == sapIPX && control == llcUI:
		p.protocol = "ipx"
		p.ipx(" 802.2", v)
	case dsap == sapISO && ssap == sapISO && control == llcUI:
		p.osi(v)
	case dsap == 0x06 && ssap == 0x06 && control == llcUI:
		p.rawIP(v)
	case p.LinkHeader:
		p.text("length ").int(int64(v.length))
	default:
		p.text("LLC, dsap ").hex8(dsap).text(", ssap ").hex8(ssap).text(", ctrl ").hex16(control).length(v.length)
	}
}

// ipx names IPX, and the frame it is in as the header of the link layer has it.
func (p *Printer) ipx(frame string, v view) {
	p.word("IPX")
	p.linkName(frame)
	p.length(v.length)
}

// Organizations whose protocol numbers are known here.
const (
	ouiEthernet = 0x000000 // RFC 1042
	ouiBridge   = 0x0000f8 // IEEE 802.1H
	ouiCisco    = 0x00000c
	oui8021     = 0x0080c2 // frames in ATM, RFC 2684
	ouiRFC2684  = 0x00805f
)

var ouiNames = map[uint32]string{
	ouiEthernet: "Ethernet", ouiBridge: "Ethernet bridged", ouiCisco: "Cisco", oui8021: "RFC2684",
	0x000a27: "Apple", 0x080007: "Apple", 0x00000f: "NeXT", 0x0050ba: "D-Link",
}

// ciscoNames are Cisco's protocols behind SNAP.
var ciscoNames = map[uint16]string{
	0x0102: "DRIP", 0x0104: "Port Aggregation Protocol", 0x010b: "PVST", 0x010c: "VLAN Bridge", 0x0111: "UDLD", 0x2000: "CDP",
	0x2003: "VTP", 0x2004: "DTP", 0x200a: "UplinkFast",
}

func (p *Printer) snapFrame(v view) {
	if len(v.data) < 5 {
		p.linkEnds(v)
		p.protocol = "llc"
		p.cut("snap")
		return
	}
	oui := uint32(v.data[0])<<16 | uint32(v.data[1])<<8 | uint32(v.data[2])
	pid := binary.BigEndian.Uint16(v.data[3:])
	length := v.length - 5
	if p.LinkHeader {
		p.text("oui ").ouiName(oui).text(", ")
		if oui == ouiEthernet || oui == ouiBridge {
			p.typeName(layersType(pid))
		} else {
			p.pidName(oui, pid)
		}
		p.text(", length ").int(int64(length)).text(": ")
	}
	v = v.after(5)
	if oui == ouiEthernet || oui == ouiBridge {
		p.etherType(layersType(pid), v)
		return
	}
	p.linkEnds(v)
	p.protocol = "llc"
	if oui == ouiCisco {
		switch pid {
		case 0x010b:
			p.stp(v)
			return
		case 0x0111:
			p.udld(v)
			return
		case 0x2000:
			p.cdp(v)
			return
		case 0x2003:
			p.vtp(v)
			return
		case 0x2004:
			p.dtp(v)
			return
		}
	}
	if oui == oui8021 && (pid == 0x0001 || pid == 0x0007) && p.nest() { // with and without a check sequence
		p.etherFrame(v)
		return
	}
	if p.LinkHeader {
		p.text("not decoded")
		return
	}
	if p.mac.src != nil {
		p.macs().text(" ")
		v.length = p.frame
	}
	p.text("SNAP, oui ").ouiName(oui).text(", ").pidName(oui, pid).length(v.length)
}

func (p *Printer) ouiName(oui uint32) *Printer {
	name, ok := ouiNames[oui]
	if !ok {
		name = "Unknown"
	}
	return p.text(name).text(" (0x").hexDigits(oui, 6).text(")")
}

func (p *Printer) pidName(oui uint32, pid uint16) *Printer {
	name := "Unknown"
	if n, ok := ciscoNames[pid]; ok && oui == ouiCisco {
		name = n
	}
	return p.text("pid ").text(name).text(" (").hex16(pid).text(")")
}

// stpFlags are those of IEEE 802.1D section 9.3.3.
var stpFlags = []bit{
	{0x01, "Topology change"},
	{0x02, "Proposal"},
	{0x10, "Learn"},
	{0x20, "Forward"},
	{0x40, "Agreement"},
	{0x80, "Topology change ACK"},
}

// stp prints a spanning tree's bridge protocol data unit, IEEE 802.1D section 9.
func (p *Printer) stp(v view) {
	p.protocol = "stp"
	b := v.data
	p.word("STP")
	if len(b) < 4 {
		p.text(" ").cut("stp")
		return
	}
	const topologyChange = 0x80
	version, kind := b[2], b[3]
	switch version {
	case 0:
		p.text(" 802.1d")
	case 2:
		p.text(" 802.1w")
	case 3:
		p.text(" 802.1s")
	case 4:
		p.text(" 802.1aq")
	default:
		p.text(" Unknown STP protocol (").hex8(version).text(")")
		return
	}
	switch kind {
	case 0:
		p.text(", Config")
	case 2:
		p.text(", Rapid STP")
	case topologyChange:
		p.text(", Topology Change")
		return
	default:
		p.text(", Unknown BPDU Type (").hex8(kind).text(")")
		return
	}
	if len(b) < 35 {
		p.text(" ").cut("stp")
		return
	}
	if version >= 3 && len(b) >= 38 {
		p.text(", CIST Flags [").bits(uint32(b[4]), stpFlags).text("]").length(v.length)
		return
	}
	p.text(", Flags [").bits(uint32(b[4]), stpFlags).text("], bridge-id ")
	p.hexDigits(uint32(binary.BigEndian.Uint16(b[17:])), 4).text(".").macAddr(b[19:25]).text(".")
	p.hexDigits(uint32(binary.BigEndian.Uint16(b[25:])), 4).length(v.length)
	if p.Verbose > 0 {
		p.text("\n\tmessage-age ").bridgeTime(b[27:]).text(", max-age ").bridgeTime(b[29:])
		p.text(", hello-time ").bridgeTime(b[31:]).text(", forwarding-delay ").bridgeTime(b[33:])
		p.text("\n\troot-id ").hexDigits(uint32(binary.BigEndian.Uint16(b[5:])), 4).text(".").macAddr(b[7:13])
		p.text(", root-pathcost ").uint(binary.BigEndian.Uint32(b[13:]))
		if kind == 2 {
			p.text(", port-role ").text([...]string{"Unknown", "Alternate", "Root", "Designated"}[b[4]>>2&3])
		}
	}
}

// bridgeTime prints a time in units of 1/256 second.
func (p *Printer) bridgeTime(b []byte) *Printer {
	return p.uint(uint32(b[0])).text(".").padded(int(b[1])*100/256, 2).text("s")
}

// cdp prints Cisco's discovery protocol: who tells of itself.
func (p *Printer) cdp(v view) {
	p.protocol = "cdp"
	b := v.data
	if len(b) < 4 {
		p.cut("cdp")
		return
	}
	p.word("CDP").text("v").uint(uint32(b[0])).text(", ttl: ").uint(uint32(b[1])).text("s")
	const deviceID = 1
	for b = b[4:]; len(b) >= 4; {
		size := int(binary.BigEndian.Uint16(b[2:]))
		if size < 4 || size > len(b) {
			p.text(" ").cut("cdp")
			return
		}
		if binary.BigEndian.Uint16(b) == deviceID {
			p.text(", Device-ID '").clipped(b[4:size]).text("'")
			return
		}
		b = b[size:]
	}
}

// udld prints Cisco's detection of links that work one way only, RFC 5171.
func (p *Printer) udld(v view) {
	p.protocol = "udld"
	b := v.data
	if len(b) < 4 {
		p.cut("udld")
		return
	}
	code := b[0] & 0x1f
	names := []string{"Reserved", "Probe message", "Echo message", "Flush message"}
	p.text("UDLDv").uint(uint32(b[0] >> 5)).text(", Code ")
	if int(code) < len(names) {
		p.text(names[code])
	} else {
		p.text("Reserved")
	}
	p.text(" (").uint(uint32(code)).text("), Flags [").bits(uint32(b[1]), []bit{{1, "RT"}, {2, "RSY"}})
	p.text("] (").hex8(b[1]).text(")").length(v.length)
}

func (p *Printer) dtp(v view) {
	p.protocol = "dtp"
	if len(v.data) < 1 {
		p.cut("dtp")
		return
	}
	p.text("DTPv").uint(uint32(v.data[0])).length(v.length)
}

func (p *Printer) vtp(v view) {
	p.protocol = "vtp"
	b := v.data
	if len(b) < 2 {
		p.cut("vtp")
		return
	}
	names := []string{"", "Summary advertisement", "Subset advertisement", "Advertisement request", "Join message"}
	p.text("VTPv").uint(uint32(b[0])).text(", Message ")
	if n := int(b[1]); n < len(names) && n > 0 {
		p.text(names[n])
	} else {
		p.text("Unknown message type")
	}
	p.text(" (").hex8(b[1]).text(")").length(v.length)
}

// isisNames are the types of IS-IS, ISO/IEC 10589 section 9.
var isisNames = map[uint8]string{
	15: "L1 Lan IIH", 16: "L2 Lan IIH", 17: "p2p IIH", 18: "L1 LSP", 20: "L2 LSP", 24: "L1 CSNP", 25: "L2 CSNP",
	26: "L1 PSNP", 27: "L2 PSNP",
}

// osi names what is behind the network layer protocol identifier, ISO/IEC TR 9577.
func (p *Printer) osi(v view) {
	p.protocol = "osi"
	b := v.data
	if len(b) < 1 {
		p.cut("osi")
		return
	}
	switch nlpid := b[0]; {
	case nlpid == 0x83 && len(b) >= 8:
		p.protocol = "isis"
		name, ok := isisNames[b[4]&0x1f]
		if !ok {
			name = "unknown PDU"
		}
		p.word("IS-IS").text(", ").text(name).length(v.length)
	case nlpid == 0x82:
		p.protocol = "esis"
		p.word("ES-IS").length(v.length)
	case nlpid == 0x81:
		p.protocol = "clnp"
		p.word("CLNP").length(v.length)
	default:
		p.text("OSI, nlpid ").hex8(nlpid).length(v.length)
	}
}
