package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fill floods the host until the set's files have been replaced a few times.
func (h *host) fill(count int) {
	h.t.Helper()
	for range 10 {
		require.Equal(h.t, count/10, h.peer.Flood(h.t, "g0", 1514, count/10))
	}
}

func (h *host) awaitWritten(name string, n int64) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return h.statusOf(name).Packets.Written == n }, patience, 10*time.Millisecond)
}

// What earlier runs left goes first, what is held stays, until it is released.
func TestHold(t *testing.T) {
	h := newOperated(t)
	start := []string{"start", "-i", "c0", "-C", "1", "--disk-budget", "10MB", "--keep-free", "1KB", "-G", "8760h", "-U", "-B", "65536", "udp"}
	h.does(start...)
	h.fill(1000)
	h.awaitWritten("c0", 1000)
	h.does("stop")
	earlier := filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")
	require.Greater(t, len(earlier), 1)
	time.Sleep(1100 * time.Millisecond) // names are exact to the second
	h.does(start...)
	h.fill(1000)
	h.awaitWritten("c0", 1000)

	// The second run's files are evidence.
	began := h.statusOf("c0").Started
	assert.Equal(t, "nothing is held\n", h.does("hold"))
	said := h.does("hold", "c0", "--from", began.Format(time.RFC3339Nano), "--reason", "ticket 42")
	assert.Regexp(t, `^hold 1: \d files of c0 \([\d.]+ MB\) won't be deleted until netcap release c0 1\n$`, said)
	var sets []heldSet
	require.NoError(t, json.Unmarshal([]byte(h.does("hold", "--json")), &sets))
	require.Len(t, sets, 1)
	held := sets[0].Files
	require.GreaterOrEqual(t, len(held), 2)
	assert.Equal(t, "ticket 42", sets[0].Holds[0].Reason)
	assert.Regexp(t, `(?m)^SET +HOLD +FROM +TO +FILES +SIZE +BY +REASON\nc0 +1 .*ticket 42$`, h.does("hold"))

	time.Sleep(1100 * time.Millisecond) // what begins in the hold's last second is held
	h.does("rotate", "c0")
	h.fill(10_000)
	h.awaitWritten("c0", 11_000)
	for _, f := range held {
		assert.FileExists(t, h.lib+strings.TrimPrefix(f, "/var/lib"), "it is held")
	}
	assert.NoFileExists(t, earlier[0], "what isn't held goes, the oldest first")
	assert.LessOrEqual(t, h.statusOf("c0").SetBytes, int64(10_000_000), "within the budget, what is held included")
	assert.Contains(t, h.does("list"), "closed, held")

	assert.Equal(t, "released hold 1 of c0 (ticket 42)\n", h.does("release", "c0", "1"))
	h.fill(10_000)
	h.awaitWritten("c0", 21_000)
	for _, f := range held {
		assert.NoFileExists(t, h.lib+strings.TrimPrefix(f, "/var/lib"), "it was released")
	}
	h.does("stop")
	assert.Equal(t, "nothing is held\n", h.does("hold"))
}

// Where holds alone fill the budget, that is said, and the capture goes on down to
// keep-free, losing nothing.
func TestHoldsFillBudget(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "-C", "1", "--disk-budget", "4MB", "--keep-free", "1KB", "-G", "8760h", "-U", "-B", "65536", "udp")
	h.does("hold", "--from", "1h", "--to", time.Now().Add(time.Hour).Format(time.RFC3339), "--reason", "all of it")
	h.fill(10_000)
	h.awaitWritten("c0", 10_000)
	s := h.statusOf("c0")
	assert.Greater(t, s.SetBytes, int64(15_000_000))
	assert.Zero(t, s.Packets.DroppedKernel+s.Packets.DroppedDisk)
	log, err := os.ReadFile(h.log + "/netcap/c0.log")
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(log), "files on hold fill the bounds of the set"), "said once: %s", log)
	h.does("release", "1")
	h.fill(1000)
	h.awaitWritten("c0", 11_000)
	h.does("stop")
	files := filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")
	sum := int64(0)
	for _, f := range files {
		st, err := os.Stat(f)
		require.NoError(t, err)
		sum += st.Size()
	}
	assert.LessOrEqual(t, sum, int64(4_000_000), "the budget counts again")
}

// Holds that can't be read may cover anything.
func TestDamagedHolds(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "-C", "1", "--disk-budget", "4MB", "--keep-free", "1KB", "-G", "8760h", "-U", "-B", "65536", "udp")
	first := filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")[0]
	holds := filepath.Join(filepath.Dir(first), "c0.holds")
	require.NoError(t, os.WriteFile(holds, []byte("{"), 0o600))
	h.fill(5000)
	h.awaitWritten("c0", 5000)
	assert.FileExists(t, first)
	log, err := os.ReadFile(h.log + "/netcap/c0.log")
	require.NoError(t, err)
	assert.Contains(t, string(log), "the holds can't be read: no file is deleted")
	status, _, stderr := h.netcap("hold", "c0", "--from", "1h", "--reason", "x")
	assert.Equal(t, exitFailed, status)
	assert.Contains(t, stderr, "holds /var/lib/netcap/c0/c0.holds: it is damaged")
	b, err := os.ReadFile(holds)
	require.NoError(t, err)
	assert.Equal(t, "{", string(b), "it is left for whoever mends it")
	require.NoError(t, os.Remove(holds))
	h.fill(5000)
	h.awaitWritten("c0", 10_000)
	assert.NoFileExists(t, first)
}

func TestHoldUsage(t *testing.T) {
	h := newOperated(t)
	require.NoError(t, os.MkdirAll(h.lib+"/netcap/a", 0o700))
	require.NoError(t, os.MkdirAll(h.lib+"/netcap/b", 0o700))
	for _, f := range []string{"a/a", "b/b"} {
		require.NoError(t, os.WriteFile(h.lib+"/netcap/"+f+"-20261124T100000Z-000001.pcapng", nil, 0o600))
	}
	for _, tt := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"hold", "a", "--from", "1h"}, 2, "netcap: --reason is missing: whoever finds the hold in a year will ask\n"},
		{[]string{"hold", "a", "--reason", "x"}, 2, "netcap: --from is missing: since when?\n"},
		{[]string{"hold", "--from", "1h", "--reason", "x"}, 2, "netcap: there are 2 sets: name one of a, b\n"},
		{[]string{"hold", "nosuch", "--from", "1h", "--reason", "x"}, 1, "netcap: nosuch: no such capture, and no such directory or file\n"},
		{[]string{"release", "a", "7"}, 1, "netcap: a: hold 7: no such hold: netcap hold lists them\n"},
		{[]string{"release", "a"}, 2, "netcap: \"a\": not the number of a hold: netcap hold lists them\n"},
		{[]string{"release"}, 2, "netcap: which hold? netcap release [NAME|DIR|FILE] HOLD [flags]\n"},
	} {
		status, stdout, stderr := h.netcap(tt.args...)
		assert.Equal(t, tt.status, status, tt.args)
		assert.Empty(t, stdout)
		assert.Equal(t, tt.stderr, stderr)
	}
	// A file without a successor may still be written.
	assert.Equal(t, "hold 1: 1 file of a (0 B) won't be deleted until netcap release a 1\n", h.does("hold", "a", "--from", "15m", "--reason", "x"))
	assert.Equal(t, "hold 2: no file of a is of that time yet, and none that comes will be deleted\n",
		h.does("hold", "a", "--from", "2020-01-01 10:00", "--to", "2020-01-01 11:00", "--reason", "y"))
}
