package filter

import "slices"

// regroup moves tests to where their value has just been looked at, past tests that
// lead on to them. Of tests of which all must hold, or one, it doesn't matter which
// is first. It returns whether anything changed.
func (g *graph) regroup() bool {
	order := g.order()
	preds := make(map[nodeID][]nodeID, len(order))
	for _, n := range order {
		x := &g.nodes[n]
		preds[x.t] = append(preds[x.t], n)
		if x.f != x.t {
			preds[x.f] = append(preds[x.f], n)
		}
	}
	moved := make(map[nodeID][]nodeID)
	taken := make(map[nodeID]bool)
	for _, n := range order {
		if taken[n] {
			continue
		}
		for _, first := range [2]nodeID{g.nodes[n].t, g.nodes[n].f} {
			chain := g.chain(n, first, preds)
			if len(chain) == 0 || slices.ContainsFunc(chain, func(m nodeID) bool { return taken[m] }) {
				continue
			}
			for _, m := range chain {
				taken[m] = true
			}
			moved[n] = chain
			break
		}
	}
	if len(moved) == 0 {
		return false
	}
	g.root = g.exchange(order, moved)
	return true
}

// chain lists the nodes from first on, the way from n, up to one that is better
// before n: all that lead to n have looked at its value. Every node of the chain,
// and n, leads to one and the same node if it doesn't lead on.
func (g *graph) chain(n, first nodeID, preds map[nodeID][]nodeID) (chain []nodeID) {
	x := &g.nodes[n]
	if x.assign >= 0 || len(preds[n]) == 0 {
		return nil
	}
	val := g.nodes[preds[n][0]].val
	if x.val == val || !g.looksAt(preds[n], val) {
		return nil
	}
	other := g.otherWay(n, first)
	for m := first; len(chain) < lookAhead && !terminal(m) && len(preds[m]) == 1; {
		y := &g.nodes[m]
		if y.assign >= 0 || y.t != other && y.f != other {
			break
		}
		chain = append(chain, m)
		if y.val == val {
			if g.unlikely(n) == first && g.unlikely(m) == other {
				break // as it is, most packets don't get as far as m
			}
			return chain
		}
		m = g.otherWay(m, other)
	}
	return nil
}

// otherWay is where n leads to but for one of its ways.
func (g *graph) otherWay(n, way nodeID) nodeID {
	x := &g.nodes[n]
	if x.t == way {
		return x.f
	}
	return x.t
}

// unlikely is where few packets go from a test for one of few values, and n itself
// if that can't be told.
func (g *graph) unlikely(n nodeID) nodeID {
	x := &g.nodes[n]
	_, _, masked := g.vs.masked(x.val)
	switch {
	case x.set.size(fewValues) < fewValues:
		return x.t
	case x.set.complement().size(fewValues) < fewValues && !masked:
		return x.f
	}
	return n
}

// looksAt tells whether all of nodes test v.
func (g *graph) looksAt(nodes []nodeID, v valueID) bool {
	for _, n := range nodes {
		if x := &g.nodes[n]; x.assign >= 0 || x.val != v {
			return false
		}
	}
	return true
}

// exchange rebuilds the graph with the last of each chain before the node that the
// chain begins behind.
func (g *graph) exchange(order []nodeID, moved map[nodeID][]nodeID) nodeID {
	now := map[nodeID]nodeID{rejectNode: rejectNode, acceptNode: acceptNode}
	// leading is the test of n that leads on to a node that is built, or else to
	// other.
	leading := func(n, other, to nodeID) nodeID {
		x := g.nodes[n]
		if x.t == other {
			return g.test(x.val, x.set, now[other], to)
		}
		return g.test(x.val, x.set, to, now[other])
	}
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i]
		x := g.nodes[n]
		chain := moved[n]
		switch {
		case x.assign >= 0:
			now[n] = g.assign(x.assign, x.val, now[x.t])
		case len(chain) == 0:
			now[n] = g.test(x.val, x.set, now[x.t], now[x.f])
		default:
			other := g.otherWay(n, chain[0])
			last := chain[len(chain)-1]
			to := now[g.otherWay(last, other)]
			for k := len(chain) - 2; k >= 0; k-- {
				to = leading(chain[k], other, to)
			}
			now[n] = leading(last, other, leading(n, other, to))
		}
	}
	return now[g.root]
}
