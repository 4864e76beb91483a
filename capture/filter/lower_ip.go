package filter

import (
	"encoding/binary"
	"net/netip"
)

// host4 holds for packets from or to an IPv4 address under a mask, of a protocol
// that has such addresses, or of any of them if proto is empty.
func (l *lowering) host4(s span, addr, mask uint32, proto, dir string) (condID, error) {
	switch proto {
	case "":
		list := []string{"ip", "arp", "rarp"}
		if l.labels > 0 {
			list = list[:1] // MPLS carries nothing else that has such addresses
		}
		var any []condID
		for _, p := range list {
			c, err := l.host4(s, addr, mask, p, dir)
			if err != nil {
				return never, err
			}
			any = append(any, c)
		}
		return l.cs.or(any...), nil
	case "ip", "arp", "rarp":
	default:
		return never, l.errorAt(s, "%s has no IPv4 addresses, ip, arp and rarp have", proto)
	}
	c, err := l.linkProto(s, linkProtocols[proto])
	if err != nil || mask == 0 && addr == 0 {
		return c, err
	}
	src, dst := uint32(12), uint32(16)
	if proto != "ip" {
		src, dst = 14, 24
	}
	d, err := l.directed(s, dir, func(source bool) condID {
		at := dst
		if source {
			at = src
		}
		return l.cs.bits(l.net(at, 4), addr, mask)
	})
	return l.cs.and(c, d), err
}

// host6 is host4 for IPv6.
func (l *lowering) host6(s span, prefix netip.Prefix, proto, dir string) (condID, error) {
	if proto != "" && proto != "ip6" {
		return never, l.errorAt(s, "%s has no IPv6 addresses, ip6 has", proto)
	}
	c, err := l.linkProto(s, etherIPv6)
	if err != nil {
		return c, err
	}
	addr := prefix.Addr().As16()
	d, err := l.directed(s, dir, func(source bool) condID {
		at := uint32(24)
		if source {
			at = 8
		}
		var words []condID
		for i := range 4 {
			bits := min(max(prefix.Bits()-32*i, 0), 32)
			if bits == 0 {
				break
			}
			mask := ^uint32(0) << (32 - bits)
			word := binary.BigEndian.Uint32(addr[4*i:])
			words = append(words, l.cs.bits(l.net(at+uint32(4*i), 4), word, mask))
		}
		return l.cs.and(words...)
	})
	return l.cs.and(c, d), err
}

// hostNamed holds for packets from or to any address of a host.
func (l *lowering) hostNamed(t token, proto4, proto6, dir string) (condID, error) {
	addrs, err := l.resolver.Host(t.text)
	if err != nil {
		return never, l.nameError(t, "host", err)
	}
	var any []condID
	if proto4 != "ip6" {
		for _, a := range addrs {
			if a = a.Unmap(); !a.Is4() {
				continue
			}
			b := a.As4()
			c, err := l.host4(t.span(), binary.BigEndian.Uint32(b[:]), ^uint32(0), proto4, dir)
			if err != nil {
				return never, err
			}
			any = append(any, c)
		}
	}
	if proto6 != "arp" && proto6 != "ip" && proto6 != "rarp" {
		for _, a := range addrs {
			if a = a.Unmap(); !a.Is6() {
				continue
			}
			c, err := l.host6(t.span(), netip.PrefixFrom(a.WithZone(""), 128), proto6, dir)
			if err != nil {
				return never, err
			}
			any = append(any, c)
		}
	}
	if len(any) == 0 {
		return never, l.errorAt(t.span(), "host %s has no address of the kind that is asked for", t)
	}
	return l.cs.or(any...), nil
}

// ports holds for TCP, UDP and SCTP packets with a port in a set, or for one of
// them if protocol isn't 0.
func (l *lowering) ports(s span, ports set, protocol uint32, dir string) (condID, error) {
	v4, err := l.ports4(s, ports, protocol, dir)
	if err != nil {
		return never, err
	}
	v6, err := l.ports6(s, ports, protocol, dir)
	return l.cs.or(v6, v4), err
}

func withPorts(protocol uint32) set {
	if protocol != 0 {
		return only(protocol)
	}
	return only(protoTCP).union(only(protoUDP)).union(only(protoSCTP))
}

// ports4 is ports for IPv4. Fragments other than the first have no ports.
func (l *lowering) ports4(s span, ports set, protocol uint32, dir string) (condID, error) {
	ip, err := l.linkProto(s, etherIP)
	if err != nil {
		return never, err
	}
	d, err := l.directed(s, dir, func(source bool) condID {
		if source {
			return l.cs.test(l.transport4(0, 2), ports)
		}
		return l.cs.test(l.transport4(2, 2), ports)
	})
	return l.cs.and(ip, l.cs.test(l.net(9, 1), withPorts(protocol)), l.firstFragment(), d), err
}

// ports6 is ports for IPv6, where only the first header is looked at.
func (l *lowering) ports6(s span, ports set, protocol uint32, dir string) (condID, error) {
	ip6, err := l.linkProto(s, etherIPv6)
	if err != nil {
		return never, err
	}
	d, err := l.directed(s, dir, func(source bool) condID {
		if source {
			return l.cs.test(l.net(40, 2), ports)
		}
		return l.cs.test(l.net(42, 2), ports)
	})
	return l.cs.and(ip6, l.cs.test(l.net(6, 1), withPorts(protocol)), d), err
}

// firstFragment holds for IPv4 packets that are whole, or a first fragment.
func (l *lowering) firstFragment() condID {
	return l.cs.bits(l.net(6, 2), 0, 0x1fff)
}

// transport4 is size bytes behind the IPv4 header.
func (l *lowering) transport4(plus uint32, size uint8) valueID {
	at := l.headerEnd4()
	return l.field(at, plus, size)
}

// headerEnd4 is where the IPv4 header ends.
func (l *lowering) headerEnd4() offset {
	start := l.payload.plus(l.network)
	length := l.vs.headerLength(start.base, start.k)
	if start.base != noValue {
		length = l.vs.alu(aluAdd, length, start.base)
	}
	return offset{length, start.k}
}

// broadcast4 holds for IPv4 packets to a broadcast address of the network.
func (l *lowering) broadcast4(s span) (condID, error) {
	if !l.hasMask {
		return never, l.errorAt(s, "ip broadcast needs the network mask, which isn't known")
	}
	ip, err := l.linkProto(s, etherIP)
	host := ^l.netmask
	dst := l.vs.alu(aluAnd, l.net(16, 4), l.vs.constant(host))
	return l.cs.and(ip, l.cs.test(dst, only(0).union(only(host)))), err
}
