package pcapfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

func readTail(b []byte) (*pcapfile.Tail, error) {
	return pcapfile.ReadTail(bytes.NewReader(b), int64(len(b)))
}

// closedFile is a file as a capture leaves it, with n packets of size bytes.
func closedFile(n, size int) []byte {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth0", LinkType: 1})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth1", LinkType: 1})
	for i := range n {
		b = pcapfile.AppendPacket(b, uint32(i%2), aTime+int64(i), make([]byte, size), uint32(size), 0)
	}
	b = pcapfile.AppendNames(b, []pcapfile.Name{{Addr: netip.MustParseAddr("10.0.0.1"), Names: []string{"pacs"}}})
	b = pcapfile.AppendCustom(b, 32473, []byte("more"), true)
	for id := range uint32(2) {
		b = pcapfile.AppendStatistics(b, id, aTime, &pcapfile.Statistics{DroppedByOS: pcapfile.Count(uint64(id) + 7)})
	}
	return b
}

func TestTail(t *testing.T) {
	for _, packets := range []int{0, 1, 2, 2000} {
		file := closedFile(packets, 1514)
		tail, err := readTail(file)
		require.NoError(t, err)
		assert.Equal(t, "netcap", tail.Section.Application)
		require.Len(t, tail.Interfaces, 2)
		require.Len(t, tail.Statistics, 2)
		assert.Equal(t, "eth0", tail.Statistics[0].Interface.Name)
		assert.Equal(t, pcapfile.Count(7), tail.Statistics[0].DroppedByOS)
		assert.Equal(t, pcapfile.Count(8), tail.Statistics[1].DroppedByOS)
		assert.Equal(t, "pacs", tail.Names[0].Names[0])
		assert.Equal(t, "more", string(tail.Custom[0].Data))
		assert.Equal(t, uint32(0xbad), binary.LittleEndian.Uint32(file[tail.Custom[0].Offset:]))
		if packets == 0 {
			assert.Zero(t, tail.First)
			assert.Zero(t, tail.Last)
			assert.Nil(t, tail.LastInterface)
			continue
		}
		assert.Equal(t, time.Unix(0, aTime).UTC(), tail.First)
		assert.Equal(t, time.Unix(0, aTime+int64(packets)-1).UTC(), tail.Last)
		assert.Equal(t, []string{"eth1", "eth0"}[packets%2], tail.LastInterface.Name)
	}
}

// TestTailOtherBlocks: older kinds of packets, other clocks, either byte order.
func TestTailOtherBlocks(t *testing.T) {
	forOrders(t, func(t *testing.T, f *builder) {
		f.section(1, 0).iface(1, 0, func(b *builder) { b.option(9, "\x03") })
		f.packet(0, 5, "abc", 3)
		f.block(2, func(b *builder) { b.u16(0, 0).u32(0, 7000, 0, 0) })
		f.block(0x80000001, func(b *builder) { b.u32(1) })
		tail, err := readTail(f.b)
		require.NoError(t, err)
		assert.Equal(t, time.Unix(0, 5e6).UTC(), tail.First)
		assert.Equal(t, time.Unix(7, 0).UTC(), tail.Last)

		f.block(3, func(b *builder) { b.u32(0) })
		tail, err = readTail(f.b)
		require.NoError(t, err)
		assert.Zero(t, tail.Last, "a simple packet has no time")
		assert.NotNil(t, tail.LastInterface)
	})
}

// TestTailRefuses: where the ends of a file don't tell, ErrTail says so.
func TestTailRefuses(t *testing.T) {
	file := closedFile(3, 100)
	for cut := 12; cut < len(file); cut++ {
		tail, err := readTail(file[:cut])
		if err != nil {
			require.ErrorIs(t, err, pcapfile.ErrTail, "cut at %d", cut)
			continue
		}
		// A cut between blocks.
		_, r, err := readAll(t, bytes.NewReader(file[:cut]))
		require.NoError(t, err)
		require.Equal(t, len(r.Statistics()), len(tail.Statistics), "cut at %d", cut)
	}
	section := pcapfile.AppendSection(nil, &pcapfile.Section{})
	iface := pcapfile.AppendInterface(nil, &pcapfile.Interface{LinkType: 1})
	packet := func(id uint32) []byte { return pcapfile.AppendPacket(nil, id, aTime, []byte("abcd"), 4, 0) }
	stats := func(id uint32) []byte { return pcapfile.AppendStatistics(nil, id, aTime, &pcapfile.Statistics{}) }
	for name, file := range map[string][]byte{
		"zeros at the end":                 append(closedFile(3, 100), make([]byte, 4096)...),
		"interface in the middle":          bytes.Join([][]byte{section, iface, packet(0), iface, packet(1)}, nil),
		"interface behind the last packet": bytes.Join([][]byte{section, iface, packet(0), iface}, nil),
		"statistics of such an interface":  bytes.Join([][]byte{section, iface, packet(0), iface, packet(0), stats(1)}, nil),
		"two sections":                     bytes.Join([][]byte{section, iface, packet(0), section, iface}, nil),
		"two sections, by length":          bytes.Join([][]byte{unhex(t, "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 44000000 00000000 1c000000"), iface, packet(0), section, iface, packet(0)}, nil),
		"two sections without packets":     bytes.Join([][]byte{section, section}, nil),
		"short packet block":               bytes.Join([][]byte{section, iface, packet(0), unhex(t, "06000000 10000000 00000000 10000000")}, nil),
		"too many blocks":                  bytes.Join([][]byte{section, iface, packet(0), bytes.Repeat(stats(0), 5000)}, nil),
		"too many bytes":                   bytes.Join([][]byte{section, iface, packet(0), bytes.Repeat(pcapfile.AppendCustom(nil, 1, make([]byte, 1<<20), true), 5)}, nil),
		"pcap":                             pcapfile.AppendFileHeader(nil, 1, 65535, false),
	} {
		_, err := readTail(file)
		assert.ErrorIs(t, err, pcapfile.ErrTail, name)
	}

	_, err := readTail([]byte("hello, world"))
	assert.ErrorIs(t, err, pcapfile.ErrFormat)
	var format *pcapfile.FormatError
	_, err = readTail(bytes.Join([][]byte{section, packet(0)}, nil))
	assert.ErrorAs(t, err, &format)

	// What was there when the size was asked for has gone since.
	_, err = pcapfile.ReadTail(bytes.NewReader(file), int64(len(file))+100)
	assert.ErrorIs(t, err, pcapfile.ErrTail)
	broken := errors.New("broken disk")
	_, err = pcapfile.ReadTail(brokenAt{bytes.NewReader(file), 400, broken}, int64(len(file)))
	assert.ErrorIs(t, err, broken)
}

// brokenAt fails to read from an offset on.
type brokenAt struct {
	r      *bytes.Reader
	offset int64
	err    error
}

func (b brokenAt) ReadAt(p []byte, offset int64) (int, error) {
	if offset+int64(len(p)) > b.offset {
		n, _ := b.r.ReadAt(p[:max(0, min(int64(len(p)), b.offset-offset))], offset)
		return n, b.err
	}
	return b.r.ReadAt(p, offset)
}

// TestTailLongHead: a first packet beyond what is read of the head.
func TestTailLongHead(t *testing.T) {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: 1})
	for range 3 {
		b = pcapfile.AppendCustom(b, 1, make([]byte, 1<<19), true)
	}
	b = pcapfile.AppendPacket(b, 0, aTime, nil, 0, 0)
	tail, err := readTail(b)
	require.NoError(t, err)
	assert.Zero(t, tail.First)
	assert.Equal(t, time.Unix(0, aTime).UTC(), tail.Last)
}

// TestTailCorpus compares ReadTail with a walk through every pcapng file.
func TestTailCorpus(t *testing.T) {
	corpus := testenv.Corpus(t)
	told := 0
	for _, dir := range []string{"captures", "pcapng"} {
		for _, o := range readOracle(t, filepath.Join(corpus, dir)) {
			path := filepath.Join(corpus, dir, o.file)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			tail, err := readTail(b)
			if err != nil {
				continue
			}
			records, r, err := readAll(t, bytes.NewReader(b))
			if len(r.Sections()) > 1 {
				continue // which nobody can tell from the ends
			}
			require.NoError(t, err, path)
			told++
			assert.LessOrEqual(t, len(tail.Statistics), len(r.Statistics()), path)
			if len(records) == 0 {
				assert.Nil(t, tail.LastInterface, path)
				continue
			}
			assert.Equal(t, records[0].Time, tail.First, path)
			assert.Equal(t, records[len(records)-1].Time, tail.Last, path)
		}
	}
	t.Logf("%d files", told)
	assert.Greater(t, told, 50)
}
