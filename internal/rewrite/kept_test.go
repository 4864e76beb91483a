package rewrite_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/input"
	"netcap/internal/rewrite"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// file makes pcapng files by hand, in either byte order.
type file struct {
	binary.AppendByteOrder
	b []byte
}

func (f *file) option(code uint16, value []byte) []byte {
	b := f.AppendUint16(nil, code)
	b = f.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func (f *file) block(typ uint32, parts ...[]byte) {
	body := bytes.Join(parts, nil)
	f.b = f.AppendUint32(f.b, typ)
	f.b = f.AppendUint32(f.b, uint32(len(body)+12))
	f.b = append(f.b, body...)
	f.b = f.AppendUint32(f.b, uint32(len(body)+12))
}

func (f *file) u32(numbers ...uint32) (b []byte) {
	for _, n := range numbers {
		b = f.AppendUint32(b, n)
	}
	return b
}

func (f *file) u64(n uint64) []byte { return f.AppendUint64(nil, n) }

// custom is a custom option's value.
func (f *file) custom(data string) []byte { return append(f.u32(32473), data...) }

// instruction is one of BPF.
func (f *file) instruction() []byte {
	return append(append(f.AppendUint16([]byte{1}, 0x28), 1, 2), f.u32(12)...)
}

// everything is a file with every block and option of draft-ietf-opsawg-pcapng, as its
// section 4 has them.
func everything(order binary.AppendByteOrder) []byte {
	f := &file{AppendByteOrder: order}
	o := f.option
	end := o(0, nil)
	f.block(0x0a0d0d0a, f.u32(0x1a2b3c4d), f.AppendUint16(f.AppendUint16(nil, 1), 0), f.u64(^uint64(0)),
		o(1, []byte("section")), o(2, []byte("hw")), o(3, []byte("os")), o(4, []byte("app")), o(2988, f.custom("sect")), end)
	f.block(1, f.AppendUint16(nil, 1), []byte{0, 0}, f.u32(262144),
		o(2, []byte("eth0")), o(7, []byte("euiaddr8")), o(10, f.u32(3600)), o(16, f.u64(5e6)), o(17, f.u64(6e6)), o(18, []byte("Europe/Berlin")),
		o(11, f.instruction()), o(2989, f.custom("intf")), end)
	f.block(1, f.AppendUint16(nil, 1), []byte{0, 0}, f.u32(262144), o(2, []byte("eth1")), end)
	secret := "CLIENT_RANDOM 00"
	f.block(10, f.u32(0x544c534b, uint32(len(secret))), []byte(secret), o(1, []byte("of secrets")), o(2988, f.custom("dsb")), end)
	f.block(4, o(1, append([]byte{10, 0, 0, 2}, "pacs\x00"...)), o(3, []byte("\x02\xca\xff\xee\xf0\x0dteapot\x00")), o(4, []byte("12345678pot\x00")), o(0, nil),
		o(2, []byte("ns")), o(3, []byte{9, 9, 9, 9}), end)
	frame := testenv.UDPFrame(1, 60)
	f.block(6, f.u32(0, 0x6184e, 0x1000, 60, 60), frame,
		o(1, []byte("packet")), o(2, f.u32(1)), o(3, []byte{2, 0xec, 0x1d, 0x87, 0x97}), o(4, f.u64(5)), o(5, f.u64(77)), o(6, f.u32(3)),
		o(7, append([]byte{2}, f.u64(2)...)), o(7, []byte{0, 9}), o(8, f.u32(1234, 5)), o(2988, f.custom("pkt")), end)
	f.block(9, []byte("__REALTIME_TIMESTAMP=1\nMESSAGE=hi\n\x00\x00"))
	f.block(0xbad, f.custom("1234"))
	f.block(3, f.u32(60), frame)
	f.block(6, f.u32(1, 0x6184e, 0x2000, 60, 60), frame)
	f.block(5, f.u32(0, 0x6184e, 0x3000), o(4, f.u64(10)), o(5, f.u64(1)), o(6, f.u64(9)), o(7, f.u64(2)), o(8, f.u64(2)), o(2988, f.custom("stat")), end)
	return f.b
}

// rewrittenBy writes all packets of a file, and returns what is said of the result.
func rewrittenBy(t *testing.T, content []byte, format pcapfile.Format, cfg rewrite.Config) (out []byte, lost string) {
	t.Helper()
	path := write(t, filepath.Join(t.TempDir(), "in"), content)
	var b bytes.Buffer
	var w *rewrite.Writer
	s := input.NewStream([]string{path}, &input.Config{Ended: func(f *input.File) { w.Ended(f) }})
	defer s.Close()
	cfg.Files = s.Open()
	w = rewrite.New(&b, format, &cfg)
	for {
		p, in, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, w.Add(in, p))
	}
	require.NoError(t, w.Close())
	return b.Bytes(), w.Lost()
}

// blocks are the blocks of a little-endian file as type and body, and its options apart,
// for their order is free.
func blocks(t *testing.T, b []byte) (all []string) {
	t.Helper()
	head := map[uint32]int{0x0a0d0d0a: 16, 1: 8, 5: 12, 6: 20 + 60}
	for len(b) > 0 {
		typ, size := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		body := b[8 : size-4]
		if typ == 6 || typ == 5 { // in nanoseconds now
			body = bytes.Clone(body)
			clear(body[4:12])
		}
		n, ok := head[typ]
		if !ok {
			n = len(body)
		}
		all = append(all, fmt.Sprintf("%d: %x", typ, body[:n]))
		for o := body[n:]; len(o) > 4; {
			size := int(binary.LittleEndian.Uint16(o[2:]))
			if code := binary.LittleEndian.Uint16(o); typ != 1 || code != 9 { // resolution
				all = append(all, fmt.Sprintf("%d: option %d: %x", typ, code, o[4:4+size]))
			}
			o = o[4+(size+3)&^3:]
		}
		b = b[size:]
	}
	return all
}

// TestEverythingIsKept has all that the draft knows written again, and big-endian files as
// the little-endian ones that say the same.
func TestEverythingIsKept(t *testing.T) {
	want := blocks(t, everything(binary.LittleEndian))
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		in := everything(order)
		out, lost := rewrittenBy(t, in, pcapfile.PCAPNG, rewrite.Config{Whole: true})
		assert.Empty(t, lost, order)
		// Names of both kinds of addresses have a block each.
		var names, rest []string
		for _, b := range blocks(t, out) {
			if strings.HasPrefix(b, "4: ") {
				names = append(names, b)
			} else {
				rest = append(rest, b)
			}
		}
		assert.ElementsMatch(t, withoutNames(want), rest, order)
		assert.Len(t, names, 2)

		// tshark sees the same in both.
		tshark := func(content []byte) string {
			path := write(t, filepath.Join(t.TempDir(), "file"), content)
			return output(t, "tshark", "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.packet_id",
				"-e", "frame.interface_queue", "-e", "frame.verdict.ebpf_xdp", "-e", "frame.verdict.hw", "-e", "frame.drop_count", "-e", "frame.packet_flags", "-e", "frame.comment")
		}
		assert.Equal(t, tshark(in), tshark(out), order)

		again, lost := rewrittenBy(t, out, pcapfile.PCAPNG, rewrite.Config{Whole: true})
		assert.Empty(t, lost)
		assert.Equal(t, out, again, "rewriting what was rewritten changes nothing")
	}
}

func withoutNames(all []string) (rest []string) {
	for _, b := range all {
		if !strings.HasPrefix(b, "4: ") {
			rest = append(rest, b)
		}
	}
	return rest
}

// TestLost says what can't be kept.
func TestLost(t *testing.T) {
	f := &file{AppendByteOrder: binary.BigEndian}
	f.block(0x0a0d0d0a, f.u32(0x1a2b3c4d), f.AppendUint16(f.AppendUint16(nil, 1), 0), f.u64(^uint64(0)))
	f.block(1, f.AppendUint16(nil, 1), []byte{0, 0}, f.u32(0), f.option(9, []byte{12}), f.option(19372, f.custom("x")), f.option(40000, []byte("y")), f.option(0, nil))
	f.block(0x80000001, f.u32(1))
	f.block(0x77, f.u32(1))
	f.block(0x40000bad, f.custom("1234"))
	f.block(6, f.u32(0, 0, 5, 60, 60), testenv.UDPFrame(1, 60))
	_, lost := rewrittenBy(t, f.b, pcapfile.PCAPNG, rewrite.Config{})
	assert.Equal(t, "left out: 1 custom block and 1 custom option (marked as not to be copied); "+
		"left out: 1 block for local use, 1 block of an unknown type and 1 other option (in big-endian order, and of a kind that can't be converted); "+
		"1 packet with a time stamp cut to the unit of the format", lost)

	all := everything(binary.LittleEndian)
	_, lost = rewrittenBy(t, all, pcapfile.PCAPNG, rewrite.Config{})
	assert.Empty(t, lost)
	out, lost := rewrittenBy(t, all, pcapfile.PCAPNG, rewrite.Config{Scrub: true, Whole: true})
	assert.Equal(t, "left out: 1 block of decryption secrets, 1 journal entry, 1 custom block, 4 custom options, 9 other options and 1 hash of a packet (as the copy is scrubbed)", lost)
	for _, secret := range []string{"CLIENT_RANDOM", "MESSAGE=hi", "of secrets", "pkt", "\xec\x1d\x87\x97"} {
		assert.NotContains(t, string(out), secret)
	}
	bare := rewrite.Config{Scrub: true, Bare: true}
	out, lost = rewrittenBy(t, all, pcapfile.PCAPNG, bare)
	assert.Equal(t, "left out: 1 block of decryption secrets, 1 journal entry, 1 custom block, 3 custom options, 11 other options, 1 hash of a packet, 2 comments, "+
		"3 names of addresses and 1 description of a machine (as the copy is scrubbed)", lost)
	assert.NotRegexp(t, "section|hw|app|sect|intf|euiaddr8|Europe|pacs|teapot|of secrets|packet", string(out))
	_, lost = rewrittenBy(t, all, pcapfile.PCAP, bare)
	assert.Equal(t, "left out: 1 packet's direction or flags, 1 count of packets dropped before one and 1 interface's counters (pcap has no place for that: write pcapng to keep it); "+
		"left out: 1 block of decryption secrets, 1 journal entry, 1 custom block, 4 custom options, 11 other options, 1 hash of a packet, 2 comments, "+
		"3 names of addresses, 2 descriptions of interfaces and 1 description of a machine (as the copy is scrubbed); 1 packet without a time stamp now at 1970", lost)
	out, lost = rewrittenBy(t, all, pcapfile.PCAP, rewrite.Config{})
	assert.Equal(t, "left out: 1 block of decryption secrets, 1 journal entry, 1 custom block, 4 custom options, 11 other options, 1 hash of a packet, "+
		"2 comments, 3 names of addresses, 1 packet's direction or flags, 1 count of packets dropped before one, 1 interface's counters, "+
		"2 descriptions of interfaces and 1 description of a machine (pcap has no place for that: write pcapng to keep it); 1 packet without a time stamp now at 1970", lost)
	_, lost = rewrittenBy(t, out, pcapfile.PCAPNG, rewrite.Config{})
	assert.Empty(t, lost)
}

// TestUntimed: a packet without a time has none afterwards, whichever interface it is of.
func TestUntimed(t *testing.T) {
	var b []byte
	for n := range 3 {
		b = pcapfile.AppendSection(b, &pcapfile.Section{})
		b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: fmt.Sprint("eth", n), LinkType: pcapfile.LinkTypeEthernet, SnapLen: 96})
		b = pcapfile.AppendPacket(b, 0, start.UnixNano(), testenv.UDPFrame(1, 60), 60, 0)
		b = pcapfile.AppendSimplePacket(b, testenv.UDPFrame(2, 96), 200)
		b = pcapfile.AppendPacket(b, 0, start.UnixNano(), testenv.UDPFrame(3, 60), 60, 0)
		b = pcapfile.AppendStatistics(b, 0, start.UnixNano(), &pcapfile.Statistics{DroppedByOS: pcapfile.Count(uint64(n))})
	}
	out, lost := rewrittenBy(t, b, pcapfile.PCAPNG, rewrite.Config{Whole: true})
	assert.Empty(t, lost)
	said := func(b []byte) (all []string) {
		r, err := pcapfile.NewReader(bytes.NewReader(b))
		require.NoError(t, err)
		for {
			p, err := r.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			all = append(all, fmt.Sprint(p.Time, p.HasTime, p.Interface.Name, p.Length, p.Data))
		}
		for _, s := range r.Statistics() {
			all = append(all, fmt.Sprint(s.Interface.Name, s.DroppedByOS))
		}
		return all
	}
	assert.Equal(t, said(b), said(out))
	path := write(t, filepath.Join(t.TempDir(), "out"), out)
	assert.Equal(t, 3, strings.Count(output(t, "tshark", "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"), "\t200"))
	assert.Equal(t, strings.Repeat("x\t60\n\t200\nx\t60\n", 3), strings.ReplaceAll(
		output(t, "tshark", "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"), fmt.Sprintf("%d.000000000", start.Unix()), "x"))
}
