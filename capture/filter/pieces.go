package filter

import (
	"cmp"
	"slices"
)

// A piece is a range of values of one register and where they lead.
type piece struct {
	lo, hi uint32
	to     nodeID
}

// pieces lists where the values of a test lead, in rising order, the tests of
// the same value below included if they are reached from here only.
func (g *graph) pieces(n nodeID, lone func(nodeID) bool, absorb func(nodeID)) []piece {
	val := g.nodes[n].val
	var out []piece
	var split func(n nodeID, domain set, first bool)
	split = func(n nodeID, domain set, first bool) {
		x := &g.nodes[n]
		if domain.empty() {
			return
		}
		if !terminal(n) && x.assign < 0 && x.val == val && (first || lone(n)) {
			if !first {
				absorb(n)
			}
			split(x.t, domain.intersect(x.set), false)
			split(x.f, domain.intersect(x.set.complement()), false)
			return
		}
		for _, iv := range domain {
			out = append(out, piece{iv.lo, iv.hi, n})
		}
	}
	split(n, allValues, true)
	slices.SortFunc(out, func(a, b piece) int { return cmp.Compare(a.lo, b.lo) })
	return joined(out)
}

// joined joins neighbours that lead to the same node.
func joined(ps []piece) []piece {
	out := ps[:0]
	for _, p := range ps {
		if n := len(out); n > 0 && out[n-1].to == p.to {
			out[n-1].hi = p.hi
			continue
		}
		out = append(out, p)
	}
	return out
}

// exceptions takes single values out of the pieces, to be tested for equality,
// where that leaves fewer bounds to test: all of them, or all but those that lead
// where most pieces lead.
func exceptions(ps []piece) (singles, rest []piece) {
	counts := make(map[nodeID]int)
	common := ps[0].to
	for _, p := range ps {
		if counts[p.to]++; counts[p.to] > counts[common] {
			common = p.to
		}
	}
	best := len(ps)
	rest = ps
	for _, take := range []func(piece) bool{
		func(p piece) bool { return p.to != common },
		func(piece) bool { return true },
	} {
		var some, others []piece
		for _, p := range ps {
			if p.lo == p.hi && take(p) {
				some = append(some, p)
			} else {
				others = append(others, p)
			}
		}
		if len(others) == 0 {
			continue
		}
		if others = joined(others); len(some)+len(others) < best || len(some)+len(others) == best && singles == nil {
			best, singles, rest = len(some)+len(others), some, others
		}
	}
	// The places of single values belong to a neighbour; they are tested before.
	for i := range len(rest) - 1 {
		rest[i].hi = rest[i+1].lo - 1
	}
	rest[0].lo, rest[len(rest)-1].hi = ps[0].lo, ps[len(ps)-1].hi
	return singles, rest
}

// linearLimit is how many single values are tested one after another before a
// binary search pays. The compared counts are in the benchmarks: up to here the
// search costs instructions, and saves hardly any steps.
const linearLimit = 8

// A jumpWriter turns pieces into conditional jumps on A.
type jumpWriter struct {
	weight func(k uint32) int
	exit   func(to nodeID, at **insn)
}

// write makes the jumps for pieces that cover a whole range, and puts the first
// at *at.
func (w *jumpWriter) write(ps []piece, at **insn) {
	singles, rest := exceptions(ps)
	if len(singles) > linearLimit {
		// By the median of the single values, so that both sides get shorter.
		mid := singles[len(singles)/2].lo
		j := &insn{op: classJmp | jmpJGe, k: mid}
		*at = j
		var low, high []piece
		for _, p := range ps {
			if p.lo < mid {
				low = append(low, piece{p.lo, min(p.hi, mid-1), p.to})
			}
			if p.hi >= mid {
				high = append(high, piece{max(p.lo, mid), p.hi, p.to})
			}
		}
		w.write(low, &j.jf)
		w.write(high, &j.jt)
		return
	}
	slices.SortStableFunc(singles, func(a, b piece) int {
		return cmp.Compare(w.weight(b.lo), w.weight(a.lo))
	})
	for _, p := range singles {
		j := &insn{op: classJmp | jmpJEq, k: p.lo}
		*at = j
		w.exit(p.to, &j.jt)
		at = &j.jf
	}
	w.bounds(rest, at)
}

// bounds decides between pieces by their bounds, halving them.
func (w *jumpWriter) bounds(ps []piece, at **insn) {
	if len(ps) == 1 {
		w.exit(ps[0].to, at)
		return
	}
	mid := (len(ps) + 1) / 2
	if len(ps) <= 3 {
		mid = len(ps) - 1
	}
	k := ps[mid].lo
	j := &insn{op: classJmp | jmpJGe, k: k}
	low, high := &j.jf, &j.jt
	*at = j
	w.bounds(ps[:mid], low)
	w.bounds(ps[mid:], high)
}
