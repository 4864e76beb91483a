package filter

// A usage tells what values are still wanted below a node, and whether X can
// hold one until then.
type usage struct {
	g     *graph
	vs    *values
	costs map[valueID]int
	below map[usageKey]bool
	stays map[usageKey]bool
	inX   map[nodeID][]valueID
}

type usageKey struct {
	v valueID
	n nodeID
}

func newUsage(g *graph) *usage {
	return &usage{
		g: g, vs: g.vs,
		costs: make(map[valueID]int),
		below: make(map[usageKey]bool),
		stays: make(map[usageKey]bool),
		inX:   make(map[nodeID][]valueID),
	}
}

// cost is roughly how many instructions bring v into X.
func (u *usage) cost(v valueID) int {
	if c, ok := u.costs[v]; ok {
		return c
	}
	c := 1
	if _, ok := u.vs.isHeaderLength(v); !ok {
		switch x := u.vs.at(v); x.op {
		case opLoad:
			c = 2
			if x.l != noValue {
				c += u.cost(x.l)
			}
		case opALU, opNeg:
			c = 1 + u.cost(x.l)
			if _, ok := u.vs.isConst(x.r); !ok && x.r != noValue {
				c += u.cost(x.r)
			}
		}
	}
	c = min(c, 1000)
	u.costs[v] = c
	return c
}

// otherX stands for some value in X that nobody knows.
const otherX valueID = -2

// xs lists the values that X has to hold, in turn, to test or assign at n.
func (u *usage) xs(n nodeID) []valueID {
	if list, ok := u.inX[n]; ok {
		return list
	}
	var list []valueID
	x := &u.g.nodes[n]
	if !terminal(n) {
		u.collect(x.val, &list)
	}
	u.inX[n] = list
	return list
}

func (u *usage) collect(v valueID, list *[]valueID) {
	if len(*list) > 64 {
		return // far more than X could serve
	}
	x := u.vs.at(v)
	switch x.op {
	case opLoad:
		if x.l != noValue {
			u.collect(x.l, list)
			*list = append(*list, x.l)
		}
	case opNeg:
		u.collect(x.l, list)
	case opChain:
		*list = append(*list, otherX)
	case opALU, opCompare:
		if _, ok := u.vs.isConst(x.r); ok {
			u.collect(x.l, list)
			return
		}
		u.collect(x.l, list)
		u.collect(x.r, list)
		// Either may be the one in X; a variable or what l is loaded by is likely.
		in := x.r
		if u.vs.at(x.l).op == opVar {
			in = x.l
		}
		*list = append(*list, in)
	}
}

// wanted tells whether v is read at n or below.
func (u *usage) wanted(v valueID, n nodeID) bool {
	if terminal(n) {
		return false
	}
	key := usageKey{v, n}
	if w, ok := u.below[key]; ok {
		return w
	}
	x := &u.g.nodes[n]
	w := x.val == v
	u.vs.operands(x.val, func(o valueID) { w = w || o == v })
	w = w || u.wanted(v, x.t) || u.wanted(v, x.f)
	u.below[key] = w
	return w
}

// staysInX tells whether v, in X behind n's own code, can stay there until it
// was last wanted.
func (u *usage) staysInX(v valueID, n nodeID) bool {
	x := &u.g.nodes[n]
	if x.assign < 0 && !u.lastIn(v, n) {
		return false
	}
	return u.free(v, x.t) && u.free(v, x.f)
}

// lastIn tells whether at n nothing else needs X after v is first in it, or v is
// not wanted any more.
func (u *usage) lastIn(v valueID, n nodeID) bool {
	list := u.xs(n)
	for i, in := range list {
		if in != v {
			continue
		}
		for j := i + 1; j < len(list); j++ {
			if list[j] == v {
				continue
			}
			x := &u.g.nodes[n]
			for _, later := range list[j:] {
				if later == v {
					return false
				}
			}
			return !u.wanted(v, x.t) && !u.wanted(v, x.f)
		}
	}
	return true
}

func (u *usage) free(v valueID, n nodeID) bool {
	if !u.wanted(v, n) {
		return true
	}
	key := usageKey{v, n}
	if s, ok := u.stays[key]; ok {
		return s
	}
	x := &u.g.nodes[n]
	s := true
	list := u.xs(n)
	for i, in := range list {
		if in == v {
			continue
		}
		// X is needed for something else: is v wanted after that?
		later := u.wanted(v, x.t) || u.wanted(v, x.f)
		for _, after := range list[i:] {
			later = later || after == v
		}
		if later {
			s = false
		}
		break
	}
	s = s && u.free(v, x.t) && u.free(v, x.f)
	u.stays[key] = s
	return s
}
