package decode

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"netcap/pcapfile"
)

// AppendJSON appends a packet to dst as a JSON object, on a line without an end;
// docs/read-json.md has its fields. LinkHeader, Verbose, Quiet, Dump and Colors are not
// for it. It keeps nothing of the packet.
func (p *Printer) AppendJSON(dst []byte, pk *pcapfile.Packet) []byte {
	info := p.look(pk)
	f := &p.facts
	o := object{append(dst, '{')}
	if pk.HasTime {
		o.key("time")
		o.b = append(pk.Time.UTC().AppendFormat(append(o.b, '"'), time.RFC3339Nano), '"')
	} else {
		o.null("time")
	}
	o.optional("interface", pk.Interface.Name)
	side := f.direction
	if side == "" {
		side = direction(pk.Flags)
	}
	switch side {
	case dirUnknown, "":
		o.null("direction")
	case dirOut:
		o.text("direction", "out")
	default:
		o.text("direction", "in")
	}
	o.number("length", int64(max(pk.Length, uint32(len(pk.Data)))))
	o.number("captured", int64(len(pk.Data)))
	o.mac("link_source", f.linkSource)
	o.mac("link_destination", f.linkDestination)
	o.key("vlan")
	o.b = append(o.b, '[')
	for i, id := range f.vlan[:f.vlans] {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = strconv.AppendUint(o.b, uint64(id), 10)
	}
	o.b = append(o.b, ']')
	o.addr("source", f.src)
	o.addr("destination", f.dst)
	o.optional("source_name", p.Names[f.src])
	o.optional("destination_name", p.Names[f.dst])
	if f.hasPorts {
		o.number("source_port", int64(f.srcPort))
		o.number("destination_port", int64(f.dstPort))
	} else {
		o.null("source_port")
		o.null("destination_port")
	}
	o.optional("protocol", p.protocol)
	if t := &f.tcp; t.found {
		o.key("tcp")
		inner := object{append(o.b, '{')}
		p.out = p.json // behind the text, of which info is the end
		p.tcpFlags(t.flags)
		inner.key("flags")
		inner.b = appendString(inner.b, p.out[len(p.json):])
		p.out = nil
		inner.number("seq", int64(t.seq))
		inner.number("ack", int64(t.ack))
		inner.number("window", int64(t.window))
		inner.number("length", int64(t.length))
		o.b = append(inner.b, '}')
	} else {
		o.null("tcp")
	}
	o.key("info")
	return append(appendString(o.b, info), '}')
}

// look reads a packet for its facts, and returns the text behind the addresses, which is
// valid until the next packet.
func (p *Printer) look(pk *pcapfile.Packet) (info []byte) {
	p.begin(p.json[:0], pk)
	defer func() {
		if recover() != nil {
			p.malformed()
		}
		info = p.out[min(p.facts.info, len(p.out)):]
		p.json, p.out, p.pk = p.out, nil, nil
	}()
	p.packet()
	return nil
}

// Summary is what counts of a packet.
type Summary struct {
	// Protocol is the deepest that was recognised, such as "dns" or "tcp", "other" where
	// none was.
	Protocol string
	// Source and Destination are those of the outermost IP header, invalid without one.
	Source, Destination netip.Addr
	// The ports are 0 without ports.
	SourcePort, DestinationPort uint16
	// Flow is what is carried, tunnels passed through.
	Flow Flow

	printer Printer
}

// Read reads a packet, of which nothing is kept.
func (s *Summary) Read(pk *pcapfile.Packet) {
	p := &s.printer
	p.look(pk)
	s.Protocol = p.protocol
	if s.Protocol == "" {
		s.Protocol = "other"
	}
	s.Source, s.Destination = p.facts.src, p.facts.dst
	s.SourcePort, s.DestinationPort = p.facts.srcPort, p.facts.dstPort
	s.Flow = p.facts.flow
}

// object is a JSON object that is being written.
type object struct{ b []byte }

// key writes a name of ours, which needs no escape.
func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *object) null(name string) {
	o.key(name)
	o.b = append(o.b, "null"...)
}

func (o *object) number(name string, n int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) text(name, s string) {
	o.key(name)
	o.b = appendString(o.b, s)
}

// optional writes null for an empty string.
func (o *object) optional(name, s string) {
	if s == "" {
		o.null(name)
		return
	}
	o.text(name, s)
}

func (o *object) mac(name string, b []byte) {
	if len(b) == 0 {
		o.null(name)
		return
	}
	o.key(name)
	o.b = append(o.b, '"')
	for i := range b {
		if i > 0 {
			o.b = append(o.b, ':')
		}
		o.b = hex.AppendEncode(o.b, b[i:i+1])
	}
	o.b = append(o.b, '"')
}

func (o *object) addr(name string, a netip.Addr) {
	if !a.IsValid() {
		o.null(name)
		return
	}
	o.key(name)
	o.b = append(a.AppendTo(append(o.b, '"')), '"')
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
