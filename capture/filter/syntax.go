package filter

// The syntax tree. What names and numbers mean is left to the lowering, which
// knows the link type; the tree knows where in the expression everything is.

// A span is a place in the expression, in bytes.
type span struct{ pos, len int }

func (s span) to(t span) span { return span{s.pos, t.pos + t.len - s.pos} }

// A term is a node of the tree that is true or false of a packet.
type term interface{ place() span }

// A listTerm is terms joined by and, or by or. The two bind equally and to the
// left, so a listTerm may stand first in another.
type listTerm struct {
	span
	or    bool
	terms []term
}

type notTerm struct {
	span
	of term
}

// A protoTerm is the name of a protocol by itself.
type protoTerm struct {
	span
	proto token
}

// A primitive is an address, a number or a name with the qualifiers before it,
// or with those of the primitive before it.
type primitive struct {
	span
	quals qualifiers
	id    token
	// mask is what follows a slash or the word mask.
	mask token
	// slash is set if mask is a number of bits.
	slash bool
}

// qualifiers say what an identifier means. Words are empty where left out.
type qualifiers struct {
	span
	proto token // a protocol
	dir   string
	kind  string // host, net, port, portrange, proto, protochain or gateway
	valid bool   // there were any
}

// A keywordTerm is a keyword with its arguments: vlan 5, less 100, inbound.
type keywordTerm struct {
	span
	proto   token // before broadcast, multicast, type, subtype and dir
	keyword token
	args    []token
	// field is the relation of a field keyword to its arguments, as in sio > 5.
	// There are several arguments only for equality.
	field string
}

// A relation compares two arithmetic expressions.
type relation struct {
	span
	op   token
	l, r arith
}

func (s span) place() span { return s }

// arith is a node of an arithmetic expression.
type arith interface{ place() span }

type numberArith struct {
	span
	value uint32
}

type lengthArith struct{ span }

type loadArith struct {
	span
	proto token
	index arith
	size  token // a number, or nothing
}

type binaryArith struct {
	span
	op   token
	l, r arith
}

type negArith struct {
	span
	of arith
}
