package decode

import (
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Operations, RFC 826, 903 and 2390.
const (
	arpRequest        = 1
	arpReply          = 2
	arpReverseRequest = 3
	arpReverseReply   = 4
	arpInverseRequest = 8
	arpInverseReply   = 9
)

// arpPacket prints ARP, of which RARP differs by name only.
func (p *Printer) arpPacket(name string, v view) {
	a := &p.arp
	if err := a.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
		p.cut("arp")
		return
	}
	if !p.LinkHeader {
		p.word(name).text(", ")
	}
	if p.Verbose > 0 && a.AddrType == layers.LinkTypeEthernet && a.Protocol == layers.EthernetTypeIPv4 {
		p.text("Ethernet (len ").uint(uint32(a.HwAddressSize)).text("), IPv4 (len ").uint(uint32(a.ProtAddressSize)).text("), ")
	} else if a.Protocol != layers.EthernetTypeIPv4 || a.ProtAddressSize != 4 || a.HwAddressSize == 0 {
		p.text("hardware ").uint(uint32(a.AddrType)).text(" (len ").uint(uint32(a.HwAddressSize))
		p.text("), protocol ").hex16(uint16(a.Protocol)).text(" (len ").uint(uint32(a.ProtAddressSize)).text("), ")
	}
	switch a.Operation {
	case arpRequest:
		p.text("Request who-has ").addrBytes(a.DstProtAddress)
		if informative(a.DstHwAddress) {
			p.text(" (").macAddr(a.DstHwAddress).text(")")
		}
		p.text(" tell ").addrBytes(a.SourceProtAddress)
	case arpReply:
		p.text("Reply ").addrBytes(a.SourceProtAddress).text(" is-at ").macAddr(a.SourceHwAddress)
	case arpReverseRequest:
		p.text("Reverse Request who-is ").macAddr(a.DstHwAddress).text(" tell ").macAddr(a.SourceHwAddress)
	case arpReverseReply:
		p.text("Reverse Reply ").macAddr(a.DstHwAddress).text(" at ").addrBytes(a.DstProtAddress)
	case arpInverseRequest:
		p.text("Inverse Request who-is ").macAddr(a.DstHwAddress).text(" tell ").macAddr(a.SourceHwAddress)
	case arpInverseReply:
		p.text("Inverse Reply ").macAddr(a.SourceHwAddress).text(" at ").addrBytes(a.SourceProtAddress)
	default:
		p.text("operation ").uint(uint32(a.Operation))
	}
	p.length(v.length)
}

// informative reports whether a target address says anything: a question is
// asked with zeros there, or with the broadcast address.
func informative(mac []byte) bool {
	zeros, ones := true, true
	for _, b := range mac {
		zeros = zeros && b == 0
		ones = ones && b == 0xff
	}
	return !zeros && !ones
}
