package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/ledger"
	"netcap/internal/testenv"
	"netcap/rotate"
)

// Somebody fills the file system by dd: what --keep-at-least names stays, the capture pauses, says
// so everywhere, and goes on by itself when there is room.
func TestKeepAtLeast(t *testing.T) {
	h := newOperated(t)
	disk := tmpfs(t, "size=48m")
	set := filepath.Join(disk, "set")
	p := h.capture("-i", "c0", "--dir", set, "--disk-budget", "30MB", "--keep-at-least", "10MB", "--keep-free", "2MB", "-C", "1", "-G", "8760h", "--flush", "20ms", "-B", "65536", "udp")
	bytes := func() (n int64) {
		for _, f := range filepathGlob(t, set+"/*.pcapng") {
			if st, err := os.Stat(f); err == nil { // it may be deleted just now
				n += st.Size()
			}
		}
		return n
	}
	sent := 0
	for range 25 {
		sent += h.peer.Flood(t, "g0", 1000, 1000)
	}
	h.awaitWritten("c0", int64(sent))
	require.Greater(t, bytes(), int64(25e6))

	filler := filepath.Join(disk, "filler")
	dd := exec.Command(testenv.Program(t, "dd"), "if=/dev/zero", "of="+filler, "bs=64k")
	dd.Stderr = io.Discard
	require.Error(t, dd.Run(), "it takes all there is")
	least := bytes()
	for end := time.Now().Add(patience); !h.statusOf("c0").Kept; { // it may pause before, since what it deleted isn't free yet
		require.True(t, time.Now().Before(end), "it never came to its floor")
		sent += h.peer.Flood(t, "g0", 1000, 200)
		least = min(least, bytes())
		// The other writes on, and takes what is freed.
		more := exec.Command(testenv.Program(t, "dd"), "if=/dev/zero", "of="+filler, "bs=64k", "oflag=append", "conv=notrunc")
		_ = more.Run() // the disk is full
	}
	least = min(least, bytes())
	t.Logf("at least %d bytes were there", least)
	assert.GreaterOrEqual(t, least, int64(10e6))
	assert.Less(t, least, int64(13e6), "it gave way before")
	s := h.statusOf("c0")
	assert.Equal(t, statePaused, s.State)
	assert.EqualValues(t, 10e6, s.KeepAtLeast)
	text := h.does("status", "c0")
	assert.Contains(t, text, " paused ")
	assert.Contains(t, text, "c0 drops packets: the disk or the budget is full, and the last 10 MB of it are kept by --keep-at-least: free some room")
	_, body := h.get("unix", h.run+"/netcap/c0.sock", "/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	metrics, err := parser.TextToMetricFamilies(strings.NewReader(body))
	require.NoError(t, err)
	for name, want := range map[string]float64{"netcap_paused": 1, "netcap_paused_by_keep_at_least": 1, "netcap_keep_at_least_bytes": 10e6} {
		assert.InDelta(t, want, metrics[name].GetMetric()[0].GetGauge().GetValue(), 0, name)
	}
	sent += h.peer.Flood(t, "g0", 1000, 1000)
	time.Sleep(1500 * time.Millisecond) // it looks for room once a second
	assert.GreaterOrEqual(t, bytes(), int64(10e6))

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool { return h.statusOf("c0").State == stateCapturing }, patience, 10*time.Millisecond)
	before := h.statusOf("c0").Packets.Written
	sent += h.peer.Flood(t, "g0", 1000, 1000)
	h.awaitWritten("c0", before+1000)
	said := p.stop()
	captured, received, dropped := summary(t, said)
	assert.Equal(t, []int{sent, 0}, []int{received, dropped})
	assert.Less(t, captured, sent)
	assert.Contains(t, said, "what is left of the set is kept by --keep-at-least: packets are dropped")
	assert.Regexp(t, `level=WARN msg="deleted the oldest file" .*because="?(keep-free|the disk is full)"? .*taken by others since the start"="[1-9][0-9.]* MB"`, said)
	assert.Contains(t, said, "writing again")

	gaps, _ := h.gapsOf(set, "--from", "1h")
	lost, deleted := int64(0), int64(0)
	for _, g := range gaps {
		switch g.Cause {
		case ledger.DiskFull:
			lost += g.Lost
		case ledger.Deleted:
			assert.Contains(t, []string{string(rotate.ByKeepFree), string(rotate.ByFullDisk)}, g.Because)
			deleted += g.Lost
		}
	}
	assert.EqualValues(t, sent-captured, lost)
	assert.EqualValues(t, captured-capinfosPackets(t, filepathGlob(t, set+"/*.pcapng")...), deleted)
}

// What --keep-at-least may not say, and where it isn't known what it would mean.
func TestKeepAtLeastRefused(t *testing.T) {
	h := newHost(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--disk-budget", "1GB", "-C", "100", "--keep-at-least", "900MB"}, "keep at least 900 MB of a budget of 1.0 GB, in which two segments of 100 MB more must fit: lower --keep-at-least"},
		{[]string{"--max-age", "1h", "--keep-at-least", "1d"}, "lower --keep-at-least, or raise --max-age"},
		{[]string{"--keep-at-least", "90"}, `a size or a time?`},
		{[]string{"--keep-at-least", "much"}, `neither a size nor a duration`},
		{[]string{"-w", "x.pcapng", "--keep-at-least", "1GB"}, "is about the files of a set"},
		{[]string{"-w", "-", "--keep-at-least", "1h"}, "is about the files of a set"},
	} {
		status, said := h.fails(h.command(append([]string{"-i", "c0", "--keep-free", "1"}, tt.args...)...))
		assert.Equal(t, exitUsage, status, "%v: %s", tt.args, said)
		assert.Contains(t, said, tt.want)
	}
	isEmpty(t, filepath.Join(h.lib, "netcap", "c0"))
	_, stdout, _ := h.netcap("check", "-i", "c0", "--keep-free", "1", "--keep-at-least", "2d")
	assert.Contains(t, stdout, "what was captured in the last 48h0m0s is kept though there be no room")
}

func TestAtLeastValue(t *testing.T) {
	for text, want := range map[string]rotate.AtLeast{
		"0": {None: true}, "0s": {None: true}, "500MB": {Size: rotate.Amount{Bytes: 500e6}}, "10%": {Size: rotate.Amount{Percent: 10}},
		"2GiB": {Size: rotate.Amount{Bytes: 2 << 30}}, "12h": {Time: 12 * time.Hour}, "7d": {Time: 7 * day}, "5m": {Time: 5 * time.Minute},
		"5M": {Size: rotate.Amount{Bytes: 5e6}},
	} {
		var v atLeastValue
		require.NoError(t, v.Set(text), text)
		assert.Equal(t, want, v.a, text)
	}
	for _, text := range []string{"", "90", "1e3", "-1h", "-5MB", "5 %", "much", "NaN"} {
		assert.Error(t, (&atLeastValue{}).Set(text), text)
	}
}
