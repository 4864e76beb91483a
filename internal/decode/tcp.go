package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

const tcpSize = 20 // without options

func (p *Printer) tcpSegment(d *datagram, v view) {
	if !p.portsOf(d, v) || len(v.data) < tcpSize {
		p.cut("tcp")
		return
	}
	p.protocol = "tcp"
	// Of the header without its options nothing is wrong but its length.
	t := &p.tcp
	err := t.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback)
	header := int(t.DataOffset) * 4
	length := v.length - header

	p.text("Flags [").tcpFlags(t).text("]")
	if header < tcpSize || length < 0 {
		p.text(", [bad hdr length ").int(int64(header)).text("]")
		return
	}
	if length > 0 || t.SYN || t.FIN || t.RST {
		p.text(", seq ").uint(t.Seq)
		if length > 0 {
			p.text(":").uint(t.Seq + uint32(length))
		}
	}
	if t.ACK {
		p.text(", ack ").uint(t.Ack)
	}
	p.text(", win ").uint(uint32(t.Window))
	if t.URG {
		p.text(", urg ").uint(uint32(t.Urgent))
	}
	switch {
	case err != nil:
		p.text(", ")
		p.cut("tcp")
	case header > tcpSize:
		p.text(", options [").tcpOptions(t).text("]")
	}
	p.length(length)
	p.payloadTCP(uint16(t.SrcPort), uint16(t.DstPort), v.after(header))
}

func (p *Printer) tcpFlags(t *layers.TCP) *Printer {
	start := len(p.out)
	for _, f := range [...]struct {
		set  bool
		name string
	}{
		{t.FIN, "F"},
		{t.SYN, "S"},
		{t.RST, "R"},
		{t.PSH, "P"},
		{t.ACK, "."},
		{t.URG, "U"},
		{t.ECE, "E"},
		{t.CWR, "W"},
		{t.NS, "e"},
	} {
		if f.set {
			p.text(f.name)
		}
	}
	if len(p.out) == start {
		p.text("none")
	}
	return p
}

func (p *Printer) tcpOptions(t *layers.TCP) *Printer {
	for i := range t.Options {
		if i > 0 {
			p.text(",")
		}
		p.tcpOption(&t.Options[i])
	}
	// What follows the end of options is padding; without one, the layer
	// found no more options in it.
	ended := len(t.Options) > 0 && t.Options[len(t.Options)-1].OptionType == layers.TCPOptionKindEndList
	if len(t.Padding) > 0 && !ended {
		if len(t.Options) > 0 {
			p.text(",")
		}
		p.text("[bad opt]")
	}
	return p
}

// Options that gopacket has no name for, from the IANA registry.
const (
	tcpOptionMD5      = 19
	tcpOptionAO       = 29
	tcpOptionFastOpen = 34
)

func (p *Printer) tcpOption(o *layers.TCPOption) {
	data := o.OptionData
	switch {
	case o.OptionType == layers.TCPOptionKindEndList:
		p.text("eol")
	case o.OptionType == layers.TCPOptionKindNop:
		p.text("nop")
	case o.OptionType == layers.TCPOptionKindMSS && len(data) == 2:
		p.text("mss ").uint(uint32(binary.BigEndian.Uint16(data)))
	case o.OptionType == layers.TCPOptionKindWindowScale && len(data) == 1:
		p.text("wscale ").uint(uint32(data[0]))
	case o.OptionType == layers.TCPOptionKindSACKPermitted && len(data) == 0:
		p.text("sackOK")
	case o.OptionType == layers.TCPOptionKindSACK && len(data) > 0 && len(data)%8 == 0:
		p.text("sack ").int(int64(len(data) / 8)).text(" ")
		for ; len(data) > 0; data = data[8:] {
			p.text("{").uint(binary.BigEndian.Uint32(data)).text(":").uint(binary.BigEndian.Uint32(data[4:])).text("}")
		}
	case o.OptionType == layers.TCPOptionKindTimestamps && len(data) == 8:
		p.text("TS val ").uint(binary.BigEndian.Uint32(data)).text(" ecr ").uint(binary.BigEndian.Uint32(data[4:]))
	case o.OptionType == layers.TCPOptionKindMultipathTCP:
		p.text("mptcp ").uint(uint32(o.OptionLength)).text(" ").text(mptcpName(o.OptionMultipath))
	case o.OptionType == tcpOptionMD5:
		p.text("md5")
	case o.OptionType == tcpOptionAO:
		p.text("tcp-ao")
	case o.OptionType == tcpOptionFastOpen:
		p.text("tfo")
	default:
		p.text("unknown-").uint(uint32(o.OptionType))
		if len(data) > 0 {
			p.text(" 0x").hex(string(data))
		}
	}
}

func mptcpName(subtype layers.MPTCPSubtype) string {
	names := [...]string{"capable", "join", "dss", "add-addr", "rem-addr", "prio", "fail", "fast-close", "rst"}
	if int(subtype) < len(names) {
		return names[subtype]
	}
	return "unknown"
}
