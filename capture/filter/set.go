package filter

import (
	"encoding/binary"
	"math"
	"slices"
)

// An interval is a closed range of values, lo <= hi.
type interval struct{ lo, hi uint32 }

// A set is a set of 32-bit values: disjoint intervals in rising order that do
// not touch. Sets are never changed once made, so they may share memory.
type set []interval

var (
	noValues  = set(nil)
	allValues = set{{0, math.MaxUint32}}
)

func only(v uint32) set         { return set{{v, v}} }
func between(lo, hi uint32) set { return set{{lo, hi}} }
func atLeast(v uint32) set      { return set{{v, math.MaxUint32}} }
func atMost(v uint32) set       { return set{{0, v}} }

func (s set) empty() bool { return len(s) == 0 }
func (s set) full() bool  { return len(s) == 1 && s[0] == allValues[0] }

func (s set) contains(v uint32) bool {
	_, found := slices.BinarySearchFunc(s, v, func(x interval, v uint32) int {
		switch {
		case x.hi < v:
			return -1
		case x.lo > v:
			return 1
		}
		return 0
	})
	return found
}

// single tells whether the set has one element, and which.
func (s set) single() (uint32, bool) {
	if len(s) == 1 && s[0].lo == s[0].hi {
		return s[0].lo, true
	}
	return 0, false
}

func (s set) complement() set {
	if len(s) == 0 {
		return allValues
	}
	out := make(set, 0, len(s)+1)
	next := uint32(0)
	for _, x := range s {
		if x.lo > next {
			out = append(out, interval{next, x.lo - 1})
		}
		if x.hi == math.MaxUint32 {
			return out
		}
		next = x.hi + 1
	}
	return append(out, interval{next, math.MaxUint32})
}

func (s set) union(t set) set {
	switch {
	case len(s) == 0:
		return t
	case len(t) == 0:
		return s
	}
	all := make(set, 0, len(s)+len(t))
	all = append(append(all, s...), t...)
	return normal(all)
}

// normal sorts intervals and joins those that overlap or touch, in place.
func normal(all set) set {
	slices.SortFunc(all, func(a, b interval) int {
		switch {
		case a.lo < b.lo:
			return -1
		case a.lo > b.lo:
			return 1
		}
		return 0
	})
	out := all[:0]
	for _, x := range all {
		if n := len(out); n > 0 && (out[n-1].hi == math.MaxUint32 || x.lo <= out[n-1].hi+1) {
			out[n-1].hi = max(out[n-1].hi, x.hi)
			continue
		}
		out = append(out, x)
	}
	return out
}

func (s set) intersect(t set) set {
	var out set
	for i, j := 0, 0; i < len(s) && j < len(t); {
		lo, hi := max(s[i].lo, t[j].lo), min(s[i].hi, t[j].hi)
		if lo <= hi {
			out = append(out, interval{lo, hi})
		}
		if s[i].hi < t[j].hi {
			i++
		} else {
			j++
		}
	}
	return out
}

func (s set) disjoint(t set) bool {
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if max(s[i].lo, t[j].lo) <= min(s[i].hi, t[j].hi) {
			return false
		}
		if s[i].hi < t[j].hi {
			i++
		} else {
			j++
		}
	}
	return true
}

func (s set) subsetOf(t set) bool {
	j := 0
	for _, x := range s {
		for j < len(t) && t[j].hi < x.lo {
			j++
		}
		if j == len(t) || t[j].lo > x.lo || t[j].hi < x.hi {
			return false
		}
	}
	return true
}

// size is how many values the set has, at most limit.
func (s set) size(limit int) int {
	n := 0
	for _, x := range s {
		width := uint64(x.hi) - uint64(x.lo) + 1
		if width > uint64(limit) || n+int(width) >= limit {
			return limit
		}
		n += int(width)
	}
	return n
}

// each calls f with every element, while f returns true.
func (s set) each(f func(uint32) bool) bool {
	for _, x := range s {
		for v := x.lo; ; v++ {
			if !f(v) {
				return false
			}
			if v == x.hi {
				break
			}
		}
	}
	return true
}

// key is a string that differs for different sets.
func (s set) key() string {
	b := make([]byte, 0, 8*len(s))
	for _, x := range s {
		b = binary.BigEndian.AppendUint32(b, x.lo)
		b = binary.BigEndian.AppendUint32(b, x.hi)
	}
	return string(b)
}
