package filter

// A codeWriter writes the steps that bring values into registers.
type codeWriter struct {
	vs    *values
	m     machine
	steps []step
	// keep tells whether a value in A, needed in X now, is wanted again once X
	// holds something else, and gives it a slot.
	keep   func(v valueID) (slot int, ok bool)
	spills int
	failed bool // more scratch memory is needed than there is
}

func (w *codeWriter) add(s step) {
	w.steps = append(w.steps, s)
	if !s.run(&w.m) {
		w.failed = true // a fault of the compiler; tests look for it
	}
}

func (w *codeWriter) plain(op uint16, k uint32) step {
	return step{
		op: op, k: k, needA: noValue, needX: noValue, needMem: -1, needMemVal: noValue,
		setA: noValue, setX: noValue, setMem: -1, setMemVal: noValue,
	}
}

// toA brings v into A.
func (w *codeWriter) toA(v valueID) {
	if w.m.a == v {
		return
	}
	if w.m.x == v {
		s := w.plain(classMisc|miscTxa, 0)
		s.needX, s.setA = v, v
		w.add(s)
		return
	}
	if slot, ok := w.m.slot(v); ok {
		s := w.plain(classLd|modeMem, uint32(slot))
		s.needMem, s.needMemVal, s.setA = slot, v, v
		w.add(s)
		return
	}
	switch x := w.vs.at(v); x.op {
	case opConst:
		s := w.plain(classLd|modeImm, x.k)
		s.setA = v
		w.add(s)
	case opLen:
		s := w.plain(classLd|modeLen, 0)
		s.setA = v
		w.add(s)
	case opExtra:
		s := w.plain(classLd|modeAbs|sizeCode(x.size), extraOffset+x.k)
		s.setA = v
		w.add(s)
	case opLoad:
		op := uint16(classLd | modeAbs)
		s := w.plain(0, x.k)
		if x.l != noValue {
			w.toX(x.l)
			op = classLd | modeInd
			s.needX = x.l
		}
		s.op, s.setA = op|sizeCode(x.size), v
		w.add(s)
	case opChain:
		s := w.plain(opHeaderChain, x.k)
		s.setA = v
		w.add(s)
	case opNeg:
		w.toA(x.l)
		s := w.plain(classAlu|aluNeg, 0)
		s.needA, s.setA = x.l, v
		w.add(s)
	case opALU:
		w.calculate(v, x)
	default:
		w.failed = true
	}
}

func (w *codeWriter) calculate(v valueID, x value) {
	if k, ok := w.vs.isConst(x.r); ok {
		w.toA(x.l)
		s := w.plain(classAlu|x.alu, k)
		s.needA, s.setA = x.l, v
		w.add(s)
		return
	}
	l, r := w.pair(x.l, x.r, commutative(x.alu))
	s := w.plain(classAlu|x.alu|srcX, 0)
	s.needA, s.needX, s.setA = l, r, v
	w.add(s)
}

// pair brings l and r into A and X, the other way round if that is shorter and
// both ways will do, and tells which is where.
func (w *codeWriter) pair(l, r valueID, bothWays bool) (inA, inX valueID) {
	switch {
	case w.m.x == r && (w.m.a == l || w.keepsX(l, r)):
		w.toA(l)
	case bothWays && w.m.x == l && (w.m.a == r || w.keepsX(r, l)):
		l, r = r, l
		w.toA(l)
	case bothWays && w.direct(l) && w.longer(l, r):
		l, r = r, l
		w.toA(l)
		w.toX(r)
	case w.direct(r):
		w.toA(l)
		w.toX(r)
	case bothWays && w.direct(l):
		l, r = r, l
		w.toA(l)
		w.toX(r)
	case w.keepsX(l, r):
		w.toX(r)
		w.toA(l)
	case bothWays && w.keepsX(r, l):
		l, r = r, l
		w.toX(r)
		w.toA(l)
	default:
		w.spill(l, r)
	}
	return l, r
}

// spill computes both operands with the help of scratch memory.
func (w *codeWriter) spill(l, r valueID) {
	slot := scratchWords - 1 - w.spills
	if slot < 0 || w.m.mem[slot] != noValue {
		w.failed = true
		return
	}
	w.spills++
	w.toA(r)
	s := w.plain(classSt, uint32(slot))
	s.needA, s.setMem, s.setMemVal = r, slot, r
	w.add(s)
	w.toA(l)
	s = w.plain(classLdx|modeMem, uint32(slot))
	s.needMem, s.needMemVal, s.setX = slot, r, r
	w.add(s)
	w.m.mem[slot] = noValue
	w.spills--
}

// direct tells whether v can be brought into X without A.
func (w *codeWriter) direct(v valueID) bool {
	if w.m.x == v {
		return false // what comes before may need X
	}
	if _, ok := w.m.slot(v); ok {
		return true
	}
	if _, ok := w.vs.isHeaderLength(v); ok {
		return true
	}
	op := w.vs.at(v).op
	return op == opConst || op == opLen
}

// longer tells whether l takes more instructions in A than r, both of which can be
// brought into X at once.
func (w *codeWriter) longer(l, r valueID) bool {
	_, kept := w.m.slot(l)
	_, length := w.vs.isHeaderLength(l)
	op := w.vs.at(r).op
	return length && !kept && w.m.a != l && (op == opConst || op == opLen)
}

// keepsX tells whether v can be brought into A while X holds x.
func (w *codeWriter) keepsX(v, x valueID) bool {
	if v == x {
		return true
	}
	if _, ok := w.m.slot(v); ok {
		return true
	}
	switch e := w.vs.at(v); e.op {
	case opConst, opLen, opExtra:
		return true
	case opLoad:
		return e.l == noValue || e.l == x
	case opNeg:
		return w.keepsX(e.l, x)
	case opALU:
		if _, ok := w.vs.isConst(e.r); ok {
			return w.keepsX(e.l, x)
		}
		return e.r == x && w.keepsX(e.l, x)
	}
	return false
}

// toX brings v into X.
func (w *codeWriter) toX(v valueID) {
	if w.m.x == v {
		return
	}
	s := w.plain(0, 0)
	s.setX = v
	if slot, ok := w.m.slot(v); ok && w.m.a != v {
		s.op, s.k = classLdx|modeMem, uint32(slot)
		s.needMem, s.needMemVal = slot, v
		w.add(s)
		return
	}
	if w.m.a != v {
		e := w.vs.at(v)
		k, ok := w.vs.isHeaderLength(v)
		switch {
		case ok:
			s.op, s.k = classLdx|modeMsh|sizeB, k
		case e.op == opConst:
			s.op, s.k = classLdx|modeImm, e.k
		case e.op == opLen:
			s.op = classLdx | modeLen
		}
		if s.op != 0 {
			w.add(s)
			return
		}
		w.toA(v)
		if slot, ok := w.keep(v); ok {
			st := w.plain(classSt, uint32(slot))
			st.needA, st.setMem, st.setMemVal = v, slot, v
			w.add(st)
		}
	}
	s.op, s.needA = classMisc|miscTax, v
	w.add(s)
}
