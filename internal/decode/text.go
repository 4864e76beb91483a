package decode

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"netcap/internal/printable"
)

// text prints what is ours.
func (p *Printer) text(s string) *Printer {
	p.out = append(p.out, s...)
	return p
}

// unsafe prints what came out of a file: what a terminal would act on, and
// what is no text, is printed as Go writes it in a string.
func (p *Printer) unsafe(s string) *Printer {
	p.out = printable.Append(p.out, s)
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

func (p *Printer) uint(n uint32) *Printer {
	if n < 10 {
		p.out = append(p.out, '0'+byte(n))
		return p
	}
	var digits [10]byte
	i := len(digits)
	for n >= 10 {
		i--
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	i--
	digits[i] = byte('0' + n)
	p.out = append(p.out, digits[i:]...)
	return p
}

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

// hexDigits prints n as so many hexadecimal digits.
func (p *Printer) hexDigits(n uint32, digits int) *Printer {
	for shift := (digits - 1) * 4; shift >= 0; shift -= 4 {
		p.out = append(p.out, hexAlphabet[n>>shift&0xf])
	}
	return p
}

const hexAlphabet = "0123456789abcdef"

func (p *Printer) hex8(n uint8) *Printer   { return p.text("0x").hexDigits(uint32(n), 2) }
func (p *Printer) hex16(n uint16) *Printer { return p.text("0x").hexDigits(uint32(n), 4) }
func (p *Printer) hex32(n uint32) *Printer { return p.text("0x").hexDigits(n, 8) }

// addr prints an address, or the name it has.
func (p *Printer) addr(a netip.Addr) *Printer {
	if len(p.Names) > 0 {
		if name, ok := p.Names[a]; ok {
			return p.unsafe(name)
		}
	}
	if a.Is4() {
		b := a.As4()
		p.decimal(b[0]).decimal(b[1]).decimal(b[2]).decimal(b[3])
		p.out = p.out[:len(p.out)-1]
		return p
	}
	p.out = a.AppendTo(p.out)
	return p
}

// decimal prints a number of an address, and a dot.
func (p *Printer) decimal(n byte) *Printer {
	switch {
	case n < 10:
		p.out = append(p.out, '0'+n, '.')
	case n < 100:
		p.out = append(p.out, '0'+n/10, '0'+n%10, '.')
	default:
		p.out = append(p.out, '0'+n/100, '0'+n/10%10, '0'+n%10, '.')
	}
	return p
}

// endpoint prints an address and a port as tcpdump does, but behind a name, which may
// have dots of its own, a colon.
func (p *Printer) endpoint(a netip.Addr, port uint16) *Printer {
	dot := "."
	if len(p.Names) > 0 {
		if _, ok := p.Names[a]; ok {
			dot = ":"
		}
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
	for i, c := range b {
		if i > 0 {
			p.out = append(p.out, ':')
		}
		p.out = append(p.out, hexAlphabet[c>>4], hexAlphabet[c&0xf])
	}
	return p
}

// length prints the end of most lines.
func (p *Printer) length(n int) *Printer {
	return p.text(", length ").int(int64(n))
}
