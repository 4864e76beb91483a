package filter

import (
	"cmp"
	"math"
)

// A guess tells what values of a field are common, so that they are tested first,
// or told first from those that are asked for. Only the order of tests depends on
// it, never the verdict.
type guess struct {
	val   valueID
	size  uint8 // of the field in bytes, 0 if it is none
	turns map[fieldValue]int
}

func newGuess(cs *conds, val valueID) guess {
	g := guess{val: val, turns: cs.turns}
	v := val
	if u, _, ok := cs.vs.masked(v); ok {
		v = u
	}
	if x := cs.vs.at(v); x.op == opLoad || x.op == opExtra {
		g.size = x.size
	}
	return g
}

// weight is higher for values that are more common.
func (g guess) weight(k uint32) int {
	switch g.size {
	case 1:
		switch k {
		case 6, 0x40: // TCP; version 4
			return 4
		case 17, 0x60: // UDP; version 6
			return 3
		case 1, 58: // ICMP
			return 2
		case 2, 89, 103, 112: // routers talk IGMP, OSPF, PIM, VRRP all the time
			return 1
		case 128, 129: // ICMPv6's echo
			return 1
		}
	case 2:
		switch k {
		case etherIP, 0x0021: // IPv4, in PPP too
			return 4
		case etherIPv6, 0x0057:
			return 3
		case etherARP, ether8021Q:
			return 2
		case vciSegmentOAM, vciEndOAM: // asked for on ATM's signalling path only
			return 1
		}
	case 4:
		switch k { // address families in the order of bytes of most machines
		case 2 << 24:
			return 4
		case 30 << 24: // IPv6 on Darwin
			return 3
		case 28 << 24, 24 << 24: // and on the other BSDs
			return 2
		}
	}
	return 0
}

// compare orders single values: common ones first, then as they are written.
func (g guess) compare(a, b uint32) int {
	return cmp.Or(cmp.Compare(g.weight(b), g.weight(a)), cmp.Compare(g.turn(a), g.turn(b)))
}

func (g guess) turn(k uint32) int {
	if turn, ok := g.turns[fieldValue{g.val, k}]; ok {
		return turn
	}
	return math.MaxInt
}

// below tells whether values below lo are more common than those from next on.
// Addresses may be anywhere. Of ports, protocols and lengths, as many lie between 1
// and 10 as between 10 and 100.
func (g guess) below(lo, next uint32) bool {
	switch g.size {
	case 1, 2:
		return uint64(lo)*uint64(next) > 1<<(8*g.size)
	case 4:
		return lo > -next
	}
	return false
}
