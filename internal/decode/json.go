package decode

import (
	"net/netip"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"netcap/pcapfile"
)

// AppendJSON appends a packet to dst as one JSON object on one line, without a newline
// at its end. docs/read-json.md describes its fields. Of the options of a Printer it
// heeds Names alone. It keeps nothing of the packet.
func (p *Printer) AppendJSON(dst []byte, pk *pcapfile.Packet) []byte {
	p.lineForJSON(pk)
	f := &p.facts
	b := append(dst, `{"time":`...)
	if pk.HasTime {
		b = append(append(b, '"'), p.clockedJSON.of(pk.Time, time.UTC, "2006-01-02T15:04:05")...)
		b = appendNanoseconds(b, pk.Time.Nanosecond())
		b = append(b, 'Z', '"')
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"interface":`...)
	b = appendStringOrNull(b, pk.Interface.Name)
	b = append(b, `,"direction":`...)
	b = appendStringOrNull(b, directionField(pk.Flags, f.direction))
	b = strconv.AppendInt(append(b, `,"length":`...), int64(max(int(pk.Length), len(pk.Data))), 10)
	b = strconv.AppendInt(append(b, `,"captured":`...), int64(len(pk.Data)), 10)
	b = appendMAC(append(b, `,"link_source":`...), f.linkSource)
	b = appendMAC(append(b, `,"link_destination":`...), f.linkDestination)
	b = append(b, `,"vlan":[`...)
	for i, id := range f.vlan[:f.vlans] {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(id), 10)
	}
	b = append(b, ']')
	b = appendAddr(append(b, `,"source":`...), f.src)
	b = appendAddr(append(b, `,"destination":`...), f.dst)
	b = appendStringOrNull(append(b, `,"source_name":`...), p.Names[f.src])
	b = appendStringOrNull(append(b, `,"destination_name":`...), p.Names[f.dst])
	b = appendPort(append(b, `,"source_port":`...), f.hasPorts, f.srcPort)
	b = appendPort(append(b, `,"destination_port":`...), f.hasPorts, f.dstPort)
	b = appendStringOrNull(append(b, `,"protocol":`...), p.protocol)
	b = append(b, `,"tcp":`...)
	b = f.tcp.appendJSON(b)
	b = append(b, `,"info":`...)
	b = appendString(b, p.json[min(f.info, len(p.json)):])
	return append(b, '}')
}

// lineForJSON makes the line of a packet, with neither time nor interface before it.
func (p *Printer) lineForJSON(pk *pcapfile.Packet) {
	header, verbose, quiet, colors := p.LinkHeader, p.Verbose, p.Quiet, p.Colors
	p.LinkHeader, p.Verbose, p.Quiet, p.Colors = false, 0, false, false
	p.begin(p.json[:0], pk)
	defer func() {
		if recover() != nil {
			p.malformed()
		}
		p.json, p.out, p.pk = p.out, nil, nil
		p.LinkHeader, p.Verbose, p.Quiet, p.Colors = header, verbose, quiet, colors
	}()
	p.packet()
}

func appendNanoseconds(b []byte, n int) []byte {
	digits := [10]byte{'.'}
	for i := 9; i > 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, digits[:]...)
}

// directionField is the direction by a packet's flags, or else by the header of its
// link layer.
func directionField(f pcapfile.Flags, byLink string) string {
	text := direction(f)
	if text == dirUnknown {
		text = byLink
	}
	switch text {
	case dirOut:
		return "out"
	case dirIn, dirBroadcast, dirMulticast, dirOther:
		return "in"
	}
	return ""
}

func appendMAC(b, address []byte) []byte {
	if len(address) == 0 {
		return append(b, "null"...)
	}
	b = append(b, '"')
	for i, c := range address {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, hexAlphabet[c>>4], hexAlphabet[c&0xf])
	}
	return append(b, '"')
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, "null"...)
	}
	return append(a.AppendTo(append(b, '"')), '"')
}

func appendPort(b []byte, known bool, port uint16) []byte {
	if !known {
		return append(b, "null"...)
	}
	return strconv.AppendUint(b, uint64(port), 10)
}

func (t *tcpFacts) appendJSON(b []byte) []byte {
	if !t.found {
		return append(b, "null"...)
	}
	b = append(b, `{"flags":[`...)
	names := [...]string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae"}
	for i, first := 0, true; i < len(names); i++ {
		if t.flags>>i&1 == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), names[i]...), '"')
	}
	b = strconv.AppendUint(append(b, `],"seq":`...), uint64(t.seq), 10)
	b = strconv.AppendUint(append(b, `,"ack":`...), uint64(t.ack), 10)
	b = strconv.AppendUint(append(b, `,"window":`...), uint64(t.window), 10)
	b = strconv.AppendInt(append(b, `,"length":`...), int64(t.length), 10)
	return append(b, '}')
}

// appendStringOrNull appends null for a string that is empty.
func appendStringOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s)
}

// appendString appends a JSON string, RFC 8259 section 7. What is no UTF-8 becomes
// U+FFFD.
func appendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && s[i] >= ' ' && s[i] < 0x7f && s[i] != '"' && s[i] != '\\' {
			i++
		}
		b = append(b, s[start:i]...)
		if i == len(s) {
			break
		}
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexAlphabet[c>>4], hexAlphabet[c&0xf])
			i++
		default:
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			b = appendRune(b, r)
			i += size
		}
	}
	return append(b, '"')
}

// appendRune appends a character beyond ASCII. What is not printed, or turns and ends
// lines, is escaped: a terminal may be what reads it.
func appendRune(b []byte, r rune) []byte {
	if unicode.IsPrint(r) {
		return utf8.AppendRune(b, r)
	}
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return appendEscape(appendEscape(b, high), low)
	}
	return appendEscape(b, r)
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexAlphabet[r>>12], hexAlphabet[r>>8&0xf], hexAlphabet[r>>4&0xf], hexAlphabet[r&0xf])
}
