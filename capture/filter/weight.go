package filter

// weigher guesses how common the values of a field are, so that the common ones
// are tested first. Only the order depends on it, never the verdict.
func weigher(vs *values, v valueID) func(k uint32) int {
	size := uint8(0)
	if u, _, ok := vs.masked(v); ok {
		v = u
	}
	if x := vs.at(v); x.op == opLoad || x.op == opExtra {
		size = x.size
	}
	return func(k uint32) int {
		switch size {
		case 1:
			switch k {
			case 6, 0x40: // TCP; version 4
				return 4
			case 17, 0x60: // UDP; version 6
				return 3
			case 1, 58: // ICMP
				return 2
			}
		case 2:
			switch k {
			case etherIP, 0x0021: // IPv4, in PPP too
				return 4
			case etherIPv6, 0x0057:
				return 3
			case etherARP, ether8021Q:
				return 2
			}
		}
		return 0
	}
}
