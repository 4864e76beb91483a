package filter

import "slices"

// vlan holds for packets with a VLAN tag, with a number if there is one, and
// lets everything to the right look behind the tag.
//
// Linux takes the outermost tag off a packet before a socket sees it, and keeps it
// beside; or leaves it in place. A live filter has to look for both, and to
// remember which it was.
func (l *lowering) vlan(k *keywordTerm) (condID, error) {
	if l.labels > 0 {
		return never, l.errorAt(k.span, "vlan can't be used behind mpls")
	}
	if l.family != familyEther && (l.family != familyWLAN || l.link == linkTypePPI) {
		return never, l.unsupported(k.span, "vlan")
	}
	for _, arg := range k.args {
		if err := l.limit(arg.span(), "a VLAN number", arg.num, 0xfff); err != nil {
			return never, err
		}
	}
	inPacket, err := l.linkProtos(k.span, ether8021Q, ether8021AD, etherQinQ)
	if err != nil {
		return never, err
	}
	cs := l.cs
	number := func(tci valueID) condID {
		if len(k.args) == 0 {
			return always
		}
		return cs.bits(tci, k.args[0].num, 0xfff)
	}
	inPacket = cs.and(inPacket, number(l.net(0, 2)))
	first := l.tags == 0
	l.tags++
	if !l.live || !first || l.link != LinkTypeEthernet || l.header != (offset{noValue, 0}) {
		l.proto.k += 4
		l.payload.k += 4
		return inPacket, nil
	}
	v, err := l.variable(k.span)
	if err != nil {
		return never, err
	}
	l.initially(v, l.vs.constant(0))
	present := cs.equals(l.vs.extra(1, extraVLANTagPresent), 1)
	beside := cs.and(present, cs.assign(v, l.vs.constant(0), true), number(l.vs.extra(2, extraVLANTag)))
	inside := cs.and(cs.not(present), cs.assign(v, l.vs.constant(4), true), inPacket)
	l.proto.base, l.payload.base = l.vs.variable(v), l.vs.variable(v)
	return cs.or(beside, inside), nil
}

// linkProtos holds for packets that carry any of several protocols.
func (l *lowering) linkProtos(s span, protos ...uint32) (condID, error) {
	list := make([]condID, len(protos))
	for i, p := range protos {
		c, err := l.linkProto(s, p)
		if err != nil {
			return never, err
		}
		list[i] = c
	}
	return l.cs.or(list...), nil
}

// mpls holds for packets with an MPLS label, or another one behind it.
func (l *lowering) mpls(k *keywordTerm) (condID, error) {
	var c condID
	var err error
	switch {
	case l.labels > 0: // the bottom of the stack isn't reached
		c = l.cs.bits(l.field(l.payload, l.network-2, 1), 0, 1)
	case l.family == familyEther, l.family == familyCHDLC:
		c, err = l.linkProto(k.span, etherMPLS)
	case l.link == LinkTypePPP:
		c, err = l.linkProto(k.span, pppMPLS)
	default:
		err = l.unsupported(k.span, "mpls")
	}
	if err != nil {
		return never, err
	}
	for _, arg := range k.args {
		if err := l.limit(arg.span(), "an MPLS label", arg.num, 0xfffff); err != nil {
			return never, err
		}
		c = l.cs.and(c, l.cs.bits(l.net(0, 4), arg.num<<12, 0xfffff000))
	}
	l.network += 4
	l.noSNAP += 4
	l.labels++
	return c, nil
}

// mplsProto tells IPv4 and IPv6 behind the last label by the version.
func (l *lowering) mplsProto(s span, p uint32) (condID, error) {
	version := uint32(0x40)
	switch p {
	case etherIP:
	case etherIPv6:
		version = 0x60
	default:
		return never, l.errorAt(s, "MPLS carries IPv4 and IPv6 only, as far as is known")
	}
	bottom := l.cs.bits(l.field(l.payload, l.network-2, 1), 1, 1)
	return l.cs.and(bottom, l.cs.bits(l.net(0, 1), version, 0xf0)), nil
}

// pppoes holds for packets of a PPPoE session, and lets everything to the right
// look at the PPP in it.
func (l *lowering) pppoes(k *keywordTerm) (condID, error) {
	c, err := l.linkProto(k.span, etherPPPoES)
	if err != nil {
		return never, err
	}
	for _, arg := range k.args {
		if err := l.limit(arg.span(), "a PPPoE session", arg.num, 0xffff); err != nil {
			return never, err
		}
		c = l.cs.and(c, l.cs.equals(l.net(2, 2), arg.num))
	}
	// Packets that are none get to what is read of the PPP too.
	l.before = append(l.before, l.ready)
	l.ready = always
	l.link, l.family, l.noProto = LinkTypePPP, familyPPP, false
	l.header = l.payload.plus(l.network + 6)
	l.proto, l.payload = l.header, l.header.plus(2)
	l.network, l.noSNAP = 0, 0
	l.frame, l.frameInProto = always, false
	return c, nil
}

// udpTunnel holds for UDP packets to a port that header accepts, given where the
// UDP header is, and puts into variable v what is skip bytes behind that.
func (l *lowering) udpTunnel(s span, port, skip uint32, v int, header func(udp offset) condID) (condID, error) {
	cs, vs := l.cs, l.vs
	into := func(udp offset) condID {
		at := vs.constant(udp.k + skip)
		if udp.base != noValue {
			at = vs.alu(aluAdd, udp.base, at)
		}
		return cs.and(header(udp), cs.assign(v, at, true))
	}
	v4, err := l.ports4(s, only(port), protoUDP, "dst")
	if err != nil {
		return never, err
	}
	v6, err := l.ports6(s, only(port), protoUDP, "dst")
	if err != nil {
		return never, err
	}
	return cs.or(cs.and(v4, into(l.headerEnd4())), cs.and(v6, into(l.payload.plus(l.network+40)))), nil
}

func (l *lowering) networkID(k *keywordTerm, o offset) (condID, error) {
	if len(k.args) == 0 {
		return always, nil
	}
	err := l.limit(k.args[0].span(), "a network identifier", k.args[0].num, 0xffffff)
	return l.cs.bits(l.field(o, 12, 4), k.args[0].num<<8, 0xffffff00), err
}

// vxlan holds for VXLAN packets, and lets everything to the right look at the
// frame inside. If the packet is none, that is the frame outside.
func (l *lowering) vxlan(k *keywordTerm) (condID, error) {
	v, err := l.variable(k.span)
	if err != nil {
		return never, err
	}
	var errID error
	c, err := l.udpTunnel(k.span, vxlanPort, 8+8, v, func(udp offset) condID {
		id, err := l.networkID(k, udp)
		errID = err
		return l.cs.and(l.cs.equals(l.field(udp, 8, 1), 0x08), id)
	})
	if err != nil || errID != nil {
		return never, firstError(err, errID)
	}
	outside := l.vs.constant(0)
	if l.header.base == noValue {
		outside = l.vs.constant(l.header.k)
	}
	l.initially(v, outside)
	c = l.cs.or(c, l.cs.assign(v, outside, false))
	l.enter(offset{l.vs.variable(v), 0}, always)
	return c, nil
}

// enter makes what follows look at an Ethernet frame.
func (l *lowering) enter(header offset, frame condID) {
	l.link, l.family, l.noProto = LinkTypeEthernet, familyEther, false
	l.header, l.proto, l.payload = header, header.plus(12), header.plus(14)
	l.network, l.noSNAP = 0, 3
	l.frame, l.frameInProto = frame, false
	l.ready = always
	l.tunnelled, l.labels = true, 0
}

// geneve holds for Geneve packets, and lets everything to the right look at what
// they carry: an Ethernet frame, or some protocol by itself.
func (l *lowering) geneve(k *keywordTerm) (condID, error) {
	var vars [4]int // where Geneve is, where it ends, its payload's protocol and network layer
	for i := range vars {
		v, err := l.variable(k.span)
		if err != nil {
			return never, err
		}
		vars[i] = v
	}
	cs, vs := l.cs, l.vs
	var errID error
	c, err := l.udpTunnel(k.span, genevePort, 8, vars[0], func(udp offset) condID {
		id, err := l.networkID(k, udp)
		errID = err
		return cs.and(cs.bits(l.field(udp, 8, 1), 0, 0xc0), id) // version 0
	})
	if err != nil || errID != nil {
		return never, firstError(err, errID)
	}
	geneve := vs.variable(vars[0])
	options := vs.alu(aluLsh, vs.alu(aluAnd, vs.load(1, geneve, 0), vs.constant(0x3f)), vs.constant(2))
	end := vs.alu(aluAdd, vs.alu(aluAdd, options, geneve), vs.constant(8))
	endVar := vs.variable(vars[1])
	isFrame := cs.equals(vs.load(2, geneve, 2), etherTEB)
	fallback := make([]condID, 0, len(vars))
	for i, o := range []offset{{noValue, 0}, l.header, l.proto, l.payload} {
		at := vs.constant(o.k)
		if o.base != noValue {
			at = vs.constant(0)
		}
		l.initially(vars[i], at)
		fallback = append(fallback, cs.assign(vars[i], at, true))
	}
	c = cs.or(
		cs.and(c, cs.assign(vars[1], end, true), cs.or(
			cs.and(isFrame,
				cs.assign(vars[2], vs.alu(aluAdd, endVar, vs.constant(12)), true),
				cs.assign(vars[3], vs.alu(aluAdd, endVar, vs.constant(14)), true)),
			cs.and(cs.not(isFrame),
				cs.assign(vars[2], vs.alu(aluAdd, geneve, vs.constant(2)), true),
				cs.assign(vars[3], endVar, true)))),
		cs.and(slices.Concat(fallback, []condID{never})...))
	l.enter(offset{endVar, 0}, cs.not(cs.equals(vs.compare(jmpJEq, endVar, vs.variable(vars[3])), 1)))
	l.proto, l.payload = offset{vs.variable(vars[2]), 0}, offset{vs.variable(vars[3]), 0}
	return c, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
