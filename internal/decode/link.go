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
		p.linkName("ip: ")
		p.rawIP(v)
	case pcapfile.LinkTypeIPv4:
		p.linkName("ip: ")
		p.ipv4(v)
	case pcapfile.LinkTypeIPv6:
		p.linkName("ip: ")
		p.ipv6(v)
	case pcapfile.LinkTypeNull, pcapfile.LinkTypeLoop:
		p.loop(v)
	case pcapfile.LinkTypePPP:
		p.pppFrame(v)
	case linkTypePPPSerial:
		p.pppSerial(v)
	default:
		p.text(t.String()).length(v.length)
	}
}

// linkTypePPPSerial is PPP in HDLC-like framing, or Cisco's.
const linkTypePPPSerial pcapfile.LinkType = 50

// linkName stands for the header of a link layer that has none.
func (p *Printer) linkName(name string) {
	if p.LinkHeader {
		p.text(name)
	}
}

// linkEnds notes where the network layer begins in the packet. Of layers inside one
// another the outermost counts.
func (p *Printer) linkEnds(v view) {
	if p.network == 0 && !p.facts.src.IsValid() {
		p.network = cap(p.pk.Data) - cap(v.data)
	}
}

// etherType prints what an EtherType announces.
func (p *Printer) etherType(t layers.EthernetType, v view) {
	switch t {
	case layers.EthernetTypeIPv4:
		p.linkEnds(v)
		p.ipv4(v)
		return
	case layers.EthernetTypeIPv6:
		p.linkEnds(v)
		p.ipv6(v)
		return
	case layers.EthernetTypeDot1Q, layers.EthernetTypeQinQ, 0x9100, 0x9200:
		p.vlanTag(v)
		return
	}
	p.linkEnds(v)
	if field, ok := etherFields[t]; ok && !p.facts.src.IsValid() {
		p.protocol = field
	}
	switch t {
	case layers.EthernetTypeARP:
		p.arpPacket("ARP", v)
	case etherTypeRARP:
		p.arpPacket("RARP", v)
	case layers.EthernetTypeMPLSUnicast, layers.EthernetTypeMPLSMulticast:
		p.mpls(v)
	case layers.EthernetTypePPPoEDiscovery, layers.EthernetTypePPPoESession:
		p.pppoe(v)
	case layers.EthernetTypeLinkLayerDiscovery:
		p.lldp(v)
	case etherTypeSlow:
		p.slow(v)
	case layers.EthernetTypeEAPOL:
		p.eapol(v)
	case etherTypeNSH:
		p.nsh(v)
	case etherTypeLoopback:
		p.loopbackTest(v)
	case layers.EthernetTypeTransparentEthernetBridging:
		p.etherFrame(v)
	default:
		p.unknownType(t, v)
	}
}

// EtherTypes that gopacket has no name for.
const (
	etherTypeRARP     layers.EthernetType = 0x8035
	etherTypeSlow     layers.EthernetType = 0x8809
	etherTypeNSH      layers.EthernetType = 0x894f
	etherTypeLoopback layers.EthernetType = 0x9000
)

// etherFields are the names of protocols in JSON.
var etherFields = map[layers.EthernetType]string{
	0x0806: "arp", 0x0842: "wol", 0x22f0: "avtp", 0x6003: "decnet", 0x8035: "rarp", 0x8137: "ipx",
	0x8808: "mac_control", 0x8809: "slow", 0x8847: "mpls", 0x8848: "mpls", 0x8863: "pppoe",
	0x8864: "pppoe", 0x888e: "eapol", 0x8892: "profinet", 0x88a2: "aoe", 0x88a4: "ethercat",
	0x88ca: "tipc", 0x88cc: "lldp", 0x88e5: "macsec", 0x88f7: "ptp", 0x8902: "cfm",
	0x8906: "fcoe", 0x894f: "nsh", 0x9000: "loopback",
}

// etherNames are the names of EtherTypes: tcpdump's, and some that it has no name for.
var etherNames = map[layers.EthernetType]string{
	0x0800: "IPv4", 0x86dd: "IPv6", 0x0806: "ARP", 0x8035: "Reverse ARP", 0x8100: "802.1Q",
	0x9100: "802.1Q-9100", 0x88a8: "802.1Q-QinQ", 0x9200: "802.1Q-9200", 0x8847: "MPLS unicast",
	0x8848: "MPLS multicast", 0x88e5: "802.1AE MACsec", 0x0500: "Sprite", 0x1000: "Trail",
	0x6001: "MOP DL", 0x6002: "MOP RC", 0x6003: "DN", 0x6004: "LAT", 0x6007: "SCA", 0x6558: "TEB",
	0x8038: "Lanbridge", 0x803c: "DEC DNS", 0x803e: "DEC DTS", 0x805b: "VEXP", 0x805c: "VPROD",
	0x809b: "Appletalk", 0x80f3: "Appletalk ARP", 0x8137: "IPX", 0x880b: "PPP", 0x8808: "MPCP",
	0x8809: "Slow Protocols", 0x8863: "PPPoE D", 0x8864: "PPPoE S", 0x888e: "EAPOL",
	0x8899: "Realtek protocols", 0x886f: "MS NLB heartbeat", 0x8870: "Jumbo", 0x894f: "NSH",
	0x9000: "Loopback", 0x8902: "CFM", 0x893a: "IEEE1905.1", 0x88cc: "LLDP", 0x88ca: "TIPC",
	0x8947: "GeoNet", 0x88a2: "AoE", 0x88f7: "PTP", 0xd28b: "Arista Vendor Specific Protocol",
	0x0842: "Wake-on-LAN", 0x22f0: "AVTP", 0x8892: "PROFINET", 0x88a4: "EtherCAT", 0x8906: "FCoE",
	0x8914: "FIP", 0x88be: "ERSPAN", 0x22eb: "ERSPAN III",
}

// typeName prints an EtherType as the header of the link layer has it.
func (p *Printer) typeName(t layers.EthernetType) *Printer {
	name, ok := etherNames[t]
	switch {
	case p.Quiet && ok:
		return p.text(name)
	case p.Quiet:
		return p.text("Unknown Ethertype (").hex16(uint16(t)).text(")")
	case !ok:
		name = "Unknown"
	}
	return p.text("ethertype ").text(name).text(" (").hex16(uint16(t)).text(")")
}

// macs prints the addresses of the frame.
func (p *Printer) macs() *Printer {
	return p.macAddr(p.mac.src).text(" > ").macAddr(p.mac.dst)
}

// unknownType is a frame that is not decoded further.
func (p *Printer) unknownType(t layers.EthernetType, v view) {
	if p.LinkHeader && p.mac.src != nil {
		p.text("not decoded")
		return
	}
	length := v.length
	if p.mac.src != nil {
		p.macs().text(", ")
		length = p.frame
	}
	p.typeName(t).length(length)
}

// minEtherType is the least EtherType; below it the field is a length, IEEE
// 802.3 section 3.2.6.
const minEtherType = 0x0600

const etherSize = 14

func (p *Printer) etherFrame(v view) {
	if len(v.data) < etherSize {
		p.cut("ether")
		return
	}
	p.mac, p.frame = macPair{v.data[6:12], v.data[:6]}, v.length
	outermost := !p.facts.src.IsValid() && p.facts.linkSource == nil
	if outermost {
		p.facts.linkSource, p.facts.linkDestination = p.mac.src, p.mac.dst
	}
	t := layers.EthernetType(binary.BigEndian.Uint16(v.data[12:]))
	v = v.after(etherSize)
	if p.LinkHeader {
		p.etherHeader(t)
	}
	if t < minEtherType {
		// With no more than a length to go by, what is behind it is padding.
		p.llcFrame(v.first(int(t)))
		return
	}
	p.etherType(t, v)
}

// etherHeader prints the header of a frame.
func (p *Printer) etherHeader(t layers.EthernetType) {
	p.macs().text(", ")
	length := p.frame
	if t < minEtherType {
		p.text("802.3")
		length = int(t)
	} else {
		p.typeName(t)
	}
	p.text(", length ").int(int64(length)).text(": ")
}

func (p *Printer) vlanTag(v view) {
	if !p.nest() {
		return
	}
	if len(v.data) < 4 {
		p.cut("vlan")
		return
	}
	tag := binary.BigEndian.Uint16(v.data)
	t := layers.EthernetType(binary.BigEndian.Uint16(v.data[2:]))
	p.text("vlan ").uint(uint32(tag & 0xfff)).text(", p ").uint(uint32(tag >> 13)).text(", ")
	if tag&0x1000 != 0 {
		p.text("DEI, ")
	}
	if f := &p.facts; !f.src.IsValid() && f.vlans < len(f.vlan) {
		f.vlan[f.vlans] = tag & 0xfff
		f.vlans++
	}
	v = v.after(4)
	if t < minEtherType {
		if p.LinkHeader {
			p.text("802.3, ")
		}
		p.llcFrame(v.first(int(t)))
		return
	}
	if p.LinkHeader {
		p.typeName(t).text(", ")
	}
	p.etherType(t, v)
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
	address := v.data[6 : 6+min(binary.BigEndian.Uint16(v.data[4:]), 8)]
	p.facts.direction = packetType(uint8(min(binary.BigEndian.Uint16(v.data), 255)))
	p.facts.linkSource = address
	protocol := binary.BigEndian.Uint16(v.data[14:])
	if p.LinkHeader {
		for range 3 - len(p.facts.direction) {
			p.text(" ")
		}
		p.text(p.facts.direction).text(" ")
		p.sllHeader(protocol, address, v.length)
	}
	p.sllPayload(protocol, v.after(sllSize))
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
	index := binary.BigEndian.Uint32(v.data[4:])
	address := v.data[12 : 12+min(v.data[11], 8)]
	p.facts.direction = packetType(v.data[10])
	p.facts.linkSource = address
	p.captured(name, int(index), p.facts.direction)
	protocol := binary.BigEndian.Uint16(v.data)
	if p.LinkHeader {
		p.text("ifindex ").uint(index).text(" ")
		p.sllHeader(protocol, address, v.length)
	}
	p.facts.info = len(p.out)
	p.sllPayload(protocol, v.after(sll2Size))
}

// Protocol numbers that are no EtherTypes, from linux/if_ether.h.
const (
	protocol8023 = 0x0001
	protocol8022 = 0x0004
)

// sllHeader prints a cooked header, behind the direction.
func (p *Printer) sllHeader(protocol uint16, address []byte, length int) {
	if len(address) > 0 {
		p.macAddr(address).text(" ")
	}
	switch {
	case p.Quiet:
		return
	case protocol == protocol8023:
		p.text("802.3")
	case protocol == protocol8022:
		p.text("802.2")
	case protocol < minEtherType:
		p.text("ethertype Unknown (").hex16(protocol).text(")")
	default:
		p.typeName(layers.EthernetType(protocol))
	}
	p.text(", length ").int(int64(length)).text(": ")
}

func (p *Printer) sllPayload(protocol uint16, v view) {
	switch {
	case protocol == protocol8022:
		p.llcFrame(v)
	case protocol == protocol8023:
		p.linkEnds(v)
		p.protocol = "ipx"
		p.ipx(" 802.3", v)
	case protocol < minEtherType:
		p.linkEnds(v)
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
		p.wrong("unknown ip ").uint(uint32(version))
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
	const afINET6Linux = 10
	name := "IPv4"
	switch l.Family {
	case layers.ProtocolFamilyIPv4:
	case layers.ProtocolFamilyIPv6BSD, layers.ProtocolFamilyIPv6FreeBSD, layers.ProtocolFamilyIPv6Darwin, afINET6Linux:
		name = "IPv6"
	default:
		name = ""
	}
	length := v.length
	v = v.after(len(l.Contents))
	p.linkEnds(v)
	if p.LinkHeader {
		switch {
		case name == "":
			p.text("AF Unknown (").uint(uint32(l.Family)).text(")")
		case p.Quiet:
			p.text("AF ").text(name)
		default:
			p.text("AF ").text(name).text(" (").uint(uint32(l.Family)).text(")")
		}
		p.text(", length ").int(int64(length)).text(": ")
	}
	switch name {
	case "IPv4":
		p.ipv4(v)
	case "IPv6":
		p.ipv6(v)
	default:
		p.text("AF ").uint(uint32(l.Family)).length(v.length)
	}
}
