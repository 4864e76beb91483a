package decode

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// text prints what is ours.
func (p *Printer) text(s string) *Printer {
	p.out = append(p.out, s...)
	return p
}

// unsafe prints what came out of a file: what a terminal would act on, and
// what is no text, is printed as Go writes it in a string.
func (p *Printer) unsafe(s string) *Printer {
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			p.text(`\x`).hex(s[i : i+1])
		case unicode.IsPrint(r):
			p.out = append(p.out, s[i:i+size]...)
		default:
			quoted := strconv.AppendQuoteRune(nil, r)
			p.out = append(p.out, quoted[1:len(quoted)-1]...)
		}
	}
	return p
}

// pad prints unsafe text and spaces up to a width.
func (p *Printer) pad(s string, width int) *Printer {
	start := len(p.out)
	p.unsafe(s)
	for n := utf8.RuneCount(p.out[start:]); n < width; n++ {
		p.text(" ")
	}
	return p
}

func (p *Printer) int(n int64) *Printer {
	p.out = strconv.AppendInt(p.out, n, 10)
	return p
}

func (p *Printer) uint(n uint32) *Printer { return p.int(int64(n)) }

// padded prints n, which is not negative, with zeros up to a width.
func (p *Printer) padded(n, width int) *Printer {
	for limit, digits := 10, 1; digits < width; digits++ {
		if n < limit {
			p.text("0")
		}
		limit *= 10
	}
	return p.int(int64(n))
}

func (p *Printer) hex(s string) *Printer {
	p.out = hex.AppendEncode(p.out, []byte(s))
	return p
}

// hex16 prints n as 0x and four digits.
func (p *Printer) hex16(n uint16) *Printer {
	return p.text("0x").hex(string([]byte{byte(n >> 8), byte(n)}))
}

func (p *Printer) hex8(n uint8) *Printer {
	return p.text("0x").hex(string([]byte{n}))
}

// addr prints an address, or the name it has.
func (p *Printer) addr(a netip.Addr) *Printer {
	if len(p.Names) > 0 {
		if name, ok := p.Names[a]; ok {
			return p.unsafe(name)
		}
	}
	p.out = a.AppendTo(p.out)
	return p
}

// endpoint prints an address and a port as tcpdump does, but behind a name, which may
// have dots of its own, a colon.
func (p *Printer) endpoint(a netip.Addr, port uint16) *Printer {
	dot := "."
	if _, ok := p.Names[a]; ok {
		dot = ":"
	}
	return p.addr(a).text(dot).uint(uint32(port))
}

// addrBytes prints an IP address of 4 or 16 bytes.
func (p *Printer) addrBytes(b []byte) *Printer {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return p.macAddr(b)
	}
	return p.addr(a)
}

// macAddr prints the address of a link, of any length.
func (p *Printer) macAddr(b []byte) *Printer {
	for i := range b {
		if i > 0 {
			p.text(":")
		}
		p.out = hex.AppendEncode(p.out, b[i:i+1])
	}
	return p
}

// length prints the end of most lines.
func (p *Printer) length(n int) *Printer {
	return p.text(", length ").int(int64(n))
}
