package decode

import (
	"encoding/binary"
)

const tcpSize = 20 // without options

// Flags of TCP, RFC 9293 section 3.1, and the one of RFC 9768 before them.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
	tcpURG
	tcpECE
	tcpCWR
	tcpAE
)

func (p *Printer) tcpSegment(d *datagram, v view) {
	if !p.portsOf(d, v) || len(v.data) < tcpSize {
		p.protocol = "tcp"
		p.cut("tcp")
		return
	}
	p.protocol = "tcp"
	b := v.data
	header := int(b[12]>>4) * 4
	length := v.length - header
	flags := binary.BigEndian.Uint16(b[12:]) & 0x1ff
	seq, ack := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	window := binary.BigEndian.Uint16(b[14:])
	f := &p.facts.flow
	f.SYN, f.Seq, f.Payload, f.Cut = flags&tcpSYN != 0, seq, max(length, 0), len(b) < v.length
	if d.outer {
		p.facts.tcp = tcpFacts{true, flags, seq, ack, window, max(length, 0)}
	}
	if p.Quiet {
		p.text("tcp ").int(int64(max(length, 0)))
		if header < tcpSize || length < 0 {
			p.wrong(" [bad hdr length ").int(int64(header)).text("]")
		}
		return
	}
	p.text("Flags [").tcpFlags(flags).text("]")
	if header < tcpSize || length < 0 {
		p.text(", [bad hdr length ").int(int64(header)).text("]")
		return
	}
	if p.Verbose > 0 {
		p.tcpChecksum(d, v)
	}
	if length > 0 || p.Verbose > 1 || flags&(tcpSYN|tcpFIN|tcpRST) != 0 {
		p.text(", seq ").uint(seq)
		if length > 0 {
			p.text(":").uint(seq + uint32(length))
		}
	}
	if flags&tcpACK != 0 {
		p.text(", ack ").uint(ack)
	}
	p.text(", win ").uint(uint32(window))
	if flags&tcpURG != 0 {
		p.text(", urg ").uint(uint32(binary.BigEndian.Uint16(b[18:])))
	}
	switch {
	case len(b) < header:
		p.text(", ")
		p.cut("tcp")
	case header > tcpSize:
		p.text(", options [").tcpOptions(b[tcpSize:header]).text("]")
	}
	p.length(length)
	p.payloadTCP(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), v.after(header))
}

func (p *Printer) tcpFlags(flags uint16) *Printer {
	if flags == 0 {
		return p.text("none")
	}
	switch {
	case flags&tcpRST != 0:
		p.color(sgrError)
		defer p.color(sgrReset)
	case flags&tcpFIN != 0:
		p.color(sgrCloses)
		defer p.color(sgrReset)
	case flags&tcpSYN != 0:
		p.color(sgrOpens)
		defer p.color(sgrReset)
	}
	const names = "FSRP.UEWe"
	for i := range len(names) {
		if flags>>i&1 != 0 {
			p.out = append(p.out, names[i])
		}
	}
	return p
}

// Kinds of options, from the IANA registry.
const (
	tcpOptionEnd           = 0
	tcpOptionNop           = 1
	tcpOptionMSS           = 2
	tcpOptionWindowScale   = 3
	tcpOptionSACKPermitted = 4
	tcpOptionSACK          = 5
	tcpOptionTimestamps    = 8
	tcpOptionMD5           = 19
	tcpOptionAO            = 29
	tcpOptionMultipath     = 30
	tcpOptionFastOpen      = 34
)

func (p *Printer) tcpOptions(b []byte) *Printer {
	for first := true; len(b) > 0; first = false {
		if !first {
			p.text(",")
		}
		switch b[0] {
		case tcpOptionEnd:
			return p.text("eol") // what follows is padding
		case tcpOptionNop:
			p.text("nop")
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || len(b) < int(b[1]) {
			return p.text("[bad opt]")
		}
		p.tcpOption(b[0], b[2:b[1]])
		b = b[b[1]:]
	}
	return p
}

func (p *Printer) tcpOption(kind uint8, data []byte) {
	switch {
	case kind == tcpOptionMSS && len(data) == 2:
		p.text("mss ").uint(uint32(binary.BigEndian.Uint16(data)))
	case kind == tcpOptionWindowScale && len(data) == 1:
		p.text("wscale ").uint(uint32(data[0]))
	case kind == tcpOptionSACKPermitted && len(data) == 0:
		p.text("sackOK")
	case kind == tcpOptionSACK && len(data) > 0 && len(data)%8 == 0:
		p.text("sack ").int(int64(len(data) / 8)).text(" ")
		for ; len(data) > 0; data = data[8:] {
			p.text("{").uint(binary.BigEndian.Uint32(data)).text(":").uint(binary.BigEndian.Uint32(data[4:])).text("}")
		}
	case kind == tcpOptionTimestamps && len(data) == 8:
		p.text("TS val ").uint(binary.BigEndian.Uint32(data)).text(" ecr ").uint(binary.BigEndian.Uint32(data[4:]))
	case kind == tcpOptionMultipath && len(data) > 0:
		p.text("mptcp ").int(int64(len(data) + 2)).text(" ").text(mptcpName(data[0] >> 4))
	case kind == tcpOptionMD5:
		p.text("md5")
	case kind == tcpOptionAO:
		p.text("tcp-ao")
	case kind == tcpOptionFastOpen:
		p.text("tfo")
	default:
		p.text("unknown-").uint(uint32(kind))
		if len(data) > 0 {
			p.text(" 0x").hex(string(data))
		}
	}
}

func mptcpName(subtype uint8) string {
	names := [...]string{"capable", "join", "dss", "add-addr", "rem-addr", "prio", "fail", "fast-close", "rst"}
	if int(subtype) < len(names) {
		return names[subtype]
	}
	return "unknown"
}
