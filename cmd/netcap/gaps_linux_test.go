package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/ledger"
)

// gaps are what netcap gaps prints of c0's set.
func (h *host) gaps(args ...string) (gaps []ledger.Gap, complete bool) {
	h.t.Helper()
	return h.gapsOf("c0", args...)
}

func (h *host) gapsOf(name string, args ...string) (gaps []ledger.Gap, complete bool) {
	h.t.Helper()
	status, stdout, stderr := h.netcap(append([]string{"gaps", "--json", name}, args...)...)
	require.NoError(h.t, json.Unmarshal([]byte(stdout), &gaps), stderr)
	return gaps, status == 0
}

func causesOf(gaps []ledger.Gap) string {
	var out []string
	for _, g := range gaps {
		out = append(out, string(g.Cause))
	}
	return strings.Join(out, " ")
}

// Between runs nothing is captured, and that is known, however a run ended.
func TestGapsBetweenRuns(t *testing.T) {
	h := newOperated(t)
	start := []string{"start", "-i", "c0", "--keep-free", "1", "-G", "8760h"}
	h.does(start...)
	assert.Equal(t, "complete: nothing is known to be missing\n", h.does("gaps"))
	h.does("stop")
	gaps, complete := h.gaps()
	assert.False(t, complete)
	assert.Equal(t, "not_running", causesOf(gaps))

	h.does(start...)
	running := time.Now()
	require.NoError(t, syscall.Kill(h.pid(h.run+"/netcap/c0.pid"), syscall.SIGKILL))
	require.Eventually(t, func() bool { s, _, _ := h.netcap("status"); return s == exitNotRunning }, patience, 10*time.Millisecond)
	gaps, _ = h.gaps()
	assert.Equal(t, "not_running killed", causesOf(gaps), "before the next start too")
	h.does(start...)
	again := time.Now()
	gaps, _ = h.gaps()
	require.Equal(t, "not_running killed", causesOf(gaps))
	assert.True(t, gaps[1].From.Before(running) && gaps[1].To.After(running) && gaps[1].To.Before(again), "the kill is inside: %v", gaps[1])
	assert.False(t, gaps[1].Known, "nobody can know how many packets came")

	gaps, complete = h.gaps("--from", again.Format(time.RFC3339Nano))
	assert.Empty(t, gaps)
	assert.True(t, complete)
	_, stdout, _ := h.netcap("gaps", "c0")
	assert.Regexp(t, `(?m)^FROM +TO +CAUSE +LOST +INTERFACE +FILE\n\S+ \S+ +\S+ \S+ +not_running +- +-`, stdout)

	// Without the ledger the files tell the same.
	h.does("stop")
	require.NoError(t, os.Remove(h.lib+"/netcap/c0/c0.ledger"))
	status, stdout, stderr := h.netcap("gaps", "--json", "c0")
	assert.Equal(t, exitFound, status)
	assert.Contains(t, stderr, "there is no ledger, or it is damaged: this is what the files tell")
	var rebuilt []ledger.Gap
	require.NoError(t, json.Unmarshal([]byte(stdout), &rebuilt))
	last := rebuilt[len(rebuilt)-1]
	assert.Equal(t, ledger.NotRunning, last.Cause, "since it was stopped")
}

// A capture that is stopped by SIGSTOP under a flood loses packets. The ledger has
// exactly as many as the counters, when it is read and when it is made anew.
func TestGapsAddUp(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "--keep-free", "1", "-B", "1024", "-G", "8760h", "udp")
	pid := h.pid(h.run + "/netcap/c0.pid")
	const n = 50_000
	before := time.Now()
	require.Equal(t, 1000, h.peer.Flood(t, "g0", 128, 1000))
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	require.Equal(t, n, h.peer.Flood(t, "g0", 128, n))
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	require.Equal(t, 1000, h.peer.Flood(t, "g0", 128, 1000))
	require.Eventually(t, func() bool {
		p := h.statusOf("c0").Packets
		return p.Received == n+2000 && p.Written+p.DroppedKernel == p.Received
	}, patience, 20*time.Millisecond)
	s := h.statusOf("c0")
	require.Positive(t, s.Packets.DroppedKernel)
	h.does("stop")
	after := time.Now()
	files := filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")
	assert.EqualValues(t, s.Packets.Written, capinfosPackets(t, files...))

	lost := func() (sum int64) {
		gaps, complete := h.gaps("--from", before.Format(time.RFC3339Nano), "--to", after.Format(time.RFC3339Nano))
		assert.False(t, complete)
		for _, g := range gaps {
			if g.Cause == ledger.NotRunning {
				continue
			}
			assert.Equal(t, ledger.RingFull, g.Cause)
			assert.Equal(t, "c0", g.Interface)
			assert.True(t, g.Known)
			sum += g.Lost
		}
		return sum
	}
	assert.Equal(t, s.Packets.DroppedKernel, lost())
	require.NoError(t, os.Remove(h.lib+"/netcap/c0/c0.ledger"))
	assert.Equal(t, s.Packets.DroppedKernel, lost(), "from the files")
}

func TestGapsOfInterfaces(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "--keep-free", "1", "-G", "8760h")
	h.net.SetDown(t, "c0")
	require.Eventually(t, func() bool { return h.statusOf("c0").State == stateWaiting }, patience, 10*time.Millisecond)
	gaps, _ := h.gaps()
	require.Equal(t, "interface_down", causesOf(gaps))
	assert.True(t, gaps[0].To.IsZero(), "it lasts")
	h.net.SetUp(t, "c0")
	require.Eventually(t, func() bool { return h.statusOf("c0").State == stateCapturing }, patience, 10*time.Millisecond)
	gaps, _ = h.gaps()
	require.Equal(t, "interface_down", causesOf(gaps))
	assert.False(t, gaps[0].To.IsZero(), "it is over")
	h.net.Delete(t, "c0")
	require.Eventually(t, func() bool {
		gaps, _ := h.gaps()
		return strings.HasSuffix(causesOf(gaps), "interface_gone")
	}, patience, 10*time.Millisecond)
	gaps, _ = h.gaps()
	assert.Equal(t, len(gaps), h.statusOf("c0").Gaps)
	h.does("stop")
	b, err := os.ReadFile(filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")[0])
	require.NoError(t, err)
	assert.Equal(t, len(gaps), strings.Count(string(b), `netcap gap {"from":"`), "the file says it too")
}

func TestGapsUsage(t *testing.T) {
	h := newOperated(t)
	for _, tt := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"gaps"}, 1, "netcap: /var/lib/netcap: no captures there, so nothing is known\n"},
		{[]string{"gaps", "nosuch"}, 1, "netcap: nosuch: no such capture, and no such directory or file\n"},
		{[]string{"gaps", "--from", "soon"}, 2, `netcap: --from: time "soon": not understood; write it as 15:04, 2006-01-02 15:04, RFC 3339, today, yesterday, or 15m for that long ago` + "\n"},
		{[]string{"gaps", "--from", "2026-11-02 10:00", "--to", "2026-11-01"}, 2, "netcap: --from 2026-11-02 10:00 is not before --to 2026-11-01: that is from 2026-11-02 10:00:00 to 2026-11-01 00:00:00\n"},
		{[]string{"gaps", "a", "b"}, 2, "netcap: one name, directory or file at most: netcap gaps [NAME|DIR|FILE] [flags]\n"},
	} {
		status, stdout, stderr := h.netcap(tt.args...)
		assert.Equal(t, tt.status, status)
		assert.Empty(t, stdout)
		assert.Equal(t, tt.stderr, stderr)
	}
	h.does("start", "-i", "c0", "--keep-free", "1")
	status, _, stderr := h.netcap("gaps", "--from", "1h")
	assert.Equal(t, exitFound, status, "it wasn't captured then")
	assert.Contains(t, stderr, "before the set begins: its files reach back to ")
}

// While others leave no room on the disk packets are lost, and counted in the ledger.
func TestGapsOfFullDisk(t *testing.T) {
	h := newOperated(t)
	small := tmpfs(t, "size=4m")
	h.does("start", "-i", "c0", "--dir", small+"/c0", "-C", "1", "--disk-budget", "2MB", "--keep-free", "100KB", "-G", "8760h", "--flush", "50ms", "udp")
	require.NoError(t, os.WriteFile(small+"/filler", make([]byte, 3_500_000), 0o600))
	require.Equal(t, 1000, h.peer.Flood(t, "g0", 1514, 1000))
	require.Eventually(t, func() bool { return h.statusOf("c0").State == statePaused }, patience, 10*time.Millisecond)
	require.Equal(t, 500, h.peer.Flood(t, "g0", 1514, 500))
	// What is in the ring yet would still find room.
	require.Eventually(t, func() bool { return h.statusOf("c0").Packets.DroppedDisk > 500 }, patience, 10*time.Millisecond)
	require.NoError(t, os.Remove(small+"/filler"))
	require.Eventually(t, func() bool { return h.statusOf("c0").State == stateCapturing }, patience, 10*time.Millisecond)
	require.Equal(t, 10, h.peer.Flood(t, "g0", 1514, 10))
	require.Eventually(t, func() bool {
		p := h.statusOf("c0").Packets
		return p.Received == 1510 && p.Written+p.DroppedKernel+p.DroppedDisk == p.Received
	}, patience, 20*time.Millisecond)
	s := h.statusOf("c0")
	h.does("stop")
	status, stdout, stderr := h.netcap("gaps", "--json", small+"/c0")
	require.Equal(t, exitFound, status, stderr)
	var gaps []ledger.Gap
	require.NoError(t, json.Unmarshal([]byte(stdout), &gaps))
	sum := int64(0)
	for _, g := range gaps {
		if g.Cause == ledger.DiskFull {
			sum += g.Lost
		}
	}
	assert.Equal(t, s.Packets.DroppedDisk, sum)
	assert.Zero(t, s.Packets.DroppedKernel)
}

// Behind files on hold others are deleted, and one is taken away by hand: each command says
// so, with as many packets as capinfos misses, with the ledger and without.
func TestGapsOfDeletedFiles(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "-C", "1", "--disk-budget", "10MB", "--keep-free", "1KB", "-G", "8760h", "-U", "-B", "65536", "udp")
	const set = "/var/lib/netcap/c0"
	files := func() []string { return filepathGlob(t, h.lib+"/netcap/c0/*.pcapng") }
	began := time.Now()
	h.fill(1000)
	h.awaitWritten("c0", 1000)
	first := h.statusOf("c0").CurrentFile
	time.Sleep(1100 * time.Millisecond) // names are exact to the second
	h.does("hold", "c0", "--from", "1h", "--to", time.Now().Add(-time.Second).Format(time.RFC3339Nano), "--reason", "evidence")
	held := len(files())
	h.does("rotate", "c0")
	complete := h.does("gaps", "c0")
	assert.Equal(t, "complete: nothing is known to be missing\n", complete)
	time.Sleep(1100 * time.Millisecond)
	h.fill(20_000)
	h.awaitWritten("c0", 21_000)
	end := time.Now()
	assert.FileExists(t, h.lib+strings.TrimPrefix(first, "/var/lib"))

	left := capinfosPackets(t, files()...)
	require.Less(t, left, 15_000, "most of it was deleted")
	gaps, ok := h.gaps()
	assert.False(t, ok)
	require.Equal(t, "deleted", causesOf(gaps), "in a row, for one reason")
	assert.EqualValues(t, 21_000-left, gaps[0].Lost)
	assert.Equal(t, "disk budget", gaps[0].Because)
	h.does("stop")

	// Somebody tidies up.
	all := files()
	require.Greater(t, len(all), held+3)
	victim := all[len(all)-2]
	taken := capinfosPackets(t, victim)
	require.NoError(t, os.Remove(victim))
	window := []string{"--from", began.Format(time.RFC3339Nano), "--to", end.Format(time.RFC3339Nano)}
	gaps, _ = h.gaps(window...)
	require.Equal(t, "deleted missing_file", causesOf(gaps))
	assert.EqualValues(t, 21_000-left, gaps[0].Lost)
	assert.EqualValues(t, taken, gaps[1].Lost)
	assert.Equal(t, filepath.Base(victim), gaps[1].File)
	_, stdout, _ := h.netcap(append([]string{"gaps", "c0"}, window...)...)
	assert.Regexp(t, `(?m) deleted +`+comma(int64(21_000-left))+` +- +\d+ files \(disk budget\)$`, stdout)

	// What reads the packets says it too.
	status, _, stderr := h.netcap(append([]string{"extract", "c0", "-w", filepath.Join(h.dir, "x.pcapng")}, window...)...)
	assert.Zero(t, status)
	assert.Contains(t, stderr, "; 2 gaps in this window: see netcap gaps "+set+"/ --from ")
	_, stdout, stderr = h.netcap(append([]string{"read", set, "-c", "1"}, window...)...)
	assert.Equal(t, 1, strings.Count(stdout, "\n"))
	assert.Contains(t, stderr, "netcap: 2 gaps in this window: see netcap gaps "+set+"/ --from ")
	assert.Contains(t, h.does("info", set), "3 gaps in this set: see netcap gaps "+set+"/\n", "since it was stopped too")
	assert.Regexp(t, `(?m)^c0: between these, \d+ files deleted and 1 file missing: netcap gaps /var/lib/netcap/c0/ lists them$`, h.does("list"))
	assert.Contains(t, h.does("dicom", "c0"), "capture incomplete: 2 gaps that netcap gaps lists")
	var document struct {
		Capture struct {
			Gaps     int
			Complete bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(h.does("dicom", "--json", "c0")), &document))
	assert.Equal(t, 2, document.Capture.Gaps)
	assert.False(t, document.Capture.Complete)
	// One file of it, which is whole.
	assert.Contains(t, h.does("dicom", first), "capture complete")

	// Without the ledger nobody knows who took them.
	require.NoError(t, os.Remove(h.lib+"/netcap/c0/c0.ledger"))
	gaps, ok = h.gaps(window...)
	assert.False(t, ok)
	assert.Equal(t, "missing_file missing_file", causesOf(gaps))

	// What was before the set is not complete, and nothing is known of it.
	status, _, stderr = h.netcap("gaps", "c0", "--from", began.Add(-time.Hour).Format(time.RFC3339Nano), "--to", began.Add(-time.Minute).Format(time.RFC3339Nano))
	assert.Equal(t, exitFound, status)
	assert.Contains(t, stderr, "that is before the set begins: its files reach back to ")
}
