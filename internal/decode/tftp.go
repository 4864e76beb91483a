package decode

import "bytes"

// Opcodes, RFC 1350 and 2347.
const (
	tftpRead  = 1
	tftpWrite = 2
	tftpData  = 3
	tftpACK   = 4
	tftpError = 5
	tftpOACK  = 6
)

var tftpNames = [...]string{
	tftpRead: "RRQ", tftpWrite: "WRQ", tftpData: "DATA", tftpACK: "ACK", tftpError: "ERROR", tftpOACK: "OACK",
}

func (p *Printer) tftp(v view) bool {
	p.protocol = "tftp"
	p.text("TFTP").length(v.length)
	if len(v.data) < 2 {
		p.text(" ")
		p.cut("tftp")
		return true
	}
	op := v.uint16At(0)
	p.text(", ").lookup(tftpNames[:], op, "tftp-#")
	v = v.after(2)
	switch op {
	case tftpRead, tftpWrite:
		if !p.tftpString(&v, ` "`, `"`) {
			return true
		}
		// The mode, and options with their values, which tcpdump prints.
		for printed := 0; v.length > 0; printed++ {
			if printed == 9 {
				p.text(" …")
				return true
			}
			if !p.tftpString(&v, " ", "") {
				return true
			}
		}
	case tftpData, tftpACK:
		if len(v.data) < 2 {
			p.text(" ")
			p.cut("tftp")
			return true
		}
		p.text(" block ").int(int64(v.uint16At(0)))
	}
	return true
}

// tftpString prints the string that v begins with, and goes behind it. If it doesn't
// end, it says so and returns false.
func (p *Printer) tftpString(v *view, before, after string) bool {
	n := bytes.IndexByte(v.data, 0)
	whole := n >= 0
	if !whole {
		n = len(v.data)
	}
	p.text(before)
	p.bytes(v.data[:min(n, 64)]).mark(n > 64, "…").text(after)
	if !whole {
		p.text(" ")
		p.cut("tftp")
		return false
	}
	*v = v.after(n + 1)
	return true
}
