package filter

// lookAhead is how many nodes are looked at to see where paths meet again.
const lookAhead = 40

// A survey follows all paths from a node on which given facts hold.
type survey struct {
	g    *graph
	fs   facts
	seen map[nodeID]nodeID
}

// converge is the first node on which all paths from n end up that the facts
// allow: n itself if they part. What is tested between has no influence there.
func (g *graph) converge(n nodeID, fs facts) nodeID {
	if terminal(n) || g.nodes[n].assign >= 0 || g.effort < 0 {
		return n
	}
	s := survey{g, fs, make(map[nodeID]nodeID, lookAhead)}
	return s.visit(n)
}

func (s *survey) visit(n nodeID) nodeID {
	if terminal(n) {
		return n
	}
	if end, ok := s.seen[n]; ok {
		return end
	}
	x := &s.g.nodes[n]
	if x.assign >= 0 || len(s.seen) >= lookAhead {
		return n
	}
	s.seen[n] = n // there are no cycles; this only counts
	end := n
	if holds, known := s.g.decide(x.val, x.set, s.fs); known {
		if holds {
			end = s.visit(x.t)
		} else {
			end = s.visit(x.f)
		}
	} else if t := s.visit(x.t); t == s.visit(x.f) {
		end = t
	}
	s.seen[n] = end
	return end
}

// split parts tests for one of several values, if some of the values make tests
// further on superfluous: for TCP or UDP, then …, then UDP. It returns whether
// anything changed.
func (g *graph) split() bool {
	order := g.order()
	now := map[nodeID]nodeID{rejectNode: rejectNode, acceptNode: acceptNode}
	changed := false
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i]
		x := g.nodes[n]
		if x.assign >= 0 {
			now[n] = g.assign(x.assign, x.val, now[x.t])
			continue
		}
		now[n] = g.test(x.val, x.set, now[x.t], now[x.f])
		if x.set.size(fewValues) == fewValues || x.set.size(2) < 2 {
			continue
		}
		if part, ok := g.parting(n); ok {
			rest := x.set.intersect(part.complement())
			first := g.converge(x.t, facts{{x.val, part}})
			second := g.converge(x.t, facts{{x.val, rest}})
			if (first != x.t || second != x.t) && first != second {
				now[n] = g.test(x.val, part, now[first], g.test(x.val, rest, now[second], now[x.f]))
				changed = true
			}
		}
	}
	if changed {
		g.root = now[g.root]
	}
	return changed
}

// parting is a part of n's set that a test of the same value further on tells
// from the rest.
func (g *graph) parting(n nodeID) (set, bool) {
	x := &g.nodes[n]
	seen := make(map[nodeID]bool, lookAhead)
	var found set
	var search func(n nodeID) bool
	search = func(n nodeID) bool {
		if terminal(n) || seen[n] || len(seen) >= lookAhead || g.nodes[n].assign >= 0 {
			return false
		}
		seen[n] = true
		y := &g.nodes[n]
		if y.val == x.val {
			part := x.set.intersect(y.set)
			if !part.empty() && !x.set.subsetOf(y.set) {
				found = part
				return true
			}
		}
		return search(y.t) || search(y.f)
	}
	return found, search(x.t)
}
