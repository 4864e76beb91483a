package decode

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"netcap/internal/dicom"
)

// payloadUDP prints what is in a datagram in place of "UDP, length", or prints
// nothing and returns false.
func (p *Printer) payloadUDP(src, dst uint16, v view) bool {
	print := udpPort(dst)
	// Of two ports that are known, the one assigned earlier is more likely meant.
	if other := udpPort(src); print == nil || other != nil && src < dst {
		print = other
	}
	if print != nil {
		return print(p, v)
	}
	return p.quic(v)
}

// udpPort is what a port announces, nil for none. Each prints in place of "UDP, length"
// and returns true, or prints nothing.
func udpPort(port uint16) func(*Printer, view) bool {
	switch port {
	case 53:
		return (*Printer).dns
	case 67, 68:
		return (*Printer).bootp
	case 69:
		return (*Printer).tftp
	case 123:
		return (*Printer).ntp
	case 137:
		return (*Printer).netbiosName
	case 138:
		return (*Printer).netbiosDatagram
	case 161, 162:
		return (*Printer).snmp
	case 514:
		return (*Printer).syslog
	case 546, 547:
		return (*Printer).dhcp6
	case 1645, 1646, 1700, 1812, 1813, 3799:
		return (*Printer).radius
	case 5060, 5061:
		return (*Printer).sip
	case 4789, 4790:
		return (*Printer).vxlan
	case 6081:
		return (*Printer).geneve
	case 5353:
		return (*Printer).mdns
	case 5355:
		return (*Printer).dns // LLMNR, RFC 4795
	}
	return nil
}

// payloadTCP prints what begins in a segment, behind its length. A payload that goes
// on with what an earlier segment began is not recognised, and nothing is printed.
func (p *Printer) payloadTCP(src, dst uint16, v view) {
	if len(v.data) < 5 {
		return
	}
	if src == 53 || dst == 53 {
		p.dnsStream(v)
		return
	}
	switch first := v.data[0]; {
	case first >= tlsChangeCipherSpec && first <= tlsApplicationData:
		p.tls(v)
	case dicom.PDUType(first).Known():
		p.dicom(v)
	case first >= 'A' && first <= 'Z':
		p.firstLine(v)
	case first == mllpStart:
		p.hl7(v)
	case first == 0 && v.data[4] == 4:
		p.commandSegment(v)
	case first == 0:
		p.smb(v)
	case first == berSequence && (isLDAP(src) || isLDAP(dst)):
		p.ldap(v)
	}
}

// bytes prints what came out of a file, as unsafe does.
func (p *Printer) bytes(b []byte) *Printer {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return p.unsafe(string(b))
		}
	}
	p.out = append(p.out, b...)
	return p
}

// maxText bounds a name or a line, in bytes, that came out of a file.
const maxText = 255

// clipped prints the beginning of what came out of a file.
func (p *Printer) clipped(b []byte) *Printer {
	if len(b) <= maxText {
		return p.bytes(b)
	}
	b = b[:maxText]
	for i := len(b) - 1; i > len(b)-utf8.UTFMax; i-- { // not within a character
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				b = b[:i]
			}
			break
		}
	}
	return p.bytes(b).text("…")
}

// lookup prints the name of a number, or prefix and number. Names that are empty are
// of numbers that have none.
func (p *Printer) lookup(names []string, n int, prefix string) *Printer {
	if n < len(names) && names[n] != "" {
		return p.text(names[n])
	}
	return p.text(prefix).int(int64(n))
}

// uint16At is the number at an offset, which must be there.
func (v view) uint16At(at int) int { return int(binary.BigEndian.Uint16(v.data[at:])) }

// hexInt prints a number in hexadecimal, without zeros before it.
func (p *Printer) hexInt(n int64) *Printer {
	p.out = strconv.AppendInt(p.out, n, 16)
	return p
}

// more begins another element of a list in a line, of which at most limit are printed.
// It returns false, and says that there are more, behind the last.
func (p *Printer) more(printed *int, limit int, separator string) bool {
	*printed++
	switch {
	case *printed == 1:
	case *printed <= limit:
		p.text(separator)
	default:
		p.text(separator).text("…")
		return false
	}
	return true
}
