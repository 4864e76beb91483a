package filter

import "slices"

// A grouping collects the terms of one and or or, joining
//
//	a = 1 or … or a = 2                 to  a in {1, 2}
//	(g and x) or … or (g and y)         to  g and (x or y)
//
// and the same with and and or exchanged. So lists of hosts become sets. Terms
// move to the left that way, and no packet may be rejected for it because it ends
// before what is now looked at first. A test may move to where the same value has
// been looked at already. A term behind a guard may move past terms whose guards
// exclude its own, as for a packet of its kind they are not looked at; and past
// terms that begin with something further back than all it looks at itself.
// Nothing moves past an assignment.
type grouping struct {
	cs   *conds
	op   condOp
	out  []groupedTerm
	test map[valueID]int // where in out the test of a value is
	head map[condID]int  // where in out the terms behind a guard are
	// heads counts the terms that begin with a guard.
	heads map[condID]int

	// All terms since first begin with a test of val, and the sets are disjoint.
	exclusive bool
	first     int
	val       valueID
	points    map[uint32]struct{}
	wide      set
}

type groupedTerm struct {
	whole condID // the first term that came here
	guard condID
	tails [][]condID // for terms behind a guard
	sets  []set      // for tests of a value: the decisive part of each
}

func newGrouping(cs *conds, op condOp) *grouping {
	g := &grouping{cs: cs, op: op}
	g.barrier()
	return g
}

// barrier lets nothing that follows move to before this point.
func (g *grouping) barrier() {
	g.test, g.head = make(map[valueID]int), make(map[condID]int)
	g.exclusive, g.first = false, len(g.out)
}

func (g *grouping) group(terms []condID) []condID {
	other := condAnd + condOr - g.op
	g.heads = make(map[condID]int, len(terms))
	for _, id := range terms {
		if c := &g.cs.all[id]; c.op == other {
			g.heads[c.kids[0]]++
		}
	}
	for _, id := range terms {
		c := g.cs.all[id]
		switch {
		case c.op == condTest:
			g.addTest(id, c)
		case c.op == other && g.addTail(id, c):
		case c.assigns:
			g.barrierTerm(id)
		default:
			g.exclusive = false
			g.out = append(g.out, groupedTerm{whole: id})
		}
	}
	list := make([]condID, 0, len(g.out))
	for _, t := range g.out {
		switch {
		case len(t.sets) > 1:
			list = append(list, g.joinedTest(t))
		case len(t.tails) > 1:
			tails := make([]condID, len(t.tails))
			for i, kids := range t.tails {
				tails[i] = g.cs.join(other, kids)
			}
			list = append(list, g.cs.join(other, []condID{t.guard, g.cs.join(g.op, tails)}))
		default:
			list = append(list, t.whole)
		}
	}
	return list
}

// joinedTest is one test for several of the same value.
func (g *grouping) joinedTest(t groupedTerm) condID {
	all := set(slices.Clone(slices.Concat(t.sets...)))
	s := normal(all)
	if g.op == condAnd {
		s = s.complement()
	}
	return g.cs.test(g.cs.all[t.whole].val, s)
}

func (g *grouping) barrierTerm(id condID) {
	g.out = append(g.out, groupedTerm{whole: id})
	g.barrier()
}

// decisive is the part of a test's set that settles the whole.
func (g *grouping) decisive(c cond) set {
	if g.op == condOr {
		return c.set
	}
	return c.set.complement()
}

func (g *grouping) addTest(id condID, c cond) {
	if at, ok := g.test[c.val]; ok {
		g.out[at].sets = append(g.out[at].sets, g.decisive(c))
		if g.exclusive && g.val == c.val && at >= g.first {
			g.widen(c)
		}
		return
	}
	g.test[c.val] = len(g.out)
	g.out = append(g.out, groupedTerm{whole: id, sets: []set{g.decisive(c)}})
	g.exclude(c)
}

// addTail puts a term that begins with a guard to its like. It returns false if
// the term is to be added as it is.
func (g *grouping) addTail(id condID, c cond) bool {
	guard := c.kids[0]
	tail := c.kids[1:]
	at, ok := g.head[guard]
	if ok && (at == len(g.out)-1 || !c.assigns && (g.exclusive && at >= g.first || g.mayPass(id, at+1))) {
		g.out[at].tails = append(g.out[at].tails, tail)
		if c.assigns {
			g.closeAt(at, guard)
		}
		return true
	}
	gc := g.cs.all[guard]
	if gc.assigns && gc.op == condAssign {
		return false
	}
	if g.heads[guard] > 1 {
		g.head[guard] = len(g.out)
	}
	g.out = append(g.out, groupedTerm{whole: id, guard: guard, tails: [][]condID{tail}})
	if gc.op == condTest {
		g.exclude(gc)
	} else {
		g.exclusive = false
	}
	if c.assigns {
		g.closeAt(len(g.out)-1, guard)
	}
	return true
}

// closeAt keeps only the last term open: what follows may join it, and may not
// move past it.
func (g *grouping) closeAt(at int, guard condID) {
	g.barrier()
	g.head[guard] = at
}

// exclude notes the guard of the last term, and whether all guards still
// exclude one another.
func (g *grouping) exclude(c cond) {
	if !g.exclusive || g.val != c.val {
		// A new family: earlier terms stay where they are.
		g.exclusive, g.val, g.first = true, c.val, len(g.out)-1
		g.points, g.wide = make(map[uint32]struct{}), nil
	}
	g.widen(c)
}

// widen adds a test to the family that it belongs to.
func (g *grouping) widen(c cond) {
	s := g.decisive(c)
	if !g.apart(s) {
		g.exclusive = false
		return
	}
	if v, ok := s.single(); ok {
		g.points[v] = struct{}{}
	} else {
		g.wide = g.wide.union(s)
	}
}

func (g *grouping) apart(s set) bool {
	if !g.wide.disjoint(s) {
		return false
	}
	if v, ok := s.single(); ok {
		_, taken := g.points[v]
		return !taken
	}
	for v := range g.points {
		if s.contains(v) {
			return false
		}
	}
	return true
}

// fewTerms is how many terms another is moved past at most.
const fewTerms = 16

// mayPass tells whether a packet that ends before something a term looks at also
// ends before what each term from out[from] on begins with.
func (g *grouping) mayPass(id condID, from int) bool {
	if len(g.out)-from > fewTerms {
		return false
	}
	furthest, ok := g.cs.extent(id)
	if !ok {
		return false
	}
	for _, t := range g.out[from:] {
		if start, ok := g.cs.beginning(t.whole); !ok || start < furthest {
			return false
		}
	}
	return true
}

// extent is where the last byte ends that a condition looks at, if all bytes it
// looks at are at fixed places.
func (cs *conds) extent(id condID) (end uint32, ok bool) {
	if e, known := cs.extents[id]; known {
		return e, e < unset
	}
	c := &cs.all[id]
	switch c.op {
	case condTest:
		end, ok = cs.vs.extent(c.val)
	case condAnd, condOr:
		ok = true
		for _, kid := range c.kids {
			e, known := cs.extent(kid)
			end, ok = max(end, e), ok && known
		}
	}
	if !ok {
		end = unset
	}
	cs.extents[id] = end
	return end, ok
}

// beginning is extent for the first test of a condition.
func (cs *conds) beginning(id condID) (end uint32, ok bool) {
	c := &cs.all[id]
	for c.op == condAnd || c.op == condOr {
		c = &cs.all[c.kids[0]]
	}
	if c.op != condTest {
		return 0, false
	}
	return cs.vs.extent(c.val)
}
