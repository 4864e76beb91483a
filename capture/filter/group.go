package filter

// A grouping collects the terms of one and or or, joining
//
//	a = 1 or … or a = 2                 to  a in {1, 2}
//	(g and x) or … or (g and y)         to  g and (x or y)
//
// and the same with and and or exchanged. Terms move to the left that way. A
// test may move to where the same value has been looked at already. A term
// behind a guard may move past terms whose guards exclude its own, as for a
// packet of its kind they are not looked at; so lists of hosts become sets.
// Nothing moves past an assignment.
type grouping struct {
	cs   *conds
	op   condOp
	out  []groupedTerm
	test map[valueID]int // where in out the test of a value is
	head map[condID]int  // where in out the terms behind a guard are

	// All terms since first begin with a test of val, and the sets are disjoint.
	exclusive bool
	first     int
	val       valueID
	points    map[uint32]struct{}
	wide      set
}

type groupedTerm struct {
	whole condID // for a term by itself
	guard condID
	tails []condID // for terms behind a guard
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
		switch len(t.tails) {
		case 0:
			list = append(list, t.whole)
		case 1:
			list = append(list, g.cs.join(other, []condID{t.guard, t.tails[0]}))
		default:
			list = append(list, g.cs.join(other, []condID{t.guard, g.cs.join(g.op, t.tails)}))
		}
	}
	return list
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
		old := g.cs.all[g.out[at].whole]
		var s set
		if g.op == condOr {
			s = old.set.union(c.set)
		} else {
			s = old.set.intersect(c.set)
		}
		g.out[at].whole = g.cs.test(c.val, s)
		if g.exclusive && g.val == c.val && at >= g.first {
			g.widen(c)
		}
		if g.cs.all[g.out[at].whole].op != condTest {
			delete(g.test, c.val)
		}
		return
	}
	g.test[c.val] = len(g.out)
	g.out = append(g.out, groupedTerm{whole: id})
	g.exclude(c)
}

// addTail puts a term that begins with a guard to its like. It returns false if
// the term is to be added as it is.
func (g *grouping) addTail(id condID, c cond) bool {
	guard := c.kids[0]
	tail := g.cs.join(c.op, c.kids[1:])
	at, ok := g.head[guard]
	if ok && (at == len(g.out)-1 || g.exclusive && at >= g.first && !c.assigns) {
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
	g.head[guard] = len(g.out)
	g.out = append(g.out, groupedTerm{guard: guard, tails: []condID{tail}})
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
		for guard, at := range g.head {
			if at < g.first {
				delete(g.head, guard)
			}
		}
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
