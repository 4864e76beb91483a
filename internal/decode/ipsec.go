package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// esp prints what of ESP is not encrypted, RFC 4303 section 2.
func (p *Printer) esp(v view) {
	p.word("ESP")
	if len(v.data) < 8 {
		p.cut("esp")
		return
	}
	p.text("(spi=").hex32(binary.BigEndian.Uint32(v.data)).text(",seq=0x").hexInt(int64(binary.BigEndian.Uint32(v.data[4:])))
	p.text(")").length(v.length)
}

// ah prints an authentication header, RFC 4302 section 2, and what is behind it.
func (p *Printer) ah(d *datagram, v view) {
	p.word("AH")
	if !p.nest() {
		return
	}
	if len(v.data) < 12 {
		p.cut("ah")
		return
	}
	b := v.data
	size := (int(b[1]) + 2) * 4
	p.text("(")
	if p.Verbose > 0 {
		p.text("length=").uint(uint32(b[1])).text("(").int(int64(size)).text("-bytes),")
	}
	if reserved := binary.BigEndian.Uint16(b[2:]); reserved != 0 {
		p.text("reserved=0x").hexInt(int64(reserved)).text("[MustBeZero],")
	}
	p.text("spi=").hex32(binary.BigEndian.Uint32(b[4:])).text(",seq=0x").hexInt(int64(binary.BigEndian.Uint32(b[8:])))
	p.text(",icv=0x")
	if len(b) < size || size < 12 {
		p.text(" ").cut("ah")
		return
	}
	p.hex(string(b[12:size])).text("): ")
	next, rest := layers.IPProtocol(b[0]), v.after(size)
	if d.v6 {
		p.extensions(d, next, rest)
		return
	}
	p.transport(d, next, rest)
}

// ipComp prints IP payload compression, RFC 3173.
func (p *Printer) ipComp(v view) {
	p.word("IPComp").text("(")
	if len(v.data) < 4 {
		p.cut("ipcomp")
		return
	}
	p.text("cpi=").hex16(binary.BigEndian.Uint16(v.data[2:])).text(")")
}
