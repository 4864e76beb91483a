package decode

import "bytes"

const mllpStart = 0x0b // begins a block of MLLP

// hl7 names the type of an HL7 message, field 9 of its header, in an MLLP block. Other
// fields, which may be about patients, are not looked at.
func (p *Printer) hl7(v view) {
	const (
		header   = "MSH"
		before   = 8 // separators before the type
		maxType  = 32
		maxField = 1 << 10
	)
	b := v.data[1:]
	if len(b) <= len(header) || string(b[:len(header)]) != header || isLetter(b[len(header)]) {
		return
	}
	p.protocol = "hl7"
	p.text(": HL7")
	separator := b[len(header)]
	b = b[:min(len(b), maxField)]
	if n := bytes.IndexByte(b, '\r'); n >= 0 {
		b = b[:n]
	}
	for range before {
		n := bytes.IndexByte(b, separator)
		if n < 0 {
			return
		}
		b = b[n+1:]
	}
	n := bytes.IndexByte(b, separator)
	if n <= 0 || n > maxType {
		return
	}
	for _, c := range b[:n] {
		if !isLetter(c) && (c < '0' || c > '9') && c != '^' && c != '_' {
			return
		}
	}
	p.text(" ").bytes(b[:n])
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
