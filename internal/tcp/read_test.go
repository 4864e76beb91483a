package tcp_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/tcp"
	"netcap/pcapfile"
)

var (
	macA, macB = net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	here4      = net.IP{192, 0, 2, 1}
	there4     = net.IP{192, 0, 2, 2}
	here6      = net.ParseIP("2001:db8::1")
	there6     = net.ParseIP("2001:db8::2")
)

// serialize puts layers, or bytes, into one another, by gopacket.
func serialize(t testing.TB, parts ...any) []byte {
	t.Helper()
	buffer := gopacket.NewSerializeBuffer()
	for i := len(parts) - 1; i >= 0; i-- {
		layer, ok := parts[i].(gopacket.SerializableLayer)
		if !ok {
			layer = gopacket.Payload(parts[i].([]byte))
		}
		require.NoError(t, layer.SerializeTo(buffer, gopacket.SerializeOptions{FixLengths: true}))
	}
	return buffer.Bytes()
}

func ethernet(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: t}
}

func ip4(protocol layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Id: 4711, Protocol: protocol, SrcIP: here4, DstIP: there4}
}

func ip6(protocol layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: here6, DstIP: there6}
}

// outer is an IPv4 header around tunnels, whose addresses are not to be found.
func outer(protocol layers.IPProtocol) *layers.IPv4 {
	ip := ip4(protocol)
	ip.SrcIP, ip.DstIP, ip.Id = net.IP{198, 51, 100, 1}, net.IP{198, 51, 100, 2}, 99
	return ip
}

func segment() *layers.TCP {
	return &layers.TCP{
		SrcPort: 40000, DstPort: 104, Seq: 0xfffffff0, Ack: 77, ACK: true, PSH: true, Window: 501,
		Options: []layers.TCPOption{
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 0, 0, 5, 0, 0, 0, 6}},
		},
	}
}

var text = []byte("associate")

func packet(link pcapfile.LinkType, b []byte) *pcapfile.Packet {
	return &pcapfile.Packet{
		HasTime: true, Time: time.Unix(1, 5), Data: b, Length: uint32(len(b)),
		Interface: &pcapfile.Interface{LinkType: link},
	}
}

// TestRead finds the same segment behind whatever stands before it.
func TestRead(t *testing.T) {
	in4 := serialize(t, ip4(layers.IPProtocolTCP), segment(), text)
	in6 := serialize(t, ip6(layers.IPProtocolTCP), segment(), text)
	frame := serialize(t, ethernet(layers.EthernetTypeIPv4), in4)
	extended := func(next layers.IPProtocol, headers ...byte) []byte {
		return serialize(t, ip6(next), append(headers, serialize(t, segment(), text)...))
	}
	udp := func(port layers.UDPPort, b ...byte) []byte {
		return serialize(t, ethernet(layers.EthernetTypeIPv4), outer(layers.IPProtocolUDP), &layers.UDP{SrcPort: 50000, DstPort: port}, b, frame)
	}
	withoutTotal := serialize(t, ethernet(layers.EthernetTypeIPv4), in4)
	withoutTotal[16], withoutTotal[17] = 0, 0
	for _, test := range []struct {
		name string
		link pcapfile.LinkType
		b    []byte
		v6   bool
	}{
		{"Ethernet", 1, frame, false},
		{"Ethernet, IPv6", 1, serialize(t, ethernet(layers.EthernetTypeIPv6), in6), true},
		{"padding", 1, append(serialize(t, frame), make([]byte, 20)...), false},
		{"no total length", 1, withoutTotal, false},
		{"VLAN", 1, serialize(t, ethernet(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 5, Type: layers.EthernetTypeIPv4}, in4), false},
		{"QinQ", 1, serialize(t, ethernet(layers.EthernetTypeQinQ), &layers.Dot1Q{VLANIdentifier: 5, Type: layers.EthernetTypeDot1Q}, &layers.Dot1Q{VLANIdentifier: 6, Type: layers.EthernetTypeIPv6}, in6), true},
		{"MPLS", 1, serialize(t, ethernet(layers.EthernetTypeMPLSUnicast), &layers.MPLS{Label: 16}, &layers.MPLS{Label: 17, StackBottom: true}, in6), true},
		{"PPPoE", 1, serialize(t, ethernet(layers.EthernetTypePPPoESession), &layers.PPPoE{Version: 1, Type: 1, SessionId: 9}, &layers.PPP{PPPType: layers.PPPTypeIPv4}, in4), false},
		{"SNAP", 1, serialize(t, append(append([]byte{}, frame[:12]...), 0, byte(8+len(in4)), 0xaa, 0xaa, 3, 0, 0, 0, 8, 0), in4), false},
		{"cooked", 113, serialize(t, []byte{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, in4), false},
		{"cooked, VLAN", 113, serialize(t, []byte{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 5, 0x86, 0xdd}, in6), true},
		{"cooked, version 2", 276, serialize(t, []byte{0x86, 0xdd, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0}, in6), true},
		{"raw, IPv4", 101, in4, false},
		{"raw, IPv6", 101, in6, true},
		{"raw, a host's own number", 12, in4, false},
		{"IPv4", 228, in4, false},
		{"IPv6", 229, in6, true},
		{"loopback, little-endian", 0, serialize(t, []byte{2, 0, 0, 0}, in4), false},
		{"loopback, big-endian", 0, serialize(t, []byte{0, 0, 0, 30}, in6), true},
		{"OpenBSD's loopback", 108, serialize(t, []byte{0, 0, 0, 24}, in6), true},
		{"PPP", 9, serialize(t, []byte{0xff, 3, 0, 0x21}, in4), false},
		{"PPP, compressed", 9, serialize(t, []byte{0x57}, in6), true},
		{"VXLAN", 1, udp(4789, 8, 0, 0, 0, 0, 0, 5, 0), false},
		{"VXLAN, Linux's port", 1, udp(8472, 8, 0, 0, 0, 0, 0, 5, 0), false},
		{"Geneve with an option", 1, udp(6081, 1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 0), false},
		{"GRE", 101, serialize(t, outer(layers.IPProtocolGRE), []byte{0, 0, 8, 0}, in4), false},
		{"GRE with all its fields", 101, serialize(t, outer(layers.IPProtocolGRE), []byte{0xb0, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, in4), false},
		{"Ethernet in GRE", 101, serialize(t, outer(layers.IPProtocolGRE), []byte{0, 0, 0x65, 0x58}, frame), false},
		{"IP in IP", 101, serialize(t, outer(layers.IPProtocolIPv4), in4), false},
		{"IPv6 in IPv4", 101, serialize(t, outer(layers.IPProtocolIPv6), in6), true},
		{"hop by hop and destination options", 101, extended(0, 60, 0, 1, 4, 0, 0, 0, 0, 6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), true},
		{"a fragment header, unfragmented", 101, extended(44, 6, 0, 0, 0, 0, 0, 0, 1), true},
		{"authentication header", 101, extended(51, 6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := test.b
			s := tcp.Segment{Packet: 7, Payload: []byte("old"), MSS: 5}
			require.Equal(t, tcp.TCP, s.Read(packet(test.link, b)))
			want := tcp.Segment{
				Packet: 7, Time: 1_000_000_005,
				Src: netip.MustParseAddrPort("192.0.2.1:40000"), Dst: netip.MustParseAddrPort("192.0.2.2:104"),
				Seq: 0xfffffff0, Ack: 77, Flags: tcp.ACK | tcp.PSH, Window: 501, ID: 4711,
				HasTimestamps: true, TSval: 5, TSecr: 6, Payload: text, Length: len(text),
			}
			if test.v6 {
				want.Src, want.Dst, want.ID = netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:104"), 0
			}
			assert.Equal(t, want, s)
			// Cut anywhere, it is the same segment with less of a payload, or none.
			for n := range b {
				cut := packet(test.link, b[:n])
				cut.Length = uint32(len(b))
				if kind := s.Read(cut); kind != tcp.None {
					assert.Equal(t, tcp.TCP, kind)
					assert.Equal(t, want.Src, s.Src)
					assert.Equal(t, len(text), s.Length)
					assert.Equal(t, text[:len(s.Payload)], append([]byte{}, s.Payload...))
				}
			}
		})
	}
}

// TestReadSYN reads the options of RFC 9293 and RFC 7323, in the order that Linux has.
func TestReadSYN(t *testing.T) {
	syn := segment()
	syn.SYN, syn.ACK, syn.PSH = true, false, false
	syn.Options = []layers.TCPOption{
		{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}},
		{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
		{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 0, 1, 0, 0, 0, 0, 0}},
		{OptionType: layers.TCPOptionKindNop},
		{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}},
	}
	var s tcp.Segment
	require.Equal(t, tcp.TCP, s.Read(packet(101, serialize(t, ip4(layers.IPProtocolTCP), syn))))
	assert.Equal(t, tcp.SYN, s.Flags)
	assert.EqualValues(t, 1460, s.MSS)
	assert.True(t, s.HasScale)
	assert.EqualValues(t, 7, s.Scale)
	assert.EqualValues(t, 256, s.TSval)
	assert.Zero(t, s.Length)
}

func TestReadFragments(t *testing.T) {
	var s tcp.Segment
	whole := serialize(t, segment(), make([]byte, 1000))
	first := ip4(layers.IPProtocolTCP)
	first.Flags = layers.IPv4MoreFragments
	require.Equal(t, tcp.TCP, s.Read(packet(101, serialize(t, first, whole[:512]))))
	assert.True(t, s.Fragmented)
	assert.Equal(t, 512-32, s.Length)
	rest := ip4(layers.IPProtocolTCP)
	rest.FragOffset = 64
	assert.Equal(t, tcp.Fragment, s.Read(packet(101, serialize(t, rest, whole[512:]))))
	assert.Equal(t, tcp.Fragment, s.Read(packet(101, serialize(t, ip6(layers.IPProtocolIPv6Fragment), []byte{6, 0, 2, 1, 0, 0, 0, 9}, whole[512:]))))
}

func TestReadICMP(t *testing.T) {
	quoted4, quoted6 := serialize(t, ip4(layers.IPProtocolTCP), segment()), serialize(t, ip6(layers.IPProtocolTCP), segment())
	router4, router6 := outer(layers.IPProtocolICMPv4), ip6(layers.IPProtocolICMPv6)
	router6.SrcIP = net.ParseIP("2001:db8::99")
	unreachable := func(quoted []byte) []byte {
		return serialize(t, router4, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 10)}, quoted)
	}
	var s tcp.Segment
	require.Equal(t, tcp.ICMP, s.Read(packet(101, unreachable(quoted4[:28]))))
	assert.Equal(t, "192.0.2.1:40000 192.0.2.2:104 198.51.100.1", s.Src.String()+" "+s.Dst.String()+" "+s.Reporter.String())
	assert.Equal(t, uint32(0xfffffff0), s.Seq)
	assert.Equal(t, []uint8{3, 10}, []uint8{s.ICMPType, s.ICMPCode})

	require.Equal(t, tcp.ICMP, s.Read(packet(101, serialize(t, router6, []byte{1, 4, 0, 0, 0, 0, 0, 0}, quoted6))))
	assert.Equal(t, "[2001:db8::1]:40000 [2001:db8::2]:104 2001:db8::99", s.Src.String()+" "+s.Dst.String()+" "+s.Reporter.String())
	assert.Equal(t, []uint8{1, 4}, []uint8{s.ICMPType, s.ICMPCode})

	for name, b := range map[string][]byte{
		"quotes too little": unreachable(quoted4[:27]),
		"about UDP":         unreachable(serialize(t, ip4(layers.IPProtocolUDP), make([]byte, 8))),
		"an echo":           serialize(t, router4, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)}, quoted4),
	} {
		assert.Equal(t, tcp.None, s.Read(packet(101, b)), name)
	}
}

func TestReadARP(t *testing.T) {
	arp := func(operation uint16) []byte {
		return serialize(t, ethernet(layers.EthernetTypeARP), &layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: operation,
			SourceHwAddress: macA, SourceProtAddress: here4, DstHwAddress: macB, DstProtAddress: there4,
		})
	}
	var s tcp.Segment
	for operation, want := range map[uint16]tcp.Kind{1: tcp.ARPRequest, 2: tcp.ARPReply, 3: tcp.None} {
		assert.Equal(t, want, s.Read(packet(1, arp(operation))))
		assert.Equal(t, "192.0.2.1 192.0.2.2", s.Src.Addr().String()+" "+s.Dst.Addr().String())
	}
	target := append([]byte{0, 0, 0, 0}, net.ParseIP("2001:db8::9")...)
	require.Equal(t, tcp.ARPRequest, s.Read(packet(101, serialize(t, ip6(layers.IPProtocolICMPv6), []byte{135, 0, 0, 0}, target))))
	assert.Equal(t, "2001:db8::1 2001:db8::9", s.Src.Addr().String()+" "+s.Dst.Addr().String())
	require.Equal(t, tcp.ARPReply, s.Read(packet(101, serialize(t, ip6(layers.IPProtocolICMPv6), []byte{136, 0, 0, 0}, target))))
	assert.Equal(t, "2001:db8::9 2001:db8::2", s.Src.Addr().String()+" "+s.Dst.Addr().String())
}

// TestReadNone has what begins like a segment.
func TestReadNone(t *testing.T) {
	in4 := serialize(t, ip4(layers.IPProtocolTCP), segment(), text)
	with := func(at int, v byte) []byte {
		b := append([]byte{}, in4...)
		b[at] = v
		return b
	}
	nested := in4
	for range 20 {
		nested = serialize(t, outer(layers.IPProtocolIPv4), nested)
	}
	for name, b := range map[string][]byte{
		"nothing":                             {},
		"an IP header of 16 bytes":            with(0, 0x44),
		"a total length within the IP header": with(3, 19),
		"a TCP header of 16 bytes":            with(32, 0x40),
		"a TCP header beyond the total":       with(32, 0xf0),
		"UDP":                                 with(9, 17),
		"tunnels without end":                 nested,
		"IP version 5":                        with(0, 0x55),
	} {
		var s tcp.Segment
		assert.Equal(t, tcp.None, s.Read(packet(101, b)), name)
	}
}
