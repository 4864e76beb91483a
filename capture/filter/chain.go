package filter

// A headerChain is what protochain asks: whether a protocol is among the headers
// behind an IP header. It needs a loop, which classic BPF in a kernel has not, so
// the matcher does it.
type headerChain struct {
	ipv6   bool
	proto  uint8
	header uint32 // where the IP header is
	cooked uint32 // the length of the header before it that a live packet lacks
}

// protoChain holds for packets that have a protocol among their headers.
func (l *lowering) protoChain(s span, version string, number uint32) (condID, error) {
	if err := l.limit(s, "a protocol number", number, 255); err != nil {
		return never, err
	}
	if version != "" && version != "ip" && version != "ip6" {
		return never, l.errorAt(s, "%s has no protochain; ip and ip6 have", version)
	}
	if l.payload.base != noValue {
		return never, l.errorAt(s, "protochain can't be used behind headers of variable length")
	}
	var list []condID
	for _, ipv6 := range []bool{false, true} {
		p := uint32(etherIP)
		if ipv6 {
			p = etherIPv6
		}
		if ipv6 && version == "ip" || !ipv6 && version == "ip6" {
			continue
		}
		c, err := l.linkProto(s, p)
		if err != nil {
			return never, err
		}
		found := l.vs.chain(headerChain{ipv6: ipv6, proto: uint8(number), header: l.payload.k + l.network})
		list = append(list, l.cs.and(c, l.cs.equals(found, 1)))
	}
	return l.cs.or(list...), nil
}

// find follows the chain. It is not ok if that leads out of the packet. Behind an
// authentication header libpcap goes on at an offset that leaves out the IP
// header; so does this.
func (c *headerChain) find(data []byte) (found, ok bool) {
	at := func(k uint32) (byte, bool) {
		if uint64(k) >= uint64(len(data)) {
			return 0, false
		}
		return data[k], true
	}
	next, x := byte(0), uint32(40)
	if c.ipv6 {
		next, ok = at(c.header + 6)
	} else {
		var length byte
		if next, ok = at(c.header + 9); ok {
			length, ok = at(c.header)
		}
		x = uint32(length&0xf) << 2
	}
	// Each round moves on or repeats itself, so that no packet needs more.
	for rounds := 0; ok && rounds <= len(data); rounds++ {
		var following, length byte
		switch {
		case next == c.proto:
			return true, true
		case c.ipv6 && (next == 0 || next == 60 || next == 43 || next == protoFragment):
			if following, ok = at(c.header + x); ok {
				length, ok = at(c.header + x + 1)
			}
			x += (uint32(length) + 1) * 8
		case next == protoAH:
			if following, ok = at(c.header + x); ok {
				length, ok = at(c.header + x + 1)
			}
			x = (uint32(length) + 2) * 4
		default:
			return false, true
		}
		next = following
	}
	return false, false
}
