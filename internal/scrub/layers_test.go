package scrub_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"

	"netcap/pcapfile"
)

// carrier is how a layer announces what is in it.
type carrier uint8

const (
	nothing   carrier = iota // there is only text in it
	byLink                   // a capture, by its link type
	byType                   // an EtherType
	byFrame                  // it is a frame of Ethernet, anyway
	byIP                     // IP's number of a protocol
	byPort                   // UDP's port
	byPPP                    // PPP's number of a protocol
	byVersion                // it is a packet of IP, of a version that its first bits tell
)

// A layer is a header around a packet, or what may be in place of one. Text is planted
// wherever there is room for something that nobody knows.
type layer struct {
	name    string
	in      carrier // what it can be in, and its number there; version 4 or 6 of IP is in all that announce IP
	number  int
	carries carrier
	// wrap returns what comes of a packet that is called by a number: mostly one, of several
	// fragments if so.
	wrap func(g *generator, number int, b []byte) [][]byte
}

// generator makes packets of layers, and plants text in them.
type generator struct{ *rand.Rand }

// text is n bytes of what is planted.
func (g generator) text(n int) []byte { return markers(n + 16)[g.IntN(16):][:n] }

// some is text of a length up to n, or none.
func (g generator) some(n int) []byte {
	if g.IntN(2) == 0 {
		return nil
	}
	return g.text(1 + g.IntN(n))
}

// any is one of several.
func (g generator) any(numbers ...int) int { return numbers[g.IntN(len(numbers))] }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func one(parts ...[]byte) [][]byte { return [][]byte{slices.Concat(parts...)} }

// header is a layer that puts so many bytes before what is in it and text behind, and knows
// nothing of that.
func header(name string, in carrier, number int, carries carrier, first func(g *generator, number, size int) []byte) layer {
	return layer{name, in, number, carries, func(g *generator, number int, b []byte) [][]byte {
		return one(first(g, number, len(b)), b, g.some(40))
	}}
}

// opaque is a layer of which netcap doesn't know what is in it.
func opaque(name string, in carrier, number, size int) layer {
	carries := byVersion
	if size%2 == 0 {
		carries = byFrame
	}
	return header(name, in, number, carries, func(g *generator, _, _ int) []byte { return g.text(size) })
}

// layers are all that there are: who knows another one, or another place in one, adds it.
var layers = slices.Concat(links, types, protocols, ports, []layer{
	header("Ethernet", byFrame, 0, byType, func(_ *generator, number, _ int) []byte { return ethernet(number, nil) }),
	header("SNAP in a frame", byFrame, 0, byType, snap),
	header("MPLS in PPP", byPPP, 0x281, byVersion, labels),
	header("compressed PPP", byPPP, 0xfd, nothing, func(g *generator, _, _ int) []byte { return g.text(8) }),
})

// links are what a capture may be of.
var links = []layer{
	header("Ethernet", byLink, 1, byType, func(_ *generator, number, _ int) []byte { return ethernet(number, nil) }),
	header("SNAP", byLink, 1, byType, snap),
	header("LLC", byLink, 1, byVersion, func(g *generator, _, size int) []byte { return ethernet(3+size, []byte{0x42, 0x42, 3}) }),
	header("Linux cooked", byLink, 113, byType, func(g *generator, number, _ int) []byte {
		n := g.any(0, 4, 6)
		return join([]byte{0, byte(g.IntN(5)), 0, 1, 0, byte(n)}, make([]byte, n), g.text(8-n), u16(number))
	}),
	header("Linux cooked 2", byLink, 276, byType, func(g *generator, number, _ int) []byte {
		n := g.any(0, 4, 6)
		return join(u16(number), []byte{0, 0, 0, 0, 0, 3, 0, 1, byte(g.IntN(5)), byte(n)}, make([]byte, n), g.text(8-n))
	}),
	header("not so cooked", byLink, 113, byType, func(g *generator, number, _ int) []byte { return join(g.text(14), u16(number)) }),
	header("not so cooked 2", byLink, 276, byType, func(g *generator, number, _ int) []byte { return join(u16(number), g.text(18)) }),
	header("cooked netlink", byLink, 113, nothing, func(g *generator, _, _ int) []byte { return join([]byte{0, 4, 3, 56}, g.text(12)) }),
	header("raw", byLink, 101, byVersion, none),
	header("raw of BSD", byLink, 12, byVersion, none),
	header("IPv4 alone", byLink, 228, byVersion, none),
	header("IPv6 alone", byLink, 229, byVersion, none),
	header("loopback of BSD", byLink, 0, byVersion, func(g *generator, _, _ int) []byte { return []byte{byte(g.any(2, 24, 28, 30)), 0, 0, 0} }),
	header("loopback of OpenBSD", byLink, 108, byVersion, func(g *generator, _, _ int) []byte { return []byte{0, 0, 0, byte(g.any(2, 24))} }),
	header("loopback of nobody", byLink, 0, byVersion, func(g *generator, _, _ int) []byte { return g.text(4) }),
	header("PPP", byLink, 9, byPPP, func(_ *generator, number, _ int) []byte { return u16(number) }),
	header("PPP in HDLC", byLink, 50, byPPP, func(_ *generator, number, _ int) []byte { return append([]byte{0xff, 3}, u16(number)...) }),
	opaque("802.11", byLink, 105, 24), opaque("radiotap", byLink, 127, 32), opaque("PPI", byLink, 192, 32), opaque("Prism", byLink, 119, 144),
	opaque("USB", byLink, 189, 48), opaque("USB in memory", byLink, 220, 64), opaque("USBPcap", byLink, 249, 27), opaque("Bluetooth", byLink, 201, 9),
	opaque("NFLOG", byLink, 239, 8), opaque("D-Bus", byLink, 231, 16), opaque("ZigBee", byLink, 195, 11), opaque("ERF", byLink, 197, 18),
	opaque("Cisco HDLC", byLink, 104, 4), opaque("frame relay", byLink, 107, 4), opaque("SunATM", byLink, 123, 4), opaque("ARCnet", byLink, 129, 6),
	opaque("FDDI", byLink, 10, 21), opaque("token ring", byLink, 6, 22), opaque("PKTAP", byLink, 258, 108), opaque("upper PDU", byLink, 252, 8),
	opaque("netlink", byLink, 253, 16), opaque("vsock", byLink, 271, 32), opaque("CAN", byLink, 227, 16), opaque("of a user", byLink, 147, 0),
	opaque("PPPoE as PPP", byLink, 51, 6), opaque("Juniper", byLink, 138, 12), opaque("DOCSIS", byLink, 143, 6), opaque("MPLS alone", byLink, 219, 4),
}

func none(*generator, int, int) []byte { return nil }

func snap(g *generator, number, size int) []byte {
	return join(ethernet(8+size, []byte{0xaa, 0xaa, 3, 0, 0, 0}), u16(number))
}

func labels(g *generator, _, _ int) (b []byte) {
	for range g.IntN(3) {
		b = append(b, byte(g.IntN(16)), byte(g.IntN(256)), 0, 64)
	}
	return append(b, 0, 1, 1, 64)
}

// types are announced by EtherTypes.
var types = []layer{
	header("VLAN", byType, 0x8100, byType, tag),
	header("VLAN of a provider", byType, 0x88a8, byType, tag),
	header("MPLS", byType, 0x8847, byVersion, labels),
	header("pseudowire", byType, 0x8847, byFrame, func(g *generator, _, _ int) []byte { return append(labels(g, 0, 0), 0, 0, 0, 0) }),
	header("PPPoE", byType, 0x8864, byPPP, func(g *generator, number, size int) []byte {
		return join([]byte{0x11, 0, 0, 7}, u16(2+size+g.any(0, 0, 100)), u16(number))
	}),
	header("PPPoE discovery", byType, 0x8863, nothing, func(g *generator, _, size int) []byte {
		return join([]byte{0x11, 9, 0, 0}, u16(4+size), []byte{1, 3}, u16(size))
	}),
	header("bridged", byType, 0x6558, byType, func(_ *generator, number, _ int) []byte { return ethernet(number, nil) }),
	header("ARP", byType, 0x806, nothing, func(g *generator, _, _ int) []byte {
		return join([]byte{0, 1, 8, 0, 6, 4, 0, byte(g.any(1, 2, 9)), 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2})
	}),
	header("ARP of another kind", byType, 0x806, nothing, func(g *generator, _, _ int) []byte {
		return []byte{0, byte(g.any(1, 6, 32)), 8, 0, byte(g.any(6, 20)), 16, 0, 1}
	}),
	header("ERSPAN", byType, 0x88be, byFrame, func(g *generator, _, _ int) []byte { return append([]byte{0x10, 0, 0, 0}, g.text(4)...) }),
	header("ERSPAN 3", byType, 0x22eb, byFrame, func(g *generator, _, _ int) []byte { return append([]byte{0x20, 0, 0, 0}, g.text(8+8*g.IntN(2))...) }),
	header("WCCP", byType, 0x883e, byVersion, func(g *generator, _, _ int) []byte { return g.text(4) }),
	opaque("MACsec", byType, 0x88e5, 8), opaque("LLDP", byType, 0x88cc, 9), opaque("EAPOL", byType, 0x888e, 4), opaque("Profinet", byType, 0x8892, 2),
	opaque("NSH", byType, 0x894f, 8), opaque("FabricPath", byType, 0x8903, 16), opaque("batman", byType, 0x4305, 10), opaque("nobody's type", byType, 0x9999, 3),
	{"IPv4", byType, 4, byIP, func(g *generator, number int, b []byte) [][]byte {
		return one(g.ipv4(number, addresses[0], addresses[1], b), g.some(40))
	}},
	{"IPv4 in fragments", byType, 4, byIP, func(g *generator, number int, b []byte) [][]byte {
		return g.fragments4(g.ipv4(number, addresses[0], addresses[1], b))
	}},
	{"IPv6", byType, 6, byIP, func(g *generator, number int, b []byte) [][]byte {
		return one(g.ipv6(number, make([]byte, 32), b), g.some(40))
	}},
	{"IPv6 in fragments", byType, 6, byIP, func(g *generator, number int, b []byte) (all [][]byte) {
		for _, f := range g.parts(b, 8) {
			h := join([]byte{byte(number), 0}, u16(f.at|f.more), []byte{0, 0, 0, 5})
			all = append(all, join(g.ipv6(44, make([]byte, 32), join(h, f.b)), g.some(20)))
		}
		return all
	}},
}

func tag(_ *generator, number, _ int) []byte { return append([]byte{0, 5}, u16(number)...) }

// protocols are announced by IP.
var protocols = []layer{
	{"UDP", byIP, 17, byPort, func(g *generator, number int, b []byte) [][]byte {
		// Its length is right, or there is a trailer, or it is more than there is.
		length := 8 + len(b) + g.any(0, 0, 0, -min(len(b), 30), 200)
		return one(u16(40000), u16(number), u16(length), u16(g.any(0, 0x1234)), b, g.some(40))
	}},
	{"GRE", byIP, 47, byType, func(g *generator, number int, b []byte) [][]byte {
		flags := g.any(0, 0x80, 0x20, 0x10, 0xb0)
		h := join([]byte{byte(flags), 0}, u16(number))
		for bit := 0x80; bit >= 0x10; bit >>= 1 {
			if flags&bit != 0 {
				h = append(h, 0, 0, 0, 7)
			}
		}
		return one(h, b, g.some(40))
	}},
	header("PPTP", byIP, 47, byPPP, func(g *generator, number, size int) []byte {
		return join([]byte{0x30, 1, 0x88, 0x0b}, u16(2+size), g.text(6), u16(number))
	}),
	header("GRE of old", byIP, 47, byType, func(g *generator, number, _ int) []byte { return join([]byte{0x40, 0}, u16(number), g.text(12)) }),
	{"ICMP error", byIP, 1, byVersion, func(g *generator, _ int, b []byte) [][]byte {
		kind := g.any(3, 4, 5, 11, 12)
		h := join([]byte{byte(kind), byte(g.IntN(5)), 0, 0}, g.text(4))
		switch {
		case kind == 5:
			copy(h[4:], addresses[0])
		case kind == 12:
			h[4] = 20
		case kind == 3 && h[1] == 4:
			copy(h[6:], u16(1500))
		}
		binary.BigEndian.PutUint16(h[2:], checksum(h, b))
		return one(h, g.quote(b))
	}},
	{"ICMPv6 error", byIP, 58, byVersion, func(g *generator, _ int, b []byte) [][]byte {
		kind := g.any(1, 2, 3, 4, 137)
		h := join([]byte{byte(kind), byte(g.IntN(3)), 0, 0}, g.text(4))
		switch kind {
		case 2, 4:
			copy(h[5:], []byte{0, 5, 0})
		case 137:
			h = append(h, make([]byte, 32)...)
		}
		return one(h, g.quote(b))
	}},
	header("ping", byIP, 1, nothing, func(g *generator, _, _ int) []byte { return []byte{byte(g.any(0, 8)), 0, 0, 0, 0, 1, 0, 2} }),
	header("ping 6", byIP, 58, nothing, func(g *generator, _, _ int) []byte { return []byte{byte(g.any(128, 129)), 0, 0, 0, 0, 1, 0, 2} }),
	header("other ICMP", byIP, 1, nothing, func(g *generator, _, _ int) []byte {
		return join([]byte{byte(g.any(9, 10, 13, 17, 42)), 0, 0, 0}, g.text(8))
	}),
	header("neighbours", byIP, 58, nothing, func(g *generator, _, _ int) []byte {
		kind := g.any(133, 134, 135, 136, 143, 130, 160)
		h := join([]byte{byte(kind), 0, 0, 0}, g.text(4))
		if kind == 135 || kind == 136 {
			h = append(h, make([]byte, 16)...)
		}
		return h
	}),
	header("AH", byIP, 51, byIP, func(g *generator, number, _ int) []byte {
		return join([]byte{byte(number), 4, byte(g.IntN(2)), 0, 0, 0, 0, 1, 0, 0, 0, 2}, g.text(12))
	}),
	opaque("ESP", byIP, 50, 8), opaque("SCTP", byIP, 132, 28), opaque("DCCP", byIP, 33, 16), opaque("UDP lite", byIP, 136, 8), opaque("EtherIP", byIP, 97, 2),
	opaque("L2TP 3", byIP, 115, 8), opaque("PIM", byIP, 103, 9), opaque("IGMP", byIP, 2, 8), opaque("OSPF", byIP, 89, 24), opaque("MPLS in IP", byIP, 137, 4),
	opaque("IPComp", byIP, 108, 4), opaque("mobility", byIP, 135, 7), opaque("nobody's protocol", byIP, 253, 5), opaque("no next header", byIP, 59, 0),
}

// ports are announced by UDP.
var ports = []layer{
	header("VXLAN", byPort, 4789, byFrame, vni), header("VXLAN of Linux", byPort, 8472, byFrame, vni), header("VXLAN elsewhere", byPort, 12345, byFrame, vni),
	header("not VXLAN", byPort, 4789, byFrame, func(g *generator, _, _ int) []byte { return append([]byte{8}, g.text(7)...) }),
	header("VXLAN with a group", byPort, 4789, byFrame, func(g *generator, _, _ int) []byte { return []byte{0x88, 0, 'P', 'L', 0, 0, 7, 0} }),
	header("VXLAN GPE", byPort, 4790, byVersion, func(g *generator, _, _ int) []byte { return []byte{0xc, 0, 0, 1, 0, 0, 7, 0} }),
	header("Geneve", byPort, 6081, byType, func(g *generator, number, _ int) []byte {
		words := g.IntN(10)
		return join([]byte{byte(words), 0}, u16(number), []byte{0, 0, 7, 0}, g.text(4*words))
	}),
	header("Geneve elsewhere", byPort, 6082, byType, func(g *generator, number, _ int) []byte { return join([]byte{0, 0}, u16(number), []byte{0, 0, 7, 0}) }),
	header("GTP", byPort, 2152, byVersion, func(g *generator, _, size int) []byte {
		return join([]byte{0x32, 0xff}, u16(size+4+g.any(0, 500)), g.text(4), []byte{0, 1, 0, 0})
	}),
	header("TZSP", byPort, 37008, byFrame, func(g *generator, _, _ int) []byte { return join([]byte{1, 0, 0, 1, 41, 4}, g.text(4), []byte{1}) }),
	{"CAPWAP", byPort, 5247, byFrame, func(g *generator, _ int, b []byte) (all [][]byte) {
		for _, f := range g.parts(b, 8) {
			flags := 0x80
			if f.more == 0 {
				flags |= 0x40 // the last one
			}
			all = append(all, join([]byte{0, 0x10, 0x42, byte(flags)}, u16(9), u16(f.at), f.b, g.some(20)))
		}
		return all
	}},
	header("L2TP", byPort, 1701, byPPP, func(g *generator, number, _ int) []byte {
		pad := g.IntN(20)
		return join([]byte{2, 2, 0, 1, 0, 2}, u16(pad), g.text(pad), []byte{0xff, 3}, u16(number))
	}),
	header("Teredo", byPort, 3544, byVersion, none), header("LISP", byPort, 4341, byVersion, func(g *generator, _, _ int) []byte { return g.text(8) }),
	header("MPLS in UDP", byPort, 6635, byVersion, labels), header("FOU", byPort, 5555, byIP, none), header("GUE", byPort, 6080, byVersion, func(*generator, int, int) []byte { return []byte{0, 4, 0, 0} }),
	opaque("WireGuard", byPort, 51820, 16), opaque("ESP in UDP", byPort, 4500, 8), opaque("QUIC", byPort, 443, 20), opaque("DNS", byPort, 53, 12), opaque("DHCP", byPort, 68, 236),
	opaque("RADIUS", byPort, 1812, 20), opaque("syslog", byPort, 514, 5), opaque("sFlow", byPort, 6343, 28), opaque("nobody's port", byPort, 33333, 1), opaque("NTP", byPort, 123, 48),
}

func vni(*generator, int, int) []byte { return []byte{8, 0, 0, 0, 0, 0, 7, 0} }

// part is a fragment: from where on, and 1 if more follow.
type part struct {
	at, more int
	b        []byte
}

// parts cuts at multiples of a unit; parts may overlap, be lost, or come in another order.
func (g *generator) parts(b []byte, unit int) (all []part) {
	for at := 0; at < len(b) || at == 0; {
		n := min(len(b)-at, unit*(1+g.IntN(60)))
		all = append(all, part{at, 1, b[at : at+n]})
		if n == 0 {
			break
		}
		at += n
	}
	all[len(all)-1].more = 0
	switch g.IntN(6) {
	case 0:
		all = all[1:] // the first is lost
	case 1:
		slices.Reverse(all)
	case 2: // of the first there is another one
		all = append(all, part{0, 1, g.text(unit * (1 + g.IntN(20)))})
	case 3:
		all = append(all, all[g.IntN(len(all))])
	}
	return all
}

// ipv4 is a packet of IPv4 with options, perhaps.
func (g *generator) ipv4(protocol int, src, dst, b []byte) []byte {
	var options []byte
	switch g.IntN(6) {
	case 0:
		options = join([]byte{byte(g.any(0x88, 0x44, 7, 0x83, 0x82, 30)), 10}, g.text(8), []byte{1, 1})
	case 1:
		options = join([]byte{0}, g.text(7)) // behind the end
	case 2:
		options = g.text(4 * (1 + g.IntN(10)))
	}
	h := join([]byte{byte(0x45 + len(options)/4), 0}, u16(20+len(options)+len(b)), []byte{0, 9, 0, 0, 64, byte(protocol), 0, 0}, src, dst, options)
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(h, b...)
}

func (g *generator) fragments4(b []byte) (all [][]byte) {
	h := b[:int(b[0]&15)*4]
	for _, f := range g.parts(b[len(h):], 8) {
		h := slices.Clone(h)
		copy(h[2:], u16(len(h)+len(f.b)))
		copy(h[6:], u16(f.more<<13|f.at/8))
		h[10], h[11] = 0, 0
		binary.BigEndian.PutUint16(h[10:], checksum(h))
		all = append(all, join(h, f.b, g.some(20)))
	}
	return all
}

// ipv6 is a packet of IPv6 with extension headers, perhaps.
func (g *generator) ipv6(protocol int, ends, b []byte) []byte {
	for range g.IntN(3) {
		var kind int
		switch g.IntN(5) {
		case 0: // options: padding, such as nobody knows, and such as are too long
			kind = g.any(0, 60)
			b = join([]byte{byte(protocol), 2, 1, 4}, g.text(4), []byte{byte(g.any(0x1e, 0xc9, 0x26)), 8}, g.text(8), []byte{byte(g.IntN(5)), 200, 'P', 'L', 'A', 'N'}, b)
		case 1: // routing, of all kinds
			kind = 43
			words := 2 + 2*g.IntN(3)
			h := join([]byte{byte(protocol), byte(words), byte(g.IntN(8)), 0}, g.text(4+8*words))
			switch h[2] {
			case 0, 2: // addresses stay
				clear(h[8:])
			case 4: // of one segment, and what follows it
				h[4] = 0
				clear(h[8:24])
			}
			b = join(h, b)
		case 2:
			kind = 51
			b = join([]byte{byte(protocol), 4, byte(g.IntN(2)), 0, 0, 0, 0, 1, 0, 0, 0, 2}, g.text(12), b)
		default:
			kind = g.any(135, 139, 140)
			b = join([]byte{byte(protocol), 1}, g.text(14), b)
		}
		protocol = kind
	}
	return join([]byte{0x60, 0, 0, 0}, u16(len(b)), []byte{byte(protocol), 64}, ends, b)
}

// dress puts options into the headers of a packet of TCP, of which a side's number is in its
// IP header's addresses.
func (g *generator) dress(b, options []byte) []byte {
	size := 20
	if b[0] == 0x60 {
		size = 40
	}
	if len(b) < size+20 { // it was cut
		return b
	}
	switch g.IntN(6) {
	case 0:
		options = join(options, []byte{byte(g.any(6, 15, 19, 28, 34, 69, 253, 254)), 10}, g.text(8), []byte{1, 1})
	case 1:
		options = join(options, []byte{0}, g.text(7))
	case 2:
		options = join(options, []byte{34, 40}, g.text(6)) // too long
	}
	ip, tcp, payload := b[:size], slices.Clone(b[size:size+20]), b[size+20:]
	tcp[12] = byte(5+len(options)/4) << 4
	if size == 20 {
		return g.ipv4(6, ip[12:16], ip[16:20], join(tcp, options, payload))
	}
	return g.ipv6(6, ip[8:40], join(tcp, options, payload))
}

// quote is what an ICMP error has of a packet. Text is behind it only where that can't stand in
// the fields of a header that was cut.
func (g *generator) quote(b []byte) []byte {
	n := min(len(b), 8+g.IntN(1500))
	if n < len(b) && n < 200 {
		return b[:n]
	}
	return join(b[:n], g.some(100))
}

// stack are layers, the outermost first, around packets of TCP if the last one carries
// something.
type stack []*layer

// carried are the numbers of IPv4 and IPv6 in what announces them.
var carried = map[carrier][2]int{byType: {0x800, 0x86dd}, byIP: {4, 41}, byPPP: {0x21, 0x57}, byVersion: {}}

func (l *layer) isIP() bool { return strings.HasPrefix(l.name, "IPv") && l.in == byType }

// fits reports whether a layer can be in what announces it so.
func (l *layer) fits(c carrier) bool {
	_, ok := carried[c]
	return l.in == c && c != byVersion || ok && l.isIP()
}

// stack makes one that has a certain layer.
func (g *generator) stack(wanted *layer) stack {
	const most = 7
	for {
		var s stack
		for c := byLink; c != nothing; {
			if _, ok := carried[c]; ok && (len(s) >= most || g.IntN(3) == 0) {
				break
			}
			var fit []*layer
			for i := range layers {
				if l := &layers[i]; l.fits(c) {
					fit = append(fit, l)
					if l == wanted {
						fit = []*layer{l}
						break
					}
				}
			}
			l := fit[g.IntN(len(fit))]
			s, c = append(s, l), l.carries
		}
		if len(s) < 2*most && slices.Contains(s, wanted) {
			return s
		}
	}
}

func (s stack) String() string {
	var names []string
	for _, l := range s {
		names = append(names, l.name)
	}
	return strings.Join(names, ", ")
}

func (s stack) link() pcapfile.LinkType { return pcapfile.LinkType(s[0].number) }

// around are the frames that a packet of IP becomes.
func (s stack) around(g *generator, b []byte) [][]byte {
	all, six := [][]byte{b}, len(b) > 0 && b[0] == 0x60
	for i := len(s) - 1; i >= 0; i-- {
		number := 0
		if ip, ok := carried[s[i].carries]; ok && (i == len(s)-1 || s[i+1].isIP()) {
			if number = ip[0]; six {
				number = ip[1]
			}
		} else if i < len(s)-1 {
			number = s[i+1].number
		}
		var outer [][]byte
		for _, b := range all {
			outer = append(outer, s[i].wrap(g, number, b)...)
		}
		if all = outer; s[i].isIP() {
			six = s[i].number == 6
		}
	}
	return all
}
