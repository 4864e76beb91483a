package report_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/finish"
	"netcap/internal/label"
	"netcap/internal/report"
	"netcap/internal/testenv"
)

// compressed are files of a set as a capture compresses them, of which the originals remain under
// the same name in another directory.
func compressed(t *testing.T, method finish.Method, contents map[string][]byte) (dir, originals string) {
	t.Helper()
	dir, originals = t.TempDir(), t.TempDir()
	f, err := finish.New(&finish.Config{Dir: dir, Compress: method, Describe: report.Label})
	require.NoError(t, err)
	for name, b := range contents {
		write(t, originals, name, b)
		f.Add(write(t, dir, name, b))
	}
	require.NoError(t, f.Close(t.Context()))
	return dir, originals
}

// captures are files of the corpus under names of a set's.
func captures(t *testing.T) map[string][]byte {
	t.Helper()
	contents := map[string][]byte{
		"x-20261123T130405Z-900001.pcapng": twoInterfaces(),
		"x-20261123T130405Z-900002.pcapng": packetsOfTwo(),
		"x-20261123T130405Z-900003.pcap":   pcap()[:30],
		"x-20261123T130405Z-900004.pcapng": twoInterfaces()[:300],
	}
	for n, path := range accepted(t) {
		if n%6 != 0 && !strings.Contains(path, "dicom") {
			continue
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		ext := filepath.Ext(path)
		if ext == ".ntar" {
			ext = ".pcapng"
		}
		contents["x-20261123T130405Z-"+string([]byte{'0' + byte(n/1000%10), '0' + byte(n/100%10), '0' + byte(n/10%10), '0' + byte(n%10)})+"00"+ext] = b
	}
	return contents
}

// TestLabels has list say of compressed files what info says of the originals, without reading
// them, and info the same of both.
func TestLabels(t *testing.T) {
	contents := captures(t)
	for _, method := range []finish.Method{finish.Gzip, finish.Zstd} {
		dir, originals := compressed(t, method, contents)
		all, err := report.List(report.Place{Path: dir})
		require.NoError(t, err)
		require.Len(t, all, len(contents))
		for _, got := range all {
			name := strings.TrimSuffix(filepath.Base(got.Path), method.Ext())
			info, err := report.Info(filepath.Join(originals, name), nil)
			if info == nil { // no capture: there is nothing to say
				assert.Equal(t, report.ByNothing, got.JudgedBy, name)
				assert.Equal(t, report.Suspect, got.State, name)
				continue
			}
			assert.Equal(t, report.ByLabel, got.JudgedBy, name)
			assert.Equal(t, info.Packets, *got.Packets, name)
			assert.Equal(t, info.FirstPacket, got.FirstPacket, name)
			assert.Equal(t, info.LastPacket, got.LastPacket, name)
			assert.Equal(t, info.Dropped, got.Dropped, name)
			assert.Equal(t, info.Complete, got.State != report.Suspect, name)

			again, againErr := report.Info(got.Path, nil)
			assert.Equal(t, err == nil, againErr == nil, name)
			assert.Equal(t, info.Complete, again.Complete, name)
			assert.Equal(t, info.Reason, again.Reason, name)
			assert.Equal(t, info.Packets, again.Packets, name)
			assert.Equal(t, info.Following, again.Following, name)
			assert.Equal(t, info.FollowingOffset, again.FollowingOffset, name)
		}
	}
}

// TestLabelsAreNoHindrance: other programs read what has a label as if it had none.
func TestLabelsAreNoHindrance(t *testing.T) {
	const name = "x-20261123T130405Z-000001.pcapng"
	want := twoInterfaces()
	run := func(name string, args ...string) string {
		out, err := exec.Command(testenv.Program(t, name), args...).CombinedOutput()
		require.NoError(t, err, "%s %v: %s", name, args, out)
		return string(out)
	}
	dir, _ := compressed(t, finish.Gzip, map[string][]byte{name: want})
	gz := filepath.Join(dir, name+".gz")
	_, err := label.ReadFile(gz)
	require.NoError(t, err)
	run("gzip", "-t", gz)
	assert.Contains(t, run("gzip", "-l", gz), " "+strconv.Itoa(len(want))+" ")
	assert.Equal(t, string(want), run("zcat", gz))
	assert.Equal(t, string(want), run("python3", "-c", "import gzip,sys;sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())", gz))
	f, err := os.Open(gz)
	require.NoError(t, err)
	defer f.Close()
	r, err := stdgzip.NewReader(f)
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, want, b)

	dir, _ = compressed(t, finish.Zstd, map[string][]byte{name: want})
	zst := filepath.Join(dir, name+".zst")
	_, err = label.ReadFile(zst)
	require.NoError(t, err)
	run("zstd", "-q", "-t", zst)
	assert.Equal(t, string(want), run("zstdcat", zst))
	assert.Contains(t, run("zstd", "-l", zst), "1")
	for _, path := range []string{gz, zst} {
		assert.Contains(t, run("capinfos", "-c", "-M", path), "Number of packets:   3\n")
		out, err := exec.Command(testenv.Program(t, "tshark"), "-r", path).Output()
		require.NoError(t, err)
		assert.Equal(t, 3, bytes.Count(out, []byte("\n")))
	}
}

// TestLabelsAreClaims: what a label says counts for nothing where the file is read, and if it
// isn't of that file.
func TestLabelsAreClaims(t *testing.T) {
	const name = "x-20261123T130405Z-000001.pcapng"
	for _, method := range []finish.Method{finish.Gzip, finish.Zstd} {
		dir, _ := compressed(t, method, map[string][]byte{name: twoInterfaces()})
		path := filepath.Join(dir, name+method.Ext())
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		judged := func(b []byte) (*report.FileInfo, report.File) {
			write(t, dir, filepath.Base(path), b)
			info, _ := report.Info(path, nil) //nolint:errcheck // Reason has it
			all, err := report.List(report.Place{Path: dir})
			require.NoError(t, err)
			require.Len(t, all, 1)
			return info, all[0]
		}
		info, file := judged(b)
		assert.True(t, info.Complete)
		assert.Equal(t, report.Closed, file.State)

		// Another number of packets, and the right checksum.
		at := bytes.Index(b, []byte("NCAP"))
		lie := bytes.Clone(b)
		lie[at+8]++
		binary.LittleEndian.PutUint32(lie[at+56:], crc32.ChecksumIEEE(lie[at:at+56]))
		info, file = judged(lie)
		assert.False(t, info.Complete)
		assert.Equal(t, "the label that it got when it was compressed says something else, packets: 4 instead of 3", info.Reason)
		assert.EqualValues(t, 3, info.Packets)
		assert.EqualValues(t, 4, *file.Packets, "list has nothing else to go by, and says so")
		assert.Equal(t, report.ByLabel, file.JudgedBy)

		// Two in one file are a file without a label.
		info, file = judged(append(bytes.Clone(b), b...))
		assert.EqualValues(t, 6, info.Packets)
		assert.True(t, info.Complete)
		for what, b := range map[string][]byte{"two": append(bytes.Clone(b), b...), "torn": b[:len(b)-1], "half": b[:len(b)/2], "wrong": append(bytes.Clone(b[:at]), bytes.Repeat([]byte{1}, len(b)-at)...)} {
			_, file = judged(b)
			assert.Nil(t, file.Packets, what)
			assert.Equal(t, report.ByNothing, file.JudgedBy, what)
			assert.Equal(t, report.Suspect, file.State, what)
			assert.Contains(t, file.Reason, "was not read", what)
		}
	}
}
