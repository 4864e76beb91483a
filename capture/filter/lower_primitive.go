package filter

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"strings"
)

// primitive holds for packets with an address, a port or a protocol.
func (l *lowering) primitive(p *primitive) (condID, error) {
	q := p.quals
	proto := q.proto.word
	switch p.id.kind {
	case tokEther:
		if q.kind != "" && q.kind != "host" || proto != "link" {
			return never, l.errorAt(p.span, "an Ethernet address needs ether before it")
		}
		addr, err := etherAddress(p.id.text)
		if err != nil {
			return never, l.errorAt(p.span, "%v", err)
		}
		return l.macHost(p.span, addr, q.dir, "an Ethernet address")
	case tokShort:
		if q.kind != "" && q.kind != "host" || proto != "link" {
			return never, l.errorAt(p.span, "an 8-bit hardware address needs link before it, and host at most")
		}
		addr, err := shortAddress(p.id.text)
		if err != nil {
			return never, l.errorAt(p.span, "%v", err)
		}
		return l.shortHost(p.span, addr, q.dir, "an 8-bit hardware address")
	}
	switch q.kind {
	case "", "host", "net":
		return l.address(p)
	}
	if p.id.kind != tokName && p.id.kind != tokNumber {
		return never, l.errorAt(p.span, "%s takes a name or a number, not an address", q.kind)
	}
	switch q.kind {
	case "port", "portrange":
		return l.portPrimitive(p)
	case "gateway":
		return l.gateway(p)
	}
	number, err := l.protocolNumber(p)
	if err != nil {
		return never, err
	}
	if q.kind == "protochain" {
		return l.protoChain(p.span, proto, number)
	}
	switch proto {
	case "link":
		return l.linkProto(p.span, number)
	case "iso":
		return l.isoProto(p.span, number)
	case "isis":
		return l.isisPDU(p.span, number)
	case "", "ip", "ip6":
		return l.ipProto(p.span, proto, number)
	}
	return never, l.errorAt(q.span, "%s has no proto; link, ip, ip6, iso and isis have", proto)
}

// address is a primitive of kind host or net.
func (l *lowering) address(p *primitive) (condID, error) {
	q, proto := p.quals, p.quals.proto.word
	if proto == "decnet" {
		if q.kind == "net" || p.id.kind != tokDotted || p.mask.len > 0 {
			return never, l.errorAt(p.span, "decnet takes a host's address: an area, a dot, and a node")
		}
		addr, err := dottedDECnet(p.id.text)
		if err != nil {
			return never, l.errorAt(p.span, "%v", err)
		}
		return l.decnetHost(p.span, addr, q.dir)
	}
	if proto == "link" && (q.kind == "net" || p.id.kind != tokName) {
		return never, l.errorAt(p.span, "%s is not an address of the link layer", p.id)
	}
	switch p.id.kind {
	case tokName:
		switch {
		case q.kind == "net":
			network, err := l.resolver.Network(p.id.text)
			if err != nil {
				return never, l.nameError(p.id, "network", err)
			}
			return l.network4(p.span, network, proto, q.dir)
		case proto == "link":
			return l.macHostNamed(p.id, q.dir, "ether host")
		case l.noProto && proto == "":
			return l.hostNamed(p.id, "ip", "ip6", q.dir)
		}
		return l.hostNamed(p.id, proto, proto, q.dir)
	case tokIPv6:
		addr, err := netip.ParseAddr(p.id.text)
		if err != nil {
			return never, l.errorAt(p.span, "%v", err)
		}
		bits := uint32(128)
		if p.slash {
			bits = p.mask.num
		}
		if bits > 128 {
			return never, l.errorAt(p.mask.span(), "an IPv6 prefix has at most 128 bits")
		}
		if bits != 128 && q.kind != "net" {
			return never, l.errorAt(p.span, "a prefix needs net before it, not host")
		}
		prefix := netip.PrefixFrom(addr, int(bits))
		if prefix.Masked().Addr() != addr {
			return never, l.errorAt(p.span, "bits are set behind the first %d", bits)
		}
		return l.host6(p.span, prefix, proto, q.dir)
	case tokNumber:
		addr, mask := p.id.num, uint32(math.MaxUint32)
		for q.kind == "net" && addr != 0 && addr>>24 == 0 {
			addr <<= 8
			mask <<= 8
		}
		return l.host4(p.span, addr, mask, proto, q.dir)
	}
	addr, bits, err := dottedIPv4(p.id.text)
	if err != nil {
		return never, l.errorAt(p.id.span(), "%v", err)
	}
	addr <<= 32 - bits
	mask := ^uint32(0) << (32 - bits)
	if p.mask.len > 0 {
		if mask, err = l.mask4(p); err != nil {
			return never, err
		}
		if q.kind != "net" {
			return never, l.errorAt(p.span, "a prefix needs net before it, not host")
		}
		if addr&^mask != 0 {
			return never, l.errorAt(p.span, "bits are set outside of the network mask")
		}
	}
	return l.host4(p.span, addr, mask, proto, q.dir)
}

// mask4 is the mask behind an IPv4 network.
func (l *lowering) mask4(p *primitive) (uint32, error) {
	if p.slash {
		if p.mask.num > 32 {
			return 0, l.errorAt(p.mask.span(), "an IPv4 prefix has at most 32 bits")
		}
		return uint32(uint64(math.MaxUint32) << (32 - p.mask.num)), nil
	}
	mask, bits, err := dottedIPv4(p.mask.text)
	if err != nil {
		return 0, l.errorAt(p.mask.span(), "%v", err)
	}
	return mask << (32 - bits), nil
}

func (l *lowering) network4(s span, network netip.Prefix, proto, dir string) (condID, error) {
	if proto == "ip6" || !network.Addr().Is4() {
		return never, l.errorAt(s, "a named network is an IPv4 network")
	}
	b := network.Addr().As4()
	return l.host4(s, binary.BigEndian.Uint32(b[:]), uint32(uint64(math.MaxUint32)<<(32-network.Bits())), proto, dir)
}

func (l *lowering) macHostNamed(t token, dir, what string) (condID, error) {
	if !l.hasMAC() {
		return never, l.unsupported(t.span(), what)
	}
	addr, err := l.resolver.Ether(t.text)
	if err != nil {
		return never, l.nameError(t, "Ethernet host", err)
	}
	return l.macHost(t.span(), addr, dir, what)
}

// gateway holds for packets that a host passes on: from or to its hardware
// address, and IPv4, ARP or RARP from and to other addresses than its own.
func (l *lowering) gateway(p *primitive) (condID, error) {
	protos := []string{p.quals.proto.word}
	switch protos[0] {
	case "":
		protos = []string{"ip", "arp", "rarp"}
	case "ip", "arp", "rarp":
	default:
		return never, l.errorAt(p.quals.span, "%s has no gateway; ip, arp and rarp have", protos[0])
	}
	if p.id.kind != tokName {
		return never, l.errorAt(p.span, "gateway takes the name of a host")
	}
	if l.tunnelled {
		return never, l.errorAt(p.span, "gateway can't be used behind geneve or vxlan")
	}
	mac, err := l.macHostNamed(p.id, "or", "gateway")
	if err != nil {
		return never, err
	}
	var any []condID
	for _, proto := range protos {
		is, err := l.linkProto(p.span, linkProtocols[proto])
		if err != nil {
			return never, err
		}
		host, err := l.hostNamed(p.id, proto, "ip", "or")
		if err != nil {
			return never, err
		}
		any = append(any, l.cs.and(is, l.cs.not(host)))
	}
	return l.cs.and(mac, l.cs.or(any...)), nil
}

// portPrimitive is a primitive of kind port or portrange.
func (l *lowering) portPrimitive(p *primitive) (condID, error) {
	var wanted uint32
	switch proto := p.quals.proto.word; proto {
	case "":
	case "tcp", "udp", "sctp":
		wanted = ipProtocols[proto].number
	default:
		return never, l.errorAt(p.quals.span, "%s has no ports; tcp, udp and sctp have", proto)
	}
	switch p.quals.dir {
	case "", "src", "dst", "or", "and":
	default:
		return never, l.errorAt(p.quals.span, "%s is for 802.11 addresses only", p.quals.dir)
	}
	var from, to uint32
	protocol := wanted
	switch {
	case p.id.kind == tokNumber:
		from, to = p.id.num, p.id.num
		if err := l.limit(p.span, "a port", from, 65535); err != nil {
			return never, err
		}
	case p.quals.kind == "port":
		port, of, err := l.namedPort(p.id, p.id.text, wanted)
		if err != nil {
			return never, err
		}
		from, to, protocol = port, port, of
	default:
		first, second, ok := strings.Cut(p.id.text, "-")
		if !ok || first == "" || second == "" || strings.Contains(second, "-") {
			return never, l.errorAt(p.span, "expected two ports with a hyphen between, not %s", p.id)
		}
		var ofFrom, ofTo uint32
		var err error
		if from, ofFrom, err = l.portOf(p.id, first, wanted); err != nil {
			return never, err
		}
		if to, ofTo, err = l.portOf(p.id, second, wanted); err != nil {
			return never, err
		}
		if protocol = ofFrom; ofFrom != ofTo {
			protocol = wanted
		}
	}
	return l.ports(p.span, between(min(from, to), max(from, to)), protocol, p.quals.dir)
}

// portOf is a port by number or name.
func (l *lowering) portOf(t token, text string, wanted uint32) (port, protocol uint32, err error) {
	if lengthNumber(text) != len(text) {
		return l.namedPort(t, text, wanted)
	}
	n, err := number(text)
	if err != nil {
		return 0, 0, l.errorAt(t.span(), "%v", err)
	}
	return n, wanted, l.limit(t.span(), "a port", n, 65535)
}

// namedPort is a port by name, and the protocol it belongs to, 0 if there is more
// than one.
func (l *lowering) namedPort(t token, name string, wanted uint32) (port, protocol uint32, err error) {
	t.text = name
	tcp, errTCP := l.resolver.Port("tcp", name)
	udp, errUDP := l.resolver.Port("udp", name)
	for _, err := range []error{errTCP, errUDP} {
		if err != nil && !errors.Is(err, ErrNoSuchName) {
			return 0, 0, l.nameError(t, "port", err)
		}
	}
	switch {
	case errTCP == nil && errUDP == nil && tcp == udp:
		return uint32(tcp), wanted, nil
	case errTCP == nil:
		port, protocol = uint32(tcp), protoTCP
	case errUDP == nil:
		port, protocol = uint32(udp), protoUDP
	default:
		return 0, 0, l.nameError(t, "port", errTCP)
	}
	if wanted != 0 && wanted != protocol {
		return 0, 0, l.errorAt(t.span(), "port %s is one of another protocol", t)
	}
	return port, protocol, nil
}

// protocolNumber is the number behind proto or protochain.
func (l *lowering) protocolNumber(p *primitive) (uint32, error) {
	if p.id.kind == tokNumber {
		return p.id.num, nil
	}
	name := p.id.text
	switch p.quals.proto.word {
	case "", "ip", "ip6":
		n, err := l.resolver.Protocol(name)
		if err != nil {
			return 0, l.nameError(p.id, "protocol", err)
		}
		return uint32(n), nil
	case "link":
		if n, ok := etherNames[name]; ok {
			return n, nil
		}
		if n, ok := llcNames[name]; ok {
			return n, nil
		}
	case "iso":
		if n, ok := isoNames[name]; ok {
			return n, nil
		}
	}
	return 0, l.nameError(p.id, "protocol", ErrNoSuchName)
}

// decnetHost holds for DECnet packets from or to a node. There may be a byte of
// padding in front, and the header may be short or long: four ways in all.
func (l *lowering) decnetHost(s span, addr uint32, dir string) (condID, error) {
	decnet, err := l.linkProto(s, etherDECnet)
	if err != nil {
		return never, err
	}
	swapped := addr<<8&0xff00 | addr>>8
	cs := l.cs
	d, err := l.directed(s, dir, func(source bool) condID {
		long := uint32(7)
		if source {
			long = 15
		}
		unpadded := func(flags uint32) condID { return cs.bits(l.net(2, 1), flags, 0x07) }
		padded := func(flags uint32) condID { return cs.bits(l.net(2, 2), 0x8100|flags, 0xff07) }
		at := func(k uint32) condID { return cs.equals(l.net(k, 2), swapped) }
		// A destination in a short header is within a word of the flags.
		short := cs.or(
			cs.bits(l.net(2, 4), 0x02000000|swapped<<8, 0x07ffff00),
			cs.bits(l.net(2, 4), 0x81020000|swapped, 0xff07ffff))
		if source {
			short = cs.or(cs.and(unpadded(2), at(2+3)), cs.and(padded(2), at(3+3)))
		}
		return cs.or(
			short,
			cs.and(unpadded(6), at(2+long)),
			cs.and(padded(6), at(3+long)))
	})
	return cs.and(decnet, d), err
}
