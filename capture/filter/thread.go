package filter

import "slices"

// maxFacts bounds what is remembered along a path; what comes last is kept.
const maxFacts = 96

// A fact is the set that a value is known to be in.
type fact struct {
	val valueID
	set set
}

// facts are what is known on arrival at a node, by value.
type facts []fact

func (fs facts) find(val valueID) (set, bool) {
	for i := range fs {
		if fs[i].val == val {
			return fs[i].set, true
		}
	}
	return nil, false
}

// with adds a fact to a copy.
func (fs facts) with(val valueID, s set) facts {
	out := make(facts, 0, len(fs)+1)
	for _, f := range fs {
		if f.val == val {
			s = s.intersect(f.set)
			continue
		}
		out = append(out, f)
	}
	if len(out) >= maxFacts {
		out = out[1:]
	}
	return append(out, fact{val, s})
}

// meet keeps what is known on both ways.
func (fs facts) meet(other facts) facts {
	out := fs[:0:0]
	for _, f := range fs {
		if s, ok := other.find(f.val); ok {
			if u := f.set.union(s); !u.full() {
				out = append(out, fact{f.val, u})
			}
		}
	}
	return out
}

// optimise leaves out tests whose result is known wherever they are reached
// from: on each edge by itself, and from what all ways there have in common, not
// only from one test that all of them pass.
func (g *graph) optimise() {
	for range maxRounds {
		before := g.root
		g.thread()
		if g.effort < 0 || g.root == before && !g.split() && !g.regroup() {
			break
		}
	}
	g.settle()
}

// maxRounds bounds how often the graph is gone through: each round may show what
// the next can do, and few graphs need more than four.
const maxRounds = 16

// thread redirects each edge past the tests whose result is known on it.
func (g *graph) thread() {
	order := g.order()
	in := make([]facts, len(g.nodes))
	arrived := make([]bool, len(g.nodes))
	next := make([][2]nodeID, len(g.nodes))
	arrive := func(n nodeID, fs facts) nodeID {
		n = g.converge(g.follow(n, fs), fs)
		if terminal(n) {
			return n
		}
		if arrived[n] {
			in[n] = in[n].meet(fs)
		} else {
			in[n], arrived[n] = fs, true
		}
		return n
	}
	var start facts
	for k := range maxVariables {
		if id, ok := g.vs.known[value{op: opDefined, k: uint32(k), l: noValue, r: noValue}]; ok {
			start = append(start, fact{id, only(0)})
		}
	}
	root := arrive(g.root, start)
	for _, n := range order {
		if !arrived[n] {
			continue
		}
		x := g.nodes[n]
		if x.assign >= 0 {
			fs := slices.DeleteFunc(slices.Clone(in[n]), func(f fact) bool {
				return g.vs.variables(f.val)&(1<<x.assign) != 0
			})
			if id, ok := g.vs.known[value{op: opDefined, k: uint32(x.assign), l: noValue, r: noValue}]; ok {
				fs = fs.with(id, only(1))
			}
			to := arrive(x.t, fs)
			next[n] = [2]nodeID{to, to}
			continue
		}
		next[n] = [2]nodeID{
			arrive(x.t, in[n].with(x.val, x.set)),
			arrive(x.f, in[n].with(x.val, x.set.complement())),
		}
	}
	g.root = g.rebuild(order, root, next)
}

// rebuild makes the graph anew with other edges, so that nodes which have become
// equal become one.
func (g *graph) rebuild(order []nodeID, root nodeID, next [][2]nodeID) nodeID {
	now := make(map[nodeID]nodeID, len(order)+2)
	now[rejectNode], now[acceptNode] = rejectNode, acceptNode
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i]
		x := g.nodes[n]
		t, okT := now[next[n][0]]
		f, okF := now[next[n][1]]
		if !okT || !okF {
			continue // not reached any more
		}
		if x.assign >= 0 {
			now[n] = g.assign(x.assign, x.val, t)
		} else {
			now[n] = g.test(x.val, x.set, t, f)
		}
	}
	return now[root]
}

// settle takes the branch that computes a variable where it isn't known whether
// it has been computed.
func (g *graph) settle() {
	order := g.order()
	next := make([][2]nodeID, len(g.nodes))
	found := false
	for _, n := range order {
		x := g.nodes[n]
		next[n] = [2]nodeID{x.t, x.f}
		if x.assign < 0 && g.vs.at(x.val).op == opDefined {
			next[n] = [2]nodeID{x.f, x.f}
			found = true
		}
	}
	if found {
		g.root = g.rebuild(order, g.root, next)
	}
}

// follow goes on from n while the facts settle its test.
func (g *graph) follow(n nodeID, fs facts) nodeID {
	for !terminal(n) {
		x := &g.nodes[n]
		if x.assign >= 0 {
			return n
		}
		holds, known := g.decide(x.val, x.set, fs)
		if !known {
			return n
		}
		if holds {
			n = x.t
		} else {
			n = x.f
		}
	}
	return n
}

// decide tells whether val is in s, if the facts settle that.
func (g *graph) decide(val valueID, s set, fs facts) (holds, known bool) {
	if g.effort -= len(fs) + 1; g.effort < 0 {
		return false, false
	}
	if have, ok := fs.find(val); ok {
		switch {
		case have.subsetOf(s):
			return true, true
		case have.disjoint(s):
			return false, true
		}
	}
	u, m, masked := g.vs.masked(val)
	if masked {
		if have, ok := fs.find(u); ok {
			if holds, known := maskedIn(have, m, s); known {
				return holds, true
			}
		}
	} else {
		u, m = val, ^uint32(0)
	}
	// What is known of other bits of the same value.
	for _, f := range fs {
		u2, m2, ok := g.vs.masked(f.val)
		if !ok || u2 != u || f.val == val {
			continue
		}
		if m2&m == m {
			if holds, known := maskedIn(f.set, m, s); known {
				return holds, true
			}
		}
		if noneAgrees(f.set, s, m&m2) {
			return false, true
		}
	}
	return false, false
}

// fewValues is how many elements of a set are looked at one by one.
const fewValues = 64

// maskedIn tells whether x&m is in s for each x, or for none.
func maskedIn(have set, m uint32, s set) (holds, known bool) {
	if have.size(fewValues) == fewValues {
		return false, false
	}
	yes, no := 0, 0
	have.each(func(x uint32) bool {
		if s.contains(x & m) {
			yes++
		} else {
			no++
		}
		return yes == 0 || no == 0
	})
	return no == 0, yes == 0 || no == 0
}

// noneAgrees tells that no element of a has the bits of an element of b.
func noneAgrees(a, b set, m uint32) bool {
	if a.size(fewValues) == fewValues || b.size(fewValues) == fewValues {
		return false
	}
	return a.each(func(x uint32) bool {
		return b.each(func(y uint32) bool { return x&m != y&m })
	})
}
