package pcapfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/pcapfile"
)

var orders = []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}

// forOrders runs a test with a builder for each byte order.
func forOrders(t *testing.T, test func(t *testing.T, f *builder)) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) { test(t, &builder{order: order}) })
	}
}

func TestPcapHeaders(t *testing.T) {
	forOrders(t, func(t *testing.T, f *builder) {
		for _, test := range []struct {
			magic        uint32
			major, minor uint16
			snapLen      uint32
			linkType     uint32
			record       func(*builder)
			want         record
		}{
			{
				0xa1b2c3d4, 2, 4, 65535, 1,
				func(b *builder) { b.u32(1, 999999, 3, 60).bytes("abc") },
				record{Time: time.Unix(1, 999999000), Data: []byte("abc"), Length: 60, LinkType: 1},
			},
			{
				0xa1b23c4d, 2, 4, 65535, 101,
				func(b *builder) { b.u32(math.MaxUint32, 999999999, 3, 60).bytes("abc") },
				record{Time: time.Unix(math.MaxUint32, 999999999), Data: []byte("abc"), Length: 60, LinkType: 101},
			},
			// Kuznetsov's: interface index, protocol, packet type, padding.
			{
				0xa1b2cd34, 2, 4, 65535, 113,
				func(b *builder) { b.u32(1, 2, 3, 60, 7).u16(0x0800).bytes("\x04\x00abc") },
				record{Time: time.Unix(1, 2000), Data: []byte("abc"), Length: 60, LinkType: 113},
			},
			// On Ethernet its snap length is taken to be 14 more.
			{
				0xa1b2cd34, 2, 4, 2, 1,
				func(b *builder) { b.u32(1, 2, 17, 60, 7).u16(0x0800).bytes("\x04\x0012345678901234567") },
				record{Time: time.Unix(1, 2000), Data: []byte("1234567890123456"), Length: 60, LinkType: 1},
			},
			// Before version 2.3 the lengths stood the other way round.
			{
				0xa1b2c3d4, 2, 0, 65535, 1,
				func(b *builder) { b.u32(1, 2, 60, 3).bytes("abc") },
				record{Time: time.Unix(1, 2000), Data: []byte("abc"), Length: 60, LinkType: 1},
			},
			{
				0xa1b2c3d4, 543, 0, 65535, 1,
				func(b *builder) { b.u32(1, 2, 60, 3).bytes("abc") },
				record{Time: time.Unix(1, 2000), Data: []byte("abc"), Length: 60, LinkType: 1},
			},
			// With 2.3 one has to look.
			{
				0xa1b2c3d4, 2, 3, 65535, 1,
				func(b *builder) { b.u32(1, 2, 60, 3).bytes("abc") },
				record{Time: time.Unix(1, 2000), Data: []byte("abc"), Length: 60, LinkType: 1},
			},
			{
				0xa1b2c3d4, 2, 3, 65535, 1,
				func(b *builder) { b.u32(1, 2, 3, 60).bytes("abc") },
				record{Time: time.Unix(1, 2000), Data: []byte("abc"), Length: 60, LinkType: 1},
			},
			// Longer than the snap length: cut.
			{
				0xa1b2c3d4, 2, 4, 2, 1,
				func(b *builder) { b.u32(1, 2, 3, 60).bytes("abc") },
				record{Time: time.Unix(1, 2000), Data: []byte("ab"), Length: 60, LinkType: 1},
			},
			// No snap length, and one that is no int in C.
			{
				0xa1b2c3d4, 2, 4, 0, 1,
				func(b *builder) { b.u32(1, 2, 3, 60).bytes("abc") },
				record{Time: time.Unix(1, 2000), Data: []byte("abc"), Length: 60, LinkType: 1},
			},
			{
				0xa1b2c3d4, 2, 4, 1 << 31, 1,
				func(b *builder) { b.u32(1, 2, 3, 60).bytes("abc") },
				record{Time: time.Unix(1, 2000), Data: []byte("abc"), Length: 60, LinkType: 1},
			},
		} {
			name := fmt.Sprintf("%x %d.%d snaplen %d linktype %d", test.magic, test.major, test.minor, test.snapLen, test.linkType)
			t.Run(name, func(t *testing.T) {
				f := builder{order: f.order}
				f.pcapHeader(test.magic, test.major, test.minor, test.snapLen, test.linkType)
				test.record(&f)
				test.want.Time, test.want.HasTime = test.want.Time.UTC(), true

				got, r, err := readAll(t, bytes.NewReader(f.b))
				require.NoError(t, err)
				assert.Equal(t, []record{test.want}, got)
				assert.Equal(t, pcapfile.PCAP, r.Format())
				assert.EqualValues(t, len(f.b), r.Offset())
				assert.Equal(t, f.order.String(), r.Section().ByteOrder.String())
				assert.Equal(t, [2]uint16{test.major, test.minor}, [2]uint16{r.Section().Major, r.Section().Minor})
				assert.Equal(t, []pcapfile.LinkType{pcapfile.LinkType(test.linkType)}, r.LinkTypes())
				i := r.Interfaces()[0]
				assert.Equal(t, test.snapLen, i.SnapLen)
				assert.Equal(t, -1, i.FCSLen)
				want := pcapfile.Microseconds
				if test.magic == 0xa1b23c4d {
					want = pcapfile.Nanoseconds
				}
				assert.Equal(t, want, i.Resolution)
			})
		}
	})
}

// TestPcapFCS: the upper bits of the link type field are the length of the
// frame check sequence in 16-bit words, if bit 26 says so.
func TestPcapFCS(t *testing.T) {
	for field, want := range map[uint32]int{1: -1, 0x30000001: -1, 0x24000001: 4, 0x04000001: 0, 0xf4000001: 30} {
		f := builder{order: binary.LittleEndian}
		f.pcapHeader(0xa1b2c3d4, 2, 4, 65535, field)
		_, r, err := readAll(t, bytes.NewReader(f.b))
		require.NoError(t, err)
		assert.Equal(t, want, r.Interfaces()[0].FCSLen, "%#x", field)
		assert.Equal(t, pcapfile.LinkTypeEthernet, r.Interfaces()[0].LinkType)
	}
}

// TestNotCapture checks that what is refused is named.
func TestNotCapture(t *testing.T) {
	for input, want := range map[string]string{
		"":                                 "not a pcap or pcapng file: it is empty",
		"abc":                              "not a pcap or pcapng file: it has only 3 bytes (unexpected EOF)",
		"abcd":                             "not a pcap or pcapng file: it begins with bytes 61626364",
		"\x1f\x8b\x08\x00":                 "not a pcap or pcapng file: it is compressed with gzip",
		"\x28\xb5\x2f\xfd":                 "not a pcap or pcapng file: it is compressed with zstd",
		"\xfd7zXZ\x00":                     "not a pcap or pcapng file: it is compressed with xz",
		"\xac\x01\x00\x1c" + "0123456789":  "not a pcap or pcapng file: it is an Ixia capture",
		"\n\r\r\nhello, this is some text": "not a pcap or pcapng file: it begins like pcapng, but no section header follows",
		"<!DOCTYPE html>":                  "not a pcap or pcapng file: it looks like XML or HTML",
		strings.Repeat("\x00", 100):        "not a pcap or pcapng file: it begins with zeros",
	} {
		r, err := pcapfile.NewReader(strings.NewReader(input))
		assert.Nil(t, r)
		assert.ErrorIs(t, err, pcapfile.ErrFormat)
		assert.EqualError(t, err, want, "%q", input)
	}
}

// TestDamage checks text and place of the errors about damaged files, and how
// many packets precede them.
func TestDamage(t *testing.T) {
	// A section, an interface of link type 1 and snap length 4, a packet:
	// 28+20+36 bytes.
	good := func(f *builder) { f.section(1, 0).iface(1, 4, nil).packet(0, 0, "abcd", 60) }
	for _, test := range []struct {
		name    string
		build   func(*builder)
		want    string
		packets int
	}{
		{"pcap version", func(f *builder) { f.pcapHeader(0xa1b2c3d4, 1, 4, 0, 1) }, "pcap file header: version 1.4 is not supported (2.0 to 2.4 are)", 0},
		{"pcap version", func(f *builder) { f.pcapHeader(0xa1b23c4d, 2, 5, 0, 1) }, "pcap file header: version 2.5 is not supported (2.0 to 2.4 are)", 0},
		{"pcap version", func(f *builder) { f.pcapHeader(0xa1b23c4d, 543, 1, 0, 1) }, "pcap file header: version 543.1 is not supported (2.0 to 2.4 are)", 0},
		{"reserved", func(f *builder) { f.pcapHeader(0xa1b2c3d4, 2, 4, 0, 0x300001) }, "pcap file header: reserved bits of the link type field 0x00300001 are set", 0},
		{
			"long record", func(f *builder) {
				f.pcapHeader(0xa1b2c3d4, 2, 4, 1<<20, 1).u32(0, 0, 1, 1).bytes("a").u32(0, 0, 262145, 262145).bytes(strings.Repeat("x", 262145))
			},
			"pcap record at offset 41: captured length 262145 exceeds the maximum of 262144 for link type EN10MB", 1,
		},
		{"block length 0", func(f *builder) { good(f); f.u32(0, 0, 0) }, "pcapng block at offset 84: zeros stand where a block should begin", 1},
		{"block length 13", func(f *builder) { good(f); f.u32(6, 13, 0, 0) }, "pcapng block at offset 84: total length 13 is not a multiple of 4", 1},
		{"huge block", func(f *builder) { good(f); f.u32(6, 16<<20+4) }, "pcapng block at offset 84: total length 16777220 exceeds the maximum of 16777216", 1},
		{"trailer", func(f *builder) { good(f); f.u32(99, 16, 0, 12) }, "pcapng block at offset 84: total length is 16 at the beginning and 12 at the end", 1},
		{"no interface", func(f *builder) { f.section(1, 0).packet(0, 0, "", 0) }, "pcapng block at offset 28: packet from interface 0, where 0 are described", 0},
		{"unknown interface", func(f *builder) { good(f); f.packet(math.MaxUint32, 0, "", 0) }, "pcapng block at offset 84: packet from interface 4294967295, where 1 are described", 1},
		{"simple without interface", func(f *builder) { f.section(1, 0).block(3, func(b *builder) { b.u32(0) }) }, "pcapng block at offset 28: packet from interface 0, where 0 are described", 0},
		{"old without interface", func(f *builder) { good(f); f.block(2, func(b *builder) { b.u16(1, 0).u32(0, 0, 0, 0) }) }, "pcapng block at offset 84: packet from interface 1, where 1 are described", 1},
		{"interface of the section before", func(f *builder) { good(f); f.section(1, 0).packet(0, 0, "", 0) }, "pcapng block at offset 112: packet from interface 0, where 0 are described", 1},
		{"section version", func(f *builder) { good(f); f.section(1, 1) }, "pcapng block at offset 84: section of version 1.1 is not supported (1.0 and 1.2 are)", 1},
		{"section version", func(f *builder) { f.section(2, 0) }, "pcapng block at offset 0: section of version 2.0 is not supported (1.0 and 1.2 are)", 0},
		{"section magic", func(f *builder) { good(f); f.u32(0x0a0d0d0a, 28).bytes("abcd") }, "pcapng block at offset 84: section header with byte-order magic 61626364", 1},
		{"short section", func(f *builder) { f.u32(0x0a0d0d0a, 24, 0x1a2b3c4d, 0, 0, 24) }, "pcapng block at offset 0: total length 24 is less than 28", 0},
		{"long section", func(f *builder) { f.u32(0x0a0d0d0a, 1<<20+4, 0x1a2b3c4d) }, "pcapng block at offset 0: total length 1048580 exceeds the maximum of 1048576", 0},
		{
			"long packet", func(f *builder) {
				good(f)
				f.packet(0, 0, strings.Repeat("x", 262145), 1)
			},
			"pcapng block at offset 84: captured length 262145 exceeds the maximum of 262144 for link type EN10MB", 1,
		},
		{"captured more than the block has", func(f *builder) { good(f); f.block(6, func(b *builder) { b.u32(0, 0, 0, 5, 5).bytes("abcd") }) }, "pcapng block at offset 84: captured length 5 exceeds the 4 bytes in the block", 1},
		{"captured more than the simple block has", func(f *builder) { good(f); f.block(3, func(b *builder) { b.u32(4) }) }, "pcapng block at offset 84: captured length 4 exceeds the 0 bytes in the block", 1},
		{"short packet block", func(f *builder) { good(f); f.block(6, func(b *builder) { b.u32(0, 0, 0, 0) }) }, "pcapng block at offset 84: packet block of 28 bytes is too short", 1},
		{"short old packet block", func(f *builder) { good(f); f.block(2, func(b *builder) { b.u32(0, 0, 0, 0) }) }, "pcapng block at offset 84: packet block of 28 bytes is too short", 1},
		{"short simple packet block", func(f *builder) { good(f); f.block(3, func(*builder) {}) }, "pcapng block at offset 84: simple packet block of 12 bytes is too short", 1},
		{"short interface block", func(f *builder) { f.section(1, 0).block(1, func(b *builder) { b.u32(1) }) }, "pcapng block at offset 28: interface block of 16 bytes is too short", 0},
		{"torn interface options", func(f *builder) { f.section(1, 0).iface(1, 0, func(b *builder) { b.u16(2, 8).bytes("eth0") }) }, "pcapng block at offset 28: options of the interface are cut short", 0},
		{"resolution", func(f *builder) { f.section(1, 0).iface(1, 0, func(b *builder) { b.option(9, "\x06\x00") }) }, "pcapng block at offset 28: if_tsresol option of 2 bytes, number 1 of its interface", 0},
		{"two resolutions", func(f *builder) {
			f.section(1, 0).iface(1, 0, func(b *builder) { b.option(9, "\x06").option(9, "\x09") })
		}, "pcapng block at offset 28: if_tsresol option of 1 bytes, number 2 of its interface", 0},
		{"offset", func(f *builder) { f.section(1, 0).iface(1, 0, func(b *builder) { b.option(14, "1234") }) }, "pcapng block at offset 28: if_tsoffset option of 4 bytes, number 1 of its interface", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			forOrders(t, func(t *testing.T, f *builder) {
				test.build(f)
				records, r, err := readAll(t, bytes.NewReader(f.b))
				var format *pcapfile.FormatError
				require.ErrorAs(t, err, &format)
				require.EqualError(t, err, test.want)
				assert.Len(t, records, test.packets)
				if r != nil {
					assert.Equal(t, format.Offset, r.Offset(), "what precedes the damage is valid")
				}
			})
		})
	}
}

func TestTooManyInterfaces(t *testing.T) {
	f := &builder{order: binary.LittleEndian}
	f.section(1, 0)
	for range 65536 {
		f.iface(1, 0, nil)
	}
	f.packet(65535, 0, "last", 4)
	records, r, err := readAll(t, bytes.NewReader(f.b))
	require.NoError(t, err)
	require.Len(t, records, 1)
	assert.Equal(t, 65535, records[0].InterfaceID)
	assert.True(t, r.Overflowed(), "not all of them are listed")

	f.iface(1, 0, nil)
	_, _, err = readAll(t, bytes.NewReader(f.b))
	var format *pcapfile.FormatError
	require.ErrorAs(t, err, &format)
	assert.Equal(t, "section with more than 65536 interfaces", format.Reason)
}

// TestBlocks reads one of everything.
func TestBlocks(t *testing.T) {
	forOrders(t, func(t *testing.T, f *builder) {
		f.block(0x0a0d0d0a, func(b *builder) {
			b.u32(0x1a2b3c4d).u16(1, 2).u64(1234)
			b.option(1, "one").option(2, "hw").option(3, "os").option(4, "app").option(1, "two").option(0, "")
		})
		f.iface(1, 0, func(b *builder) {
			b.option(2, "eth0").option(3, "desc").option(4, "\xac\x11\x00\x01\xff\xff\x00\x00")
			b.option(4, "\xac\x11\x00\x01\xff\x00\xff\x00") // no mask
			b.option(5, "\x20\x01"+strings.Repeat("\x00", 13)+"\x01\x40")
			b.option(6, "\x02\x42\xac\x11\x00\x01").u16(8, 8).u64(1e9).option(9, "\x09")
			b.option(11, "\x00tcp").option(12, "Linux").option(13, "\x04").option(15, "nic").option(1, "hello")
			b.option(2988, "unknown")
		})
		f.iface(101, 3, nil)
		f.block(6, func(b *builder) { // enhanced
			b.u32(0, 0, 5, 3, 60).bytes("abc\x00")
			b.u16(2, 4).u32(2|4<<2|4<<5).option(1, "see").option(1, "this").u16(4, 8).u64(7)
		})
		f.block(3, func(b *builder) { b.u32(3).bytes("abc\x00") }) // simple
		f.block(2, func(b *builder) {                              // obsolete, 9 dropped
			b.u16(1, 9).u32(0, 1000001, 5, 5).bytes("abcde\x00\x00\x00").u16(2, 4).u32(1)
		})
		f.block(2, func(b *builder) { b.u16(1, 0xffff).u32(0, 2000001, 4, 4).bytes("abcd") })
		f.block(4, func(b *builder) { // names
			b.option(1, "\x0a\x00\x00\x01one\x00two\x00").option(2, strings.Repeat("\x00", 15)+"\x01lo\x00")
			b.option(77, "what").option(1, "\x0a").option(0, "").bytes("junk")
		})
		f.block(5, func(b *builder) {
			b.u32(1, 0, 3000001)
			b.u16(2, 8).u32(0, 1).u16(3, 8).u32(0, 3000000)
			b.u16(4, 8).u64(10).u16(7, 8).u64(3).u16(8, 4).u32(1).option(1, "end")
		})
		f.block(5, func(b *builder) { b.u32(9, 0, 0) }) // no such interface
		f.block(5, func(b *builder) { b.u32(0) })
		f.block(10, func(b *builder) { b.u32(1, 4).bytes("keys") }) // decryption secrets
		f.block(9, func(b *builder) { b.bytes("journal") })
		f.block(0xbad, func(b *builder) { b.u32(32473).bytes("mine") })
		f.block(0x40000bad, func(b *builder) { b.u32(32473) })
		f.block(0xbad, func(*builder) {}) // too short
		f.block(0x80000001, func(b *builder) { b.bytes("local use") })

		// A second section in the other byte order.
		other := &builder{order: binary.BigEndian}
		if f.order.String() == other.order.String() {
			other.order = binary.LittleEndian
		}
		other.section(1, 0).iface(276, 0, nil).packet(0, 42, "second", 6)
		f.bytes(string(other.b))

		r, err := pcapfile.NewReader(bytes.NewReader(f.b))
		require.NoError(t, err)
		require.Equal(t, pcapfile.PCAPNG, r.Format())
		s := r.Section()
		assert.Equal(t, "hw/os/app", strings.Join([]string{s.Hardware, s.OS, s.Application}, "/"))
		assert.Equal(t, []string{"one", "two"}, s.Comments)
		assert.EqualValues(t, 1234, s.Length)
		assert.EqualValues(t, 2, s.Minor)

		next := func() pcapfile.Packet {
			t.Helper()
			p, err := r.Next()
			require.NoError(t, err)
			c := *p
			c.Data = bytes.Clone(c.Data)
			c.Offset = 0
			return c
		}
		p := next()
		first, second := r.Interfaces()[0], r.Interfaces()[1]
		assert.Equal(t, pcapfile.Packet{
			Time: time.Unix(0, 5).UTC(), HasTime: true, Data: []byte("abc"), Length: 60, Interface: first,
			Flags: 2 | 4<<2 | 4<<5, Dropped: pcapfile.Count(7), Comments: []string{"see", "this"},
		}, p)
		assert.Equal(t, pcapfile.FlagOutbound, p.Flags.Direction())
		assert.Equal(t, pcapfile.FlagPromiscuous, p.Flags.Reception())
		assert.Equal(t, 4, p.Flags.FCSLen())
		assert.Equal(t, pcapfile.Packet{Data: []byte("abc"), Length: 3, Interface: first}, next())
		assert.Equal(t, pcapfile.Packet{
			// Longer than the interface's snap length of 3.
			Time: time.Unix(1, 1000).UTC(), HasTime: true, Data: []byte("abcde"), Length: 5,
			Interface: second, InterfaceID: 1, Flags: pcapfile.FlagInbound, Dropped: pcapfile.Count(9),
		}, next())
		assert.Equal(t, pcapfile.Counter{}, next().Dropped)

		last := next()
		assert.Equal(t, "second", string(last.Data))
		assert.Equal(t, time.Unix(0, 42000).UTC(), last.Time)
		_, err = r.Next()
		require.Equal(t, io.EOF, err)

		assert.Len(t, r.Sections(), 2)
		assert.NotEqual(t, r.Sections()[0].ByteOrder, r.Sections()[1].ByteOrder)
		require.Len(t, r.Interfaces(), 3)
		assert.Same(t, last.Interface, r.Interfaces()[2])
		assert.Equal(t, [2]int{1, 0}, [2]int{last.Interface.Section, last.Interface.ID})
		assert.Equal(t, []pcapfile.LinkType{1, 101, 276}, r.LinkTypes())

		assert.Equal(t, "eth0/desc/tcp/Linux/nic", strings.Join([]string{first.Name, first.Description, first.Filter, first.OS, first.Hardware}, "/"))
		assert.Equal(t, []netip.Prefix{netip.MustParsePrefix("172.17.0.1/16"), netip.MustParsePrefix("2001::1/64")}, first.Addrs)
		assert.Equal(t, []byte{2, 0x42, 0xac, 0x11, 0, 1}, first.MAC)
		assert.EqualValues(t, 1e9, first.Speed)
		assert.Equal(t, 4, first.FCSLen)
		assert.Equal(t, pcapfile.Nanoseconds, first.Resolution)
		assert.Equal(t, []string{"hello"}, first.Comments)
		assert.Equal(t, -1, second.FCSLen)
		assert.Equal(t, pcapfile.Microseconds, second.Resolution)

		assert.Equal(t, []pcapfile.Name{
			{Addr: netip.MustParseAddr("10.0.0.1"), Names: []string{"one", "two"}},
			{Addr: netip.MustParseAddr("::1"), Names: []string{"lo"}},
		}, r.Names())
		assert.Equal(t, []pcapfile.InterfaceStatistics{{
			Interface: second, Time: time.Unix(3, 1000).UTC(),
			Statistics: pcapfile.Statistics{
				Start: 1000, End: 3e9, Received: pcapfile.Count(10), DroppedByOS: pcapfile.Count(3), Comments: []string{"end"},
			},
		}}, r.Statistics())
		require.Len(t, r.Custom(), 2)
		assert.Equal(t, "mine", string(r.Custom()[0].Data))
		assert.Equal(t, []bool{true, false}, []bool{r.Custom()[0].Copyable, r.Custom()[1].Copyable})
		assert.False(t, r.Overflowed())
	})
}

// TestTornPacketOptions: they don't cost the packet.
func TestTornPacketOptions(t *testing.T) {
	f := &builder{order: binary.BigEndian}
	f.section(1, 0).iface(1, 0, nil).block(6, func(b *builder) {
		b.u32(0, 0, 0, 4, 4).bytes("abcd").u16(2, 4).u32(1).u16(1, 5).bytes("abcd")
	})
	records, _, err := readAll(t, bytes.NewReader(f.b))
	require.NoError(t, err)
	require.Len(t, records, 1)
	assert.Equal(t, pcapfile.FlagInbound, records[0].Flags)
}

func TestSimplePacketSnapLen(t *testing.T) {
	f := &builder{order: binary.LittleEndian}
	f.section(1, 0).iface(1, 5, nil).block(3, func(b *builder) { b.u32(100).bytes("abcde\x00\x00\x00") })
	records, _, err := readAll(t, bytes.NewReader(f.b))
	require.NoError(t, err)
	assert.Equal(t, []record{{Data: []byte("abcde"), Length: 100, LinkType: 1}}, records)
}

// TestResolutions: expected values are ts * unit + offset, by hand.
func TestResolutions(t *testing.T) {
	const biggest = math.MaxUint64 // 18446744073709551615
	for _, test := range []struct {
		resolution byte
		offset     int64
		ts         uint64
		sec        int64
		ns         int64
	}{
		{0, 0, 1_700_000_000, 1_700_000_000, 0},
		{3, 0, 1_700_000_000_123, 1_700_000_000, 123_000_000},
		{6, 0, 1_700_000_000_123_456, 1_700_000_000, 123_456_000},
		{9, 0, aTime, 1_700_000_000, 123_456_789},
		{9, 0, biggest, 18446744073, 709551615},
		{12, 0, 1_700_000_000_999, 1, 700_000_000},
		{18, 0, biggest, 18, 446744073},
		{19, 0, biggest, 1, 844674407},
		{20, 0, biggest, 0, 184467440},
		{28, 0, biggest, 0, 1},
		{29, 0, biggest, 0, 0},
		{127, 0, biggest, 0, 0},
		{0x80, 0, 1_700_000_000, 1_700_000_000, 0},
		{0x81, 0, 3, 1, 500_000_000},
		{0x80 | 20, 0, 5<<20 | 1<<18, 5, 250_000_000},
		{0x80 | 32, 0, 7<<32 | 1<<31, 7, 500_000_000},
		{0x80 | 63, 0, biggest, 1, 999_999_999},
		{0x80 | 64, 0, biggest, 0, 999_999_999},
		{0x80 | 64, 0, 1 << 63, 0, 500_000_000},
		{0x80 | 65, 0, 1 << 63, 0, 250_000_000},
		{0xff, 0, biggest, 0, 0},
		{9, 1_700_000_000, 5, 1_700_000_000, 5},
		{9, -10, 5_000_000_001, -5, 1},
		// Nothing wraps around: date -u -d @N says which the first and last seconds are.
		{0, 0, 253402300799, 253402300799, 0},
		{0, 0, 253402300800, 253402300799, 0},
		{0, 0, biggest, 253402300799, 0},
		{6, 0, biggest, 253402300799, 551_615_000},
		{0, -253402300799, 253402300800, 1, 0},
		{0, math.MaxInt64, biggest, 253402300799, 0},
		{0, math.MinInt64, 0, -62167219200, 0},
	} {
		forOrders(t, func(t *testing.T, f *builder) {
			f.section(1, 0).iface(1, 0, func(b *builder) {
				b.option(9, string([]byte{test.resolution})).u16(14, 8).u64(uint64(test.offset))
			})
			f.packet(0, test.ts, "", 0)
			f.block(5, func(b *builder) {
				b.u32(0, uint32(test.ts>>32), uint32(test.ts)).u16(2, 8).u32(uint32(test.ts>>32), uint32(test.ts))
			})
			got, r, err := readAll(t, bytes.NewReader(f.b))
			require.NoError(t, err)
			want := time.Unix(test.sec, test.ns).UTC()
			assert.Equal(t, want, got[0].Time, "resolution %#x, offset %d, timestamp %d", test.resolution, test.offset, test.ts)
			s := r.Statistics()[0]
			assert.Equal(t, want, s.Time)
			switch {
			case test.sec > math.MaxInt64/1_000_000_000:
				assert.Equal(t, int64(math.MaxInt64), s.Start)
			case test.sec < math.MinInt64/1_000_000_000:
				assert.Equal(t, int64(math.MinInt64), s.Start)
			default:
				assert.Equal(t, test.sec*1e9+test.ns, s.Start)
			}
		})
	}
	assert.Equal(t, "10^-9", pcapfile.Nanoseconds.String())
	assert.Equal(t, "2^-20", pcapfile.Resolution(0x80|20).String())
}

// TestReadErrors: the errors of the io.Reader come out, and don't pass for the
// end of the file.
func TestReadErrors(t *testing.T) {
	broken := errors.New("broken disk")
	for name, file := range smallFiles() {
		for n := range len(file) + 1 {
			input := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken))
			_, _, err := readAll(t, input)
			assert.ErrorIs(t, err, broken, "%s after %d bytes", name, n)
		}
		_, _, err := readAll(t, io.MultiReader(bytes.NewReader(file), stuck{}))
		assert.ErrorIs(t, err, io.ErrNoProgress, name)

		want, _, err := readAll(t, bytes.NewReader(file))
		require.NoError(t, err)
		for _, slow := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader} {
			got, _, err := readAll(t, slow(bytes.NewReader(file)))
			require.NoError(t, err)
			assert.Equal(t, want, got)
		}
	}
}

// stuck delivers nothing and no error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestMetadataLimit feeds metadata without end.
func TestMetadataLimit(t *testing.T) {
	f := &builder{order: binary.LittleEndian}
	f.section(1, 0).iface(1, 0, nil)
	long := strings.Repeat("x", 60_000)
	f.block(4, func(b *builder) {
		for range 100 {
			b.option(1, "\x0a\x00\x00\x01"+long)
		}
	})
	f.block(0xbad, func(b *builder) { b.u32(1).bytes(strings.Repeat("y", 4_000_000)) })
	head, rest, _ := bytes.Cut(f.b, []byte("no such bytes"))
	require.Empty(t, rest)
	input := bytes.Clone(head)
	for range 20 {
		input = append(input, head[48:]...)
	}
	f.b = input
	f.block(5, func(b *builder) { b.u32(0, 0, 1).u16(7, 8).u64(1) })
	f.iface(1, 0, func(b *builder) { b.option(2, "eth0").option(9, "\x09") })
	f.packet(1, aTime, "abcd", 4)

	records, r, err := readAll(t, bytes.NewReader(f.b))
	require.NoError(t, err)
	assert.True(t, r.Overflowed())
	kept := 0
	for _, n := range r.Names() {
		kept += len(n.Names[0])
	}
	for _, c := range r.Custom() {
		kept += len(c.Data)
	}
	assert.Greater(t, kept, 12<<20)
	assert.LessOrEqual(t, kept, 16<<20)
	require.Len(t, records, 1)
	assert.Equal(t, time.Unix(0, aTime).UTC(), records[0].Time, "the clock of an interface is always known")
}

// TestLatestStatistics: when no more can be kept, the counters stay current.
func TestLatestStatistics(t *testing.T) {
	f := &builder{order: binary.LittleEndian}
	f.section(1, 0).iface(1, 0, nil).iface(1, 0, nil)
	for n := range uint32(100_000) {
		f.block(5, func(b *builder) { b.u32(n%2, 0, n).u16(7, 8).u64(uint64(n)) })
	}
	_, r, err := readAll(t, bytes.NewReader(f.b))
	require.NoError(t, err)
	assert.True(t, r.Overflowed())
	s := r.Statistics()
	assert.Less(t, len(s), 100_000)
	got := []uint64{s[len(s)-2].DroppedByOS.Value, s[len(s)-1].DroppedByOS.Value}
	assert.ElementsMatch(t, []uint64{99_998, 99_999}, got)
}

// TestClaimedLength: a length that the file does not have costs no memory.
func TestClaimedLength(t *testing.T) {
	f := &builder{order: binary.LittleEndian}
	f.section(1, 0).iface(231, 0, nil).u32(6, 128<<20, 0, 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := readAll(t, bytes.NewReader(f.b))
	runtime.ReadMemStats(&after)
	var torn *pcapfile.TruncatedError
	require.ErrorAs(t, err, &torn)
	assert.Equal(t, pcapfile.TruncatedError{Format: pcapfile.PCAPNG, Offset: 48, Remaining: 16, Size: 128 << 20}, *torn)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// TestPassedOver passes over what holds no packet: a block larger than memory is to be, and
// sections of other versions, with or without a length.
func TestPassedOver(t *testing.T) {
	good := func(f *builder) {
		f.section(1, 0).iface(1, 0, nil).packet(0, 1e6, "good", 4)
	}
	later := func(f *builder, length uint64) {
		f.block(0x0a0d0d0a, func(b *builder) { b.u32(0x1a2b3c4d).u16(2, 0).u64(length) })
	}
	for name, test := range map[string]struct {
		build    func(f *builder)
		packets  int
		sections int
	}{
		"custom block": {func(f *builder) {
			good(f)
			f.block(0xbad, func(b *builder) { b.u32(32473).bytes(strings.Repeat("x", 17<<20)) })
			f.packet(0, 2e6, "more", 4)
		}, 2, 1},
		"unknown block": {func(f *builder) {
			good(f)
			f.block(0x70000000, func(b *builder) { b.bytes(strings.Repeat("\x00", 33<<20)) })
			f.packet(0, 2e6, "more", 4)
		}, 2, 1},
		"section": {func(f *builder) {
			good(f)
			later(f, math.MaxUint64)
			f.packet(0, 1e6, "other", 5).block(99, func(b *builder) { b.u32(1) })
			good(f)
		}, 2, 3},
		"section with a length": {func(f *builder) {
			good(f)
			later(f, 8)
			f.u32(6, 7) // no block of ours
			good(f)
		}, 2, 3},
		"first section":   {func(f *builder) { later(f, math.MaxUint64); f.packet(0, 0, "x", 1); good(f) }, 1, 2},
		"last section":    {func(f *builder) { good(f); later(f, math.MaxUint64); f.packet(0, 0, "x", 1) }, 1, 2},
		"several of them": {func(f *builder) { good(f); later(f, 0); later(f, math.MaxUint64); later(f, 0); good(f) }, 2, 5},
	} {
		t.Run(name, func(t *testing.T) {
			forOrders(t, func(t *testing.T, f *builder) {
				test.build(f)
				records, r, err := readAll(t, bytes.NewReader(f.b))
				require.NoError(t, err)
				assert.Len(t, records, test.packets)
				assert.Len(t, r.Sections(), test.sections)
				assert.EqualValues(t, len(f.b), r.Offset())
			})
		})
	}
	forOrders(t, func(t *testing.T, f *builder) {
		good(f)
		at := len(f.b)
		f.u32(99, 20<<20, 0, 0)
		_, _, err := readAll(t, bytes.NewReader(f.b))
		require.EqualError(t, err, fmt.Sprintf("pcapng block at offset %d is cut short: 16 of %d bytes", at, 20<<20))
	})
}

// TestAnotherCapture names the header of another capture where a record or block should begin.
func TestAnotherCapture(t *testing.T) {
	forOrders(t, func(t *testing.T, f *builder) {
		f.pcapHeader(0xa1b2c3d4, 2, 4, 0, 1).u32(1, 2, 1, 1).bytes("x")
		n := len(f.b)
		for _, order := range orders {
			for _, magic := range []uint32{0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34, 0x0a0d0d0a} {
				other := &builder{order: order}
				if magic == 0x0a0d0d0a {
					other.section(1, 0)
				} else {
					other.pcapHeader(magic, 2, 4, 65535, 1)
				}
				_, r, err := readAll(t, bytes.NewReader(append(f.b[:n:n], other.b...)))
				var format *pcapfile.FormatError
				require.ErrorAs(t, err, &format)
				assert.True(t, format.Another)
				assert.ErrorContains(t, err, fmt.Sprintf("another capture begins at %d ", n))

				// It goes on behind it, if it is asked to.
				r.Continue(bytes.NewReader(f.b[24:n]), 1000)
				p, err := r.Next()
				require.NoError(t, err)
				assert.EqualValues(t, 1000, p.Offset)
				assert.Equal(t, "x", string(p.Data))
			}
		}
	})
}
