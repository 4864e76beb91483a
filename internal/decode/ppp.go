package decode

import "encoding/binary"

// pppoeNames are the codes of PPPoE, RFC 2516 section 5.
var pppoeNames = map[uint8]string{0x09: "PADI", 0x07: "PADO", 0x19: "PADR", 0x65: "PADS", 0xa7: "PADT", 0x00: ""}

// pppoeTags are the tags of discovery, RFC 2516 appendix A, and RFC 4638.
var pppoeTags = map[uint16]string{
	0x0000: "EOL", 0x0101: "Service-Name", 0x0102: "AC-Name", 0x0103: "Host-Uniq", 0x0104: "AC-Cookie", 0x0105: "Vendor-Specific",
	0x0110: "Relay-Session-ID", 0x0120: "PPP-Max-Payload", 0x0201: "Service-Name-Error", 0x0202: "AC-System-Error",
	0x0203: "Generic-Error",
}

const pppoeSize = 6

func (p *Printer) pppoe(v view) {
	b := v.data
	if len(b) < pppoeSize {
		p.cut("pppoe")
		return
	}
	p.word("PPPoE").text(" ")
	if version := b[0] >> 4; version != 1 {
		p.text(" [ver ").uint(uint32(version)).text("]")
	}
	if kind := b[0] & 0xf; kind != 1 {
		p.text(" [type ").uint(uint32(kind)).text("]")
	}
	name, ok := pppoeNames[b[1]]
	if ok {
		p.text(name)
	} else {
		p.text("PAD-").hexInt(int64(b[1]))
	}
	if session := binary.BigEndian.Uint16(b[2:]); b[1] == 0 || session != 0 {
		p.text(" [ses 0x").hexInt(int64(session)).text("]")
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	v = v.after(pppoeSize)
	if length > v.length {
		p.text(" [len ").int(int64(length)).text("!]")
	}
	if b[1] == 0 {
		p.text(" ")
		p.ppp(v.first(length))
		return
	}
	p.pppoeTags(v.first(length).data)
}

func (p *Printer) pppoeTags(b []byte) {
	for n := 0; len(b) >= 4; n++ {
		tag, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if n == maxExtensions {
			p.text(" …")
			return
		}
		p.text(" [")
		if name, ok := pppoeTags[tag]; ok {
			p.text(name)
		} else {
			p.text("TAG-").hex16(tag)
		}
		if len(b) < 4+size {
			p.text(" ").cut("pppoe")
			return
		}
		value := b[4 : 4+size]
		switch {
		case size == 0:
		case isText(value):
			p.text(` "`).clipped(value).text(`"`)
		default:
			p.text(" 0x")
			for _, c := range value[:min(size, 20)] {
				p.out = append(p.out, upperHex[c>>4], upperHex[c&0xf])
			}
			if size > 20 {
				p.text("...")
			}
		}
		p.text("]")
		b = b[4+size:]
	}
}

const upperHex = "0123456789ABCDEF"

func isText(b []byte) bool {
	readable := 0
	for _, c := range b {
		if c >= ' ' && c <= '~' {
			readable++
		}
	}
	return readable*2 > len(b)
}

// pppNames are protocols of PPP, from the IANA registry.
var pppNames = map[uint16]string{
	0x0021: "IP", 0x0023: "OSI", 0x002b: "IPX", 0x002d: "VJC", 0x002f: "VJNC", 0x003d: "MLPPP",
	0x0057: "IPv6", 0x00fd: "COMP", 0x00fb: "COMP (single)", 0x0281: "MPLS", 0x0283: "MPLS", 0x8021: "IPCP",
	0x8023: "OSICP", 0x802b: "IPXCP", 0x8057: "IP6CP", 0x80fd: "CCP", 0x8281: "MPLSCP", 0xc021: "LCP", 0xc023: "PAP",
	0xc025: "LQM", 0xc223: "CHAP", 0xc227: "EAP", 0xc02b: "BACP", 0xc02d: "BAP", 0x8053: "ECP",
}

// pppCodes are the codes of LCP and of the network control protocols, RFC 1661
// section 5.
var pppCodes = []string{
	"Vendor-Extension", "Conf-Request", "Conf-Ack", "Conf-Nack", "Conf-Reject", "Term-Request", "Term-Ack", "Code-Reject",
	"Prot-Reject", "Echo-Request", "Echo-Reply", "Discard-Request", "Identification", "Time-Remaining", "Reset-Req", "Reset-Ack",
}

var (
	papCodes  = []string{"", "Auth-Req", "Auth-ACK", "Auth-NACK"}
	chapCodes = []string{"", "Challenge", "Response", "Success", "Fail"}
)

// pppFrame prints PPP with or without the address and the control field, RFC 1662.
func (p *Printer) pppFrame(v view) {
	length := v.length
	if len(v.data) >= 2 && v.data[0] == 0xff && v.data[1] == 0x03 {
		v = v.after(2)
	}
	p.pppLink(v, length)
}

// pppSerial prints PPP, or HDLC as Cisco has it, from its first byte on.
func (p *Printer) pppSerial(v view) {
	if len(v.data) < 2 {
		p.cut("ppp")
		return
	}
	if first := v.data[0]; first == 0x0f || first == 0x8f {
		if len(v.data) < 4 {
			p.cut("chdlc")
			return
		}
		p.etherType(layersType(binary.BigEndian.Uint16(v.data[2:])), v.after(4))
		return
	}
	p.pppFrame(v)
}

// ppp prints PPP behind another header.
func (p *Printer) ppp(v view) {
	if p.nest() {
		p.pppLink(v, v.length)
	}
}

func (p *Printer) pppLink(v view, length int) {
	if len(v.data) < 1 || v.data[0]&1 == 0 && len(v.data) < 2 {
		p.cut("ppp")
		return
	}
	protocol, size := uint16(v.data[0]), 1 // may be compressed
	if v.data[0]&1 == 0 {
		protocol, size = binary.BigEndian.Uint16(v.data), 2
	}
	v = v.after(size)
	p.linkEnds(v)
	name, known := pppNames[protocol]
	if p.LinkHeader {
		if known {
			p.text(name).text(" (").hex16(protocol).text(")")
		} else {
			p.text("unknown (").hex16(protocol).text(")")
		}
		p.text(", length ").int(int64(length)).text(": ")
	}
	if !p.facts.src.IsValid() {
		p.protocol = "ppp"
	}
	switch protocol {
	case 0x0021:
		p.ipv4(v)
	case 0x0057:
		p.ipv6(v)
	case 0x0281, 0x0283:
		p.mpls(v)
	case 0x0023:
		p.osi(v)
	case 0xc021, 0x8021, 0x8023, 0x802b, 0x8053, 0x8057, 0x80fd, 0x8281:
		p.pppControl(name, pppCodes, v)
	case 0xc023:
		p.pppControl(name, papCodes, v)
	case 0xc223:
		p.pppControl(name, chapCodes, v)
	default:
		if known {
			p.text(name).length(v.length)
		} else {
			p.text("unknown PPP protocol (").hex16(protocol).text(")").length(v.length)
		}
	}
}

// pppControl prints a control protocol. The passwords of PAP are not printed.
func (p *Printer) pppControl(name string, codes []string, v view) {
	p.word(name).text(", ")
	b := v.data
	if len(b) < 4 {
		p.cut("ppp")
		return
	}
	p.lookup(codes, int(b[0]), "Unknown Opcode ").text(" (").hex8(b[0]).text("), id ").uint(uint32(b[1])).length(v.length + 2)
}
