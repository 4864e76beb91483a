package filter

import "slices"

// A condID names a condition, as an index into conds.all. Equal conditions have
// equal IDs.
type condID int32

const (
	never  condID = 0
	always condID = 1
)

type condOp uint8

const (
	condConst  condOp = iota
	condTest          // val is in set
	condAnd           // all of kids, in this order, up to the first that fails
	condOr            // any of kids, in this order, up to the first that holds
	condAssign        // variable k becomes val; holds if result
)

// A cond is what an expression says of a packet once names and offsets are
// settled: tests of values joined by and and or. There is no not: it is pushed
// down to the tests.
type cond struct {
	op      condOp
	val     valueID
	set     set
	kids    []condID
	k       int
	result  bool
	assigns bool // there is an assignment inside, so the order matters
}

type conds struct {
	vs    *values
	all   []cond
	known map[string]condID
	nots  map[condID]condID
	// extents is what extent found.
	extents map[condID]uint32
	// turns number the single values that are asked for, in the order in which
	// they are written.
	turns map[fieldValue]int
}

// A fieldValue is a value of a packet's and a constant that it is compared with.
type fieldValue struct {
	val valueID
	k   uint32
}

func newConds(vs *values) *conds {
	return &conds{
		vs:      vs,
		all:     []cond{never: {op: condConst}, always: {op: condConst, result: true}},
		known:   make(map[string]condID),
		nots:    map[condID]condID{never: always, always: never},
		extents: make(map[condID]uint32),
		turns:   make(map[fieldValue]int),
	}
}

func (cs *conds) intern(c cond, key []byte) condID {
	if id, ok := cs.known[string(key)]; ok {
		return id
	}
	id := condID(len(cs.all))
	cs.all = append(cs.all, c)
	cs.known[string(key)] = id
	return id
}

func appendID[T ~int32](b []byte, id T) []byte {
	return append(b, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

// test holds if val is in s.
func (cs *conds) test(val valueID, s set) condID {
	switch {
	case s.empty():
		return never
	case s.full():
		return always
	}
	if k, ok := cs.vs.isConst(val); ok {
		return truth(s.contains(k))
	}
	k, one := s.single()
	differs := false
	if !one {
		k, one = s.complement().single()
		differs = one
	}
	if one {
		if l, by, ok := cs.vs.sum(val); ok { // l + by = k
			if s = only(k - by); differs {
				s = s.complement()
			}
			return cs.test(l, s)
		}
		if _, known := cs.turns[fieldValue{val, k}]; !known {
			cs.turns[fieldValue{val, k}] = len(cs.turns)
		}
	}
	key := append(appendID([]byte{byte(condTest)}, val), s.key()...)
	return cs.intern(cond{op: condTest, val: val, set: s}, key)
}

func (cs *conds) equals(val valueID, k uint32) condID  { return cs.test(val, only(k)) }
func (cs *conds) differs(val valueID, k uint32) condID { return cs.test(val, only(k).complement()) }

// bits holds if val & mask == k.
func (cs *conds) bits(val valueID, k, mask uint32) condID {
	return cs.equals(cs.vs.alu(aluAnd, val, cs.vs.constant(mask)), k)
}

// anyBit holds if val & mask != 0.
func (cs *conds) anyBit(val valueID, mask uint32) condID {
	return cs.differs(cs.vs.alu(aluAnd, val, cs.vs.constant(mask)), 0)
}

func truth(b bool) condID {
	if b {
		return always
	}
	return never
}

// assign gives variable k a value, and holds if result.
func (cs *conds) assign(k int, val valueID, result bool) condID {
	key := append(appendID(appendID([]byte{byte(condAssign)}, int32(k)), val), 0)
	if result {
		key[len(key)-1] = 1
	}
	return cs.intern(cond{op: condAssign, val: val, k: k, result: result, assigns: true}, key)
}

func (cs *conds) not(id condID) condID {
	if n, ok := cs.nots[id]; ok {
		return n
	}
	c := cs.all[id]
	var n condID
	switch c.op {
	case condTest:
		n = cs.test(c.val, c.set.complement())
	case condAssign:
		n = cs.assign(c.k, c.val, !c.result)
	case condAnd, condOr:
		kids := make([]condID, len(c.kids))
		for i, kid := range c.kids {
			kids[i] = cs.not(kid)
		}
		n = cs.join(condAnd+condOr-c.op, kids)
	}
	cs.nots[id], cs.nots[n] = n, id
	return n
}

func (cs *conds) and(list ...condID) condID { return cs.join(condAnd, list) }
func (cs *conds) or(list ...condID) condID  { return cs.join(condOr, list) }

// join makes one condition of several: it flattens, drops constants, joins
// tests of the same value, and takes out what several kids begin with.
func (cs *conds) join(op condOp, list []condID) condID {
	neutral, decisive := always, never
	if op == condOr {
		neutral, decisive = never, always
	}
	flat := make([]condID, 0, len(list))
	for _, id := range list {
		if cs.all[id].op == op {
			flat = append(flat, cs.all[id].kids...)
			continue
		}
		flat = append(flat, id)
	}
	flat = slices.DeleteFunc(flat, func(id condID) bool { return id == neutral })
	if i := slices.Index(flat, decisive); i >= 0 {
		if !slices.ContainsFunc(flat[:i], func(id condID) bool { return cs.all[id].assigns }) {
			return decisive
		}
		flat = flat[:i+1]
	}
	if len(flat) > 1 {
		flat = newGrouping(cs, op).group(flat)
		if i := slices.Index(flat, decisive); i >= 0 && !slices.ContainsFunc(flat, func(id condID) bool { return cs.all[id].assigns }) {
			return decisive
		}
	}
	switch len(flat) {
	case 0:
		return neutral
	case 1:
		return flat[0]
	}
	key := []byte{byte(op)}
	assigns := false
	for _, id := range flat {
		key = appendID(key, id)
		assigns = assigns || cs.all[id].assigns
	}
	return cs.intern(cond{op: op, kids: flat, assigns: assigns}, key)
}
