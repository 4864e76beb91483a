package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"netcap/pcapfile"
)

// link prints a packet from its first byte on.
func (p *Printer) link(t pcapfile.LinkType, v view) {
	switch t {
	case pcapfile.LinkTypeEthernet:
		p.etherFrame(v)
	case pcapfile.LinkTypeLinuxSLL:
		p.sll(v)
	case pcapfile.LinkTypeLinuxSLL2:
		p.sll2(v)
	case pcapfile.LinkTypeRaw, 12, 14: // the latter two are DLT_RAW of hosts that write their own number
		p.rawIP(v)
	case pcapfile.LinkTypeIPv4:
		p.ipv4(v)
	case pcapfile.LinkTypeIPv6:
		p.ipv6(v)
	case pcapfile.LinkTypeNull, pcapfile.LinkTypeLoop:
		p.loop(v)
	default:
		p.text(t.String()).length(v.length)
	}
}

// etherType prints what an EtherType announces.
func (p *Printer) etherType(t layers.EthernetType, v view) {
	switch t {
	case layers.EthernetTypeIPv4:
		p.ipv4(v)
	case layers.EthernetTypeIPv6:
		p.ipv6(v)
	case layers.EthernetTypeARP:
		p.arpPacket("ARP", v)
	case etherTypeRARP:
		p.arpPacket("RARP", v)
	case layers.EthernetTypeDot1Q, layers.EthernetTypeQinQ, 0x9100, 0x9200:
		p.vlanTag(v)
	default:
		p.unknownType(t, v)
	}
}

const etherTypeRARP layers.EthernetType = 0x8035

// etherNames are protocols that are named, not decoded.
var etherNames = map[layers.EthernetType]string{
	0x0842: "Wake-on-LAN", 0x22f0: "AVTP", 0x6003: "DECnet", 0x809b: "AppleTalk",
	0x80f3: "AARP", 0x8137: "IPX", 0x8808: "MAC control", 0x8809: "slow protocols",
	0x8847: "MPLS", 0x8848: "MPLS", 0x8863: "PPPoE discovery", 0x8864: "PPPoE",
	0x888e: "EAPOL", 0x8892: "PROFINET", 0x88a2: "AoE", 0x88a4: "EtherCAT",
	0x88ca: "TIPC", 0x88cc: "LLDP", 0x88e5: "MACsec", 0x88f7: "PTP", 0x8902: "CFM",
	0x8906: "FCoE", 0x8914: "FIP", 0x894f: "NSH", 0x9000: "Loopback",
}

func (p *Printer) unknownType(t layers.EthernetType, v view) {
	if p.mac.src != nil {
		p.macAddr(p.mac.src).text(" > ").macAddr(p.mac.dst).text(", ")
	}
	name, ok := etherNames[t]
	if !ok {
		name = "Unknown"
	}
	p.text("ethertype ").text(name).text(" (").hex16(uint16(t)).text(")").length(v.length)
}

// minEtherType is the least EtherType; below it the field is a length, IEEE
// 802.3 section 3.2.6.
const minEtherType = 0x0600

func (p *Printer) etherFrame(v view) {
	e := &p.ethernet
	if err := e.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
		p.cut("ether")
		return
	}
	p.mac = macPair{e.SrcMAC, e.DstMAC}
	v = v.after(len(e.Contents))
	if e.EthernetType == layers.EthernetTypeLLC {
		p.llcFrame(v.first(int(e.Length)))
		return
	}
	p.etherType(e.EthernetType, v)
}

func (p *Printer) vlanTag(v view) {
	if !p.nest() {
		return
	}
	d := &p.vlan
	if err := d.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
		p.cut("vlan")
		return
	}
	p.text("vlan ").uint(uint32(d.VLANIdentifier)).text(", p ").uint(uint32(d.Priority)).text(", ")
	if d.DropEligible {
		p.text("DEI, ")
	}
	v = v.after(len(d.Contents))
	if d.Type < minEtherType {
		p.llcFrame(v.first(int(d.Type)))
		return
	}
	p.etherType(d.Type, v)
}

// sapNames are the service access points of IEEE 802.2 that are named.
var sapNames = map[uint8]string{
	0x06: "IP", 0x42: "STP", 0xe0: "IPX", 0xf0: "NetBEUI", 0xfe: "ISO",
}

const (
	sapSNAP = 0xaa
	llcUI   = 0x03 // unnumbered information
)

func (p *Printer) llcFrame(v view) {
	l := &p.llc
	if err := l.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
		p.cut("llc")
		return
	}
	rest := v.after(len(l.Contents))
	name, named := sapNames[l.DSAP]
	switch {
	case l.DSAP == sapSNAP && l.SSAP == sapSNAP && l.Control == llcUI:
		p.snapFrame(rest)
	case named && l.DSAP == l.SSAP && l.Control == llcUI:
		p.text(name).length(rest.length)
	default:
		p.text("LLC, dsap ").hex8(l.DSAP).text(", ssap ").hex8(l.SSAP).text(", ctrl ").hex16(l.Control).length(rest.length)
	}
}

func (p *Printer) snapFrame(v view) {
	s := &p.snap
	if err := s.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
		p.cut("snap")
		return
	}
	v = v.after(len(s.Contents))
	// RFC 1042, and IEEE 802.1H for bridges.
	if oui := [3]byte(s.OrganizationalCode); oui == [3]byte{} || oui == [3]byte{0, 0, 0xf8} {
		p.etherType(s.Type, v)
		return
	}
	p.text("SNAP, oui ").macAddr(s.OrganizationalCode).text(", pid ").hex16(uint16(s.Type)).length(v.length)
}

// Headers of Linux's cooked captures, see
// https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html and …_SLL2.html.
// gopacket refuses those of links whose addresses have more than 8 bytes,
// IP over InfiniBand for one.
const (
	sllSize  = 16
	sll2Size = 20
)

func (p *Printer) sll(v view) {
	if len(v.data) < sllSize {
		p.cut("sll")
		return
	}
	p.sllPayload(binary.BigEndian.Uint16(v.data[14:]), v.after(sllSize))
}

func (p *Printer) sll2(v view) {
	if len(v.data) < sll2Size {
		p.cut("sll2")
		return
	}
	name := p.pk.Interface.Name
	if name == "any" {
		name = "" // that of the device which captures from all interfaces
	}
	p.captured(name, int(binary.BigEndian.Uint32(v.data[4:])), packetType(v.data[10]))
	p.sllPayload(binary.BigEndian.Uint16(v.data), v.after(sll2Size))
}

// Protocol numbers that are no EtherTypes, from linux/if_ether.h.
const (
	protocol8023 = 0x0001
	protocol8022 = 0x0004
)

func (p *Printer) sllPayload(protocol uint16, v view) {
	switch {
	case protocol == protocol8022:
		p.llcFrame(v)
	case protocol == protocol8023:
		p.text("IPX").length(v.length)
	case protocol < minEtherType:
		p.text("protocol ").hex16(protocol).length(v.length)
	default:
		p.etherType(layers.EthernetType(protocol), v)
	}
}

func (p *Printer) rawIP(v view) {
	if len(v.data) == 0 {
		p.cut("ip")
		return
	}
	switch version := v.data[0] >> 4; version {
	case 4:
		p.ipv4(v)
	case 6:
		p.ipv6(v)
	default:
		p.text("IP version ").uint(uint32(version)).length(v.length)
	}
}

func (p *Printer) loop(v view) {
	l := &p.loopback
	if len(v.data) < 4 {
		p.cut("null")
		return
	}
	if err := l.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
		p.text("AF ").hex(string(v.data[:4])).length(v.length - 4)
		return
	}
	v = v.after(len(l.Contents))
	const afINET6Linux = 10
	switch l.Family {
	case layers.ProtocolFamilyIPv4:
		p.ipv4(v)
	case layers.ProtocolFamilyIPv6BSD, layers.ProtocolFamilyIPv6FreeBSD, layers.ProtocolFamilyIPv6Darwin, afINET6Linux:
		p.ipv6(v)
	default:
		p.text("AF ").uint(uint32(l.Family)).length(v.length)
	}
}
