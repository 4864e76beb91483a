package filter

import (
	"slices"

	"golang.org/x/net/bpf"
)

// share makes equal instructions with equal successors one, from the end. It leaves
// out jumps that go to one place, and stores of what no way from there reads.
func share(first *insn) *insn {
	s := sharer{done: make(map[*insn]*insn), known: make(map[insn]*insn), reads: make(map[*insn]uint16)}
	return s.visit(first)
}

type sharer struct {
	done  map[*insn]*insn
	known map[insn]*insn
	// reads are the words of scratch memory that are read from an instruction on
	// before they are written, as a bit mask.
	reads map[*insn]uint16
}

func (s *sharer) visit(i *insn) *insn {
	if i == nil {
		return nil
	}
	if d, ok := s.done[i]; ok {
		return d
	}
	var d *insn
	if i.alike > 1 {
		d = s.visitAlike(i)
	} else {
		d = s.intern(insn{op: i.op, k: i.k, next: s.visit(i.next), jt: s.visit(i.jt), jf: s.visit(i.jf)})
	}
	s.done[i] = d
	return d
}

// visitAlike shares jumps that may change places. Those that are there already, and
// lead on as these do, come last.
func (s *sharer) visitAlike(i *insn) *insn {
	left := make([]insn, i.alike)
	first := 0
	if i.common {
		first = 1
	}
	for n := range left {
		left[n] = insn{op: i.op, k: i.k, jt: s.visit(i.jt)}
		i = i.jf
	}
	last := s.visit(i)
	for len(left) > 0 {
		n := len(left) - 1
		for k := n; k >= first; k-- {
			left[k].jf = last
			if s.known[left[k]] != nil {
				n = k
				break
			}
		}
		left[n].jf = last
		last = s.intern(left[n])
		left = slices.Delete(left, n, n+1)
	}
	return last
}

// intern is the instruction for key, whose successors have been visited.
func (s *sharer) intern(key insn) *insn {
	reads, word := s.reads[key.next]|s.reads[key.jt]|s.reads[key.jf], uint16(1)<<(key.k%scratchWords)
	d, ok := s.known[key]
	switch {
	case key.isJump() && key.jt == key.jf:
		d = key.jt
	case key.isStore() && reads&word == 0:
		d = key.next
	case !ok:
		d = &key
		s.known[key] = d
		switch {
		case key.isStore():
			reads &^= word
		case key.isScratchLoad():
			reads |= word
		}
		s.reads[d] = reads
	}
	return d
}

// A run is a sequence of instructions of which each but the last goes on at the
// next.
type run struct {
	body []*insn
	seen bool
}

// arrange puts the instructions in an order in which all jumps go forward. An
// instruction that several others go on at follows one of them; the others get a
// copy of it, if it is a jump or a return, or else a jump to it.
func arrange(first *insn) []*insn {
	var all []*insn
	visited := make(map[*insn]bool)
	var walk func(i *insn)
	walk = func(i *insn) {
		if i == nil || visited[i] {
			return
		}
		visited[i] = true
		walk(i.next)
		walk(i.jf)
		walk(i.jt)
		all = append(all, i)
	}
	walk(first)
	followed := make(map[*insn]bool)
	jumpedTo := map[*insn]bool{first: true}
	for _, i := range all {
		if i.isJump() {
			jumpedTo[i.jt], jumpedTo[i.jf] = true, true
		}
	}
	// Later instructions were finished earlier: go through them from the start.
	for n := len(all) - 1; n >= 0; n-- {
		i := all[n]
		if i.next == nil {
			continue
		}
		target := i.next
		switch {
		case target.isReturn() && (jumpedTo[target] || followed[target]), target.isJump() && followed[target]:
			clone := *target
			i.next = &clone
		case followed[target]:
			i.next = &insn{op: classJmp | jmpJA, jt: target}
		default:
			followed[target] = true
		}
	}
	inRun := make(map[*insn]*run)
	var runs []*run
	for n := len(all) - 1; n >= 0; n-- {
		i := all[n]
		if followed[i] || inRun[i] != nil {
			continue
		}
		r := &run{}
		for ; i != nil; i = i.next {
			r.body = append(r.body, i)
			inRun[i] = r
		}
		runs = append(runs, r)
	}
	var post []*run
	var visit func(r *run)
	visit = func(r *run) {
		if r == nil || r.seen {
			return
		}
		r.seen = true
		last := r.body[len(r.body)-1]
		visit(inRun[last.jf])
		visit(inRun[last.jt])
		post = append(post, r)
	}
	// Returns first, so that they come last.
	for _, r := range runs {
		if len(r.body) == 1 && r.body[0].isReturn() && r.body[0].k == 0 {
			visit(r)
		}
	}
	for _, r := range runs {
		if len(r.body) == 1 && r.body[0].isReturn() {
			visit(r)
		}
	}
	visit(inRun[first])
	var list []*insn
	for n := len(post) - 1; n >= 0; n-- {
		list = append(list, post[n].body...)
	}
	return list
}

// maxReach is how far a conditional jump goes: its offsets are bytes.
const maxReach = 255

// An assembler gives jumps their offsets. It goes from the last instruction to
// the first, so that all targets have their place. Where one is too far away, it
// puts a jump to it, or a copy if it is a return, behind the instruction; others
// before it use that too while they reach it.
type assembler struct {
	reversed []bpf.RawInstruction
	place    map[*insn]int // in reversed
	relay    map[*insn]int
}

func assemble(list []*insn) []bpf.RawInstruction {
	a := assembler{place: make(map[*insn]int, len(list)), relay: make(map[*insn]int)}
	for n := len(list) - 1; n >= 0; n-- {
		i := list[n]
		if i.isJump() {
			// A relay for one target moves the other one away.
			a.reach(i.jt, 1)
			a.reach(i.jf, 0)
			a.reach(i.jt, 0)
		}
		raw := bpf.RawInstruction{Op: i.op, K: i.k}
		switch {
		case i.isJump():
			raw.Jt, raw.Jf = uint8(a.distance(i.jt)), uint8(a.distance(i.jf))
		case i.op == classJmp|jmpJA:
			raw.K = uint32(len(a.reversed) - 1 - a.place[i.jt])
		}
		a.place[i] = len(a.reversed)
		a.reversed = append(a.reversed, raw)
	}
	slices.Reverse(a.reversed)
	return a.reversed
}

// distance is the offset of a jump, placed next, to a target or its relay.
func (a *assembler) distance(target *insn) int {
	here := len(a.reversed) - 1
	if direct := here - a.place[target]; direct <= maxReach {
		return direct
	}
	if relay, ok := a.relay[target]; ok {
		return here - relay
	}
	return maxReach + 1
}

// reach puts a relay here unless the target can be reached, even after spare more
// instructions.
func (a *assembler) reach(target *insn, spare int) {
	if a.distance(target)+spare <= maxReach {
		return
	}
	raw := bpf.RawInstruction{Op: target.op, K: target.k}
	if !target.isReturn() {
		raw = bpf.RawInstruction{Op: classJmp | jmpJA, K: uint32(len(a.reversed) - 1 - a.place[target])}
	}
	a.relay[target] = len(a.reversed)
	a.reversed = append(a.reversed, raw)
}
