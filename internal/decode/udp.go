package decode

import "github.com/gopacket/gopacket"

const udpSize = 8

func (p *Printer) udpDatagram(d *datagram, v view) {
	if !p.portsOf(d, v) || len(v.data) < udpSize {
		p.cut("udp")
		return
	}
	u := &p.udp
	_ = u.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback) // an error is a length below udpSize
	p.text("UDP")
	length := int(u.Length)
	switch {
	case length == 0: // a jumbogram, RFC 2675, or segmentation offload
		length = v.length
	case length < udpSize:
		p.text(", bad length ").int(int64(length)).text(" < ").int(udpSize)
		return
	case length > v.length && !d.fragment:
		p.text(", bad length ").int(int64(length - udpSize)).text(" > ").int(int64(v.length - udpSize))
		return
	}
	p.length(length - udpSize)
}
