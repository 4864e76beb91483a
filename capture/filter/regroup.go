package filter

// regroup exchanges tests that lead on to one another, so that those of a value
// come where it has just been looked at. Of two tests of which both must hold, or
// one, it doesn't matter which is first. It returns whether anything changed.
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
	next := make([][2]nodeID, len(g.nodes))
	swapped := make(map[nodeID]nodeID)
	for _, n := range order {
		x := &g.nodes[n]
		next[n] = [2]nodeID{x.t, x.f}
		if x.assign >= 0 {
			continue
		}
		for _, m := range [2]nodeID{x.t, x.f} {
			if _, done := swapped[n]; done || terminal(m) || len(preds[m]) != 1 {
				continue
			}
			y := &g.nodes[m]
			if y.assign >= 0 || y.val == x.val || !g.looksAt(preds[n], y.val) {
				continue
			}
			// Where both lead if they fail to lead on.
			other := x.f
			if m == x.f {
				other = x.t
			}
			if y.t == other || y.f == other {
				swapped[n] = m
			}
		}
	}
	if len(swapped) == 0 {
		return false
	}
	for n, m := range swapped {
		if _, chained := swapped[m]; chained {
			delete(swapped, n)
		}
	}
	g.root = g.exchange(order, swapped)
	return true
}

// looksAt tells whether all of nodes test v, and there are any.
func (g *graph) looksAt(nodes []nodeID, v valueID) bool {
	for _, n := range nodes {
		if x := &g.nodes[n]; x.assign >= 0 || x.val != v {
			return false
		}
	}
	return len(nodes) > 0
}

// exchange rebuilds the graph with pairs of nodes exchanged.
func (g *graph) exchange(order []nodeID, swapped map[nodeID]nodeID) nodeID {
	now := map[nodeID]nodeID{rejectNode: rejectNode, acceptNode: acceptNode}
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i]
		x := g.nodes[n]
		m, ok := swapped[n]
		switch {
		case x.assign >= 0:
			now[n] = g.assign(x.assign, x.val, now[x.t])
		case !ok:
			now[n] = g.test(x.val, x.set, now[x.t], now[x.f])
		default:
			y := g.nodes[m]
			other := x.f
			if m == x.f {
				other = x.t
			}
			// The outer test is now m's; where it went on, n's goes on.
			inner := func(to nodeID) nodeID {
				if m == x.t {
					return g.test(x.val, x.set, now[to], now[other])
				}
				return g.test(x.val, x.set, now[other], now[to])
			}
			if y.f == other {
				now[n] = g.test(y.val, y.set, inner(y.t), now[other])
			} else {
				now[n] = g.test(y.val, y.set, now[other], inner(y.f))
			}
		}
	}
	return now[g.root]
}
