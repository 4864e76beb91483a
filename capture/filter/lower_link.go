package filter

import "encoding/binary"

// linkProto holds for packets that carry a protocol, an EtherType or, up to
// maxLength, an LLC service access point.
func (l *lowering) linkProto(s span, p uint32) (condID, error) {
	if l.labels > 0 {
		return l.mplsProto(s, p)
	}
	cs := l.cs
	switch l.family {
	case familyEther:
		c, err := l.etherProto(s, p)
		if l.frameInProto {
			c = cs.and(l.frame, c)
		}
		return c, err
	case familyEtherOnly:
		if l.mixed && !l.lenient && overLLC(p) {
			return never, l.unsupported(s, "a protocol over LLC")
		}
		return cs.equals(l.field(l.proto, 0, 2), p), l.limit(s, "an EtherType", p, 0xffff)
	case familyLLC:
		return l.llcProto(s, p)
	case familyWLAN:
		c, err := l.llcProto(s, p)
		return cs.and(l.dataFrame(), l.ready, c), err
	case familySunATM:
		c, err := l.llcProto(s, p)
		return cs.and(cs.bits(l.field(l.header, 0, 1), atmLLC, 0x0f), c), err
	case familySLL:
		return l.sllProto(s, p)
	case familyIP:
		switch p {
		case etherIP:
			return cs.bits(l.field(l.header, 0, 1), 0x40, 0xf0), nil
		case etherIPv6:
			return cs.bits(l.field(l.header, 0, 1), 0x60, 0xf0), nil
		}
		return never, nil
	case familyIPv4:
		return truth(p == etherIP), nil
	case familyIPv6:
		return truth(p == etherIPv6), nil
	case familyPPP, familyPPPBSDOS:
		kind := l.field(l.proto, 0, 2)
		if l.family == familyPPPBSDOS && p == etherIP {
			// Van Jacobson's compressed headers too.
			return cs.test(kind, only(pppIP).union(only(pppVJC)).union(only(pppVJNC))), nil
		}
		p = pppFrom(p)
		return cs.equals(kind, p), l.limit(s, "a PPP protocol", p, 0xffff)
	case familyCHDLC:
		if p == sapISO {
			p = sapISO<<8 | sapISO
		}
		return cs.equals(l.field(l.proto, 0, 2), p), l.limit(s, "an HDLC protocol", p, 0xffff)
	case familyLoopback:
		return cs.test(l.field(l.header, 0, 4), l.addressFamily(p)), nil
	case familyPFLog:
		return cs.test(l.field(l.header, 1, 1), l.addressFamily(p)), nil
	case familyARCNet:
		kind, ok := map[uint32]uint32{etherIP: 212, etherARP: 213, etherRARP: 214, etherATalk: 221, etherIPv6: 196}[p]
		if !ok {
			return never, nil
		}
		return cs.equals(l.field(l.proto, 0, 1), kind), nil
	case familyLocalTalk:
		return truth(p == etherATalk), nil
	case familyFrameRelay:
		nlpid := l.field(l.header, 2, 2)
		switch p {
		case etherIP:
			return cs.equals(nlpid, 0x03cc), nil
		case etherIPv6:
			return cs.equals(nlpid, 0x038e), nil
		case sapISO:
			return cs.test(nlpid, between(0x0300|nlpidCLNP, 0x0300|nlpidISIS)), nil
		}
		return never, nil
	case familyJuniper:
		return cs.bits(l.field(l.header, 0, 4), 0x4d474300, 0xffffff00), nil
	case familyIPNet:
		switch p {
		case etherIP:
			return cs.equals(l.field(l.proto, 0, 1), 2), nil
		case etherIPv6:
			return cs.equals(l.field(l.proto, 0, 1), 26), nil
		}
		return never, nil
	}
	return never, l.errorAt(s, "packets of link type %s don't name the protocol they carry in a way that is known", l.link)
}

// etherProto tells EtherTypes from lengths, behind which LLC begins.
func (l *lowering) etherProto(s span, p uint32) (condID, error) {
	cs := l.cs
	kind := l.field(l.proto, 0, 2)
	length := cs.test(kind, atMost(maxLength))
	switch p {
	case sapIP, sapISO, sapNetBEUI:
		return cs.and(length, cs.equals(l.field(l.payload, 0, 2), p<<8|p)), nil
	case sapIPX:
		// Ethernet II, 802.2, 802.3 without LLC, SNAP.
		return cs.or(
			cs.equals(kind, etherIPX),
			cs.and(length, cs.or(
				l.snap(0, etherIPX),
				cs.equals(l.field(l.payload, 0, 1), sapIPX),
				cs.equals(l.field(l.payload, 0, 2), 0xffff)))), nil
	case etherATalk:
		return cs.or(cs.equals(kind, p), cs.and(length, l.snap(0x080007, p))), nil
	case etherAARP:
		return cs.or(cs.equals(kind, p), cs.and(length, l.snap(0, p))), nil
	}
	if p <= maxLength {
		return cs.and(length, cs.equals(l.field(l.proto, 2, 1), p)), l.limit(s, "an LLC service access point", p, 255)
	}
	return cs.equals(kind, p), l.limit(s, "an EtherType", p, 0xffff)
}

// snap holds for a SNAP header of an organisation's protocol.
func (l *lowering) snap(organisation, p uint32) condID {
	b := []byte{0xaa, 0xaa, 0x03, byte(organisation >> 16), byte(organisation >> 8), byte(organisation), byte(p >> 8), byte(p)}
	return l.bytes(l.payload, b)
}

// llcProto is for link layers that always have LLC. EtherTypes are looked for
// where SNAP has them, the rest of SNAP isn't checked.
func (l *lowering) llcProto(s span, p uint32) (condID, error) {
	switch p {
	case sapIP, sapISO, sapNetBEUI:
		return l.cs.equals(l.field(l.payload, 0, 2), p<<8|p), nil
	case etherATalk:
		return l.snap(0x080007, p), nil
	}
	if p <= maxLength {
		return l.cs.equals(l.field(l.payload, 0, 1), p), l.limit(s, "an LLC service access point", p, 255)
	}
	return l.cs.equals(l.field(l.payload, 6, 2), p), l.limit(s, "an EtherType", p, 0xffff)
}

// sllProto is for LINUX_SLL, whose protocol field tells 802.3 and 802.2 apart by
// numbers of its own.
func (l *lowering) sllProto(s span, p uint32) (condID, error) {
	const novell, llc = 1, 4
	cs := l.cs
	kind := l.field(l.proto, 0, 2)
	hasLLC := cs.equals(kind, llc)
	switch p {
	case sapIP, sapISO, sapNetBEUI:
		return cs.and(hasLLC, cs.equals(l.field(l.payload, 0, 2), p<<8|p)), nil
	case sapIPX:
		return cs.or(
			cs.test(kind, only(etherIPX).union(only(novell))),
			cs.and(hasLLC, cs.or(
				cs.equals(l.field(l.payload, 0, 1), sapIPX),
				l.snap(0, etherIPX)))), nil
	case etherATalk:
		return cs.or(cs.equals(kind, p), cs.and(hasLLC, l.snap(0x080007, p))), nil
	case etherAARP:
		return cs.or(cs.equals(kind, p), cs.and(hasLLC, l.snap(0, p))), nil
	}
	if p <= maxLength {
		return cs.and(hasLLC, cs.equals(l.field(l.payload, 0, 1), p)), l.limit(s, "an LLC service access point", p, 255)
	}
	return cs.equals(kind, p), l.limit(s, "an EtherType", p, 0xffff)
}

func pppFrom(p uint32) uint32 {
	switch p {
	case etherIP:
		return pppIP
	case etherIPv6:
		return pppIPv6
	case etherDECnet:
		return pppDECnet
	case etherATalk:
		return pppATalk
	case etherNS:
		return pppNS
	case sapISO:
		return pppOSI
	case sapSTP:
		return pppBridge
	case sapIPX:
		return pppIPX
	}
	return p
}

// addressFamily are the numbers that AF_INET or AF_INET6 may have in a packet. In
// a file it may come from any BSD, and NULL and ENC have it in the order of the
// bytes of the machine that captured. For a live capture it is this machine's.
func (l *lowering) addressFamily(p uint32) set {
	const (
		inet       = 2
		inet6Linux = 10
	)
	var numbers []uint32
	switch {
	case p == etherIP:
		numbers = []uint32{inet}
	case p == etherIPv6 && l.live:
		numbers = []uint32{inet6Linux}
	case p == etherIPv6:
		numbers = []uint32{24, 28, 30} // NetBSD and OpenBSD, FreeBSD, Darwin
	}
	s := noValues
	for _, n := range numbers {
		if l.link == LinkTypeLoop || l.link == linkTypePFLog {
			s = s.union(only(n))
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], n)
		s = s.union(only(binary.BigEndian.Uint32(b[:])))
		if !l.live {
			s = s.union(only(binary.LittleEndian.Uint32(b[:])))
		}
	}
	return s
}

// macHost holds for packets from or to a 48-bit hardware address.
func (l *lowering) macHost(s span, addr [6]byte, dir, what string) (condID, error) {
	if l.family == familyWLAN {
		return l.wlanHost(addr, dir), nil
	}
	if !l.hasMAC() {
		return never, l.unsupported(s, what)
	}
	src, dst := l.addresses()
	c, err := l.directed(s, dir, func(from bool) condID {
		if from {
			return l.bytes(src, addr[:])
		}
		return l.bytes(dst, addr[:])
	})
	return l.cs.and(l.frame, c), err
}

// hasMAC tells whether there are 48-bit addresses.
func (l *lowering) hasMAC() bool {
	return l.family == familyEther || l.layer.macSize == 6 && l.family == l.layer.family
}

// addresses is where the 48-bit addresses are.
func (l *lowering) addresses() (src, dst offset) {
	if l.family == familyEther {
		return l.header.plus(6), l.header
	}
	o := offset{noValue, 0}
	return o.plus(l.layer.src), o.plus(l.layer.dst)
}

// directed joins tests of a source and a destination as a direction says.
func (l *lowering) directed(s span, dir string, test func(source bool) condID) (condID, error) {
	switch dir {
	case "src":
		return test(true), nil
	case "dst":
		return test(false), nil
	case "and":
		return l.cs.and(test(true), test(false)), nil
	case "", "or":
		return l.cs.or(test(true), test(false)), nil
	}
	return never, l.errorAt(s, "%s is for 802.11 addresses only", dir)
}

// shortHost holds for packets from or to an 8-bit hardware address.
func (l *lowering) shortHost(s span, addr byte, dir, what string) (condID, error) {
	if l.layer.macSize != 1 || l.family != l.layer.family {
		return never, l.unsupported(s, what)
	}
	return l.directed(s, dir, func(source bool) condID {
		at := l.layer.dst
		if source {
			at = l.layer.src
		}
		return l.cs.equals(l.vs.load(1, noValue, at), uint32(addr))
	})
}
