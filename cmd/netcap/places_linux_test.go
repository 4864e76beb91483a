package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFoundByName has captures write where they were told to, with PID files of their own, and each
// command find them by their names: while they run, and after that. Another set of the same
// name isn't taken for them, nor what shares their directory.
func TestFoundByName(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "--name", "bar", "--keep-free", "1", "udp")
	h.fill(50)
	h.awaitWritten("bar", 50)
	h.does("stop", "bar") // a set of that name where sets usually are

	own, shared := h.dir+"/own", h.dir+"/shared"
	require.NoError(t, os.Mkdir(shared, 0o700))
	h.does("start", "-i", "c0", "--name", "elsewhere", "-w", shared+"/other.pcapng", "-C", "50", "--keep-free", "1", "udp")
	captures := map[string][]string{
		"bar": {"--dir", own + "/bar", "--pid-file", own + "/x.pid"},
		"foo": {"-w", shared + "/foo.pcapng", "-C", "50"},
		"one": {"-w", h.dir + "/one.pcapng"},
	}
	for name, flags := range captures {
		h.does(append(append([]string{"start", "-i", "c0", "--name", name, "--keep-free", "1", "--flush", "20ms"}, flags...), "udp")...)
	}
	h.fill(30)
	for name := range captures {
		h.awaitWritten(name, 30)
	}
	h.does("stop", "elsewhere")
	h.does("rotate", "bar")

	var running []captureStatus
	require.NoError(t, json.Unmarshal([]byte(h.does("status", "--json")), &running))
	var names []string
	for _, s := range running {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	assert.Equal(t, []string{"bar", "foo", "one"}, names)
	h.findsAll(own+"/bar", shared, true)
	for name := range captures {
		assert.Contains(t, h.does("stop", name), name+" (PID ")
	}
	h.findsAll(own+"/bar", shared, false)
	status, _, stderr := h.netcap("status", "bar")
	assert.Equal(t, exitNotRunning, status)
	assert.Equal(t, "netcap: no capture called bar is running\n", stderr)

	// After a boot what ran is known by the state directory alone.
	require.NoError(t, os.RemoveAll(h.run+"/netcap"))
	h.findsAll(own+"/bar", shared, false)
	// Where the set is gone the usual place is meant.
	require.NoError(t, os.RemoveAll(own))
	_, stdout, stderr := h.netcap("read", "bar")
	assert.Equal(t, 50, strings.Count(stdout, "\n"), stdout)
	assert.Empty(t, stderr)
}

// findsAll has each command find, while they run or after that, the captures bar, foo and one, of thirty packets each.
func (h *host) findsAll(bar, shared string, running bool) {
	h.t.Helper()
	for _, name := range []string{"bar", "foo", "one"} {
		says := ""
		if name == "bar" {
			says = "netcap: bar is " + bar + ", where it captured last; of /var/lib/netcap/bar, give the path\n"
		}
		status, stdout, stderr := h.netcap("read", name)
		require.Zero(h.t, status, stderr)
		assert.Equal(h.t, 30, strings.Count(stdout, "\n"), "%s: %s", name, stdout)
		assert.Equal(h.t, says, stderr, name)

		var files []struct {
			Path    string
			Packets int64
		}
		_, stdout, _ = h.netcap("list", "--json", name)
		require.NoError(h.t, json.Unmarshal([]byte(stdout), &files), stdout)
		packets := int64(0)
		for _, f := range files {
			packets += f.Packets
			assert.Contains(h.t, f.Path, name)
		}
		assert.EqualValues(h.t, 30, packets, name)
		_, stdout, _ = h.netcap("info", "--json", name)
		require.NoError(h.t, json.Unmarshal([]byte(stdout), &files), stdout)
		packets = 0
		for _, f := range files {
			packets += f.Packets
		}
		assert.EqualValues(h.t, 30, packets, name)

		out := filepath.Join(h.t.TempDir(), "out.pcapng")
		status, _, stderr = h.netcap("extract", name, "--from", "1h", "-w", out)
		require.Zero(h.t, status, stderr)
		assert.Contains(h.t, stderr, "netcap: 30 packets of ", name)
		_, stdout, stderr = h.netcap("dicom", name, "--json")
		assert.Contains(h.t, stdout, `"packets": 30,`, "%s: %s", name, stderr)

		status, stdout, stderr = h.netcap("gaps", name)
		held, _, heldSays := h.netcap("hold", name, "--from", "1h", "--reason", "x")
		if name == "one" {
			assert.Equal(h.t, 1, status)
			assert.Contains(h.t, stderr, "a file that is of no set has no ledger")
			assert.Equal(h.t, 1, held)
			assert.Contains(h.t, heldSays, "a hold is for a set, which that is not")
			continue
		}
		if running {
			require.Zero(h.t, status, stderr)
			assert.Equal(h.t, "complete: nothing is known to be missing\n", stdout, name)
		} else {
			require.Equal(h.t, exitFound, status, stderr)
			assert.Equal(h.t, 2, strings.Count(stdout, "\n"), stdout)
			assert.Contains(h.t, stdout, "  not_running  ", name)
		}
		assert.Zero(h.t, held, heldSays)
	}
	assert.NoFileExists(h.t, shared+"/other.holds")
	assert.FileExists(h.t, shared+"/foo.holds")
}
