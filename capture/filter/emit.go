package filter

import "slices"

// An arrival is an edge of the graph on its way to becoming a jump: where the
// address of the target belongs, and what the machine holds there.
type arrival struct {
	at **insn
	m  machine
}

// An emitter turns a decision graph into instructions. It visits each node once,
// after all nodes that lead to it, and so knows what registers hold on every way
// there. A way on which they hold more skips the loads it doesn't need.
type emitter struct {
	g        *graph
	vs       *values
	snapLen  uint32
	arrivals [][]arrival
	preds    []int
	absorbed []bool
	uses     *usage
	slots    int // of scratch memory, in use
	slotOf   map[valueID]int
	inMemory bool // keep all variables in scratch memory
	failed   bool
}

// emit returns the first instruction of a program for g. It is not ok if an
// expression needs more scratch memory than there is.
func emit(g *graph, snapLen uint32) (first *insn, ok bool) {
	if first, ok = emitOnce(g, snapLen, false); ok {
		return first, true
	}
	return emitOnce(g, snapLen, true)
}

func emitOnce(g *graph, snapLen uint32, inMemory bool) (first *insn, ok bool) {
	e := &emitter{
		g: g, vs: g.vs, snapLen: snapLen, inMemory: inMemory,
		arrivals: make([][]arrival, len(g.nodes)),
		preds:    make([]int, len(g.nodes)),
		absorbed: make([]bool, len(g.nodes)),
		uses:     newUsage(g),
		slotOf:   make(map[valueID]int),
	}
	order := g.order()
	for _, n := range order {
		x := &g.nodes[n]
		e.preds[x.t]++
		if x.assign < 0 {
			e.preds[x.f]++
		}
	}
	e.arrivals[g.root] = []arrival{{&first, newMachine()}}
	for _, n := range order {
		switch {
		case e.absorbed[n], len(e.arrivals[n]) == 0:
		case g.nodes[n].assign >= 0:
			e.assign(n)
		default:
			e.test(n)
		}
	}
	for _, n := range []nodeID{rejectNode, acceptNode} {
		ret := &insn{op: classRet | retK}
		if n == acceptNode {
			ret.k = snapLen
		}
		for _, a := range e.arrivals[n] {
			*a.at = ret
		}
	}
	return first, !e.failed
}

// common is what the machine holds on every way to n.
func (e *emitter) common(n nodeID) machine {
	ways := e.arrivals[n]
	m := ways[0].m
	for _, a := range ways[1:] {
		m = m.meet(a.m)
	}
	return m
}

func (e *emitter) writer(n nodeID, m machine) *codeWriter {
	w := &codeWriter{vs: e.vs, m: m}
	w.keep = func(v valueID) (int, bool) {
		if e.uses.cost(v) < 3 || e.uses.staysInX(v, n) || e.slots >= scratchWords-w.spills {
			return 0, false
		}
		return e.newSlot()
	}
	return w
}

func (e *emitter) newSlot() (int, bool) {
	if e.slots == scratchWords {
		return 0, false
	}
	e.slots++
	return e.slots - 1, true
}

// link joins the steps to one another, and to each way there at the furthest
// step at which it can go in. It returns where the instruction that follows them
// belongs: in several places, if ways skip all steps.
func (e *emitter) link(n nodeID, w *codeWriter) (after []arrival) {
	if w.failed {
		e.failed = true
	}
	nodes := make([]*insn, len(w.steps))
	for i, s := range w.steps {
		nodes[i] = &insn{op: s.op, k: s.k}
		if i > 0 {
			nodes[i-1].next = nodes[i]
		}
	}
	used := false
	for _, a := range e.arrivals[n] {
		entry := 0
		for i := len(w.steps); i > 0; i-- {
			if enters(w.steps[i:], a.m, &w.m) {
				entry = i
				break
			}
		}
		if entry == len(w.steps) {
			after = append(after, a)
			continue
		}
		*a.at = nodes[entry]
		used = true
	}
	if used {
		after = append(after, arrival{&nodes[len(nodes)-1].next, w.m})
	}
	return after
}

// enters tells whether a machine can go in before the first of steps, and holds
// at least what exit does behind the last.
func enters(steps []step, m machine, exit *machine) bool {
	for i := range steps {
		if !steps[i].run(&m) {
			return false
		}
	}
	return m.covers(exit)
}

func (e *emitter) assign(n nodeID) {
	x := &e.g.nodes[n]
	variable := e.vs.variable(x.assign)
	m := e.common(n)
	w := e.writer(n, m)
	w.keep = func(valueID) (int, bool) { return 0, false }
	inX := !e.inMemory && e.uses.staysInX(variable, n)
	slot := -1
	if inX {
		w.toX(x.val)
	} else {
		w.toA(x.val)
		var ok bool
		if slot, ok = e.slotFor(variable); !ok {
			e.failed = true
			return
		}
		s := w.plain(classSt, uint32(slot))
		s.needA, s.setMem, s.setMemVal = x.val, slot, variable
		w.add(s)
	}
	for _, a := range e.link(n, w) {
		after := w.m
		if len(w.steps) == 0 {
			after = a.m
		}
		if inX {
			after.x = variable
		} else {
			after.a = variable
		}
		e.arrivals[x.t] = append(e.arrivals[x.t], arrival{a.at, after})
	}
}

// slotFor is the slot of a variable, the same wherever it is assigned.
func (e *emitter) slotFor(variable valueID) (int, bool) {
	if slot, ok := e.slotOf[variable]; ok {
		return slot, true
	}
	slot, ok := e.newSlot()
	e.slotOf[variable] = slot
	return slot, ok
}

// wants tells whether v is at hand on a way to n, or tested behind pieces of it.
func (e *emitter) wants(n nodeID, v valueID, ps []piece) bool {
	for _, a := range e.arrivals[n] {
		if _, ok := a.m.slot(v); ok || a.m.a == v || a.m.x == v {
			return true
		}
	}
	return slices.ContainsFunc(ps, func(p piece) bool { return e.uses.wanted(v, p.to) })
}

func (e *emitter) test(n nodeID) {
	x := &e.g.nodes[n]
	m := e.common(n)
	w := e.writer(n, m)
	var head *insn
	v := e.vs.at(x.val)
	jump := &jumpWriter{
		guess: newGuess(e.g.cs, x.val),
		exit: func(to nodeID, at **insn) {
			e.arrivals[to] = append(e.arrivals[to], arrival{at, w.m})
		},
	}
	u, mask, masked := e.vs.masked(x.val)
	zero, isZero := x.set.complement().single()
	one, isOne := x.set.single()
	switch {
	case v.op == opCompare:
		op, t, f := v.alu, x.t, x.f
		if !x.set.contains(1) {
			t, f = f, t
		}
		inA, _ := w.pair(v.l, v.r, true)
		if inA != v.l && op != jmpJEq {
			// l > r is not r >= l.
			op = jmpJGt + jmpJGe - op
			t, f = f, t
		}
		j := &insn{op: classJmp | op | srcX}
		head = j
		jump.exit(t, &j.jt)
		jump.exit(f, &j.jf)
	case masked && m.a != x.val && (isZero && zero == 0 || isOne && one == mask && mask&(mask-1) == 0):
		w.toA(u)
		j := &insn{op: classJmp | jmpJSet, k: mask}
		head = j
		jump.exit(x.t, &j.jt)
		jump.exit(x.f, &j.jf)
	default:
		val := x.val
		ps := e.g.pieces(n, func(n nodeID) bool { return e.preds[n] == 1 }, func(n nodeID) { e.absorbed[n] = true })
		if masked && !e.wants(n, x.val, ps) {
			if ranges, ok := unmasked(ps, mask, e.vs.largest(u)); ok {
				val, ps = u, ranges
			}
		}
		w.toA(val)
		jump.write(ps, &head)
	}
	for _, a := range e.link(n, w) {
		*a.at = head
	}
}
