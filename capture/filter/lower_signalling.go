package filter

import "math/bits"

// What SunATM's pseudo-header tells: the traffic, VPI and VCI.
const (
	atmLANE = 1
	atmLLC  = 2
	atmVPI  = 1
	// Circuits of path 0 for operation and maintenance, of a segment and end to end.
	vciSegmentOAM = 3
	vciEndOAM     = 4
	atmVCI        = 2
	atmStart      = 4
	atmMsg        = 9 // the Q.2931 message type
)

var atmCircuits = map[string]set{
	"metac": only(1), "bcc": only(2), "oamf4sc": only(vciSegmentOAM), "oamf4ec": only(vciEndOAM), "sc": only(5),
	"ilmic": only(16), "oam": between(vciSegmentOAM, vciEndOAM), "oamf4": between(vciSegmentOAM, vciEndOAM),
}

// atm is a keyword for SunATM.
func (l *lowering) atm(k *keywordTerm) (condID, error) {
	if l.layer.family != familySunATM {
		return never, l.unsupported(k.span, k.keyword.text)
	}
	cs := l.cs
	vpi, vci := l.vs.load(1, noValue, atmVPI), l.vs.load(2, noValue, atmVCI)
	circuit := func(s set) condID { return cs.and(cs.equals(vpi, 0), cs.test(vci, s)) }
	const setup, proceeding, connect, connectAck, release, releaseDone = 0x05, 0x02, 0x07, 0x0f, 0x4d, 0x5a
	messages := only(setup).union(only(proceeding)).union(only(connect)).union(only(release)).union(only(releaseDone))
	message := l.vs.load(1, noValue, atmMsg)
	switch word := k.keyword.word; word {
	case "vpi":
		return l.compareField(k, vpi, 0xff, func(n uint32) uint32 { return n })
	case "vci":
		return l.compareField(k, vci, 0xffff, func(n uint32) uint32 { return n })
	case "lane":
		c := cs.bits(l.vs.load(1, noValue, 0), atmLANE, 0x0f)
		// From here on it is Ethernet, unless it is a control message.
		l.link, l.family = LinkTypeEthernet, familyEther
		l.header = offset{noValue, atmStart + 2}
		l.proto, l.payload = l.header.plus(12), l.header.plus(14)
		l.network, l.noSNAP = 0, 3
		l.frame, l.frameInProto = cs.differs(l.vs.load(2, noValue, atmStart), 0xff00), true
		return c, nil
	case "connectmsg":
		return cs.and(circuit(only(5)), cs.test(message, messages.union(only(connectAck)))), nil
	case "metaconnect":
		return cs.and(circuit(only(1)), cs.test(message, messages)), nil
	default:
		return circuit(atmCircuits[word]), nil
	}
}

// compareField compares a field with the arguments of its keyword, each at most
// limit, after putting them as they are in the packet.
func (l *lowering) compareField(k *keywordTerm, v valueID, limit uint32, place func(uint32) uint32) (condID, error) {
	s := noValues
	for _, arg := range k.args {
		if err := l.limit(arg.span(), k.keyword.text, arg.num, limit); err != nil {
			return never, err
		}
		n := place(arg.num)
		switch k.field {
		case "=":
			s = s.union(only(n))
		case "!=":
			s = only(n).complement()
		case ">":
			s = atMost(n).complement()
		case ">=":
			s = atLeast(n)
		case "<":
			s = atLeast(n).complement()
		case "<=":
			s = atMost(n)
		}
	}
	return l.cs.test(v, s), nil
}

// signalling is a keyword for SS7 on MTP2, or its high speed variant with h in
// front. Fields are little-endian; like libpcap we compare them as they are
// loaded, so < and > are right only within a byte.
func (l *lowering) signalling(k *keywordTerm) (condID, error) {
	li := l.layer.ss7
	if li == 0 {
		return never, l.unsupported(k.span, k.keyword.text)
	}
	masked := func(at uint32, size uint8, mask uint32) valueID {
		return l.vs.alu(aluAnd, l.vs.load(size, noValue, at), l.vs.constant(mask))
	}
	word, shift := k.keyword.word, uint32(0)
	if word[0] == 'h' {
		word, shift = word[1:], 3
	}
	const pointCode, selection = 0x3fff, 0xf
	switch word {
	case "sio":
		return l.compareField(k, l.vs.load(1, noValue, li+1+shift), 0xff, func(n uint32) uint32 { return n })
	case "opc":
		return l.compareField(k, masked(li+2+shift, 4, bits.ReverseBytes32(pointCode<<14)), pointCode,
			func(n uint32) uint32 { return bits.ReverseBytes32(n << 14) })
	case "dpc":
		return l.compareField(k, masked(li+2+shift, 2, uint32(bits.ReverseBytes16(pointCode))), pointCode,
			func(n uint32) uint32 { return uint32(bits.ReverseBytes16(uint16(n))) })
	case "sls":
		return l.compareField(k, masked(li+5+shift, 1, selection<<4), selection,
			func(n uint32) uint32 { return n << 4 })
	}
	length, one := masked(li, 1, 0x3f), uint32(1)
	if shift > 0 {
		length, one = masked(li+2, 2, 0xff80), 0x80
	}
	switch word {
	case "fisu": // nothing
		return l.cs.equals(length, 0), nil
	case "lssu": // one or two bytes
		return l.cs.test(length, between(1, 2*one)), nil
	}
	return l.cs.test(length, atMost(2*one).complement()), nil
}
