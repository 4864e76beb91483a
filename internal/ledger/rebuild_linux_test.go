package ledger

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/label"
	"netcap/pcapfile"
)

// TestRebuiltDrops counts what files without a ledger say was dropped: by the interface as well
// as behind it, and what the label of a compressed one says.
func TestRebuiltDrops(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2026, 11, 23, 13, 4, 5, 0, time.UTC)
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		require.NoError(t, os.Chtimes(path, start.Add(time.Minute), start.Add(time.Minute)))
		return path
	}
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap 1.0"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet})
	b = pcapfile.AppendPacket(b, 0, start.UnixNano(), make([]byte, 60), 60, 0)
	b = pcapfile.AppendStatistics(b, 0, start.UnixNano(), &pcapfile.Statistics{
		Start: start.UnixNano(), End: start.Add(time.Minute).UnixNano(),
		Delivered: pcapfile.Count(1), DroppedByInterface: pcapfile.Count(7), DroppedByOS: pcapfile.Count(5),
	})
	write("eth0-20261123T130405Z-000001.pcapng", b)

	path := write("eth0-20261123T130505Z-000002.pcapng.zst", append([]byte{0x28, 0xb5, 0x2f, 0xfd}, make([]byte, 50)...))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	dropped := uint64(3)
	_, err = (&label.Label{Packets: 1, Dropped: &dropped, Plain: 1000, Whole: true}).Put(f, 54)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	r, err := Read(dir, "eth0", false, start.Add(2*time.Minute))
	require.NoError(t, err)
	assert.True(t, r.Rebuilt)
	lost := make(map[string]int64)
	for _, g := range r.Gaps {
		if g.Known {
			lost[g.File] += g.Lost
		}
	}
	assert.Equal(t, map[string]int64{"eth0-20261123T130405Z-000001.pcapng": 12, "eth0-20261123T130505Z-000002.pcapng.zst": 3}, lost)
}
