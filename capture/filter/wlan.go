package filter

import "strings"

// Bits of the first two bytes of an 802.11 header, IEEE 802.11-2020 9.2.4.1.
const (
	wlanControl  = 0x04
	wlanData     = 0x08
	wlanType     = 0x0c
	wlanSubtype  = 0xf0
	wlanQoS      = 0x80
	wlanCTS      = 0xc0
	wlanACK      = 0xd0
	wlanToDS     = 0x01
	wlanFromDS   = 0x02
	wlanBothDS   = 0x03
	wlanShortest = 24 // bytes of a data frame's header
)

// startWLAN finds the 802.11 header behind what a radio put before it, and the
// payload behind a header that is two bytes longer with QoS.
func (l *lowering) startWLAN() {
	vs, cs := l.vs, l.cs
	littleEndian := func() valueID { // the length of radiotap's and PPI's headers
		return vs.alu(aluOr, vs.alu(aluLsh, vs.load(1, noValue, 3), vs.constant(8)), vs.load(1, noValue, 2))
	}
	prefix := noValue
	switch l.link {
	case LinkTypeIEEE80211Radio:
		prefix = littleEndian()
	case linkTypePPI:
		prefix = littleEndian()
		const wlanLittleEndian = 105 << 24
		l.before = append(l.before, cs.equals(vs.load(4, noValue, 4), wlanLittleEndian))
	case linkTypeAVS:
		prefix = vs.load(4, noValue, 4)
	case linkTypePrism:
		// Some drivers put an AVS header here, which a cookie tells.
		v := l.newVariable()
		const cookie, length = 0x80211000, 144
		l.before = append(l.before, cs.or(
			cs.and(cs.bits(vs.load(4, noValue, 0), cookie, 0xfffff000), cs.assign(v, vs.load(4, noValue, 4), true)),
			cs.assign(v, vs.constant(length), true)))
		prefix = vs.variable(v)
	}
	l.header = offset{prefix, 0}
	qos := vs.alu(aluRsh, vs.alu(aluAnd, l.field(l.header, 0, 1), vs.constant(wlanQoS)), vs.constant(6))
	start := qos
	if prefix != noValue {
		start = vs.alu(aluAdd, qos, prefix)
	}
	l.payload = offset{start, wlanShortest}
	if l.link == LinkTypeIEEE80211Radio {
		l.alignWLAN(start)
	}
}

// alignWLAN is for radiotap, whose flags may tell that the payload was moved to a
// multiple of four. What is known of a packet is in its presence bits.
func (l *lowering) alignWLAN(start valueID) {
	const (
		flags, timestamp, more = 0x02000000, 0x01000000, 0x00000080 // little-endian
		padded                 = 0x20
	)
	vs, cs := l.vs, l.cs
	v := l.newVariable()
	aligned := vs.alu(aluAnd, vs.alu(aluAdd, start, vs.constant(wlanShortest+3)), vs.constant(^uint32(3)))
	present := vs.load(4, noValue, 4)
	pad := func(at uint32) condID { return cs.anyBit(vs.load(1, noValue, at), padded) }
	l.ready = cs.or(
		cs.test(vs.defined(v), only(1)),
		cs.and(
			cs.anyBit(present, flags), cs.bits(present, 0, more),
			cs.or(cs.and(cs.anyBit(present, timestamp), pad(16)), cs.and(cs.bits(present, 0, timestamp), pad(8))),
			cs.assign(v, aligned, true)),
		cs.assign(v, vs.alu(aluAdd, start, vs.constant(wlanShortest)), true))
	l.payload = offset{vs.variable(v), 0}
}

// dataFrame holds for data frames, which alone have a payload.
func (l *lowering) dataFrame() condID {
	return l.cs.bits(l.field(l.header, 0, 1), wlanData, wlanType)
}

// wlanHost holds for frames from or to an address. Which of the four addresses is
// the source and which the destination depends on the frame.
func (l *lowering) wlanHost(addr [6]byte, dir string) condID {
	cs := l.cs
	at := func(k uint32) condID { return l.bytes(l.header.plus(k), addr[:]) }
	first := l.field(l.header, 0, 1)
	is := func(value, mask uint32) condID { return cs.bits(first, value, mask) }
	hasSecond := cs.or(
		cs.not(is(wlanControl, wlanType)),
		cs.and(cs.not(is(wlanCTS, wlanSubtype)), cs.not(is(wlanACK, wlanSubtype))))
	switch dir {
	case "src":
		return l.wlanSource(at)
	case "dst":
		return l.wlanDestination(func(o offset) condID { return l.bytes(o, addr[:]) })
	case "and":
		return cs.and(l.wlanHost(addr, "src"), l.wlanHost(addr, "dst"))
	case "addr1":
		return at(4)
	case "addr2":
		return cs.and(hasSecond, at(10))
	case "addr3":
		return cs.and(cs.not(is(wlanControl, wlanType)), at(16))
	case "addr4":
		return cs.and(cs.bits(l.field(l.header, 1, 1), wlanBothDS, wlanBothDS), at(24))
	case "ra":
		return cs.and(cs.anyBit(first, wlanData), at(4))
	case "ta":
		return cs.and(cs.anyBit(first, wlanData), hasSecond, at(10))
	}
	return cs.or(l.wlanHost(addr, "src"), l.wlanHost(addr, "dst"))
}

// wlanSource applies a test to the source address, if there is one.
func (l *lowering) wlanSource(at func(k uint32) condID) condID {
	cs := l.cs
	first, second := l.field(l.header, 0, 1), l.field(l.header, 1, 1)
	return cs.and(
		cs.bits(first, 0, wlanControl),
		cs.or(
			cs.and(cs.bits(first, 0, wlanData), at(10)),
			cs.and(cs.anyBit(first, wlanData), cs.or(
				cs.and(cs.bits(second, 0, wlanFromDS), at(10)),
				cs.and(cs.anyBit(second, wlanFromDS), cs.or(
					cs.and(cs.bits(second, 0, wlanToDS), at(16)),
					cs.and(cs.anyBit(second, wlanToDS), at(24))))))))
}

// wlanDestination applies a test to the destination address, if there is one.
func (l *lowering) wlanDestination(test func(offset) condID) condID {
	cs := l.cs
	at := func(k uint32) condID { return test(l.header.plus(k)) }
	first, second := l.field(l.header, 0, 1), l.field(l.header, 1, 1)
	return cs.and(
		cs.bits(first, 0, wlanControl),
		cs.or(
			cs.and(cs.bits(first, 0, wlanData), at(4)),
			cs.and(cs.anyBit(first, wlanData), cs.or(
				cs.and(cs.bits(second, 0, wlanToDS), at(4)),
				cs.and(cs.anyBit(second, wlanToDS), at(16))))))
}

// wlanFrame is type, subtype or dir.
func (l *lowering) wlanFrame(k *keywordTerm) (condID, error) {
	if l.family != familyWLAN {
		return never, l.unsupported(k.span, k.keyword.text)
	}
	first := l.field(l.header, 0, 1)
	arg := k.args[0]
	switch k.keyword.word {
	case "dir":
		n := arg.num
		if arg.kind == tokName {
			var ok bool
			if n, ok = wlanDirections[strings.ToLower(arg.text)]; !ok {
				return never, l.errorAt(arg.span(), "expected nods, tods, fromds or dstods, not %s", arg)
			}
		}
		err := l.limit(arg.span(), "a direction", n, wlanBothDS)
		return l.cs.bits(l.field(l.header, 1, 1), n, wlanBothDS), err
	case "subtype":
		for _, kind := range []uint32{wlanManagement, wlanControl, wlanData} {
			if n, ok := wlanSubtypes[kind][strings.ToLower(arg.text)]; ok {
				return l.cs.bits(first, kind|n, wlanType|wlanSubtype), nil
			}
		}
		return never, l.errorAt(arg.span(), "unknown frame subtype %s", arg)
	}
	kind := arg.num
	if arg.kind == tokName {
		var ok bool
		if kind, ok = wlanTypes[strings.ToLower(arg.text)]; !ok {
			return never, l.errorAt(arg.span(), "expected mgt, ctl or data, not %s", arg)
		}
	} else if kind&^wlanType != 0 {
		return never, l.errorAt(arg.span(), "a frame type has no bits outside of %#x", wlanType)
	}
	if len(k.args) == 1 {
		return l.cs.bits(first, kind, wlanType), nil
	}
	arg = k.args[1]
	n := arg.num
	if arg.kind == tokName {
		var ok bool
		if n, ok = wlanSubtypes[kind][strings.ToLower(arg.text)]; !ok {
			return never, l.errorAt(arg.span(), "unknown subtype %s of that frame type", arg)
		}
	} else if n&^wlanSubtype != 0 {
		return never, l.errorAt(arg.span(), "a frame subtype has no bits outside of %#x", wlanSubtype)
	}
	return l.cs.bits(first, kind|n, wlanType|wlanSubtype), nil
}

const wlanManagement = 0

var wlanTypes = map[string]uint32{
	"mgt": wlanManagement, "management": wlanManagement,
	"ctl": wlanControl, "control": wlanControl, "data": wlanData,
}

var wlanDirections = map[string]uint32{"nods": 0, "tods": 1, "fromds": 2, "dstods": 3}

var wlanSubtypes = map[uint32]map[string]uint32{
	wlanManagement: {
		"assocreq": 0x00, "assoc-req": 0x00, "assocresp": 0x10, "assoc-resp": 0x10,
		"reassocreq": 0x20, "reassoc-req": 0x20, "reassocresp": 0x30, "reassoc-resp": 0x30,
		"probereq": 0x40, "probe-req": 0x40, "proberesp": 0x50, "probe-resp": 0x50,
		"beacon": 0x80, "atim": 0x90, "disassoc": 0xa0, "disassociation": 0xa0,
		"auth": 0xb0, "authentication": 0xb0, "deauth": 0xc0, "deauthentication": 0xc0,
	},
	wlanControl: {
		"bar": 0x80, "ba": 0x90, "ps-poll": 0xa0, "pspoll": 0xa0, "rts": 0xb0, "cts": 0xc0,
		"ack": 0xd0, "cf-end": 0xe0, "cf-end-ack": 0xf0,
	},
	wlanData: {
		"data": 0x00, "data-cf-ack": 0x10, "data-cf-poll": 0x20, "data-cf-ack-poll": 0x30,
		"null": 0x40, "cf-ack": 0x50, "cf-poll": 0x60, "cf-ack-poll": 0x70,
		"qos-data": 0x80, "qos-data-cf-ack": 0x90, "qos-data-cf-poll": 0xa0,
		"qos-data-cf-ack-poll": 0xb0, "qos": 0xc0, "qos-cf-poll": 0xe0, "qos-cf-ack-poll": 0xf0,
	},
}
