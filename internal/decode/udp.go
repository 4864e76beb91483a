package decode

import "github.com/gopacket/gopacket"

const udpSize = 8

func (p *Printer) udpDatagram(d *datagram, v view) {
	p.protocol = "udp"
	if !p.portsOf(d, v) || len(v.data) < udpSize {
		p.cut("udp")
		return
	}
	u := &p.udp
	_ = u.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback) // an error is a length below udpSize
	length := int(u.Length)
	switch {
	case length == 0: // a jumbogram, RFC 2675, or segmentation offload
		length = v.length
	case length < udpSize:
		p.text("UDP, bad length ").int(int64(length)).text(" < ").int(udpSize)
		return
	}
	if !p.Quiet && (p.Verbose > 1 || p.Verbose > 0 && d.v6) {
		p.udpChecksum(d, v.first(length))
	}
	available := length
	if !d.fragment {
		available = min(length, v.length)
	}
	payload := v.first(available).after(udpSize)
	payload.length = available - udpSize // of a fragmented datagram as a whole
	switch {
	case !p.Quiet && p.payloadUDP(uint16(u.SrcPort), uint16(u.DstPort), payload):
	case available < length:
		p.text("UDP, bad length ").int(int64(length - udpSize)).text(" > ").int(int64(payload.length))
	default:
		p.text("UDP").length(payload.length)
	}
}
