package report_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/report"
	"netcap/pcapfile"
)

// foreign is a capture with the counters of dumpcap, which run through all
// files of a ring.
func foreign() []byte {
	ns := start.UnixNano()
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "Dumpcap"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet})
	b = pcapfile.AppendPacket(b, 0, ns, make([]byte, 60), 60, 0)
	return pcapfile.AppendStatistics(b, 0, ns, &pcapfile.Statistics{Delivered: pcapfile.Count(1000), DroppedByOS: pcapfile.Count(3)})
}

// pcap is a capture of two packets in the other format.
func pcap() []byte {
	b := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 0, true)
	b = pcapfile.AppendRecord(b, start.UnixNano(), make([]byte, 60), 60, true)
	return pcapfile.AppendRecord(b, start.Add(time.Second).UnixNano(), make([]byte, 60), 60, true)
}

// listed is a File as a test wants it: numbers as text, "-" if unknown.
type listed struct {
	name                   string
	seq                    uint64
	packets, dropped, span string
	state                  report.State
}

func number(n *uint64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatUint(*n, 10)
}

func files(t *testing.T, dir string) []listed {
	t.Helper()
	all, err := report.List(report.Place{Path: dir})
	require.NoError(t, err)
	list := []listed{}
	for _, f := range all {
		require.NoError(t, f.Err)
		st, err := os.Stat(f.Path)
		require.NoError(t, err)
		assert.Equal(t, st.Size(), f.Bytes)
		span := "-"
		if f.FirstPacket != nil {
			span = f.LastPacket.Sub(*f.FirstPacket).String()
		}
		list = append(list, listed{filepath.Base(f.Path), f.Sequence, number(f.Packets), number(f.Dropped), span, f.State})
	}
	return list
}

func TestList(t *testing.T) {
	report.JudgeByEnds(t)
	dir := t.TempDir()
	whole := twoInterfaces()
	unfinished := packetsOfTwo()
	for name, content := range map[string][]byte{
		"docker0-20261123T130405Z-000001.pcapng": whole,
		"docker0-20261123T130505Z-000002.pcapng": unfinished,
		"docker0-20261123T130605Z-000010.pcapng": whole[:len(whole)-1],
		"docker0-20261123T130705Z-000011.pcapng": foreign(),
		"docker0-20261123T130805Z-000012.pcapng": {},
		"docker0-20261123T130905Z-000013.pcapng": []byte("no capture at all, and long enough to see it"),
		"any-20261123T130405Z-000007.pcap":       pcap(),
		"any-20261123T130405Z-000008.pcap":       pcap()[:150],
		// What is in it isn't looked at, and it has no label.
		"docker0-20261123T130405Z-000001.pcapng.gz": whole,
		// Not of a set: a capture can't have such a name.
		"od\nd-20261123T130405Z-000001.pcapng":       whole,
		"docker0.pcapng":                             whole,
		"docker0-20261123T130405Z-000001.txt":        whole,
		"docker0-20261323T130405Z-000001.pcapng":     whole,
		"docker0-20261123T130405Z-1.pcapng":          whole,
		"docker0-20261123T130405Z-000001.pcapng.tmp": whole,
	} {
		write(t, dir, name, content)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "docker0-20261123T130405Z-000020.pcapng"), 0o700))
	require.NoError(t, os.Symlink("docker0.pcapng", filepath.Join(dir, "docker0-20261123T130405Z-000021.pcapng")))

	assert.Equal(t, []listed{
		{"any-20261123T130405Z-000007.pcap", 7, "2", "-", "1s", report.Closed},
		{"any-20261123T130405Z-000008.pcap", 8, "1", "-", "0s", report.Suspect},
		// The ends of the file: time in the order of the file.
		{"docker0-20261123T130405Z-000001.pcapng", 1, "3", "107", "1.5s", report.Closed},
		{"docker0-20261123T130405Z-000001.pcapng.gz", 1, "-", "-", "-", report.Suspect},
		{"docker0-20261123T130505Z-000002.pcapng", 2, "3", "-", "2s", report.Recovered},
		{"docker0-20261123T130605Z-000010.pcapng", 10, "3", "105", "2s", report.Suspect},
		{"docker0-20261123T130705Z-000011.pcapng", 11, "1", "3", "0s", report.Closed},
		{"docker0-20261123T130805Z-000012.pcapng", 12, "-", "-", "-", report.Suspect},
		{"docker0-20261123T130905Z-000013.pcapng", 13, "-", "-", "-", report.Suspect},
	}, files(t, dir))
}

// TestListReadsEnds destroys the middle of a closed file. Of much it is not read, and not said to
// be whole; of little, and where the file system has a hole, it is.
func TestListReadsEnds(t *testing.T) {
	dir := t.TempDir()
	ns := start.UnixNano()
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap 1.0"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet})
	for n := range int64(1000) {
		b = pcapfile.AppendPacket(b, 0, ns+n, make([]byte, 60), 60, 0)
	}
	clear(b[len(b)/2 : len(b)/2+1000])
	b = pcapfile.AppendStatistics(b, 0, ns, &pcapfile.Statistics{Delivered: pcapfile.Count(1000), DroppedByOS: pcapfile.Count(0)})
	const name = "eth0-20261123T130405Z-000001.pcapng"
	path := write(t, dir, name, b)
	info, err := report.Info(path, nil)
	require.Error(t, err)
	damaged := listed{name, 1, strconv.FormatUint(info.Packets, 10), "-", "498ns", report.Suspect}
	judged := func() string {
		all, err := report.List(report.Place{Path: dir})
		require.NoError(t, err)
		return all[0].JudgedBy
	}
	assert.Equal(t, []listed{damaged}, files(t, dir))
	assert.Equal(t, report.ByContent, judged())

	report.JudgeByEnds(t)
	assert.Equal(t, []listed{{name, 1, "1000", "0", "999ns", report.Closed}}, files(t, dir))
	assert.Equal(t, report.ByEnds, judged())
}

func TestListEmpty(t *testing.T) {
	all, err := report.List(report.Place{Path: t.TempDir()})
	require.NoError(t, err)
	assert.NotNil(t, all)
	assert.Empty(t, all)
	_, err = report.List(report.Place{Path: filepath.Join(t.TempDir(), "missing")})
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestListJSON(t *testing.T) {
	report.JudgeByEnds(t)
	dir := t.TempDir()
	content := twoInterfaces()
	path := write(t, dir, "docker0-20261123T130405Z-000001.pcapng", content)
	all, err := report.List(report.Place{Path: dir})
	require.NoError(t, err)
	got, err := json.Marshal(all)
	require.NoError(t, err)
	assert.JSONEq(t, `[{
		"path": `+strconv.Quote(path)+`, "format": "pcapng", "sequence": 1,
		"first_packet": "2026-11-23T13:04:05.123456789Z", "last_packet": "2026-11-23T13:04:06.623456789Z",
		"packets": 3, "bytes": `+strconv.Itoa(len(content))+`, "dropped": 107, "state": "closed", "judged_by": "ends", "held": false
	}]`, string(got))
}

func TestSetDirs(t *testing.T) {
	base, elsewhere := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(base, "docker0"), 0o700))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(base, "eth0")))
	write(t, base, "file", nil)
	dirs, err := report.SetDirs(base)
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(base, "docker0"), filepath.Join(base, "eth0")}, dirs)

	dirs, err = report.SetDirs(filepath.Join(base, "missing"))
	require.NoError(t, err)
	assert.Empty(t, dirs)
	_, err = report.SetDirs(filepath.Join(base, "file"))
	assert.Error(t, err)
}
