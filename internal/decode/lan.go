package decode

import "encoding/binary"

// lldp prints the name of the system that tells of itself, IEEE 802.1AB section 9.
func (p *Printer) lldp(v view) {
	p.word("LLDP").length(v.length)
	const end, systemName = 0, 5
	for b := v.data; len(b) >= 2; {
		head := binary.BigEndian.Uint16(b)
		kind, size := head>>9, int(head&0x1ff)
		if kind == end || len(b) < 2+size {
			return
		}
		if kind == systemName {
			p.text(": ").clipped(b[2 : 2+size])
			return
		}
		b = b[2+size:]
	}
}

// slow prints the slow protocols, IEEE 802.3 annex 57A.
func (p *Printer) slow(v view) {
	b := v.data
	if len(b) < 1 {
		p.cut("slow")
		return
	}
	switch subtype := b[0]; {
	case subtype == 1 && len(b) >= 2:
		p.protocol = "lacp"
		p.word("LACP").text("v").uint(uint32(b[1]))
	case subtype == 2 && len(b) >= 2:
		p.protocol = "marker"
		p.word("MARKER").text("v").uint(uint32(b[1]))
	case subtype == 3:
		p.protocol = "oam"
		p.word("OAM")
	case subtype == 10:
		p.protocol = "ossp"
		p.word("OSSP")
	default:
		p.text("unknown (").uint(uint32(subtype)).text(")")
	}
	p.length(v.length)
}

// eapol prints what authenticates a port, IEEE 802.1X section 11.
func (p *Printer) eapol(v view) {
	b := v.data
	if len(b) < 4 {
		p.cut("eap")
		return
	}
	names := []string{"EAP packet", "EAPOL start", "EAPOL logoff", "EAPOL key", "Encapsulated ASF alert"}
	if n := int(b[1]); n < len(names) {
		p.text(names[n])
	} else {
		p.text("Unknown type")
	}
	p.text(" (").uint(uint32(b[1])).text(") v").uint(uint32(b[0])).text(", len ").uint(uint32(binary.BigEndian.Uint16(b[2:])))
}

// loopbackTest prints Ethernet's configuration testing protocol. Its numbers are
// little-endian.
func (p *Printer) loopbackTest(v view) {
	b := v.data
	p.text("Loopback")
	if len(b) < 4 {
		p.text(" ").cut("loopback")
		return
	}
	skip := binary.LittleEndian.Uint16(b)
	p.text(", skipCount ").uint(uint32(skip))
	if int(skip)+4 > len(b) {
		p.text(" ").cut("loopback")
		return
	}
	const reply, forward = 1, 2
	b = b[2+skip:]
	left := v.length - 4 - int(skip)
	switch function := binary.LittleEndian.Uint16(b); {
	case function == reply && len(b) >= 4:
		p.text(", Reply, receipt number ").uint(uint32(binary.LittleEndian.Uint16(b[2:]))).text(", data (").int(int64(left - 2)).text(" octets)")
	case function == forward && len(b) >= 8:
		p.text(", Forward Data, forwarding address ").macAddr(b[2:8]).text(", data (").int(int64(left - 6)).text(" octets)")
	default:
		p.text(", function ").uint(uint32(function)).length(v.length)
	}
}
