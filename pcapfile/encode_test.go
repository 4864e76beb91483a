package pcapfile_test

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/pcapfile"
)

// aTime is 2023-11-14 22:13:20.123456789 UTC: 0x17979cfe3d85cd15 nanoseconds
// since the epoch, 0x6553f100 seconds.
const aTime = 1_700_000_000_123_456_789

// unhex decodes hex digits; what stands behind a # on each line is a comment.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	require.NoError(t, err)
	return b
}

// TestEncoding holds every encoder to bytes worked by hand from the drafts.
func TestEncoding(t *testing.T) {
	for _, test := range []struct {
		name   string
		append func(dst []byte) []byte
		want   string
	}{
		{
			"section",
			func(b []byte) []byte {
				return pcapfile.AppendSection(b, &pcapfile.Section{
					Hardware: "x86_64", OS: "Linux 6.18", Application: "netcap", Comments: []string{"hi", "", "you"},
				})
			},
			`0a0d0d0a 58000000
			4d3c2b1a 0100 0000          # byte-order magic, version 1.0
			ffffffff ffffffff           # section length not known
			0100 0200 6869 0000         # opt_comment
			0100 0300 796f75 00
			0200 0600 7838365f3634 0000 # shb_hardware
			0300 0a00 4c696e757820362e3138 0000 # shb_os
			0400 0600 6e6574636170 0000 # shb_userappl
			0000 0000
			58000000`,
		},
		{
			"section without options",
			func(b []byte) []byte { return pcapfile.AppendSection(b, &pcapfile.Section{}) },
			`0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffff ffffffff 1c000000`,
		},
		{
			"interface",
			func(b []byte) []byte {
				return pcapfile.AppendInterface(b, &pcapfile.Interface{
					LinkType: pcapfile.LinkTypeEthernet, SnapLen: 262144,
					Name: "eth0", Description: "uplink", Filter: "port 104", Hardware: "veth", OS: "Linux",
					Addrs: []netip.Prefix{
						netip.MustParsePrefix("172.17.0.1/16"), {}, netip.MustParsePrefix("2001:db8::1/64"),
					},
					MAC: []byte{0x02, 0x42, 0xac, 0x11, 0, 1}, Speed: 1_000_000_000, FCSLen: 4,
					Resolution: 6, TimestampOffset: 3600,
				})
			},
			`01000000 9c000000
			0100 0000 00000400                # Ethernet, snap length
			0200 0400 65746830                # if_name
			0300 0600 75706c696e6b 0000       # if_description
			0400 0800 ac110001 ffff0000       # if_IPv4addr
			0500 1100 20010db8 00000000 00000000 00000001 40 000000 # if_IPv6addr
			0600 0600 0242ac110001 0000       # if_MACaddr
			0800 0800 00ca9a3b 00000000       # if_speed
			0900 0100 09 000000               # if_tsresol
			0b00 0900 00 706f727420313034 000000 # if_filter, an expression
			0c00 0500 4c696e7578 000000       # if_os
			0d00 0100 04 000000               # if_fcslen
			0f00 0400 76657468                # if_hardware
			0000 0000
			9c000000`,
		},
		{
			"interface, the least",
			func(b []byte) []byte {
				return pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeLinuxSLL2})
			},
			`01000000 20000000 1401 0000 00000000 0900 0100 09 000000 0000 0000 20000000`,
		},
		{
			"packet",
			func(b []byte) []byte { return pcapfile.AppendPacket(b, 1, aTime, []byte("abcde"), 60, 0) },
			`06000000 28000000 01000000 fe9c9717 15cd853d 05000000 3c000000
			6162636465 000000
			28000000`,
		},
		{
			"packet with flags",
			func(b []byte) []byte {
				return pcapfile.AppendPacket(b, 0, aTime, []byte("abcd"), 4, pcapfile.FlagInbound|pcapfile.FlagBroadcast)
			},
			`06000000 30000000 00000000 fe9c9717 15cd853d 04000000 04000000
			61626364
			0200 0400 0d000000 # epb_flags: inbound, broadcast
			0000 0000
			30000000`,
		},
		{
			"packet of a queue",
			func(b []byte) []byte { return pcapfile.AppendQueuedPacket(b, 1, aTime, []byte("abcde"), 60, 0, 3) },
			`06000000 34000000 01000000 fe9c9717 15cd853d 05000000 3c000000
			6162636465 000000
			0600 0400 03000000 # epb_queue
			0000 0000
			34000000`,
		},
		{
			"packet of a queue with flags",
			func(b []byte) []byte {
				return pcapfile.AppendQueuedPacket(b, 0, aTime, []byte("abcd"), 4, pcapfile.FlagInbound|pcapfile.FlagBroadcast, 0)
			},
			`06000000 38000000 00000000 fe9c9717 15cd853d 04000000 04000000
			61626364
			0200 0400 0d000000
			0600 0400 00000000
			0000 0000
			38000000`,
		},
		{
			"empty packet before the epoch, of impossible length",
			func(b []byte) []byte { return pcapfile.AppendPacket(b, 0, -1, nil, 0, 0) },
			`06000000 20000000 00000000 00000000 00000000 00000000 00000000 20000000`,
		},
		{
			"packet longer than its length",
			func(b []byte) []byte { return pcapfile.AppendPacket(b, 0, 0, []byte("abc"), 2, 0) },
			`06000000 24000000 00000000 00000000 00000000 03000000 03000000 616263 00 24000000`,
		},
		{
			"statistics",
			func(b []byte) []byte {
				return pcapfile.AppendStatistics(b, 2, aTime, &pcapfile.Statistics{
					Start: 1, End: aTime,
					Received: pcapfile.Count(10), DroppedByInterface: pcapfile.Count(0),
					FilterAccepted: pcapfile.Count(9), DroppedByOS: pcapfile.Count(3),
					Delivered: pcapfile.Count(1 << 40), Comments: []string{"bye!"},
				})
			},
			`05000000 78000000 02000000 fe9c9717 15cd853d
			0100 0400 62796521
			0200 0800 00000000 01000000          # isb_starttime, upper half first
			0300 0800 fe9c9717 15cd853d          # isb_endtime
			0400 0800 0a000000 00000000          # isb_ifrecv
			0500 0800 00000000 00000000          # isb_ifdrop
			0600 0800 09000000 00000000          # isb_filteraccept
			0700 0800 03000000 00000000          # isb_osdrop
			0800 0800 00000000 00010000          # isb_usrdeliv
			0000 0000
			78000000`,
		},
		{
			"statistics that know nothing",
			func(b []byte) []byte { return pcapfile.AppendStatistics(b, 0, -5, &pcapfile.Statistics{}) },
			`05000000 18000000 00000000 00000000 00000000 18000000`,
		},
		{
			"names",
			func(b []byte) []byte {
				return pcapfile.AppendNames(b, []pcapfile.Name{
					{Addr: netip.MustParseAddr("172.17.0.2"), Names: []string{"pacs", "", "a\x00b"}},
					{Addr: netip.MustParseAddr("::1"), Names: []string{"a", "b"}},
					{Addr: netip.MustParseAddr("::ffff:10.0.0.1"), Names: []string{"x"}},
					{Names: []string{"no address"}},
					{Addr: netip.MustParseAddr("10.0.0.1")},
				})
			},
			`04000000 44000000
			0100 0900 ac110002 7061637300 000000
			0200 1400 00000000 00000000 00000000 00000001 6100 6200
			0100 0600 0a000001 7800 0000
			0000 0000
			44000000`,
		},
		{
			"custom, to be copied",
			func(b []byte) []byte { return pcapfile.AppendCustom(b, 32473, []byte("abcde"), true) },
			`ad0b0000 18000000 d97e0000 6162636465 000000 18000000`,
		},
		{
			"custom, to be dropped",
			func(b []byte) []byte { return pcapfile.AppendCustom(b, 32473, nil, false) },
			`ad0b0040 10000000 d97e0000 10000000`,
		},
		{
			"pcap header, microseconds",
			func(b []byte) []byte {
				return pcapfile.AppendFileHeader(b, pcapfile.LinkTypeEthernet, 262144, false)
			},
			`d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000`,
		},
		{
			"pcap header, nanoseconds",
			func(b []byte) []byte { return pcapfile.AppendFileHeader(b, pcapfile.LinkTypeRaw, 65535, true) },
			`4d3cb2a1 0200 0400 00000000 00000000 ffff0000 65000000`,
		},
		{
			"record, microseconds",
			func(b []byte) []byte { return pcapfile.AppendRecord(b, aTime, []byte("abcde"), 60, false) },
			`00f15365 40e20100 05000000 3c000000 6162636465`, // 123456
		},
		{
			"record, nanoseconds",
			func(b []byte) []byte { return pcapfile.AppendRecord(b, aTime, []byte("abcde"), 60, true) },
			`00f15365 15cd5b07 05000000 3c000000 6162636465`, // 123456789
		},
		{
			"record before the epoch",
			func(b []byte) []byte { return pcapfile.AppendRecord(b, -1, nil, 0, true) },
			`00000000 00000000 00000000 00000000`,
		},
		{
			"record after 2106",
			func(b []byte) []byte { return pcapfile.AppendRecord(b, 1<<32*1e9+5, nil, 0, true) },
			`ffffffff 05000000 00000000 00000000`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := unhex(t, test.want)
			assert.Equal(t, hex.EncodeToString(want), hex.EncodeToString(test.append(nil)))

			// Recycled memory: neither what precedes nor stale bytes matter.
			dirty := bytes.Repeat([]byte{0xee}, 4096)
			got := test.append(dirty[:3])
			assert.Equal(t, "eeeeee"+hex.EncodeToString(want), hex.EncodeToString(got))
			assert.Same(t, &dirty[0], &got[0], "room is used")
		})
	}
}

func TestPacketSize(t *testing.T) {
	data := make([]byte, 70)
	for n := range data {
		for _, flags := range []pcapfile.Flags{0, pcapfile.FlagOutbound} {
			b := pcapfile.AppendPacket(nil, 0, aTime, data[:n], 70, flags)
			assert.Len(t, b, pcapfile.PacketSize(n, flags))
			b = pcapfile.AppendQueuedPacket(nil, 0, aTime, data[:n], 70, flags, 1)
			assert.Len(t, b, pcapfile.QueuedPacketSize(n, flags))
		}
		assert.Len(t, pcapfile.AppendRecord(nil, aTime, data[:n], 70, true), pcapfile.RecordSize(n))
	}
}

// TestLongStrings checks that what does not fit into an option is cut between
// characters, and that a section remains one that libpcap reads.
func TestLongStrings(t *testing.T) {
	long := strings.Repeat("ä", 40_000) // 80,000 bytes
	b := pcapfile.AppendSection(nil, &pcapfile.Section{
		Hardware: long, OS: long, Application: long,
		Comments: []string{long, long, long, long, long, long, long},
	})
	assert.Less(t, len(b), 1<<20)
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: long, Filter: long})
	b = pcapfile.AppendPacket(b, 0, aTime, []byte("data"), 4, 0)
	b = pcapfile.AppendNames(b, []pcapfile.Name{
		{Addr: netip.MustParseAddr("::1"), Names: []string{long, "short"}},
	})
	records, r, err := readAll(t, bytes.NewReader(b))
	require.NoError(t, err)
	assert.Len(t, records, 1)
	half := long[:65_534]
	assert.Equal(t, half, r.Section().Application)
	assert.Equal(t, []string{half, half, half}, r.Section().Comments)
	assert.Equal(t, half, r.Interfaces()[0].Name)
	assert.Equal(t, half, r.Interfaces()[0].Filter)
	assert.Equal(t, []string{"short"}, r.Names()[0].Names)
}

func TestEnormousPacket(t *testing.T) {
	if testing.Short() {
		t.Skip("needs 400 MB of memory")
	}
	data := make([]byte, pcapfile.MaxCapLen+5)
	b := pcapfile.AppendSection(nil, &pcapfile.Section{})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeDBus})
	before := len(b)
	b = pcapfile.AppendPacket(b, 0, aTime, data, uint32(len(data)), 0)
	assert.Equal(t, pcapfile.PacketSize(len(data), 0), len(b)-before)
	r, err := pcapfile.NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	p, err := r.Next()
	require.NoError(t, err)
	assert.Len(t, p.Data, pcapfile.MaxCapLen)
	assert.Equal(t, uint32(len(data)), p.Length)
}
