package filter

// relation holds if two arithmetic expressions compare as it says, and the packet
// is of all protocols whose bytes they read.
func (l *lowering) relation(r *relation) (condID, error) {
	left, leftOK, err := l.arith(r.l)
	if err != nil {
		return never, err
	}
	right, rightOK, err := l.arith(r.r)
	if err != nil {
		return never, err
	}
	return l.cs.and(leftOK, rightOK, l.compare(r.op.word, left, right)), nil
}

func (l *lowering) compare(op string, left, right valueID) condID {
	cs, vs := l.cs, l.vs
	if _, ok := vs.isConst(left); ok {
		left, right = right, left
		switch op {
		case "<":
			op = ">"
		case "<=":
			op = ">="
		case ">":
			op = "<"
		case ">=":
			op = "<="
		}
	}
	if k, ok := vs.isConst(right); ok {
		switch op {
		case "=":
			return cs.equals(left, k)
		case "!=":
			return cs.differs(left, k)
		case ">":
			return cs.test(left, atMost(k).complement())
		case "<=":
			return cs.test(left, atMost(k))
		case ">=":
			return cs.test(left, atLeast(k))
		}
		return cs.test(left, atLeast(k).complement())
	}
	holds := func(op uint16, result uint32) condID { return cs.test(vs.compare(op, left, right), only(result)) }
	switch op {
	case "=":
		return holds(jmpJEq, 1)
	case "!=":
		return cs.not(holds(jmpJEq, 1))
	case ">":
		return holds(jmpJGt, 1)
	case "<=":
		return cs.not(holds(jmpJGt, 1))
	case ">=":
		return holds(jmpJGe, 1)
	}
	return cs.not(holds(jmpJGe, 1))
}

var aluOps = map[string]uint16{
	"+": aluAdd, "-": aluSub, "*": aluMul, "/": aluDiv, "%": aluMod, "&": aluAnd, "|": aluOr,
	"^": aluXor, "<<": aluLsh, ">>": aluRsh,
}

// arith is the value of an arithmetic expression, and what must hold for it to
// make sense: as in libpcap, that is what its leftmost operand needs. Others may
// be read from packets of another protocol.
func (l *lowering) arith(a arith) (valueID, condID, error) {
	switch a := a.(type) {
	case *numberArith:
		return l.vs.constant(a.value), always, nil
	case *lengthArith:
		return l.vs.length(), always, nil
	case *negArith:
		v, ok, err := l.arith(a.of)
		if err != nil {
			return 0, never, err
		}
		return l.vs.neg(v), ok, nil
	case *binaryArith:
		left, leftOK, err := l.arith(a.l)
		if err != nil {
			return 0, never, err
		}
		right, rightOK, err := l.arith(a.r)
		if err != nil {
			return 0, never, err
		}
		if l.family == familyWLAN { // there is no payload to read from in most frames
			leftOK = l.cs.and(leftOK, rightOK)
		}
		op := aluOps[a.op.word]
		if k, ok := l.vs.isConst(right); ok {
			switch {
			case k == 0 && (op == aluDiv || op == aluMod):
				return 0, never, l.errorAt(a.r.place(), "division by zero")
			case k > 31 && (op == aluLsh || op == aluRsh):
				return 0, never, l.errorAt(a.r.place(), "a shift by more than 31 bits")
			}
		}
		return l.vs.alu(op, left, right), leftOK, nil
	case *loadArith:
		return l.load(a)
	}
	return 0, never, l.errorAt(a.place(), "this can't be compiled")
}

// load is a part of the packet.
func (l *lowering) load(a *loadArith) (valueID, condID, error) {
	index, ok, err := l.arith(a.index)
	if err != nil {
		return 0, never, err
	}
	size := uint8(1)
	if a.size.len > 0 {
		size = uint8(a.size.num)
	}
	s := a.proto.span()
	var base offset
	var is condID
	switch word := a.proto.word; word {
	case "radio":
		if l.family != familyWLAN || l.header.base == noValue || l.link == linkTypePPI {
			return 0, never, l.unsupported(s, "radio")
		}
		base, is = offset{noValue, 0}, always
	case "link":
		if l.headerless() {
			return 0, never, l.unsupported(s, "a byte of the link-layer header")
		}
		base, is = l.header, always
	case "ip", "arp", "rarp", "atalk", "decnet", "sca", "lat", "moprc", "mopdl", "ip6":
		base = l.payload.plus(l.network)
		is, err = l.linkProto(s, linkProtocols[word])
	case "tcp", "udp", "sctp", "icmp", "igmp", "igrp", "pim", "vrrp", "carp":
		if is, err = l.linkProto(s, etherIP); err == nil {
			base = l.headerEnd4()
			is = l.cs.and(is, l.cs.equals(l.net(9, 1), ipProtocols[word].number), l.firstFragment())
		}
	case "icmp6":
		if is, err = l.linkProto(s, etherIPv6); err == nil {
			base = l.payload.plus(l.network + 40)
			is = l.cs.and(is, l.cs.equals(l.net(6, 1), protoICMPv6))
		}
	default:
		err = l.errorAt(a.span, "%s can't be indexed", a.proto)
	}
	if err != nil {
		return 0, never, err
	}
	k, fixed := l.vs.isConst(index)
	switch {
	case fixed:
		base.k += k
	case base.base == noValue:
		base.base = index
	default:
		base.base = l.vs.alu(aluAdd, base.base, index)
	}
	return l.field(base, 0, size), l.cs.and(ok, is), nil
}
