package pcapfile_test

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// TestPacketOptions has packets with each combination of options read back by our Reader
// and by tshark.
func TestPacketOptions(t *testing.T) {
	type options struct {
		flags    pcapfile.Flags
		dropped  pcapfile.Counter
		comments []string
		shown    string // flags, dropped, comments
	}
	all := []options{
		{shown: "||"},
		{flags: pcapfile.FlagInbound, shown: "0x00000001||"},
		{dropped: pcapfile.Count(0), shown: "|0|"},
		{dropped: pcapfile.Count(1 << 40), shown: "|1099511627776|"},
		{comments: []string{"one"}, shown: "||one"},
		{flags: pcapfile.FlagOutbound, dropped: pcapfile.Count(7), comments: []string{"seven", "Müller"}, shown: "0x00000002|7|seven,Müller"},
		{comments: []string{strings.Repeat("x", 70000)}, shown: "||" + strings.Repeat("x", 65535)},
	}
	b := pcapfile.AppendSection(nil, &pcapfile.Section{})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet})
	for i, o := range all {
		b = pcapfile.AppendPacketOptions(b, 0, int64(i), testenv.UDPFrame(1, 60+i), 100, o.flags, o.dropped, o.comments)
	}
	r, err := pcapfile.NewReaderSize(bytes.NewReader(b), 1)
	require.NoError(t, err)
	for i, o := range all {
		p, err := r.Next()
		require.NoError(t, err)
		assert.Equal(t, testenv.UDPFrame(1, 60+i), p.Data)
		assert.Equal(t, o.flags, p.Flags)
		assert.Equal(t, o.dropped, p.Dropped)
		for k := range o.comments {
			assert.Equal(t, o.comments[k][:min(len(o.comments[k]), 65535)], p.Comments[k])
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	out, err := exec.Command(testenv.Program(t, "tshark"), "-r", path, "-T", "fields", "-E", "separator=|",
		"-e", "frame.packet_flags", "-e", "frame.drop_count", "-e", "frame.comment").Output()
	require.NoError(t, err)
	for i, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		assert.Equal(t, all[i].shown, line)
	}
}

func TestSimplePacket(t *testing.T) {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet, SnapLen: 65})
	b = pcapfile.AppendSimplePacket(b, testenv.UDPFrame(1, 61), 61)
	b = pcapfile.AppendSimplePacket(b, testenv.UDPFrame(1, 65), 1000)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	out, err := exec.Command(testenv.Program(t, "tshark"), "-r", path, "-T", "fields", "-e", "frame.len", "-e", "frame.cap_len").Output()
	require.NoError(t, err)
	assert.Equal(t, "61\t61\n1000\t65\n", string(out))
	r, err := pcapfile.NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	for _, n := range []int{61, 65} {
		p, err := r.Next()
		require.NoError(t, err)
		assert.False(t, p.HasTime)
		assert.Equal(t, testenv.UDPFrame(1, n), p.Data)
	}
}

func TestUnixNano(t *testing.T) {
	assert.EqualValues(t, 1_500_000_000, pcapfile.UnixNano(time.Unix(1, 5e8)))
	assert.EqualValues(t, -500_000_000, pcapfile.UnixNano(time.Unix(-1, 5e8)))
	assert.Equal(t, int64(math.MaxInt64), pcapfile.UnixNano(time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)))
	assert.Equal(t, int64(math.MinInt64), pcapfile.UnixNano(time.Time{}))
}

func TestFinerThan(t *testing.T) {
	for r, finer := range map[pcapfile.Resolution]bool{0: false, 3: false, 6: false, 7: true, 9: true, 0x80 | 19: false, 0x80 | 20: true, 0x80 | 64: true} {
		assert.Equal(t, finer, r.FinerThan(pcapfile.Microseconds), r)
	}
}
