package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/report"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// start is the time of the first packet of files made here.
var start = time.Date(2026, 11, 23, 13, 4, 5, 123456789, time.UTC)

// twoInterfaces is a capture of three packets as netcap writes it: of 60, 70
// and 1500 bytes on the wire, the last cut to 100.
func twoInterfaces() []byte {
	ns := start.UnixNano()
	b := pcapfile.AppendStatistics(packetsOfTwo(), 0, ns+3_000_000_000, &pcapfile.Statistics{
		Delivered: pcapfile.Count(2), DroppedByOS: pcapfile.Count(5), DroppedByInterface: pcapfile.Count(100),
	})
	return pcapfile.AppendStatistics(b, 1, ns+3_000_000_000, &pcapfile.Statistics{
		Delivered: pcapfile.Count(1), DroppedByOS: pcapfile.Count(2),
	})
}

// packetsOfTwo is that capture before it is closed.
func packetsOfTwo() []byte {
	ns := start.UnixNano()
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap test"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet, SnapLen: 100, Filter: "tcp"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "tun0", LinkType: pcapfile.LinkTypeRaw, SnapLen: 200})
	b = pcapfile.AppendPacket(b, 0, ns, make([]byte, 60), 60, 0)
	b = pcapfile.AppendPacket(b, 1, ns+2_000_000_000, make([]byte, 70), 70, 0)
	return pcapfile.AppendPacket(b, 0, ns+1_500_000_000, make([]byte, 100), 1500, 0)
}

func write(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func TestInfo(t *testing.T) {
	content := twoInterfaces()
	path := write(t, t.TempDir(), "two.pcapng", content)
	info, err := report.Info(path, nil)
	require.NoError(t, err)
	got, err := json.Marshal(info)
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"path": `+strconv.Quote(path)+`, "format": "pcapng", "compression": "none", "byte_order": "little-endian",
		"link_types": ["EN10MB", "RAW"], "snapshot_length": 200, "packets": 3,
		"interfaces": [
			{"name": "eth0", "link_type": "EN10MB", "snapshot_length": 100, "filter": "tcp", "packets": 2, "dropped": 105,
				"received": null, "dropped_interface": 100, "filter_accepted": null, "dropped_os": 5, "delivered": 2},
			{"name": "tun0", "link_type": "RAW", "snapshot_length": 200, "packets": 1, "dropped": 2,
				"received": null, "dropped_interface": null, "filter_accepted": null, "dropped_os": 2, "delivered": 1}
		],
		"bytes_file": `+strconv.Itoa(len(content))+`, "bytes_data": 1630,
		"first_packet": "2026-11-23T13:04:05.123456789Z", "last_packet": "2026-11-23T13:04:07.123456789Z",
		"duration_seconds": 2, "dropped": 107, "strictly_time_ordered": false, "being_written": false, "complete": true, "truncated_bytes": 0,
		"hardware": "", "os": "", "application": "netcap test", "comments": [], "names": [], "gaps": [],
		"rate": {"start": "2026-11-23T13:04:05.123456789Z", "seconds": 0.016,
			"packets": [1`+strings.Repeat(",0", 92)+`,1`+strings.Repeat(",0", 31)+`,1]}
	}`, string(got))
}

// TestInfoEmpty is a file that has been begun: pcap has no place for drops,
// and there is no packet to take times from.
func TestInfoEmpty(t *testing.T) {
	path := write(t, t.TempDir(), "empty.pcap", pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 0, true))
	info, err := report.Info(path, nil)
	require.NoError(t, err)
	got, err := json.Marshal(info)
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"path": `+strconv.Quote(path)+`, "format": "pcap", "compression": "none", "byte_order": "little-endian",
		"link_types": ["EN10MB"], "snapshot_length": 0, "packets": 0,
		"interfaces": [{"name": "", "link_type": "EN10MB", "snapshot_length": 0, "packets": 0, "dropped": null,
			"received": null, "dropped_interface": null, "filter_accepted": null, "dropped_os": null, "delivered": null}],
		"bytes_file": 24, "bytes_data": 0, "first_packet": null, "last_packet": null, "duration_seconds": null,
		"dropped": null, "strictly_time_ordered": true, "being_written": false, "complete": true, "truncated_bytes": 0,
		"hardware": "", "os": "", "application": "", "comments": [], "names": [], "gaps": [], "rate": null
	}`, string(got))
}

// TestInfoDamaged holds to what precedes the damage, and to an error of one line
// that says where it is.
func TestInfoDamaged(t *testing.T) {
	content, whole := twoInterfaces(), len(packetsOfTwo())
	dir := t.TempDir()

	// 64 bytes: 20 up to the options, three counters of 12, the end of
	// options and the length again.
	torn := write(t, dir, "torn\n.pcapng", content[:whole+10])
	info, err := report.Info(torn, nil)
	require.EqualError(t, err, strconv.Quote(torn)+": pcapng block at offset "+strconv.Itoa(whole)+" is cut short: 10 of 64 bytes")
	assert.False(t, info.Complete)
	assert.EqualValues(t, 10, info.TruncatedBytes)
	assert.EqualValues(t, 3, info.Packets)
	assert.EqualValues(t, whole+10, info.BytesFile)
	assert.Nil(t, info.Dropped)

	// The length of the first block of statistics can't be.
	overwritten := bytes.Clone(content)
	overwritten[whole+4] = 7
	info, err = report.Info(write(t, dir, "overwritten.pcapng", overwritten), nil)
	var format *pcapfile.FormatError
	require.ErrorAs(t, err, &format)
	assert.EqualValues(t, whole, format.Offset)
	assert.False(t, info.Complete)
	assert.EqualValues(t, len(content)-whole, info.TruncatedBytes)
	assert.EqualValues(t, len(content), info.BytesFile)

	_, err = report.Info(write(t, dir, "text.pcap", []byte("no capture at all")), nil)
	require.ErrorIs(t, err, pcapfile.ErrFormat)

	info, err = report.Info(filepath.Join(dir, "missing.pcap"), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.EqualError(t, err, filepath.Join(dir, "missing.pcap")+": open: no such file or directory")
	assert.Nil(t, info)
}

// accepted lists the files of the corpus that capinfos reads to their end.
func accepted(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, dir := range []string{"captures", "pcapng"} {
		dir := filepath.Join(testenv.Corpus(t), dir)
		b, err := os.ReadFile(filepath.Join(dir, "oracle.tsv"))
		require.NoError(t, err)
		table := csv.NewReader(bytes.NewReader(b))
		table.Comma, table.LazyQuotes = '\t', true
		rows, err := table.ReadAll()
		require.NoError(t, err)
		status := slices.Index(rows[0], "capinfos_rc")
		require.Positive(t, status)
		for _, row := range rows[1:] {
			if row[status] == "0" {
				paths = append(paths, filepath.Join(dir, row[0]))
			}
		}
	}
	dicom, err := filepath.Glob(filepath.Join(testenv.Corpus(t), "dicom", "*.pcap"))
	require.NoError(t, err)
	return append(paths, dicom...)
}

func TestInfoAgainstCapinfos(t *testing.T) {
	capinfos := testenv.Program(t, "capinfos")
	paths := accepted(t)
	// A table with -T and no head -r; numbers in full -M, times in seconds -S;
	// the columns come in its own order.
	args := append([]string{"-T", "-r", "-M", "-S", "-c", "-s", "-d", "-u", "-a", "-e", "-o"}, paths...)
	out, err := exec.Command(capinfos, args...).Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, len(paths))
	compared := 0
	for n, path := range paths {
		info, err := report.Info(path, nil)
		if err != nil {
			odd := testenv.OdditiesOf(t, path)
			assert.True(t, odd.Empty > 0 || odd.Version, "%s: %v", path, err)
			continue
		}
		compared++
		assertCompressed(t, methods[n%len(methods)], path, info)
		field := strings.Split(lines[n], "\t")
		assert.Equal(t, field[1], strconv.FormatUint(info.Packets, 10), path)
		assert.Equal(t, field[2], strconv.FormatInt(info.BytesFile, 10), path)
		if !slices.Contains(info.LinkTypes, "SUNATM") { // of whose header capinfos takes 4 bytes off
			assert.Equal(t, field[3], strconv.FormatUint(info.BytesData, 10), path)
		}
		// With a packet that has no time capinfos has nothing to say of times.
		if field[7] == "Unknown" {
			continue
		}
		if !sameDuration(field[4], info.Duration) || !inSeconds(field[5], info.FirstPacket) || !inSeconds(field[6], info.LastPacket) {
			assert.True(t, testenv.OdditiesOf(t, path).Times, "%s: %v to %v, not %v", path, info.FirstPacket, info.LastPacket, field[4:])
			continue
		}
		assert.Equal(t, field[7] == "True", info.StrictlyTimeOrdered, path)
	}
	t.Logf("%d files compared", compared)
}

// sameDuration compares with capinfos' seconds.
func sameDuration(want string, got *float64) bool {
	if got == nil {
		return want == "n/a"
	}
	digits := len(want) - strings.Index(want, ".") - 1
	return want == strconv.FormatFloat(*got, 'f', digits, 64)
}

var methods = []string{"gzip", "zstd", "lz4", "xz", "bzip2"}

// assertCompressed has the same said of a file that a program has compressed.
func assertCompressed(t *testing.T, method, path string, want *report.FileInfo) {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, method), "-c", "-q")
	in, err := os.Open(path)
	require.NoError(t, err)
	defer in.Close()
	cmd.Stdin = in
	b, err := cmd.Output()
	require.NoError(t, err, "%s %s", method, path)
	info, err := report.Info(write(t, t.TempDir(), "compressed", b), nil)
	require.NoError(t, err, "%s %s", method, path)
	assert.Equal(t, method, info.Compression)
	assert.EqualValues(t, len(b), info.BytesFile, path)
	info.Path, info.Compression, info.BytesFile = want.Path, want.Compression, want.BytesFile
	assert.Equal(t, want, info, "%s %s", method, path)
}

// inSeconds compares a time with capinfos' seconds, to as many digits as it prints, which may
// be none.
func inSeconds(want string, got *time.Time) bool {
	if want == "n/a" || got == nil {
		return want == "n/a" && got == nil
	}
	whole, fraction, _ := strings.Cut(want, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	ns, noDigits := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil || noDigits != nil {
		return false
	}
	unit := time.Second
	for range min(len(fraction), 9) {
		unit /= 10
	}
	return time.Unix(sec, ns).Equal(got.Truncate(unit))
}

// TestDropped holds each counter to its meaning in draft-ietf-opsawg-pcapng sections 4.3 and
// 4.6: what interface and operating system dropped are packets of their own, what packets
// say was lost before them are the same ones once more.
func TestDropped(t *testing.T) {
	n, none := pcapfile.Count, pcapfile.Counter{}
	for i, tt := range []struct {
		before  []pcapfile.Counter // dropped before each packet
		told    []pcapfile.Statistics
		dropped string
	}{
		{dropped: "-"},
		{told: []pcapfile.Statistics{{Received: n(9), FilterAccepted: n(8), Delivered: n(7)}}, dropped: "-"},
		{told: []pcapfile.Statistics{{DroppedByInterface: n(7)}}, dropped: "7"},
		{told: []pcapfile.Statistics{{DroppedByOS: n(7)}}, dropped: "7"},
		{told: []pcapfile.Statistics{{DroppedByInterface: n(7), DroppedByOS: n(5)}}, dropped: "12"},
		{told: []pcapfile.Statistics{{DroppedByInterface: n(7)}, {DroppedByOS: n(5)}, {DroppedByInterface: n(9)}}, dropped: "14"},
		{before: []pcapfile.Counter{none, n(0)}, dropped: "0"},
		{before: []pcapfile.Counter{n(2), n(3)}, dropped: "5"},
		{before: []pcapfile.Counter{n(2), n(3)}, told: []pcapfile.Statistics{{DroppedByInterface: n(0)}}, dropped: "5"},
		{before: []pcapfile.Counter{n(2), n(3)}, told: []pcapfile.Statistics{{DroppedByOS: n(6)}}, dropped: "6"},
	} {
		b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "other"})
		b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet})
		for _, c := range tt.before {
			b = pcapfile.AppendPacketOptions(b, 0, start.UnixNano(), make([]byte, 60), 60, 0, c, nil)
		}
		for _, s := range tt.told {
			b = pcapfile.AppendStatistics(b, 0, start.UnixNano(), &s)
		}
		dir := t.TempDir()
		info, err := report.Info(write(t, dir, "eth0-20261123T130405Z-000001.pcapng", b), nil)
		require.NoError(t, err)
		assert.Equal(t, tt.dropped, number(info.Dropped), i)
		list, err := report.List(report.Place{Path: dir})
		require.NoError(t, err)
		assert.Equal(t, tt.dropped, number(list[0].Dropped), i)
	}
}

// TestDroppedByDumpcap: it counts what libpcap says the kernel dropped as isb_ifdrop.
func TestDroppedByDumpcap(t *testing.T) {
	for name, want := range map[string]string{"dumpcap-ifdrop.pcapng": "18016", "isb-ifdrop-only.pcapng": "7"} {
		info, err := report.Info(filepath.Join(testenv.Corpus(t), "bugs", name), nil)
		require.NoError(t, err)
		assert.Equal(t, want, number(info.Dropped), name)
		assert.Equal(t, want, number(info.Interfaces[0].DroppedByInterface), name)
	}
}
