package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// icmp6Names are the types of ICMPv6, RFC 4443, 2710, 3810 and 4861.
var icmp6Names = map[uint8]string{
	layers.ICMPv6TypeDestinationUnreachable:                "destination unreachable",
	layers.ICMPv6TypePacketTooBig:                          "packet too big",
	layers.ICMPv6TypeTimeExceeded:                          "time exceeded",
	layers.ICMPv6TypeParameterProblem:                      "parameter problem",
	layers.ICMPv6TypeEchoRequest:                           "echo request",
	layers.ICMPv6TypeEchoReply:                             "echo reply",
	layers.ICMPv6TypeRouterSolicitation:                    "router solicitation",
	layers.ICMPv6TypeRouterAdvertisement:                   "router advertisement",
	layers.ICMPv6TypeNeighborSolicitation:                  "neighbor solicitation",
	layers.ICMPv6TypeNeighborAdvertisement:                 "neighbor advertisement",
	layers.ICMPv6TypeRedirect:                              "redirect",
	layers.ICMPv6TypeMLDv1MulticastListenerQueryMessage:    "multicast listener query",
	layers.ICMPv6TypeMLDv1MulticastListenerReportMessage:   "multicast listener report",
	layers.ICMPv6TypeMLDv1MulticastListenerDoneMessage:     "multicast listener done",
	layers.ICMPv6TypeMLDv2MulticastListenerReportMessageV2: "multicast listener report v2",

	138: "router renumbering", 139: "who-are-you request", 140: "who-are-you reply", 144: "ha discovery request",
	145: "ha discovery reply", 146: "mobile router solicitation", 147: "mobile router advertisement", 155: "RPL",
}

// unreachable6 are the codes of destination unreachable that name no port,
// RFC 4443 section 3.1.
var unreachable6 = map[uint8]string{
	layers.ICMPv6CodeNoRouteToDst:           "unreachable route",
	layers.ICMPv6CodeAdminProhibited:        "unreachable prohibited",
	layers.ICMPv6CodeBeyondScopeOfSrc:       "beyond scope",
	layers.ICMPv6CodeAddressUnreachable:     "unreachable address",
	layers.ICMPv6CodeSrcAddressFailedPolicy: "unreachable, source address failed policy",
	layers.ICMPv6CodeRejectRouteToDst:       "unreachable, route rejected",
}

func (p *Printer) icmpv6(d *datagram, v view) {
	if p.Verbose > 0 && !d.fragment && len(v.data) >= max(v.length, 4) {
		if sum := p.pseudoChecksum(d, layers.IPProtocolICMPv6, v); sum != 0 {
			found := binary.BigEndian.Uint16(v.data[2:])
			p.color(sgrError).text("[bad icmp6 cksum ").hex16(found).text(" -> ").hex16(shouldBe(found, sum)).text("!]").color(sgrReset).text(" ")
		} else {
			p.text("[icmp6 sum ok] ")
		}
	}
	p.word("ICMP6").text(", ")
	i := &p.icmp6
	if err := i.DecodeFromBytes(v.data, gopacket.NilDecodeFeedback); err != nil {
		p.cut("icmp6")
		return
	}
	typ, code := i.TypeCode.Type(), i.TypeCode.Code()
	name, ok := icmp6Names[typ]
	if !ok {
		p.text("type-#").uint(uint32(typ)).length(v.length)
		return
	}
	body := i.Payload
	if len(body) < 4 {
		p.text(name).text(" ")
		p.cut("icmp6")
		return
	}
	switch typ {
	case layers.ICMPv6TypeEchoRequest, layers.ICMPv6TypeEchoReply:
		p.echo(name, binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:]))
	case layers.ICMPv6TypeNeighborSolicitation:
		p.text(name).about(", who has ", body)
	case layers.ICMPv6TypeNeighborAdvertisement:
		p.text(name).about(", tgt is ", body)
	case layers.ICMPv6TypeRedirect:
		p.text(name)
		if len(body) >= 4+32 {
			p.text(", ").addrBytes(body[20:36]).text(" to ").addrBytes(body[4:20])
		}
	case layers.ICMPv6TypePacketTooBig:
		p.text(name).text(", mtu ").uint(binary.BigEndian.Uint32(body))
	case layers.ICMPv6TypeDestinationUnreachable:
		p.color(sgrError).text(name).unreachable6(code, body[4:])
		p.color(sgrReset)
	case layers.ICMPv6TypeMLDv2MulticastListenerReportMessageV2:
		p.text(name).text(", ").uint(uint32(binary.BigEndian.Uint16(body[2:]))).text(" group record(s)")
	default:
		p.text(name)
	}
	p.length(v.length)
}

// about prints the address that a neighbor message is about, RFC 4861 sections
// 4.3 and 4.4.
func (p *Printer) about(words string, body []byte) {
	if len(body) < 4+16 {
		p.text(" ")
		p.cut("icmp6")
		return
	}
	p.text(words).addrBytes(body[4:20])
}

func (p *Printer) unreachable6(code uint8, quoted []byte) {
	p.text(", ")
	var q quote
	hasQuote := len(quoted) >= ip6Size
	if hasQuote {
		q = quote{dst: quoted[24:40], protocol: layers.IPProtocol(quoted[6])}
		q.takePort(quoted[ip6Size:])
	}
	words, known := unreachable6[code]
	switch {
	case code == layers.ICMPv6CodePortUnreachable && hasQuote:
		p.text("unreachable port, ").addrBytes(q.dst).text(" ").target(q)
	case known && hasQuote:
		p.text(words).text(" ").addrBytes(q.dst)
	case known:
		p.text(words)
	default:
		p.text("code ").uint(uint32(code))
	}
}
