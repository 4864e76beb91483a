package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// The tests here start captures that nobody holds by the hand.

// newOperated is a host on which captures may be left running when the test ends.
func newOperated(t *testing.T) *host {
	h := newHost(t)
	t.Cleanup(func() {
		files, err := filepath.Glob(h.run + "/netcap/*.pid")
		require.NoError(t, err)
		for _, f := range files {
			h.killLeft(f)
		}
	})
	return h
}

// killLeft ends the capture of a PID file, if it runs.
func (h *host) killLeft(pidFile string) {
	pid := h.pid(pidFile)
	if pid == 0 {
		return
	}
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err == nil && exe == testenv.Netcap(h.t) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended since
	}
}

// pid is what a PID file holds, 0 if that is nothing.
func (h *host) pid(pidFile string) int {
	b, err := os.ReadFile(pidFile)
	require.NoError(h.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

// netcap runs netcap to its end.
func (h *host) netcap(args ...string) (status int, stdout, stderr string) {
	h.t.Helper()
	p := h.start(h.command(args...))
	p.wait()
	return p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()
}

// does runs netcap, which is to succeed, and returns what it printed.
func (h *host) does(args ...string) string {
	h.t.Helper()
	status, stdout, stderr := h.netcap(args...)
	require.Equal(h.t, 0, status, "netcap %v: %s", args, stderr)
	return stdout
}

func (h *host) statusOf(name string) captureStatus {
	h.t.Helper()
	var all []captureStatus
	require.NoError(h.t, json.Unmarshal([]byte(h.does("status", "--json", name)), &all))
	require.Len(h.t, all, 1)
	return all[0]
}

// capinfosPackets is how many packets capinfos counts in files.
func capinfosPackets(t *testing.T, files ...string) int {
	t.Helper()
	sum := 0
	for _, f := range files {
		out := run1(t, "capinfos", "-TrcM", f)
		fields := strings.Split(strings.TrimSpace(out), "\t")
		n, err := strconv.Atoi(fields[len(fields)-1])
		require.NoError(t, err, out)
		sum += n
	}
	return sum
}

// A capture that a script started goes on when the script's terminal is closed.
func TestStartDetached(t *testing.T) {
	h := newOperated(t)
	const n = 1000
	p := h.start(h.program(testenv.Program(t, "script"), "-qec", testenv.Netcap(t)+" start -i c0 --keep-free 1 udp", "/dev/null"))
	p.wait()
	require.Equal(t, 0, p.cmd.ProcessState.ExitCode(), p.stdout.String())
	pid := h.pid(h.run + "/netcap/c0.pid")
	assert.Regexp(t, `^c0 \(PID `+strconv.Itoa(pid)+`\) is capturing on c0 into /var/lib/netcap/c0, .* at most; it logs to /var/log/netcap/c0.log`, p.stdout.String())
	session, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	require.NoError(t, err, "it runs")
	fields := strings.Fields(string(session[strings.LastIndexByte(string(session), ')'):]))
	assert.Equal(t, strconv.Itoa(pid), fields[4], "it has a session of its own (proc(5))")
	assert.Equal(t, "0", fields[5], "it has no terminal (proc(5))")

	require.Equal(t, n, h.peer.Flood(t, "g0", 128, n))
	stopped := h.does("stop")
	assert.Equal(t, "c0 (PID "+strconv.Itoa(pid)+") has ended: 1000 packets received, 1,000 written, 0 dropped\n", stopped)
	// Whoever inherited it may not have asked for its exit status yet.
	if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		assert.Contains(t, string(stat), ") Z ", "stop returns when the process has ended")
	}
	assert.Equal(t, n, capinfosPackets(t, filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")...))
	log, err := os.ReadFile(h.log + "/netcap/c0.log")
	require.NoError(t, err)
	assert.Contains(t, string(log), "1000 packets captured")
	_, err = os.Stat(h.run + "/netcap/c0.sock")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestStartFails(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "--name", "one")
	one := h.pid(h.run + "/netcap/one.pid")
	for name, tt := range map[string]struct {
		args   []string
		status int
		stderr string
	}{
		"no interface":     {[]string{"-i", "nosuch", "--format", "pcap"}, 1, `netcap: interface "nosuch": no such interface; there are `},
		"filter":           {[]string{"-i", "c0", "--name", "f", "tcp", "prot", "80"}, 2, `netcap: filter: expected and, or, or the end, not "prot" at "prot"`},
		"flag":             {[]string{"--bogus"}, 2, "netcap: unknown flag: --bogus; see: netcap start --help"},
		"name in use":      {[]string{"-i", "c0", "--name", "one", "--dir", h.dir + "/other"}, 1, "netcap: already running as PID " + strconv.Itoa(one) + " (/run/netcap/one.pid is locked): stop it, or choose another --name"},
		"set in use":       {[]string{"-i", "c0", "--name", "two", "--dir", "/var/lib/netcap/one"}, 1, "netcap: /var/lib/netcap/one: another netcap is writing this set, or another one in this directory: stop it, or choose another --dir"},
		"directory in use": {[]string{"-i", "c0", "-C", "1", "--name", "two", "-w", "/var/lib/netcap/one/x.pcapng"}, 1, "netcap: /var/lib/netcap/one: another netcap is writing this set: the directory belongs to"},
		"stream":           {[]string{"-i", "c0", "-w", "-"}, 2, "netcap: -w - is a stream"},
		"reading":          {[]string{"-r", "x.pcap"}, 2, "netcap: -r, -d and -y don't capture"},
		"log":              {[]string{"-i", "c0", "--name", "l", "--log-file", "/proc/nosuch/log"}, 1, "netcap: log: "},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := h.netcap(append([]string{"start"}, tt.args...)...)
			assert.Equal(t, tt.status, status)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, tt.stderr)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
		})
	}
	assert.NoDirExists(t, h.dir+"/other", "what didn't start leaves nothing behind")
	assert.Equal(t, "one", h.statusOf("one").Name)

	unprivileged := h.program(testenv.Program(t, "setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups",
		"env", "XDG_STATE_HOME="+h.dir, "XDG_RUNTIME_DIR="+h.dir, testenv.Netcap(t), "start", "-i", "c0")
	status, stderr := h.fails(unprivileged)
	assert.Equal(t, exitUnreadable, status, stderr)
}

// None is taken for another: not a dead capture's PID that somebody else has now,
// nor a capture that was killed.
func TestNotRunning(t *testing.T) {
	h := newOperated(t)
	for _, args := range [][]string{{"status"}, {"stop"}, {"rotate"}, {"restart"}, {"stop", "c0"}, {"status", "c0"}} {
		status, stdout, stderr := h.netcap(args...)
		assert.Equal(t, exitNotRunning, status, args)
		assert.Empty(t, stdout)
		assert.Regexp(t, `^netcap: no capture (called c0 )?is running\n$`, stderr)
	}
	sleep := exec.Command("sleep", "600")
	require.NoError(t, sleep.Start())
	defer func() {
		require.NoError(t, sleep.Process.Kill())
		_ = sleep.Wait() // it was killed
	}()
	require.NoError(t, os.MkdirAll(h.run+"/netcap", 0o755))
	stale := h.run + "/netcap/c0.pid"
	require.NoError(t, os.WriteFile(stale, []byte(strconv.Itoa(sleep.Process.Pid)+"\n"), 0o644))
	status, _, _ := h.netcap("stop", "c0")
	assert.Equal(t, exitNotRunning, status)
	require.NoError(t, sleep.Process.Signal(syscall.Signal(0)), "whoever has the number now lives on")

	h.does("start", "-i", "c0", "--keep-free", "1")
	first := h.pid(stale)
	require.NotEqual(t, sleep.Process.Pid, first)
	require.Equal(t, 10, h.peer.Flood(t, "g0", 128, 10))
	require.Eventually(t, func() bool { return h.statusOf("c0").Packets.Written == 10 }, patience, 10*time.Millisecond)
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		status, _, _ := h.netcap("status", "c0")
		return status == exitNotRunning
	}, patience, 10*time.Millisecond)

	h.does("start", "-i", "c0", "--keep-free", "1")
	assert.NotEqual(t, first, h.pid(stale))
	h.does("stop", "c0")
	assert.Equal(t, 10, capinfosPackets(t, filepathGlob(t, h.lib+"/netcap/c0/*000001.pcapng")...))
	assert.Len(t, filepathGlob(t, h.lib+"/netcap/c0/*.pcapng"), 2, "the set goes on")
}

func TestRotateUnderFlood(t *testing.T) {
	h := newOperated(t)
	const n, rotations = 100_000, 10
	h.does("start", "-i", "c0", "--keep-free", "1", "-B", "65536", "udp") // a ring that holds all of them
	flooded := make(chan int, 1)
	go func() { flooded <- h.peer.Flood(t, "g0", 128, n) }()
	finished := map[string]bool{}
	for range rotations {
		path := strings.TrimSuffix(h.does("rotate", "c0"), "\n")
		assert.False(t, finished[path], "%s was finished before", path)
		finished[path] = true
		host := h.lib + strings.TrimPrefix(path, "/var/lib")
		run1(t, "capinfos", "-c", host) // it is whole
	}
	require.Equal(t, n, <-flooded)
	h.does("stop")
	files := filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")
	assert.GreaterOrEqual(t, len(files), rotations+1)
	assert.Equal(t, n, capinfosPackets(t, files...))
}

func TestRestart(t *testing.T) {
	h := newOperated(t)
	require.NoError(t, os.Mkdir(h.dir+"/sub", 0o755))
	start := h.command("start", "-i", "c0", "--name", "again", "-C", "1", "-w", "x.pcapng", "udp")
	start.Dir = h.dir + "/sub"
	p := h.start(start)
	p.wait()
	require.Equal(t, 0, start.ProcessState.ExitCode(), p.stderr.String())
	before := h.statusOf("again")
	h.does("restart", "again")
	after := h.statusOf("again")
	assert.NotEqual(t, before.PID, after.PID)
	assert.Equal(t, "udp", after.Filter)
	assert.Equal(t, before.Interfaces, after.Interfaces)
	assert.Equal(t, 2, after.Files)
	assert.Len(t, filepathGlob(t, h.dir+"/sub/x-*.pcapng"), 2)
	h.does("stop", "again")
}

// Of several captures beside one another each is told apart.
func TestSeveral(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "--name", "a")
	h.does("start", "-i", "c0", "--name", "b")
	foreground := h.capture("-i", "c0", "--name", "c")
	table := h.does("status")
	for _, name := range []string{"a", "b", "c"} {
		assert.Regexp(t, `(?m)^`+name+` +\d+ +capturing +c0 `, table)
	}
	status, _, stderr := h.netcap("stop")
	assert.Equal(t, exitUsage, status)
	assert.Equal(t, "netcap: 3 captures are running: name one of a, b, c\n", stderr)
	h.does("stop", "b")
	h.does("stop", "c")
	foreground.wait()
	assert.Equal(t, 0, foreground.cmd.ProcessState.ExitCode())
	assert.Equal(t, h.pid(h.run+"/netcap/a.pid"), h.statusOf("a").PID)
	assert.Contains(t, h.does("stop"), "a (PID ")
}

// A capture's control socket is for its own user, and what others put in its
// place is left alone.
func TestControlSocket(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0")
	st, err := os.Stat(h.run + "/netcap/c0.sock")
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket|0o600, st.Mode())
	h.does("stop")

	require.NoError(t, os.WriteFile(h.run+"/netcap/c0.sock", []byte("precious"), 0o600))
	status, _, stderr := h.netcap("start", "-i", "c0")
	assert.Equal(t, exitFailed, status)
	assert.Contains(t, stderr, "control socket /run/netcap/c0.sock: something else is there: move it away")
	b, err := os.ReadFile(h.run + "/netcap/c0.sock")
	require.NoError(t, err)
	assert.Equal(t, "precious", string(b))
}

// An interface that isn't there at the start is waited for, and followed under
// whatever number it comes back.
func TestAbsentAtStart(t *testing.T) {
	h := newOperated(t)
	assert.Contains(t, h.does("start", "-i", "c9", "--keep-free", "1", "-G", "8760h", "udp"), "is waiting for c9, which is not there yet: capturing on c9 into ")
	assert.Equal(t, stateWaiting, h.statusOf("c9").State)
	log, err := os.ReadFile(h.log + "/netcap/c9.log")
	require.NoError(t, err)
	assert.Contains(t, string(log), "the interface is not there; waiting for it to come")
	before := testenv.UsageOf(t, h.pid(h.run+"/netcap/c9.pid"))
	for n := range 3 {
		testenv.NewVeth(t, h.peer, h.net, "g9", "c9")
		require.Eventually(t, func() bool { return h.statusOf("c9").State == stateCapturing }, patience, 10*time.Millisecond)
		assert.Equal(t, 1, h.net.Promiscuity(t, "c9"), "promiscuous again")
		require.Equal(t, 10, h.peer.Flood(t, "g9", 128, 10))
		h.awaitWritten("c9", int64(10*(n+1)))
		h.net.Delete(t, "c9")
		require.Eventually(t, func() bool { return h.statusOf("c9").State == stateWaiting }, patience, 10*time.Millisecond)
	}
	after := testenv.UsageOf(t, h.pid(h.run+"/netcap/c9.pid"))
	assert.Less(t, after.CPU()-before.CPU(), 2*time.Second, "it doesn't spin")
	h.does("stop")
	files := filepathGlob(t, h.lib+"/netcap/c9/*.pcapng")
	assert.Equal(t, 30, capinfosPackets(t, files...))
	info := run1(t, "capinfos", "-I", files[0])
	assert.Equal(t, 3, strings.Count(info, "Name = c9"), "a description each time: %s", info)
	assert.Contains(t, run1(t, "capinfos", "-k", files[0]), "filter: udp")
}

// TestWithoutPidfd has commands act on captures where the kernel has no pidfd_open(2), before
// Linux 5.3, or a container's profile refuses it.
func TestWithoutPidfd(t *testing.T) {
	h := newOperated(t)
	for _, failure := range []string{"ENOSYS", "EPERM"} {
		h.does("start", "-i", "c0", "--keep-free", "1", "udp")
		for _, args := range [][]string{{"status"}, {"rotate", "c0"}, {"stop", "c0"}} {
			cmd := h.program(append([]string{testenv.Program(t, "strace"), "-f", "-qq", "-o", "/dev/null", "-e", "trace=pidfd_open", "-e", "inject=pidfd_open:error=" + failure, testenv.Netcap(t)}, args...)...)
			p := h.start(cmd)
			p.wait()
			require.Zero(t, cmd.ProcessState.ExitCode(), "%s, %v: %s", failure, args, &p.stderr)
			assert.Contains(t, p.stdout.String(), map[string]string{"status": "capturing", "rotate": ".pcapng\n", "stop": ") has ended: "}[args[0]])
		}
		status, _, _ := h.netcap("status")
		assert.Equal(t, exitNotRunning, status)
	}
}
