package decode_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

// at is the time of packets made here.
var at = time.Date(2026, 11, 23, 13, 4, 5, 123456789, time.UTC)

func packet(t testing.TB, link pcapfile.LinkType, text string) *pcapfile.Packet {
	t.Helper()
	data, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(text))
	require.NoError(t, err)
	return &pcapfile.Packet{
		Time: at, HasTime: true, Data: data, Length: uint32(len(data)),
		Interface: &pcapfile.Interface{LinkType: link},
	}
}

func line(pk *pcapfile.Packet) string {
	p := decode.Printer{Location: time.UTC}
	return string(p.Append(nil, pk))
}

// Bytes by hand, after the RFCs.
const (
	macs = "024200000002 024200000001 "

	// 20 bytes of IPv4 header, 32 of TCP, 4 of data.
	ip4TCP = "45000038 00010000 40060000 ac110001 ac110002 "
	tcpPSH = "9d78 0068 00000001 00000001 8018 01f6 0000 0000 0101080a 00000064 000000c8 "
	data4  = "64617461 "

	ip4UDP = "45000020 00010000 40110000 0a000001 0a000002 "
	udp4   = "9000 1234 000c 0000 "

	ip6Head = "20010db8000000000000000000000001 20010db8000000000000000000000002 "
)

func TestAppend(t *testing.T) {
	for _, tt := range []struct {
		name string
		link pcapfile.LinkType
		data string
		want string // behind the time
	}{
		{
			"tcp", 1, macs + "0800" + ip4TCP + tcpPSH + data4,
			"IP 172.17.0.1.40312 > 172.17.0.2.104: Flags [P.], seq 1:5, ack 1, win 502, options [nop,nop,TS val 100 ecr 200], length 4",
		},
		{
			"tcp, padded frame", 1, macs + "0800 45000028 00010000 40060000 ac110001 ac110002" + "9d78 0068 00000001 00000001 5010 01f6 0000 0000" + "000000000000",
			"IP 172.17.0.1.40312 > 172.17.0.2.104: Flags [.], ack 1, win 502, length 0",
		},
		{
			"tcp, options that end badly", 1, macs + "0800 4500002c 00010000 40060000 ac110001 ac110002" + "9d78 0068 00000001 00000000 6002 01f6 0000 0000 020405b4",
			"IP 172.17.0.1.40312 > 172.17.0.2.104: Flags [S], seq 1, win 502, options [mss 1460], length 0",
		},
		{
			"tcp, bad option", 1, macs + "0800 4500002c 00010000 40060000 ac110001 ac110002" + "9d78 0068 00000001 00000000 6002 01f6 0000 0000 010500b4",
			"IP 172.17.0.1.40312 > 172.17.0.2.104: Flags [S], seq 1, win 502, options [nop,[bad opt]], length 0",
		},
		{
			"tcp, bad header length", 1, macs + "0800 45000028 00010000 40060000 ac110001 ac110002" + "9d78 0068 00000001 00000001 3010 01f6 0000 0000",
			"IP 172.17.0.1.40312 > 172.17.0.2.104: Flags [.], [bad hdr length 12]",
		},
		{"udp", 1, macs + "0800" + ip4UDP + udp4 + data4, "IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 4"},
		{"raw", 101, ip4UDP + udp4 + data4, "IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 4"},
		{"null, little-endian", 0, "02000000" + ip4UDP + udp4 + data4, "IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 4"},
		{"loop, another family", 108, "00000009" + data4, "AF 9, length 4"},
		{
			"vlan", 1, macs + "8100 0007 0800" + ip4UDP + udp4 + data4,
			"vlan 7, p 0, IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 4",
		},
		{
			"vlan in vlan", 1, macs + "88a8 f00c 8100 0007 0800" + ip4UDP + udp4 + data4,
			"vlan 12, p 7, DEI, vlan 7, p 0, IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 4",
		},
		{
			"first fragment", 101, "45000020 00082000 40110000 0a000001 0a000002 9000 1234 0400 0000" + data4,
			"IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 1016 (frag 8:12@0+)",
		},
		{
			"last fragment", 101, "45000020 00080002 40110000 0a000001 0a000002" + data4 + data4 + data4,
			"IP 10.0.0.1 > 10.0.0.2: udp (frag 8:12@16)",
		},
		{
			"ipv6, fragment in the middle", 101, "60000000 0010 2c 40" + ip6Head + "11 00 0009 00000001" + data4 + data4,
			"IP6 2001:db8::1 > 2001:db8::2: frag (8|8) udp",
		},
		{
			"ipv6, options before udp", 101, "60000000 0014 00 40" + ip6Head + "11 00 010400000000" + udp4 + data4,
			"IP6 2001:db8::1 > 2001:db8::2: HBH 36864 > 4660: UDP, length 4",
		},
		{
			"ipv4 in ipv4", 101, "45000034 00010000 40040000 c0000201 c0000202" + ip4UDP + udp4 + data4,
			"IP 192.0.2.1 > 192.0.2.2: IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 4",
		},
		{
			"unknown ip protocol", 101, "45000018 00010000 40fd0000 0a000001 0a000002" + data4,
			"IP 10.0.0.1 > 10.0.0.2: ip-proto-253, length 4",
		},
		{
			"unknown ethertype", 1, macs + "88b5" + data4,
			"02:42:00:00:00:01 > 02:42:00:00:00:02, ethertype Unknown (0x88b5), length 18",
		},
		{"half a spanning tree", 1, "0180c2000000 024200000001 0007 424203" + "00000000", "STP 802.1d, Config [|stp]"},
		{
			"arp request", 1, macs + "0806 0001 0800 06 04 0001 024200000001 0a000001 000000000000 0a000002",
			"ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28",
		},
		{
			"arp reply", 1, macs + "0806 0001 0800 06 04 0002 024200000001 0a000001 024200000002 0a000002",
			"ARP, Reply 10.0.0.1 is-at 02:42:00:00:00:01, length 28",
		},
		{
			"icmp echo", 101, "45000020 00010000 40010000 0a000001 0a000002 0800 0000 0007 0009" + data4,
			"IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 9, length 12",
		},
		{
			"icmp port unreachable", 101, "45000038 00010000 40010000 0a000002 0a000001 0303 0000 00000000" + ip4UDP + udp4,
			"IP 10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 udp port 4660 unreachable, length 36",
		},
		{
			"icmp need to frag", 101, "45000038 00010000 40010000 0a000002 0a000001 0304 0000 00000578" + ip4UDP + udp4,
			"IP 10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 unreachable - need to frag (mtu 1400), length 36",
		},
		{
			"icmpv6 neighbor solicitation", 101, "60000000 0018 3a ff" + ip6Head + "8700 0000 00000000 20010db8000000000000000000000002",
			"IP6 2001:db8::1 > 2001:db8::2: ICMP6, neighbor solicitation, who has 2001:db8::2, length 24",
		},
		{
			"icmpv6 packet too big", 101, "60000000 000c 3a ff" + ip6Head + "0200 0000 00000500" + data4,
			"IP6 2001:db8::1 > 2001:db8::2: ICMP6, packet too big, mtu 1280, length 12",
		},
		{
			"sll2", 276, "0800 0000 00001267 0001 00 06 0242000000020000" + ip4UDP + udp4 + data4,
			"#4711 In  IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 4",
		},
		{
			"sll of infiniband", 113, "0004 0020 0014 0102030405060708 0800" + ip4UDP + udp4 + data4,
			"IP 10.0.0.1.36864 > 10.0.0.2.4660: UDP, length 4",
		},
		{"a link type that is not decoded", 105, data4, "IEEE802_11, length 4"},
		{"nothing", 1, "", "[|ether]"},
		{"half an ethernet header", 1, "024200000002", "[|ether]"},
		{"half a vlan tag", 1, macs + "8100 00", "[|vlan]"},
		{"half an ip header", 1, macs + "0800 4500", "IP [|ip]"},
		{"half an ipv6 header", 1, macs + "86dd 6000", "IP6 [|ip6]"},
		{"wrong version", 1, macs + "0800" + strings.Repeat("65", 20), "IP6, wrong link-layer encapsulation (invalid)"},
		{"half an arp packet", 1, macs + "0806 0001 0800 06 04", "[|arp]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, "13:04:05.123456 "+tt.want, line(packet(t, tt.link, tt.data)))
		})
	}
}

// TestSnapped cuts a packet as a snap length does: the lengths stay those of
// the wire.
func TestSnapped(t *testing.T) {
	const tcp = "IP 172.17.0.1.40312 > 172.17.0.2.104: "
	for captured, want := range map[int]string{
		70: tcp + "Flags [P.], seq 1:5, ack 1, win 502, options [nop,nop,TS val 100 ecr 200], length 4",
		66: tcp + "Flags [P.], seq 1:5, ack 1, win 502, options [nop,nop,TS val 100 ecr 200], length 4",
		65: tcp + "Flags [P.], seq 1:5, ack 1, win 502, [|tcp], length 4",
		54: tcp + "Flags [P.], seq 1:5, ack 1, win 502, [|tcp], length 4",
		53: tcp + "[|tcp]",
		38: tcp + "[|tcp]",
		37: "IP 172.17.0.1 > 172.17.0.2: [|tcp]",
		33: "IP [|ip]",
	} {
		pk := packet(t, pcapfile.LinkTypeEthernet, macs+"0800"+ip4TCP+tcpPSH+data4)
		pk.Data = pk.Data[:captured]
		assert.Equal(t, "13:04:05.123456 "+want, line(pk), captured)
	}
}

func TestTimes(t *testing.T) {
	var times [3]*pcapfile.Packet
	for n, d := range []time.Duration{0, 90*time.Minute + 1500*time.Microsecond, -time.Second} {
		times[n] = packet(t, 101, "")
		times[n].Time = at.Add(d)
	}
	zone := time.FixedZone("", 3600)
	for style, want := range map[decode.TimeStyle][3]string{
		decode.TimeOfDay:  {"14:04:05.123456 ", "15:34:05.124956 ", "14:04:04.123456 "},
		decode.TimeNone:   {"", "", ""},
		decode.TimeUnix:   {"1795439045.123456 ", "1795444445.124956 ", "1795439044.123456 "},
		decode.TimeDelta:  {" 00:00:00.000000 ", " 01:30:00.001500 ", "-01:30:01.001500 "},
		decode.TimeDate:   {"2026-11-23 14:04:05.123456 ", "2026-11-23 15:34:05.124956 ", "2026-11-23 14:04:04.123456 "},
		decode.TimeOffset: {" 00:00:00.000000 ", " 01:30:00.001500 ", "-00:00:01.000000 "},
	} {
		p := decode.Printer{Time: style, Location: zone}
		for n, pk := range times {
			assert.Equal(t, want[n]+"[|ip]", string(p.Append(nil, pk)), "style %d packet %d", style, n)
		}
	}
	unknown := packet(t, 101, "")
	unknown.HasTime, unknown.Time = false, time.Time{}
	assert.Equal(t, "--:--:--.------ [|ip]", line(unknown))
}

func TestInterfaces(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		flags      pcapfile.Flags
	}{
		{"eth0", "eth0  In  ", pcapfile.FlagInbound},
		{"eth0", "eth0  Out ", pcapfile.FlagOutbound | pcapfile.FlagBroadcast},
		{"veth1234567", "veth1234567 B   ", pcapfile.FlagInbound | pcapfile.FlagBroadcast},
		{"eth0", "eth0  M   ", pcapfile.FlagInbound | pcapfile.FlagMulticast},
		{"eth0", "eth0  P   ", pcapfile.FlagInbound | pcapfile.FlagPromiscuous},
		{"eth0", "eth0  ?   ", 0},
		{"", "#3    ?   ", 0},
		// What a terminal would act on, and what is no UTF-8.
		{"a\x1b[2J\nb\u202e\xff", `a\x1b[2J\nb\u202e\xff ?   `, 0},
	} {
		pk := packet(t, pcapfile.LinkTypeIPv4, "")
		pk.Interface.Name, pk.InterfaceID, pk.Flags = tt.name, 3, tt.flags
		p := decode.Printer{Interfaces: true, Time: decode.TimeNone}
		assert.Equal(t, tt.want+"IP [|ip]", string(p.Append(nil, pk)))
	}
}

// TestNesting holds a line to a bound, whatever is in the packet.
func TestNesting(t *testing.T) {
	for name, pk := range map[string]*pcapfile.Packet{
		"vlan":      packet(t, 1, macs+strings.Repeat("81000001", 10_000)),
		"ip in ip":  packet(t, 101, strings.Repeat("4500000000010000400400000a0000010a000002", 1000)),
		"ipv6 opts": packet(t, 101, "60000000 0000 00 40"+ip6Head+strings.Repeat("0000010400000000", 1000)),
	} {
		got := line(pk)
		assert.Less(t, len(got), 1000, name)
		assert.Contains(t, got, "[nested too deep]", name)
	}
}

// TestAllocations prints everyday packets without allocating.
func TestAllocations(t *testing.T) {
	dst := make([]byte, 0, 4096)
	for _, p := range []decode.Printer{
		{}, {LinkHeader: true}, {Quiet: true}, {Verbose: 2}, {Dump: decode.DumpHexASCII}, {Dump: decode.DumpASCII}, {Colors: true},
	} {
		for _, pk := range mix(t) {
			assert.Zero(t, testing.AllocsPerRun(100, func() { p.Append(dst, pk) }), line(pk))
		}
	}
}

// mix are packets of everyday traffic.
func mix(t testing.TB) []*pcapfile.Packet {
	t.Helper()
	const (
		ip4ACK = "45000034 00010000 40060000 ac110002 ac110001 "
		tcpACK = "0068 9d78 00000001 00000005 8010 01f6 0000 0000 0101080a 000000c8 00000064 "
		ip4DNS = "45000039 1c460000 40110000 c0a80102 08080808 "
		dns    = "a001 0035 0025 0000 0001 0100 0001 0000 0000 0000 07 6578616d706c65 03 636f6d 00 0001 0001 "
	)
	return []*pcapfile.Packet{
		packet(t, 1, macs+"0800"+ip4TCP+tcpPSH+data4),
		packet(t, 1, macs+"0800"+ip4ACK+tcpACK),
		packet(t, 1, macs+"0800"+ip4TCP+tcpPSH+data4),
		packet(t, 1, macs+"0800"+ip4ACK+tcpACK),
		packet(t, 1, macs+"0800"+ip4DNS+dns),
		packet(t, 1, macs+"8100 0007 0800"+ip4UDP+udp4+data4),
		packet(t, 1, macs+"86dd 60000000 0020 06 40"+ip6Head+tcpACK),
		packet(t, 1, macs+"0806 0001 0800 06 04 0001 024200000001 0a000001 000000000000 0a000002"),
		packet(t, 1, macs+"0800 45000020 00010000 40010000 0a000001 0a000002 0800 0000 0007 0009"+data4),
		packet(t, 1, macs+"0800 4500003c 00010000 402f0000 c0000201 c0000202 20000800 00000007"+ip4UDP+udp4+data4),
	}
}

// BenchmarkMix is the time a packet of everyday traffic takes.
func BenchmarkMix(b *testing.B) {
	packets := mix(b)
	for name, print := range map[string]func(*decode.Printer, []byte, *pcapfile.Packet) []byte{
		"Append": (*decode.Printer).Append, "AppendJSON": (*decode.Printer).AppendJSON,
	} {
		b.Run(name, func(b *testing.B) {
			var p decode.Printer
			dst := make([]byte, 0, 2048)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				dst = print(&p, dst[:0], packets[i%len(packets)])
			}
		})
	}
	b.Run("Summary", func(b *testing.B) {
		var s decode.Summary
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.Read(packets[i%len(packets)])
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	pk := packet(b, 1, macs+"0800"+ip4TCP+tcpPSH+data4)
	var p decode.Printer
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = p.Append(dst[:0], pk)
	}
}
