package filter

import "math"

// A valueID names a value of a packet, as an index into values.all. Equal
// expressions have equal IDs.
type valueID int32

// noValue stands where there is none: the base of a load at a fixed offset.
const noValue valueID = -1

type valueOp uint8

const (
	opConst   valueOp = iota // k
	opLen                    // the packet's length on the wire
	opExtra                  // size bytes of what the kernel knows of the packet, at k of SKF_AD_OFF
	opVar                    // variable k, which assignments give a value
	opLoad                   // size bytes of the packet at k, or at l+k
	opALU                    // l alu r
	opNeg                    // -l
	opCompare                // 1 if l alu r, else 0; alu is one of jeq, jgt, jge
	opChain                  // 1 if chains[k] finds its protocol, else 0
	opDefined                // 1 if variable k has been given a value; never emitted
)

// A value is a pure expression over the packet. Loads beyond the packet's end
// reject it, wherever the expression stands.
type value struct {
	op   valueOp
	size uint8  // of a load: 1, 2 or 4 bytes
	alu  uint16 // BPF_ALU or BPF_JMP operation
	k    uint32
	l, r valueID
}

// maxVariables is how many there are at most: sets of them are bit masks.
const maxVariables = 64

// values makes values, folds constants and keeps equal ones together.
type values struct {
	all   []value
	known map[value]valueID
	// cookedHeader is the length of the LINUX_SLL or LINUX_SLL2 header that the
	// kernel's packets lack, 0 where they lack nothing; see cooked.go.
	cookedHeader uint32
	cookedField  func(off uint32, size uint8) (extra uint32, ok bool)
	// unavailable is set if a load needs part of a cooked header that the
	// kernel can't give.
	unavailable bool
	chains      []headerChain
}

func newValues() *values { return &values{known: make(map[value]valueID)} }

func (vs *values) at(id valueID) value { return vs.all[id] }

func (vs *values) intern(v value) valueID {
	if id, ok := vs.known[v]; ok {
		return id
	}
	id := valueID(len(vs.all))
	vs.all = append(vs.all, v)
	vs.known[v] = id
	return id
}

func (vs *values) constant(k uint32) valueID {
	return vs.intern(value{op: opConst, k: k, l: noValue, r: noValue})
}

func (vs *values) length() valueID {
	return vs.intern(value{op: opLen, l: noValue, r: noValue})
}

func (vs *values) extra(size uint8, k uint32) valueID {
	return vs.intern(value{op: opExtra, size: size, k: k, l: noValue, r: noValue})
}

func (vs *values) variable(k int) valueID {
	return vs.intern(value{op: opVar, k: uint32(k), l: noValue, r: noValue})
}

func (vs *values) defined(k int) valueID {
	return vs.intern(value{op: opDefined, k: uint32(k), l: noValue, r: noValue})
}

func (vs *values) chain(c headerChain) valueID {
	c.cooked = vs.cookedHeader
	vs.chains = append(vs.chains, c)
	return vs.intern(value{op: opChain, k: uint32(len(vs.chains) - 1), l: noValue, r: noValue})
}

func (vs *values) isConst(id valueID) (uint32, bool) {
	if id == noValue {
		return 0, false
	}
	v := vs.all[id]
	return v.k, v.op == opConst
}

// load is size bytes at base+k, base being noValue for a fixed offset.
func (vs *values) load(size uint8, base valueID, k uint32) valueID {
	if c, ok := vs.isConst(base); ok {
		base, k = noValue, k+c
	}
	if base != noValue && vs.cookedHeader == 0 {
		// An index that can't wrap around leaves its constant to the load.
		if l, by, ok := vs.sum(base); ok && vs.largest(l) <= math.MaxUint16 && k < math.MaxUint16 && by < math.MaxUint16 {
			base, k = l, k+by
		}
	}
	if vs.cookedHeader > 0 {
		switch {
		case k >= vs.cookedHeader && k < extraOffset-networkOffset:
			k += networkOffset - vs.cookedHeader
		case k >= vs.cookedHeader && k < math.MaxInt32:
			// Behind the end of any packet, however it is counted.
		default:
			extra, ok := vs.cookedField(k, size)
			if !ok || base != noValue {
				vs.unavailable = true
			}
			return vs.extra(size, extra)
		}
	}
	return vs.intern(value{op: opLoad, size: size, k: k, l: base, r: noValue})
}

// headerLength is the IPv4 header length in bytes of the header at base+k.
func (vs *values) headerLength(base valueID, k uint32) valueID {
	b := vs.load(1, base, k)
	return vs.alu(aluLsh, vs.alu(aluAnd, b, vs.constant(0xf)), vs.constant(2))
}

func (vs *values) neg(l valueID) valueID {
	if k, ok := vs.isConst(l); ok {
		return vs.constant(-k)
	}
	return vs.intern(value{op: opNeg, l: l, r: noValue})
}

// alu is l op r. Division by a constant zero must have been refused.
func (vs *values) alu(op uint16, l, r valueID) valueID {
	lk, lConst := vs.isConst(l)
	rk, rConst := vs.isConst(r)
	if lConst && !rConst && commutative(op) {
		l, r, lk, rk, lConst, rConst = r, l, rk, lk, rConst, lConst
	}
	if lConst && rConst {
		if result, ok := calculate(op, lk, rk); ok {
			return vs.constant(result)
		}
	}
	if lConst && lk == 0 && (op == aluDiv || op == aluMod || op == aluLsh || op == aluRsh) {
		return l // as below
	}
	if rConst {
		switch {
		case rk == 0 && (op == aluAdd || op == aluSub || op == aluOr || op == aluXor || op == aluLsh || op == aluRsh),
			rk == 1 && (op == aluMul || op == aluDiv):
			return l
		case rk == 0 && (op == aluMul || op == aluAnd):
			// The bytes are not looked at, so it doesn't matter if they exist.
			return vs.constant(0)
		case op == aluAnd && rk == math.MaxUint32:
			return l
		}
		if inner := vs.at(l); inner.op == opALU && inner.alu == op && (op == aluAnd || op == aluOr || op == aluAdd || op == aluXor) {
			if ik, ok := vs.isConst(inner.r); ok {
				k, _ := calculate(op, ik, rk)
				return vs.alu(op, inner.l, vs.constant(k))
			}
		}
	}
	if commutative(op) && !rConst && r < l {
		l, r = r, l
	}
	return vs.intern(value{op: opALU, alu: op, l: l, r: r})
}

func commutative(op uint16) bool {
	switch op {
	case aluAdd, aluMul, aluAnd, aluOr, aluXor:
		return true
	}
	return false
}

// calculate does what the machine does; it is not ok to divide by zero, which
// rejects the packet.
func calculate(op uint16, l, r uint32) (result uint32, ok bool) {
	switch op {
	case aluAdd:
		return l + r, true
	case aluSub:
		return l - r, true
	case aluMul:
		return l * r, true
	case aluDiv:
		if r == 0 {
			return 0, false
		}
		return l / r, true
	case aluMod:
		if r == 0 {
			return 0, false
		}
		return l % r, true
	case aluAnd:
		return l & r, true
	case aluOr:
		return l | r, true
	case aluXor:
		return l ^ r, true
	case aluLsh:
		return l << r, true // 0 from 32 on, as in libpcap
	case aluRsh:
		return l >> r, true
	}
	return 0, false
}

// compare is 1 if l op r and 0 otherwise.
func (vs *values) compare(op uint16, l, r valueID) valueID {
	return vs.intern(value{op: opCompare, alu: op, l: l, r: r})
}

// masked tells whether v is u & m for a constant m.
func (vs *values) masked(v valueID) (u valueID, m uint32, ok bool) {
	x := vs.at(v)
	if x.op != opALU || x.alu != aluAnd {
		return 0, 0, false
	}
	m, ok = vs.isConst(x.r)
	return x.l, m, ok
}

// sum tells whether v is l + by for a constant by.
func (vs *values) sum(v valueID) (l valueID, by uint32, ok bool) {
	x := vs.at(v)
	if x.op != opALU || x.alu != aluAdd && x.alu != aluSub {
		return noValue, 0, false
	}
	by, ok = vs.isConst(x.r)
	if x.alu == aluSub {
		by = -by
	}
	return x.l, by, ok
}

// largest is no less than any value that v has.
func (vs *values) largest(v valueID) uint32 {
	switch x := vs.at(v); x.op {
	case opLoad:
		return uint32(1<<(8*uint64(x.size)) - 1)
	case opALU:
		k, ok := vs.isConst(x.r)
		switch {
		case ok && x.alu == aluAnd:
			return min(k, vs.largest(x.l))
		case ok && x.alu == aluRsh:
			return vs.largest(x.l) >> k
		}
	}
	return math.MaxUint32
}

// isHeaderLength tells whether v is 4*([k]&0xf), for which there is an
// instruction.
func (vs *values) isHeaderLength(v valueID) (k uint32, ok bool) {
	x := vs.at(v)
	if x.op != opALU || x.alu != aluLsh {
		return 0, false
	}
	if by, ok := vs.isConst(x.r); !ok || by != 2 {
		return 0, false
	}
	u, m, ok := vs.masked(x.l)
	if !ok || m != 0xf {
		return 0, false
	}
	load := vs.at(u)
	return load.k, load.op == opLoad && load.size == 1 && load.l == noValue
}

// operands calls f with the values that v is made of, v itself left out.
func (vs *values) operands(v valueID, f func(valueID)) {
	x := vs.at(v)
	for _, o := range [2]valueID{x.l, x.r} {
		if o != noValue {
			f(o)
			vs.operands(o, f)
		}
	}
}

// variables is the set of variables in v, as a bit mask.
func (vs *values) variables(v valueID) uint64 {
	x := vs.at(v)
	var mask uint64
	if x.op == opVar {
		mask = 1 << x.k
	}
	vs.operands(v, func(o valueID) {
		if x := vs.at(o); x.op == opVar {
			mask |= 1 << x.k
		}
	})
	return mask
}

// extent is where the last byte ends that v is made of, if it is made of bytes at
// fixed places.
func (vs *values) extent(v valueID) (end uint32, ok bool) {
	one := func(x value) (uint32, bool) {
		switch x.op {
		case opLoad:
			return x.k + uint32(x.size), x.l == noValue && x.k < extraOffset
		case opConst, opLen, opALU, opNeg, opCompare:
			return 0, true
		}
		return 0, false
	}
	end, ok = one(vs.at(v))
	vs.operands(v, func(o valueID) {
		e, fixed := one(vs.at(o))
		end, ok = max(end, e), ok && fixed
	})
	return end, ok
}
