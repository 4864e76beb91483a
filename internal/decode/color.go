package decode

// Select Graphic Rendition, ECMA-48 section 8.3.117: the only control sequences
// that are ever printed.
const (
	sgrReset    = "\x1b[0m"
	sgrTime     = "\x1b[2m"  // faint
	sgrProtocol = "\x1b[1m"  // bold
	sgrOpens    = "\x1b[32m" // green: SYN
	sgrCloses   = "\x1b[33m" // yellow: FIN
	sgrError    = "\x1b[31m" // red: RST, unreachable, what can't be decoded
)

// color has what follows printed in a color, until sgrReset.
func (p *Printer) color(sgr string) *Printer {
	if p.Colors {
		p.out = append(p.out, sgr...)
	}
	return p
}

// word prints the name of a protocol.
func (p *Printer) word(s string) *Printer {
	return p.color(sgrProtocol).text(s).color(sgrReset)
}

// wrong prints what tells of an error.
func (p *Printer) wrong(s string) *Printer {
	return p.color(sgrError).text(s).color(sgrReset)
}
