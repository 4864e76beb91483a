package rewrite_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/input"
	"netcap/internal/rewrite"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// rewritten writes all packets of files into one.
func rewritten(t testing.TB, out string, format pcapfile.Format, whole bool, paths ...string) error {
	t.Helper()
	f, err := rewrite.Create(out, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.End(nil)) }()
	var w *rewrite.Writer
	s := input.NewStream(paths, &input.Config{Ended: func(f *input.File) { w.Ended(f) }})
	defer s.Close()
	w = rewrite.New(f, format, &rewrite.Config{Application: "netcap test", Files: s.Open(), Whole: whole})
	for {
		p, in, err := s.Next()
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err == nil {
			err = w.Add(in, p)
		}
		if err != nil {
			return err
		}
	}
}

func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	b, err := exec.Command(testenv.Program(t, name), args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%s %q: %v: %s", name, args, err, exit.Stderr)
	}
	require.NoError(t, err)
	return string(b)
}

func write(t testing.TB, path string, content []byte) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// TestCorpus rewrites every capture that tcpdump reads, in one format or both: it prints the
// same, and capinfos counts the same.
func TestCorpus(t *testing.T) {
	dir := filepath.Join(testenv.Corpus(t), "captures")
	b, err := os.ReadFile(filepath.Join(dir, "oracle.tsv"))
	require.NoError(t, err)
	table := csv.NewReader(bytes.NewReader(b))
	table.Comma, table.LazyQuotes = '\t', true
	rows, err := table.ReadAll()
	require.NoError(t, err)
	file, status := slices.Index(rows[0], "file"), slices.Index(rows[0], "tcpdump_rc")
	tmp := t.TempDir()
	printed := func(path string) string {
		return output(t, "tcpdump", "-r", path, "-tt", "--time-stamp-precision=nano", "-n", "-xx", "-S", "-#")
	}
	outs := map[pcapfile.Format][]string{}
	originals := map[string]string{}
	for i, row := range rows[1:] {
		path := filepath.Join(dir, row[file])
		if row[status] != "0" {
			continue
		}
		want := printed(path)
		// Both formats of pcapng, which has more to lose, of the others one.
		formats := []pcapfile.Format{pcapfile.PCAP, pcapfile.PCAPNG}
		if filepath.Ext(path) != ".pcapng" {
			formats = formats[i%2 : i%2+1]
		}
		for _, format := range formats {
			out := filepath.Join(tmp, fmt.Sprintf("%d.%v", i, format))
			if err := rewritten(t, out, format, false, path); err != nil { // zeros are no packets
				assert.Positive(t, testenv.OdditiesOf(t, path).Empty, "%s: %v", path, err)
				break
			}
			if got := printed(out); got != want {
				odd := testenv.OdditiesOf(t, path)
				assert.True(t, odd.Times || odd.Length || odd.Late && format == pcapfile.PCAP, "%s as %v differs", path, format)
			}
			outs[format] = append(outs[format], out)
			originals[out] = path
		}
	}
	t.Logf("%d files", len(originals))
	for format, paths := range outs {
		for i, path := range paths {
			if i%4 != 0 { // capinfos takes a while to start
				continue
			}
			if want, ok := counts(t, originals[path]); ok {
				got, _ := counts(t, path)
				assert.Equal(t, want, got, "%s as %v", originals[path], format)
			}
		}
	}
}

// counts are capinfos' number of packets and of their bytes, if it knows the link type.
func counts(t testing.TB, path string) (string, bool) {
	b, err := exec.Command(testenv.Program(t, "capinfos"), "-T", "-r", "-M", "-c", "-d", path).Output()
	return strings.TrimPrefix(string(b), path), err == nil
}

// annotated is a pcapng file with all that is kept.
func annotated(name, comment string, at time.Time, packets int) []byte {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Hardware: "x86_64", OS: "Linux " + name, Application: "other", Comments: []string{comment}})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{
		Name: "eth0", Description: "uplink", Filter: "udp", LinkType: pcapfile.LinkTypeEthernet, SnapLen: 9000,
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}, MAC: []byte{2, 0, 0, 0, 0, 1}, Speed: 1e9, Comments: []string{"of the interface"},
	})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: name, LinkType: pcapfile.LinkTypeEthernet, SnapLen: 9000})
	b = pcapfile.AppendNames(b, []pcapfile.Name{{Addr: netip.MustParseAddr("10.0.0.2"), Names: []string{"pacs"}}})
	for i := range packets {
		ns := at.Add(time.Duration(i)*time.Second + 123456789).UnixNano()
		frame := testenv.UDPFrame(uint32(i), 60+i)
		switch i % 3 {
		case 0:
			b = pcapfile.AppendPacket(b, uint32(i%2), ns, frame, 100, pcapfile.FlagInbound)
		case 1:
			b = pcapfile.AppendPacketOptions(b, uint32(i%2), ns, frame, 100, pcapfile.FlagOutbound, pcapfile.Count(uint64(i)), []string{name + " one", "two"})
		case 2:
			b = pcapfile.AppendPacketOptions(b, uint32(i%2), ns, frame, 100, 0, pcapfile.Counter{}, []string{name + " alone"})
		}
	}
	b = pcapfile.AppendNames(b, []pcapfile.Name{{Addr: netip.MustParseAddr("10.0.0.3"), Names: []string{name}}})
	b = pcapfile.AppendCustom(b, 32473, []byte("copy"), true)
	b = pcapfile.AppendCustom(b, 32473, []byte("keep"), false)
	return pcapfile.AppendStatistics(b, 0, at.UnixNano(), &pcapfile.Statistics{DroppedByOS: pcapfile.Count(7)})
}

var start = time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)

// TestKept holds one file to the original: all that is kept, by our Reader and by tshark.
func TestKept(t *testing.T) {
	dir := t.TempDir()
	in := write(t, filepath.Join(dir, "in.pcapng"), annotated("eth1", "of the section", start, 9))
	out := filepath.Join(dir, "out.pcapng")
	require.NoError(t, rewritten(t, out, pcapfile.PCAPNG, true, in))

	want, got := readAll(t, in), readAll(t, out)
	assert.Equal(t, want.packets, got.packets)
	assert.Equal(t, want.interfaces, got.interfaces)
	assert.Equal(t, want.Names(), got.Names())
	assert.Equal(t, want.Section(), got.Section())
	require.Len(t, got.Custom(), 1)
	assert.Equal(t, []byte("copy"), got.Custom()[0].Data)
	require.Len(t, got.Statistics(), 1)
	assert.Equal(t, want.Statistics()[0].Statistics, got.Statistics()[0].Statistics)

	fields := []string{"-T", "fields", "-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.interface_id", "-e", "frame.len", "-e", "frame.cap_len", "-e", "frame.comment", "-e", "frame.drop_count", "-e", "frame.packet_flags"}
	// Custom blocks are shown as well, and one of them may not be copied.
	packets := func(path string) string {
		return output(t, "tshark", append([]string{"-r", path, "-Y", "frame.time_epoch"}, fields...)...)
	}
	assert.Equal(t, packets(in), packets(out))
	assert.Contains(t, output(t, "capinfos", "-k", out), "of the section")

	again := filepath.Join(dir, "again.pcapng")
	require.NoError(t, rewritten(t, again, pcapfile.PCAPNG, true, out))
	a, err := os.ReadFile(out)
	require.NoError(t, err)
	b, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Equal(t, a, b, "rewriting what was rewritten changes nothing")

	filtered := filepath.Join(dir, "filtered.pcapng")
	require.NoError(t, rewritten(t, filtered, pcapfile.PCAPNG, false, in))
	assert.Empty(t, readAll(t, filtered).Statistics())
	assert.Equal(t, "netcap test", readAll(t, filtered).Section().Application)
}

type content struct {
	*input.File
	packets    []string
	interfaces []pcapfile.Interface
}

func readAll(t testing.TB, path string) *content {
	f, err := input.Open(path, nil)
	require.NoError(t, err)
	defer f.Close()
	c := &content{File: f}
	for {
		p, err := f.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err, path)
		c.packets = append(c.packets, fmt.Sprintf("%v %v %d %d %v %v %q %x", p.Time, p.HasTime, p.Length, p.InterfaceID, p.Flags, p.Dropped, p.Comments, p.Data))
	}
	for _, i := range f.Interfaces() {
		c.interfaces = append(c.interfaces, pcapfile.Interface{
			LinkType: i.LinkType, SnapLen: i.SnapLen, Name: i.Name, Description: i.Description,
			Filter: i.Filter, Hardware: i.Hardware, OS: i.OS, Comments: i.Comments, Addrs: i.Addrs, MAC: i.MAC, Speed: i.Speed, FCSLen: i.FCSLen,
		})
	}
	return c
}

// TestMerge writes packets of several files: what they share is written once.
func TestMerge(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a"), annotated("eth1", "of a", start, 4))
	b := write(t, filepath.Join(dir, "b"), annotated("eth2", "of b", start.Add(1500*time.Millisecond), 4))
	c := write(t, filepath.Join(dir, "c"), pcapfile.AppendRecord(pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeRaw, 65535, false), start.UnixNano(), make([]byte, 20), 20, false))
	out := filepath.Join(dir, "out")
	require.NoError(t, rewritten(t, out, pcapfile.PCAPNG, false, a, b, c))
	got := readAll(t, out)
	assert.Equal(t, []string{"of a", "of b"}, got.Section().Comments)
	assert.Equal(t, "", got.Section().Hardware, "c has none")
	var names, systems []string
	for _, i := range got.interfaces {
		names = append(names, i.Name+" "+i.LinkType.String())
		systems = append(systems, i.OS)
	}
	assert.Equal(t, []string{" RAW", "eth0 EN10MB", "eth1 EN10MB", "eth0 EN10MB", "eth2 EN10MB"}, names)
	assert.Equal(t, []string{"", "Linux eth1", "Linux eth1", "Linux eth2", "Linux eth2"}, systems, "what isn't so everywhere")
	assert.Len(t, got.packets, 9)
	assert.Len(t, got.Names(), 3, "each once")
	assert.Regexp(t, `\t9\s*$`, output(t, "capinfos", "-T", "-r", "-M", "-c", out))

	assert.EqualValues(t, 256<<10, got.interfaces[0].SnapLen, "not less than any")
	assert.EqualValues(t, 256<<10, got.interfaces[1].SnapLen, "which libpcap wants equal")

	// The same file twice: no interface more.
	twice := filepath.Join(dir, "twice")
	require.NoError(t, rewritten(t, twice, pcapfile.PCAPNG, false, a, a))
	assert.Equal(t, readAll(t, a).interfaces, readAll(t, twice).interfaces)
	assert.Len(t, readAll(t, twice).packets, 8)

	// pcap has one link type.
	err := rewritten(t, filepath.Join(dir, "out.pcap"), pcapfile.PCAP, false, a, c)
	var types *rewrite.LinkTypeError
	require.ErrorAs(t, err, &types)
	assert.Regexp(t, `^pcap can't hold packets of link type RAW \(".*/c"\) and of EN10MB \(".*/a"\) in one file: write pcapng, or filter for one of them$`, err.Error())
}

// TestSimplePackets have no time.
func TestSimplePackets(t *testing.T) {
	dir := t.TempDir()
	b := pcapfile.AppendSection(nil, &pcapfile.Section{})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet, SnapLen: 96})
	b = pcapfile.AppendSimplePacket(b, testenv.UDPFrame(1, 60), 60)
	b = pcapfile.AppendSimplePacket(b, testenv.UDPFrame(2, 96), 200)
	in := write(t, filepath.Join(dir, "in"), b)
	out := filepath.Join(dir, "out")
	require.NoError(t, rewritten(t, out, pcapfile.PCAPNG, false, in))
	assert.Equal(t, readAll(t, in).packets, readAll(t, out).packets)
	assert.Equal(t, output(t, "tcpdump", "-r", in, "-xx"), output(t, "tcpdump", "-r", out, "-xx"))
	old := filepath.Join(dir, "old")
	require.NoError(t, rewritten(t, old, pcapfile.PCAP, false, in))
	assert.Len(t, readAll(t, old).packets, 2)
}

// TestPrecision: nanoseconds are written if any of the files has them.
func TestPrecision(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, nano bool) string {
		b := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 65535, nano)
		return write(t, filepath.Join(dir, name), pcapfile.AppendRecord(b, start.UnixNano()+123456789, testenv.UDPFrame(1, 60), 60, nano))
	}
	micro, nano := file("micro", false), file("nano", true)
	for i, tt := range []struct {
		paths []string
		magic string
		snap  byte
	}{
		{[]string{micro}, "\xd4\xc3\xb2\xa1", 0xff},
		{[]string{nano}, "\x4d\x3c\xb2\xa1", 0xff},
		{[]string{micro, micro}, "\xd4\xc3\xb2\xa1", 0},
		{[]string{micro, nano}, "\x4d\x3c\xb2\xa1", 0},
	} {
		out := filepath.Join(dir, fmt.Sprint("out", i))
		require.NoError(t, rewritten(t, out, pcapfile.PCAP, false, tt.paths...))
		b, err := os.ReadFile(out)
		require.NoError(t, err)
		assert.Equal(t, tt.magic, string(b[:4]), tt.paths)
		assert.Equal(t, tt.snap, b[16], tt.paths)
		if len(tt.paths) == 1 {
			original, err := os.ReadFile(tt.paths[0])
			require.NoError(t, err)
			assert.Equal(t, original, b)
		}
	}
}

// TestEmpty: no packet, or no file even, makes a capture nevertheless.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	none := write(t, filepath.Join(dir, "none"), pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeRaw, 65535, false))
	for i, paths := range [][]string{nil, {none}} {
		for _, format := range []pcapfile.Format{pcapfile.PCAP, pcapfile.PCAPNG} {
			out := filepath.Join(dir, fmt.Sprintf("%d.%v", i, format))
			require.NoError(t, rewritten(t, out, format, false, paths...))
			assert.Empty(t, readAll(t, out).packets)
			assert.Contains(t, output(t, "capinfos", "-c", out), "Number of packets:   0")
		}
	}
	assert.Equal(t, pcapfile.LinkTypeRaw, readAll(t, filepath.Join(dir, "1.pcap")).Interfaces()[0].LinkType)
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.pcap")
	f, err := rewrite.Create(path, nil)
	require.NoError(t, err)
	st, err := f.Stat()
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, st.Mode())
	require.NoError(t, f.End(nil))
	_, err = rewrite.Create(path, nil)
	assert.EqualError(t, err, fmt.Sprintf("%q: file already exists, and nothing is ever overwritten: choose another name, or move it away", path))
	require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link")))
	_, err = rewrite.Create(filepath.Join(dir, "link"), nil)
	assert.ErrorIs(t, err, os.ErrExist)
	_, err = rewrite.Create(path+".gz", nil)
	assert.ErrorContains(t, err, "captures are written uncompressed: leave out .gz")
	_, err = rewrite.Create(filepath.Join(dir, "missing", "out"), nil)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestEnd removes what isn't whole, from the directory in which it was made: another one
// that has its path by then keeps its file of that name.
func TestEnd(t *testing.T) {
	dir, elsewhere := filepath.Join(t.TempDir(), "dir"), t.TempDir()
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "out.pcap")
	f, err := rewrite.Create(path, nil)
	require.NoError(t, err)
	require.NoError(t, os.Rename(dir, dir+".moved"))
	require.NoError(t, os.Symlink(elsewhere, dir))
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	assert.EqualError(t, f.End(io.ErrShortWrite), fmt.Sprintf("short write; %s was removed again", path))
	b, err := os.ReadFile(filepath.Join(elsewhere, "out.pcap"))
	require.NoError(t, err)
	assert.Equal(t, "precious", string(b))
	assert.NoFileExists(t, filepath.Join(dir+".moved", "out.pcap"))
}

// failing fails to write.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteError(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "in"), annotated("eth1", "", start, 1))
	f, err := input.Open(path, nil)
	require.NoError(t, err)
	defer f.Close()
	p, err := f.Next()
	require.NoError(t, err)
	w := rewrite.New(failing{}, pcapfile.PCAPNG, nil)
	for range 100_000 {
		if err = w.Add(f, p); err != nil {
			break
		}
	}
	assert.ErrorIs(t, err, io.ErrShortWrite)
	assert.ErrorIs(t, w.Close(), io.ErrShortWrite)
}

func BenchmarkAdd(b *testing.B) {
	path := write(b, filepath.Join(b.TempDir(), "in"), annotated("eth1", "", start, 1))
	f, err := input.Open(path, nil)
	require.NoError(b, err)
	defer f.Close()
	p, err := f.Next()
	require.NoError(b, err)
	for _, format := range []pcapfile.Format{pcapfile.PCAP, pcapfile.PCAPNG} {
		b.Run(format.String(), func(b *testing.B) {
			w := rewrite.New(io.Discard, format, nil)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Add(f, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
