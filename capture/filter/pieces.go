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

// unmasked turns pieces of u&mask to pieces of u, which is at most largest, where
// the mask leaves the upper bits and that takes no more instructions. It executes
// fewer: of a network's two bounds, the first often settles it.
func unmasked(ps []piece, mask, largest uint32) (ranges []piece, ok bool) {
	lower := ^mask & largest
	if lower&(lower+1) != 0 {
		return nil, false
	}
	for _, p := range ps {
		if p.lo > largest&mask {
			break
		}
		lo, hi := (p.lo+lower)&^lower, min(p.hi|lower, largest)
		if lo <= hi {
			ranges = append(ranges, piece{lo, hi, p.to})
		}
	}
	ranges = joined(ranges)
	return ranges, len(ranges) > 1 && jumps(ranges) <= jumps(ps)+1
}

// jumps is how many it takes to decide between pieces.
func jumps(ps []piece) int {
	singles, rest := exceptions(slices.Clone(ps))
	return len(singles) + len(rest) - 1
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
	guess guess
	exit  func(to nodeID, at **insn)
}

// write makes the jumps for pieces that cover a whole range, and puts the first
// at *at.
func (w *jumpWriter) write(ps []piece, at **insn) {
	singles, rest := exceptions(w.parted(ps))
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
		return w.guess.compare(a.lo, b.lo)
	})
	for n, p := range singles {
		j := &insn{op: classJmp | jmpJEq, k: p.lo}
		if n == 0 {
			j.alike, j.common = len(singles), w.guess.weight(p.lo) > 0
		}
		*at = j
		w.exit(p.to, &j.jt)
		at = &j.jf
	}
	w.bounds(rest, at)
}

// parted parts two values that are both common, so that each is tested by itself: a
// packet that has the first takes one test, and as many are left.
func (w *jumpWriter) parted(ps []piece) []piece {
	var out []piece
	for i, p := range ps {
		if p.hi-p.lo == 1 && i > 0 && i+1 < len(ps) && ps[i-1].to == ps[i+1].to &&
			w.guess.weight(p.lo) > 0 && w.guess.weight(p.hi) > 0 {
			out = append(out, piece{p.lo, p.lo, p.to})
			p.lo = p.hi
		}
		out = append(out, p)
	}
	return out
}

// bounds decides between pieces by their bounds, halving them.
func (w *jumpWriter) bounds(ps []piece, at **insn) {
	if len(ps) == 1 {
		w.exit(ps[0].to, at)
		return
	}
	mid := (len(ps) + 1) / 2
	switch {
	case len(ps) == 3 && w.guess.below(ps[1].lo, ps[2].lo):
		mid = 1
	case len(ps) <= 3:
		mid = len(ps) - 1
	}
	k := ps[mid].lo
	j := &insn{op: classJmp | jmpJGe, k: k}
	low, high := &j.jf, &j.jt
	*at = j
	w.bounds(ps[:mid], low)
	w.bounds(ps[mid:], high)
}
