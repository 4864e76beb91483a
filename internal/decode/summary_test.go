package decode_test

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

func TestSummary(t *testing.T) {
	var none netip.Addr
	a4, b4 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	a, b := netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("172.17.0.2")
	const ip6UDP = "60000000 000c 11 40" + ip6Head + "c000 0035 000c 0000" + data4
	for name, tt := range map[string]struct {
		link pcapfile.LinkType
		data string
		want decode.Summary
	}{
		"dicom":                   {1, macs + "0800" + ip4TCP + tcpPSH + data4, decode.Summary{"dicom", a, b, 40312, 104}},
		"udp":                     {1, macs + "0800" + ip4UDP + udp4 + data4, decode.Summary{"udp", a4, b4, 36864, 4660}},
		"vlan in vlan":            {1, macs + "88a8 f00c 8100 0007 0800" + ip4UDP + udp4 + data4, decode.Summary{"udp", a4, b4, 36864, 4660}},
		"mpls":                    {1, macs + "8847 00064040 00065140" + ip4UDP + udp4 + data4, decode.Summary{"udp", a4, b4, 36864, 4660}},
		"pppoe":                   {1, macs + "8864 1100 0017 0022 0021" + ip4UDP + udp4 + data4, decode.Summary{"udp", a4, b4, 36864, 4660}},
		"snap":                    {1, macs + "0028 aaaa03 000000 0800" + ip4UDP + udp4 + data4, decode.Summary{"udp", a4, b4, 36864, 4660}},
		"raw, dns in ipv6":        {101, ip6UDP, decode.Summary{"dns", a6, b6, 49152, 53}},
		"sll":                     {113, "0000 0001 0006 024200000002 0000 86dd" + ip6UDP, decode.Summary{"dns", a6, b6, 49152, 53}},
		"sll2":                    {276, "86dd 0000 00000002 0001 00 06 0242000000020000" + ip6UDP, decode.Summary{"dns", a6, b6, 49152, 53}},
		"null":                    {0, "1e000000" + ip6UDP, decode.Summary{"dns", a6, b6, 49152, 53}},
		"ppp":                     {9, "ff03 0057" + ip6UDP, decode.Summary{"dns", a6, b6, 49152, 53}},
		"extension":               {101, "60000000 0014 00 40" + ip6Head + "11 00 010400000000" + udp4 + data4, decode.Summary{"udp", a6, b6, 36864, 4660}},
		"later fragment":          {101, "45000020 00080002 40110000 0a000001 0a000002" + data4 + data4 + data4, decode.Summary{"udp", a4, b4, 0, 0}},
		"later fragment, ipv6":    {101, "60000000 0010 2c 40" + ip6Head + "11 00 0009 00000001" + data4 + data4, decode.Summary{"udp", a6, b6, 0, 0}},
		"icmp":                    {101, "45000020 00010000 40010000 0a000001 0a000002 0800 0000 0007 0009" + data4, decode.Summary{"icmp", a4, b4, 0, 0}},
		"tunnel":                  {101, "45000034 00010000 40040000 0a000001 0a000002" + ip4UDP + udp4 + data4, decode.Summary{"ipip", a4, b4, 0, 0}},
		"arp":                     {1, macs + "0806 0001 0800 06 04 0001", decode.Summary{"arp", none, none, 0, 0}},
		"spanning tree":           {1, "0180c2000000 024200000001 0007 424203" + data4, decode.Summary{"stp", none, none, 0, 0}},
		"cut before the ports":    {101, ip4UDP, decode.Summary{"udp", a4, b4, 0, 0}},
		"cut before the header":   {101, "4500", decode.Summary{"ip", none, none, 0, 0}},
		"another link type":       {105, data4, decode.Summary{"other", none, none, 0, 0}},
		"unknown ethertype":       {1, macs + "88b5" + data4, decode.Summary{"other", none, none, 0, 0}},
		"unknown protocol of ip":  {101, "45000018 00010000 40fd0000 0a000001 0a000002" + data4, decode.Summary{"ip", a4, b4, 0, 0}},
		"unknown protocol of ip6": {101, "60000000 0004 fd 40" + ip6Head + data4, decode.Summary{"ip6", a6, b6, 0, 0}},
	} {
		var got decode.Summary
		got.Read(packet(t, tt.link, tt.data))
		assert.Equal(t, tt.want, got, name)
	}
}

// TestSummaryAgainstJSON holds what is counted to what is printed.
func TestSummaryAgainstJSON(t *testing.T) {
	packets := 0
	for _, path := range captures(t) {
		var p decode.Printer
		each(t, path, func(n int, pk *pcapfile.Packet) bool {
			var s decode.Summary
			s.Read(pk)
			var got jsonPacket
			require.NoError(t, json.Unmarshal(p.AppendJSON(nil, pk), &got))
			if got.Source == nil || !s.Source.IsValid() {
				return true
			}
			packets++
			assert.Equal(t, *got.Source, s.Source.String(), "%s packet %d", path, n)
			assert.Equal(t, *got.Destination, s.Destination.String(), "%s packet %d", path, n)
			if got.SourcePort != nil && (got.TCP != nil || *got.Protocol == "udp") {
				assert.Equal(t, *got.SourcePort, int(s.SourcePort), "%s packet %d", path, n)
				assert.Equal(t, *got.DestinationPort, int(s.DestinationPort), "%s packet %d", path, n)
			}
			return true
		})
	}
	t.Logf("%d packets alike", packets)
}

func FuzzSummary(f *testing.F) {
	seedFromCorpus(f)
	f.Fuzz(func(t *testing.T, link uint16, length uint32, data []byte) {
		var s decode.Summary
		s.Read(&pcapfile.Packet{Data: data, Length: length, Interface: &pcapfile.Interface{LinkType: pcapfile.LinkType(link)}})
		require.NotEmpty(t, s.Protocol)
		require.Equal(t, s.Source.IsValid(), s.Destination.IsValid())
		require.Equal(t, s.Source.Is4(), s.Destination.Is4())
		if !s.Source.IsValid() {
			require.Zero(t, s.SourcePort)
		}
	})
}

func TestSummaryAllocations(t *testing.T) {
	var s decode.Summary
	for _, pk := range mix(t) {
		assert.Zero(t, testing.AllocsPerRun(100, func() { s.Read(pk) }))
	}
}
