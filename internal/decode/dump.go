package decode

// DumpStyle is how the bytes of a packet are printed. The names are those of
// tcpdump's flags.
type DumpStyle int

// The styles that tcpdump has. Those with Link begin at the header of the link layer,
// the others behind it.
const (
	DumpNone         DumpStyle = iota
	DumpHex                    // -x
	DumpHexLink                // -xx
	DumpHexASCII               // -X
	DumpHexASCIILink           // -XX
	DumpASCII                  // -A
	DumpASCIILink              // -AA
)

// dump prints the bytes of a packet on the lines behind its own.
func (p *Printer) dump() {
	b := p.pk.Data
	switch p.Dump {
	case DumpNone:
		return
	case DumpHex, DumpHexASCII, DumpASCII:
		b = b[min(p.network, len(b)):]
	}
	if len(b) == 0 {
		return
	}
	switch p.Dump {
	case DumpHex, DumpHexLink:
		p.dumpHex(b, false)
	case DumpHexASCII, DumpHexASCIILink:
		p.dumpHex(b, true)
	default:
		p.dumpASCII(b)
	}
}

func (p *Printer) dumpHex(b []byte, ascii bool) {
	const columns = 16
	for at := 0; at < len(b); at += columns {
		row := b[at:min(at+columns, len(b))]
		p.text("\n\t0x").hexDigits(uint32(at), max(4, digits(at))).text(": ")
		for i, c := range row {
			if i%2 == 0 {
				p.out = append(p.out, ' ')
			}
			p.out = append(p.out, hexAlphabet[c>>4], hexAlphabet[c&0xf])
		}
		if !ascii {
			continue
		}
		for n := len(row)*2 + (len(row)+1)/2; n < columns*5/2; n++ {
			p.out = append(p.out, ' ')
		}
		p.text("  ")
		for _, c := range row {
			if c <= ' ' || c > '~' {
				c = '.'
			}
			p.out = append(p.out, c)
		}
	}
}

// digits is how many hexadecimal digits a number has.
func digits(n int) (count int) {
	for ; n > 0; n >>= 4 {
		count++
	}
	return count
}

// dumpASCII prints the text in a packet. Of what a terminal acts on, line feeds and
// tabs are left.
func (p *Printer) dumpASCII(b []byte) {
	p.text("\n")
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '\r' && i+1 < len(b) && b[i+1] == '\n':
			continue
		case c == '\n' || c == '\t' || c >= ' ' && c <= '~':
		default:
			c = '.'
		}
		p.out = append(p.out, c)
	}
}
