package filter

import "strings"

// keyword holds for what a keyword with its arguments says.
func (l *lowering) keyword(k *keywordTerm) (condID, error) {
	cs, s := l.cs, k.span
	number := func(n int) uint32 { return k.args[n].num }
	switch word := k.keyword.word; word {
	case "broadcast", "multicast":
		return l.group(k)
	case "less":
		return cs.test(l.vs.length(), atMost(number(0))), nil
	case "greater":
		return cs.test(l.vs.length(), atLeast(number(0))), nil
	case "byte":
		return l.byteTerm(k)
	case "inbound", "outbound":
		return l.direction(k)
	case "ifindex":
		switch {
		case l.link == LinkTypeLinuxSLL2:
			return cs.equals(l.field(l.header, 4, 4), number(0)), nil
		case l.live:
			return cs.equals(l.vs.extra(4, extraInterface), number(0)), nil
		}
		return never, l.unsupported(s, "ifindex in files")
	case "vlan":
		return l.vlan(k)
	case "mpls":
		return l.mpls(k)
	case "pppoed":
		return l.linkProto(s, etherPPPoED)
	case "pppoes":
		return l.pppoes(k)
	case "geneve":
		return l.geneve(k)
	case "vxlan":
		return l.vxlan(k)
	case "llc":
		return l.llc(k)
	case "ifname", "ruleset", "rnr", "srnr", "reason", "action":
		return l.pf(k)
	case "type", "subtype", "dir":
		return l.wlanFrame(k)
	case "lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic",
		"connectmsg", "metaconnect", "vpi", "vci":
		return l.atm(k)
	}
	return l.signalling(k)
}

// group is broadcast or multicast.
func (l *lowering) group(k *keywordTerm) (condID, error) {
	word, cs := k.keyword.word, l.cs
	switch k.proto.word {
	case "", "link":
	case "ip":
		if word == "broadcast" {
			return l.broadcast4(k.span)
		}
		ip, err := l.linkProto(k.span, etherIP)
		return cs.and(ip, cs.bits(l.net(16, 1), 0xe0, 0xf0)), err
	case "ip6":
		if word == "multicast" {
			ip6, err := l.linkProto(k.span, etherIPv6)
			return cs.and(ip6, cs.equals(l.net(24, 1), 0xff)), err
		}
		fallthrough
	default:
		return never, l.errorAt(k.span, "%s has no %s", k.proto.word, word)
	}
	switch {
	case l.family == familyARCNet:
		return l.shortHost(k.span, 0, "dst", word)
	case l.link == linkTypeBACnet && word == "broadcast":
		return l.shortHost(k.span, 0xff, "dst", word)
	case word == "broadcast":
		return l.macHost(k.span, [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "dst", word)
	case l.family == familyWLAN:
		return l.wlanDestination(func(o offset) condID { return cs.anyBit(l.field(o, 0, 1), 1) }), nil
	case l.hasMAC():
		_, dst := l.addresses()
		return cs.and(l.frame, cs.anyBit(l.field(dst, 0, 1), 1)), nil
	}
	return never, l.unsupported(k.span, word)
}

func (l *lowering) byteTerm(k *keywordTerm) (condID, error) {
	if l.headerless() {
		return never, l.unsupported(k.span, "byte")
	}
	b := l.field(l.header, k.args[0].num, 1)
	v := k.args[1].num
	if err := l.limit(k.args[1].span(), "the value of a byte", v, 255); err != nil {
		return never, err
	}
	switch k.field {
	case "=":
		return l.cs.equals(b, v), nil
	case "<":
		return l.cs.test(b, atLeast(v).complement()), nil
	case ">":
		return l.cs.test(b, atMost(v).complement()), nil
	case "&":
		return l.cs.anyBit(b, v), nil
	}
	return l.cs.differs(l.vs.alu(aluOr, b, l.vs.constant(v)), 0), nil
}

// direction is inbound or outbound.
func (l *lowering) direction(k *keywordTerm) (condID, error) {
	cs := l.cs
	out := k.keyword.word == "outbound"
	pick := func(outbound, inbound uint32) uint32 {
		if out {
			return outbound
		}
		return inbound
	}
	const outgoing = 4 // PACKET_OUTGOING of linux/if_packet.h
	inOrOut := func(v valueID) condID {
		if out {
			return cs.equals(v, outgoing)
		}
		return cs.differs(v, outgoing)
	}
	at := func(k uint32, size uint8) valueID { return l.vs.load(size, noValue, k) }
	switch l.link {
	case linkTypeSLIP, linkTypePPPPPPD:
		return cs.equals(at(0, 1), pick(1, 0)), nil
	case linkTypeIPNet:
		return cs.equals(at(2, 2), pick(1, 2)), nil
	case LinkTypeLinuxSLL:
		return inOrOut(at(0, 2)), nil
	case LinkTypeLinuxSLL2:
		return inOrOut(at(10, 1)), nil
	case linkTypePFLog:
		return cs.equals(at(60, 1), pick(2, 1)), nil
	case linkTypeDSABroadcom:
		return cs.bits(at(12, 1), pick(0x20, 0), 0xe0), nil
	case linkTypeDSAMarvell:
		return cs.bits(at(12, 1), pick(0x40, 0), 0xc0), nil
	}
	if l.family == familyJuniper {
		return cs.bits(at(3, 1), pick(0, 1), 1), nil
	}
	if l.live {
		return inOrOut(l.vs.extra(2, extraPacketType)), nil
	}
	return never, l.unsupported(k.span, k.keyword.word+" in files")
}

// llc holds for packets with an LLC header, of a type if there is an argument.
func (l *lowering) llc(k *keywordTerm) (condID, error) {
	cs := l.cs
	var c condID
	switch {
	case l.family == familyEther && l.link != linkTypeNetAnalyzer && l.link != linkTypeNetAnalyzerT:
		// 0xffff is NetWare's 802.3 without LLC.
		c = cs.and(
			cs.test(l.field(l.proto, 0, 2), atMost(maxLength)),
			cs.differs(l.field(l.payload, 0, 2), 0xffff))
	case l.family == familySunATM:
		c = cs.bits(l.field(l.header, 0, 1), atmLLC, 0x0f)
	case l.link == linkTypeIEEE802, l.link == linkTypeFDDI, l.link == linkTypeATM:
		c = always
	case l.family == familyWLAN:
		c = l.dataFrame()
	default:
		return never, l.unsupported(k.span, "llc")
	}
	if len(k.args) == 0 {
		return c, nil
	}
	t, ok := llcTypes[strings.ToLower(k.args[0].text)]
	if k.args[0].kind == tokKeyword {
		t, ok = llcTypes[k.args[0].word]
	}
	if !ok {
		return never, l.errorAt(k.args[0].span(), "expected a type of LLC frame, not %s", k.args[0])
	}
	if l.family == familyWLAN {
		c = cs.and(c, l.ready)
	}
	return cs.and(c, cs.bits(l.field(l.payload, 2, 1), t.value, t.mask)), nil
}

// llcTypes are what the control byte is, under a mask.
var llcTypes = map[string]struct{ value, mask uint32 }{
	"i": {0, 0x01}, "s": {0x01, 0x03}, "u": {0x03, 0x03},
	"rr": {0x01, 0x0f}, "rnr": {0x05, 0x0f}, "rej": {0x09, 0x0f},
	"ui": {0x03, 0xef}, "ua": {0x63, 0xef}, "disc": {0x43, 0xef}, "dm": {0x0f, 0xef},
	"sabme": {0x6f, 0xef}, "test": {0xe3, 0xef}, "xid": {0xaf, 0xef}, "frmr": {0x87, 0xef},
}

// pf is a keyword for the logs of BSD's packet filter.
func (l *lowering) pf(k *keywordTerm) (condID, error) {
	if l.family != familyPFLog {
		return never, l.unsupported(k.span, k.keyword.text)
	}
	arg := k.args[0]
	at := func(k uint32, size uint8) valueID { return l.field(l.header, k, size) }
	switch word := k.keyword.word; word {
	case "ifname", "ruleset":
		o := l.header.plus(4)
		if word == "ruleset" {
			o = l.header.plus(20)
		}
		if len(arg.text) > 15 {
			return never, l.errorAt(arg.span(), "expected a name of at most 15 characters")
		}
		return l.bytes(o, []byte(arg.text)), nil
	case "rnr":
		return l.cs.equals(at(36, 4), arg.num), nil
	case "srnr":
		return l.cs.equals(at(40, 4), arg.num), nil
	case "reason":
		if arg.kind == tokNumber {
			return l.cs.equals(at(3, 1), arg.num), nil
		}
		n, ok := pfReasons[strings.ToLower(arg.text)]
		if !ok {
			return never, l.errorAt(arg.span(), "unknown reason %s", arg)
		}
		return l.cs.equals(at(3, 1), n), nil
	}
	n, ok := pfActions[strings.ToLower(arg.text)]
	if !ok {
		return never, l.errorAt(arg.span(), "unknown action %s", arg)
	}
	return l.cs.equals(at(2, 1), n), nil
}

// pfReasons and pfActions are those of all BSDs. A few numbers mean different
// things on different ones, but no name has two numbers.
var pfReasons = map[string]uint32{
	"match": 0, "bad-offset": 1, "fragment": 2, "short": 3, "normalize": 4, "memory": 5,
	"bad-timestamp": 6, "congestion": 7, "ip-option": 8, "proto-cksum": 9, "state-mismatch": 10,
	"state-insert": 11, "state-limit": 12, "src-limit": 13, "synproxy": 14,
	"state-locked": 15, "translate": 15, "dummynet": 15, "no-route": 16,
}

var pfActions = map[string]uint32{
	"pass": 0, "accept": 0, "drop": 1, "block": 1, "scrub": 2, "noscrub": 3, "nat": 4, "nonat": 5,
	"binat": 6, "nobinat": 7, "rdr": 8, "nordr": 9, "synproxy-drop": 10,
	"defer": 11, "match": 12, "divert": 13, "rt": 14,
	"dummynet": 11, "nodummynet": 12, "nat64": 13, "nonat64": 14,
}
