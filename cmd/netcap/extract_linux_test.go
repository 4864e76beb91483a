package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// TestExtractRunning takes an interval out of a set with compressed files, files of two
// runs, and one that is being written; and tells of the gap between the runs.
func TestExtractRunning(t *testing.T) {
	h := newOperated(t)
	start := []string{"start", "-i", "c0", "-C", "1", "--disk-budget", "100MB", "--keep-free", "1KB", "-G", "8760h", "-U", "-B", "65536", "--compress", "zstd", "udp"}
	h.does(start...)
	h.fill(2000)
	h.awaitWritten("c0", 2000)
	h.does("stop")
	h.does(start...)
	began := time.Now()
	h.fill(2000)
	h.awaitWritten("c0", 2000)
	require.NotEmpty(t, filepathGlob(t, h.lib+"/netcap/c0/*.zst"))
	require.NotEmpty(t, filepathGlob(t, h.lib+"/netcap/c0/*.pcapng"), "it is being written")

	dir := t.TempDir()
	counted := func(path string) string {
		out, err := exec.Command(testenv.Program(t, "capinfos"), "-T", "-r", "-M", "-c", "-o", path).Output()
		require.NoError(t, err)
		return strings.TrimSpace(strings.TrimPrefix(string(out), path))
	}
	all := filepath.Join(dir, "all.pcapng")
	status, _, stderr := h.netcap("extract", "c0", "--from", "1h", "-w", all)
	assert.Zero(t, status)
	assert.Regexp(t, `^netcap: 4,000 packets of \d+ files, since .*, in \S+ \(\d.*MB\); /var/lib/netcap/c0/c0: that is before the set begins: its files reach back to .*, not to .*; 1 gap in this window: see netcap gaps /var/lib/netcap/c0/ --from \S+\n$`, stderr)
	assert.Equal(t, "4000\tTrue", counted(all))

	// The second run, without a gap.
	from := began.Format(time.RFC3339Nano)
	status, _, stderr = h.netcap("extract", "c0", "--from", from, "-w", filepath.Join(dir, "second.pcap"), "udp")
	assert.Zero(t, status)
	assert.Regexp(t, `^netcap: 2,000 packets of \d+ files, .*; no gaps are known of this window\n$`, stderr)
	assert.Equal(t, "2000\tTrue", counted(filepath.Join(dir, "second.pcap")))

	// Any set, and a filter that fits nothing.
	status, _, stderr = h.netcap("extract", "--from", from, "-w", filepath.Join(dir, "none.pcapng"), "tcp")
	assert.Zero(t, status)
	assert.Regexp(t, `^netcap: 0 packets of 0 files, `, stderr)
	assert.Equal(t, "0\tTrue", counted(filepath.Join(dir, "none.pcapng")))
	h.does("stop")
}
