package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

const icmpSize = 8

// icmpNames are the types of ICMP whose line has a name and a length.
var icmpNames = map[uint8]string{
	layers.ICMPv4TypeSourceQuench:        "source quench",
	layers.ICMPv4TypeRouterAdvertisement: "router advertisement",
	layers.ICMPv4TypeRouterSolicitation:  "router solicitation",
	layers.ICMPv4TypeParameterProblem:    "parameter problem",
	layers.ICMPv4TypeTimestampRequest:    "time stamp query",
	layers.ICMPv4TypeTimestampReply:      "time stamp reply",
	layers.ICMPv4TypeInfoRequest:         "information request",
	layers.ICMPv4TypeInfoReply:           "information reply",
	layers.ICMPv4TypeAddressMaskRequest:  "address mask request",
	layers.ICMPv4TypeAddressMaskReply:    "address mask reply",
}

func (p *Printer) icmp(v view) {
	p.word("ICMP ")
	i := &p.icmp4
	if err := i.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
		p.cut("icmp")
		return
	}
	switch typ, code := i.TypeCode.Type(), i.TypeCode.Code(); typ {
	case layers.ICMPv4TypeEchoRequest:
		p.echo("echo request", i.Id, i.Seq)
	case layers.ICMPv4TypeEchoReply:
		p.echo("echo reply", i.Id, i.Seq)
	case layers.ICMPv4TypeDestinationUnreachable:
		p.color(sgrError).unreachable(code, i.Seq, i.Payload)
		p.color(sgrReset)
	case layers.ICMPv4TypeTimeExceeded:
		p.timeExceeded(code)
	case layers.ICMPv4TypeRedirect:
		p.redirect(code, v.data[4:icmpSize], i.Payload)
	default:
		name, ok := icmpNames[typ]
		if !ok {
			p.text("type-#").uint(uint32(typ))
			break
		}
		p.text(name)
	}
	p.length(v.length)
	if p.Verbose > 0 {
		p.icmpMore(v)
	}
}

// icmpMore prints what is wrong with a message, and the packet that an error is about.
func (p *Printer) icmpMore(v view) {
	if len(v.data) >= v.length {
		if sum := ^fold(checksum(0, v.data[:v.length])); sum != 0 {
			found := binary.BigEndian.Uint16(v.data[2:])
			p.color(sgrError).text(" (wrong icmp cksum ").hexInt(int64(found)).text(" (->").hexInt(int64(shouldBe(found, sum))).text(")!)").color(sgrReset)
		}
	}
	switch v.data[0] {
	case layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4TypeSourceQuench, layers.ICMPv4TypeRedirect,
		layers.ICMPv4TypeTimeExceeded, layers.ICMPv4TypeParameterProblem:
	default:
		return
	}
	quoted := v.after(icmpSize)
	if len(quoted.data) < ip4Size {
		return
	}
	// It has the length that it had before it was cut.
	quoted.length = max(quoted.length, int(binary.BigEndian.Uint16(quoted.data[2:])))
	p.text("\n\t")
	protocol, flow := p.protocol, p.facts.flow
	p.ipv4(quoted)
	p.protocol, p.facts.flow = protocol, flow
}

func (p *Printer) echo(name string, id, seq uint16) {
	p.text(name).text(", id ").uint(uint32(id)).text(", seq ").uint(uint32(seq))
}

func (p *Printer) timeExceeded(code uint8) {
	switch code {
	case layers.ICMPv4CodeTTLExceeded:
		p.text("time exceeded in-transit")
	case layers.ICMPv4CodeFragmentReassemblyTimeExceeded:
		p.text("ip reassembly time exceeded")
	default:
		p.text("time exceeded, code ").uint(uint32(code))
	}
}

// A quote is the beginning of the packet that an ICMP error is about.
type quote struct {
	dst      []byte
	protocol layers.IPProtocol
	port     uint16
	hasPort  bool
}

func (p *Printer) quote4(data []byte) (q quote, ok bool) {
	if len(data) < ip4Size || data[0]>>4 != 4 {
		return quote{}, false
	}
	q = quote{dst: data[16:20], protocol: layers.IPProtocol(data[9])}
	q.takePort(data[min(int(data[0]&0xf)*4, len(data)):])
	return q, true
}

func (q *quote) takePort(b []byte) {
	switch q.protocol {
	case layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolSCTP:
		if len(b) >= 4 {
			q.port, q.hasPort = binary.BigEndian.Uint16(b[2:]), true
		}
	}
}

// target prints the port that was addressed, "udp port 53".
func (p *Printer) target(q quote) *Printer {
	switch {
	case !q.hasPort:
		return p.text("protocol ").uint(uint32(q.protocol)).text(" port")
	case q.protocol == layers.IPProtocolSCTP:
		return p.text("sctp port ").uint(uint32(q.port))
	default:
		return p.protocolName(q.protocol).text(" port ").uint(uint32(q.port))
	}
}

// unreachableWords are what is said before and behind the destination.
var unreachableWords = map[uint8][2]string{
	layers.ICMPv4CodeNet:                 {"net ", " unreachable"},
	layers.ICMPv4CodeHost:                {"host ", " unreachable"},
	layers.ICMPv4CodeSourceRoutingFailed: {"", " unreachable - source route failed"},
	layers.ICMPv4CodeNetUnknown:          {"net ", " unreachable - unknown"},
	layers.ICMPv4CodeHostUnknown:         {"host ", " unreachable - unknown"},
	layers.ICMPv4CodeSourceIsolated:      {"", " unreachable - source host isolated"},
	layers.ICMPv4CodeNetAdminProhibited:  {"net ", " unreachable - admin prohibited"},
	layers.ICMPv4CodeHostAdminProhibited: {"host ", " unreachable - admin prohibited"},
	layers.ICMPv4CodeNetTOS:              {"net ", " unreachable - tos prohibited"},
	layers.ICMPv4CodeHostTOS:             {"host ", " unreachable - tos prohibited"},
	layers.ICMPv4CodeCommAdminProhibited: {"host ", " unreachable - admin prohibited filter"},
	layers.ICMPv4CodeHostPrecedence:      {"host ", " unreachable - host precedence violation"},
	layers.ICMPv4CodePrecedenceCutoff:    {"host ", " unreachable - precedence cutoff"},
}

// unreachable prints a destination unreachable message, RFC 792, 1122 and 1191.
func (p *Printer) unreachable(code uint8, mtu uint16, quoted []byte) {
	q, ok := p.quote4(quoted)
	if !ok {
		p.text("unreachable, code ").uint(uint32(code))
		return
	}
	words, known := unreachableWords[code]
	switch {
	case code == layers.ICMPv4CodeProtocol:
		p.addrBytes(q.dst).text(" protocol ").uint(uint32(q.protocol)).text(" unreachable")
	case code == layers.ICMPv4CodePort:
		p.addrBytes(q.dst).text(" ").target(q).text(" unreachable")
	case code == layers.ICMPv4CodeFragmentationNeeded:
		p.addrBytes(q.dst).text(" unreachable - need to frag")
		if mtu != 0 {
			p.text(" (mtu ").uint(uint32(mtu)).text(")")
		}
	case known:
		p.text(words[0]).addrBytes(q.dst).text(words[1])
	default:
		p.addrBytes(q.dst).text(" unreachable - #").uint(uint32(code))
	}
}

func (p *Printer) redirect(code uint8, gateway, quoted []byte) {
	p.text("redirect")
	words := " to "
	switch code {
	case layers.ICMPv4CodeNet:
		words = " to net "
	case layers.ICMPv4CodeHost:
		words = " to host "
	case layers.ICMPv4CodeTOSNet:
		p.text("-tos")
		words = " to net "
	case layers.ICMPv4CodeTOSHost:
		p.text("-tos")
		words = " to host "
	default:
		p.text("-#").uint(uint32(code))
	}
	if q, ok := p.quote4(quoted); ok {
		p.text(" ").addrBytes(q.dst)
	}
	p.text(words).addrBytes(gateway)
}
