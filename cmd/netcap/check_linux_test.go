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

	"netcap/internal/testenv"
)

// What check says is what a capture then does, and nothing is left behind.
func TestCheck(t *testing.T) {
	h := newOperated(t)
	defer func() {
		for _, dir := range []string{h.run + "/netcap", h.log, h.lib} {
			isEmpty(t, dir)
		}
	}()
	out := h.does("check", "-i", "c0", "udp")
	assert.Regexp(t, `(?m)^ok +interface c0: can be captured by ring`, out)
	assert.Regexp(t, `(?m)^ok +filter: is \d+ instructions in the kernel$`, out)
	assert.Regexp(t, `(?m)^ok +directory: /var/lib/netcap/c0 can be written$`, out)
	assert.Regexp(t, `(?m)^(ok|warning) +disk: .* are free, .* are kept free; the budget is .*, of which 0 B in 0 files are used; the last .* are kept though there be no room$`, out)
	assert.Regexp(t, `(?m)^ok +PID file: /run/netcap/c0.pid can be locked$`, out)
	assert.Regexp(t, `(?m)^ok +sandbox: the capture is confined by Landlock, no_new_privs, capabilities CAP_NET_RAW, seccomp$`, out)
	assert.NotContains(t, h.does("check", "-i", "c0", "--no-sandbox"), "sandbox:")
	assert.Regexp(t, `(?m)^ok +forecast: `, out)

	h.net.SetDown(t, "c0")
	assert.Regexp(t, `(?m)^warning +interface c0: is down\n +→ ip link set c0 up; a capture waits for that$`, h.does("check", "-i", "c0"))
	h.net.SetUp(t, "c0")
	assert.Contains(t, h.does("check", "-i", "nosuch"), "no such interface; there are ")

	taken := filepath.Join(h.dir, "taken.pcapng")
	require.NoError(t, os.WriteFile(taken, []byte("x"), 0o600))
	small := tmpfs(t, "size=1m")
	require.NoError(t, os.WriteFile(small+"/full", make([]byte, 1<<20), 0o600))
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"filter":        {[]string{"tcp", "prot", "80"}, `filter: expected and, or, or the end, not "prot"`},
		"existing file": {[]string{"-w", taken}, "file already exists, and nothing is ever overwritten"},
		"no directory":  {[]string{"-w", h.dir + "/no/x.pcapng"}, "no such file or directory"},
		"full disk":     {[]string{"--dir", small + "/set", "--disk-budget", "2MB", "-C", "1"}, "the disk is full"},
		"small budget":  {[]string{"--disk-budget", "1MB", "-C", "1"}, "must hold at least two segments"},
		"log":           {[]string{"--log-file", taken + "/log"}, "not a directory: choose another with --log-file"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"-i", "c0"}, tt.args...)
			status, stdout, _ := h.netcap(append([]string{"check"}, args...)...)
			assert.Equal(t, exitFound, status)
			assert.Regexp(t, `(?m)^failed `, stdout)
			assert.Contains(t, stdout, tt.says)
			status, _, stderr := h.netcap(append([]string{"start"}, args...)...)
			assert.NotZero(t, status)
			assert.Contains(t, stderr, tt.says, "a capture fails the same way")
		})
	}
	unprivileged := h.program(testenv.Program(t, "setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups",
		"env", "XDG_STATE_HOME="+h.dir, "XDG_RUNTIME_DIR="+h.dir, testenv.Netcap(t), "check", "-i", "c0")
	p := h.start(unprivileged)
	p.wait()
	assert.Equal(t, exitFound, unprivileged.ProcessState.ExitCode())
	assert.Contains(t, p.stdout.String(), "it needs CAP_NET_RAW")
	assert.Contains(t, p.stdout.String(), "running as nobody")
}

func TestCheckRunning(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "--keep-free", "1")
	status, stdout, _ := h.netcap("check", "-i", "c0")
	assert.Equal(t, exitFound, status)
	assert.Contains(t, stdout, "PID file: already running as PID ")
	assert.Contains(t, stdout, "another netcap is writing this set")
	assert.Equal(t, "capturing", h.statusOf("c0").State, "it goes on")
}

// The forecast is made of the interface's own counters.
func TestForecast(t *testing.T) {
	h := newOperated(t)
	before := h.net.Stats(t, "c0")
	began := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.peer.Drip(t, "g0", 1000, 400, 10*time.Millisecond)
	}()
	status, stdout, stderr := h.netcap("check", "-i", "c0", "--disk-budget", "100MB", "--keep-free", "1KB", "--json")
	require.Equal(t, 0, status, stderr)
	<-done
	after := h.net.Stats(t, "c0")
	var c checkReport
	require.NoError(t, json.Unmarshal([]byte(stdout), &c))
	assert.True(t, c.Works)
	require.NotNil(t, c.Rate)
	average := float64(after.RXBytes-before.RXBytes) / time.Since(began).Seconds()
	assert.Greater(t, *c.Rate, average/4)
	assert.Less(t, *c.Rate, average*4)
	assert.EqualValues(t, 100_000_000, *c.Room)
	assert.InEpsilon(t, 100_000_000 / *c.Rate, *c.Retention, 0.001)
	assert.True(t, strings.HasPrefix(c.Checks[0].Check, "interface c0"))
}
