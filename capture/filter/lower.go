package filter

import (
	"errors"
	"fmt"
)

// An offset is a place in the packet, base+k; base is noValue for a fixed one.
type offset struct {
	base valueID
	k    uint32
}

func (o offset) plus(k uint32) offset { return offset{o.base, o.k + k} }

// A lowering turns the syntax tree into a condition. It goes through the tree in
// the order in which it is written, for vlan, mpls, pppoes, geneve, vxlan and
// lane change where everything to the right of them is looked for.
type lowering struct {
	expr     string
	layer    linkLayer // of the outermost header
	live     bool
	netmask  uint32
	hasMask  bool
	resolver Resolver
	vs       *values
	cs       *conds

	link    LinkType // of the header that is looked at now: a tunnel has another inside
	family  family
	header  offset // of the link layer
	proto   offset // of what names the protocol
	noProto bool   // nothing names it
	payload offset // of the link layer's payload, LLC included
	network uint32 // of the network layer, behind payload
	noSNAP  uint32 // of the same behind LLC without SNAP
	// frame holds if there is an Ethernet header at all: always, but for what
	// Geneve and ATM LANE carry.
	frame condID
	// frameInProto is set if tests of the protocol need frame too.
	frameInProto bool
	tunnelled    bool // inside Geneve or VXLAN
	labels       int  // MPLS labels so far
	tags         int  // VLAN tags so far
	variables    int

	// mixed is set for packets of all interfaces, but for Ethernet's.
	mixed bool
	// lenient has what the link type has no use for hold for no packet, and not be an
	// error; see mixed.go.
	lenient bool

	// ready makes what the payload's offset is made of; see wlan.go.
	ready condID
	// before is what the whole program begins with.
	before []condID
}

func (l *lowering) errorAt(s span, format string, args ...any) error {
	return &Error{Expr: l.expr, Pos: s.pos, Len: s.len, Msg: fmt.Sprintf(format, args...)}
}

// unsupported is the error for a keyword that a link type has no use for.
func (l *lowering) unsupported(s span, what string) error {
	return &Error{Expr: l.expr, Pos: s.pos, Len: s.len, Msg: fmt.Sprintf("%s is not supported on link type %s", what, l.link), Err: ErrLinkType}
}

// limit is an error if n is more than limit.
func (l *lowering) limit(s span, what string, n, limit uint32) error {
	if n > limit {
		return l.errorAt(s, "expected %s of at most %d, not %d", what, limit, n)
	}
	return nil
}

// nameError wraps what a Resolver returned.
func (l *lowering) nameError(t token, what string, err error) error {
	e := &Error{Expr: l.expr, Pos: t.pos, Len: t.len, Err: err}
	if errors.Is(err, ErrNoSuchName) {
		e.Msg = fmt.Sprintf("unknown %s %s", what, t)
	} else {
		e.Msg = fmt.Sprintf("looking up the %s %s: %v", what, t, err)
	}
	return e
}

// field is size bytes at an offset.
func (l *lowering) field(o offset, plus uint32, size uint8) valueID {
	return l.vs.load(size, o.base, o.k+plus)
}

// net is size bytes of the network layer.
func (l *lowering) net(plus uint32, size uint8) valueID {
	return l.field(l.payload, l.network+plus, size)
}

// variable makes a new one. There are too many if it returns an error.
func (l *lowering) variable(s span) (int, error) {
	if l.variables == maxVariables {
		return 0, &Error{Expr: l.expr, Pos: s.pos, Len: s.len, Msg: "too many headers of variable length", Err: ErrTooComplex}
	}
	return l.newVariable(), nil
}

func (l *lowering) newVariable() int {
	l.variables++
	return l.variables - 1
}

// initially gives a variable a value at the start, for packets that get to where it
// is read on ways that pass by what assigns it, as arp or vlan and ip has.
func (l *lowering) initially(v int, val valueID) {
	l.before = append(l.before, l.cs.assign(v, val, true))
}

// bytes holds if the packet has these bytes at an offset. The last come first,
// as in libpcap, four at a time.
func (l *lowering) bytes(o offset, b []byte) condID {
	var list []condID
	for n := len(b); n > 0; {
		size := 4
		for size > n {
			size /= 2
		}
		n -= size
		k := uint32(0)
		for _, c := range b[n : n+size] {
			k = k<<8 | uint32(c)
		}
		list = append(list, l.cs.equals(l.field(o, uint32(n), uint8(size)), k))
	}
	return l.cs.and(list...)
}

// whole lowers a whole expression.
func (l *lowering) whole(t term) (condID, error) {
	c, err := l.lower(t)
	if err != nil || t == nil {
		return c, err
	}
	return l.cs.and(append(l.before, c)...), nil
}

func (l *lowering) lower(t term) (condID, error) {
	switch t := t.(type) {
	case nil:
		return always, nil
	case *listTerm:
		list := make([]condID, len(t.terms))
		for i, kid := range t.terms {
			c, err := l.lower(kid)
			if err != nil {
				return never, err
			}
			list[i] = c
		}
		if t.or {
			return l.cs.or(list...), nil
		}
		return l.cs.and(list...), nil
	case *notTerm:
		c, err := l.lower(t.of)
		return l.cs.not(c), err
	}
	c, err := l.leaf(t)
	if l.lenient && (errors.Is(err, ErrLinkType) || l.vs.unavailable) {
		l.vs.unavailable = false
		return never, nil
	}
	return c, err
}

// leaf lowers a term that holds no others.
func (l *lowering) leaf(t term) (condID, error) {
	switch t := t.(type) {
	case *protoTerm:
		return l.protocol(t.proto)
	case *primitive:
		return l.primitive(t)
	case *keywordTerm:
		return l.keyword(t)
	case *relation:
		return l.relation(t)
	}
	return never, l.errorAt(t.place(), "this can't be compiled")
}

// protocol holds for packets of a protocol by its name alone.
func (l *lowering) protocol(t token) (condID, error) {
	if p, ok := linkProtocols[t.word]; ok {
		return l.linkProto(t.span(), p)
	}
	if p, ok := ipProtocols[t.word]; ok {
		switch {
		case p.ipv4 && p.ipv6:
			return l.ipProto(t.span(), "", p.number)
		case p.ipv4:
			return l.ipProto(t.span(), "ip", p.number)
		}
		return l.ipProto(t.span(), "ip6", p.number)
	}
	if nlpid, ok := isoNames[t.word]; ok {
		return l.isoProto(t.span(), nlpid)
	}
	if pdus, ok := isisPDUs[t.word]; ok {
		list := make([]condID, len(pdus))
		for i, pdu := range pdus {
			c, err := l.isisPDU(t.span(), pdu)
			if err != nil {
				return never, err
			}
			list[i] = c
		}
		return l.cs.or(list...), nil
	}
	return never, l.errorAt(t.span(), "expected a protocol that packets can be of, %s is none", t)
}

// ipProto holds for packets of a protocol above IP, ip or ip6, or either if
// version is empty. In IPv6 a fragment header may stand between.
func (l *lowering) ipProto(s span, version string, number uint32) (condID, error) {
	if err := l.limit(s, "a protocol number", number, 255); err != nil {
		return never, err
	}
	var list []condID
	if version != "ip6" {
		ip, err := l.linkProto(s, etherIP)
		if err != nil {
			return never, err
		}
		list = append(list, l.cs.and(ip, l.cs.equals(l.net(9, 1), number)))
	}
	if version != "ip" {
		ip6, err := l.linkProto(s, etherIPv6)
		if err != nil {
			return never, err
		}
		next := l.net(6, 1)
		list = append(list, l.cs.and(ip6, l.cs.or(
			l.cs.equals(next, number),
			l.cs.and(l.cs.equals(next, protoFragment), l.cs.equals(l.net(40, 1), number)))))
	}
	return l.cs.or(list...), nil
}

// isoProto holds for OSI packets with an NLPID.
func (l *lowering) isoProto(s span, nlpid uint32) (condID, error) {
	if err := l.limit(s, "an OSI protocol", nlpid, 255); err != nil {
		return never, err
	}
	switch l.family {
	case familyFrameRelay:
		return l.cs.equals(l.field(l.header, 2, 2), 0x03<<8|nlpid), nil
	case familyCHDLC:
		iso, err := l.linkProto(s, sapISO<<8|sapISO)
		return l.cs.and(iso, l.cs.equals(l.field(l.payload, l.noSNAP+1, 1), nlpid)), err
	}
	iso, err := l.linkProto(s, sapISO)
	return l.cs.and(iso, l.cs.equals(l.field(l.payload, l.noSNAP, 1), nlpid)), err
}

// isisPDU holds for IS-IS packets of a PDU type.
func (l *lowering) isisPDU(s span, pdu uint32) (condID, error) {
	const mask = 0x1f
	if err := l.limit(s, "an IS-IS PDU type", pdu, mask); err != nil {
		return never, err
	}
	isis, err := l.isoProto(s, nlpidISIS)
	at := uint32(4)
	if l.family == familyCHDLC {
		at = 5
	}
	return l.cs.and(isis, l.cs.bits(l.field(l.payload, l.noSNAP+at, 1), pdu, mask)), err
}
