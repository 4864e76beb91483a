package filter

// A machine is what the registers and the scratch memory are known to hold.
type machine struct {
	a, x valueID
	mem  [scratchWords]valueID
}

func newMachine() machine {
	m := machine{a: noValue, x: noValue}
	for i := range m.mem {
		m.mem[i] = noValue
	}
	return m
}

// slot tells where in scratch memory v is.
func (m *machine) slot(v valueID) (int, bool) {
	for i, have := range m.mem {
		if have == v {
			return i, true
		}
	}
	return 0, false
}

// meet keeps what holds in both.
func (m machine) meet(other machine) machine {
	if m.a != other.a {
		m.a = noValue
	}
	if m.x != other.x {
		m.x = noValue
	}
	for i := range m.mem {
		if m.mem[i] != other.mem[i] {
			m.mem[i] = noValue
		}
	}
	return m
}

// covers tells whether everything that holds in other holds in m.
func (m *machine) covers(other *machine) bool {
	if other.a != noValue && m.a != other.a || other.x != noValue && m.x != other.x {
		return false
	}
	for i, v := range other.mem {
		if v != noValue && m.mem[i] != v {
			return false
		}
	}
	return true
}

// A step is an instruction with what it needs and what it leaves.
type step struct {
	op           uint16
	k            uint32
	needA, needX valueID // noValue: not read
	needMem      int     // slot read, or -1
	needMemVal   valueID
	setA, setX   valueID // noValue: kept
	setMem       int     // slot written, or -1
	setMemVal    valueID
}

// run tells whether the step does what it should in a machine, and does it.
func (s *step) run(m *machine) bool {
	if s.needA != noValue && m.a != s.needA || s.needX != noValue && m.x != s.needX {
		return false
	}
	if s.needMem >= 0 && m.mem[s.needMem] != s.needMemVal {
		return false
	}
	if s.setA != noValue {
		m.a = s.setA
	}
	if s.setX != noValue {
		m.x = s.setX
	}
	if s.setMem >= 0 {
		m.mem[s.setMem] = s.setMemVal
	}
	return true
}
