package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// threadsHave looks at what the kernel says of each thread of a capture.
func (p *process) threadsHave(pid int, lines ...string) {
	p.t.Helper()
	tasks := filepathGlob(p.t, fmt.Sprintf("/proc/%d/task/*/status", pid))
	assert.Greater(p.t, len(tasks), 3)
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil { // the thread has ended
			continue
		}
		for _, line := range lines {
			assert.Contains(p.t, string(b), line, path)
		}
	}
}

const (
	noCapability = "\t0000000000000000\n"
	netRaw       = "\t0000000000002000\n" // bit 13, capability.h
)

// TestConfined looks at each thread of a capture once it captures, and has it do all that
// it does in months: none of that needs what it has given up, and no file outside its
// directory is opened, by strace's word.
func TestConfined(t *testing.T) {
	h := newHost(t)
	p := h.capture("-i", "c0", "--name", "c", "-W", "3", "--compress", "gzip", "-z", "ls")
	p.says("Landlock, no_new_privs, capabilities CAP_NET_RAW, seccomp")
	status := h.statusOf("c")
	p.threadsHave(status.PID, "NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapInh:"+noCapability, "CapPrm:"+netRaw, "CapEff:"+netRaw, "CapBnd:"+netRaw, "CapAmb:"+noCapability)
	assert.Equal(t, []string{}, status.Sandbox.Lacks)
	assert.Equal(t, []string{"Landlock", "no_new_privs", "capabilities CAP_NET_RAW", "seccomp"}, status.Sandbox.Enforced)

	log := filepath.Join(h.dir, "strace")
	trace := exec.Command(testenv.Program(t, "strace"), "-f", "-y", "-e", "trace=%file,%process", "-p", fmt.Sprint(status.PID), "-o", log)
	var said testenv.Output
	trace.Stderr = &said
	require.NoError(t, trace.Start())
	require.Eventually(t, func() bool { return strings.Contains(said.String(), "attached") }, patience, patience/1000)
	const each = 500
	for range 4 {
		require.Equal(t, each, h.peer.Flood(t, "g0", 200, each))
		h.does("rotate", "c")
	}
	h.net.Delete(t, "c0")
	p.says("the interface was deleted")
	testenv.NewVeth(t, h.peer, h.net, "g0", "c0")
	require.Eventually(t, func() bool { return h.statusOf("c").State == stateCapturing }, patience, patience/1000)
	require.Equal(t, each, h.peer.Flood(t, "g0", 200, each))
	require.Eventually(t, func() bool { return h.statusOf("c").Packets.Written == 5*each }, patience, patience/1000)
	p.signal(syscall.SIGUSR1)
	p.stop()
	require.NoError(t, trace.Wait())

	b, err := os.ReadFile(log)
	require.NoError(t, err)
	calls := 0
	absolute := regexp.MustCompile(`^\d+ +(\w+)\((?:AT_FDCWD[^,]*, )?"(/[^"]*)"`)
	for line := range strings.Lines(string(b)) {
		assert.NotContains(t, line, "execve", "it runs no program itself")
		if strings.Contains(line, "openat(") {
			calls++
		}
		m := absolute.FindStringSubmatch(line)
		if m == nil || m[1] == "statfs" || m[1] == "newfstatat" || m[1] == "stat" {
			continue
		}
		inside := strings.HasPrefix(m[2], "/var/lib/netcap/c/") || m[2] == "/run/netcap/c.sock"
		assert.True(t, inside, line)
	}
	assert.Greater(t, calls, 4)
}

// TestUser has a capture become another user, and rotate, delete, compress, run a command
// and be controlled all the same; the next run, root's, goes on with the set.
func TestUser(t *testing.T) {
	h := newHost(t)
	// A run of root's before.
	h.capture("-i", "c0", "--name", "u").stop()
	list := filepath.Join(h.dir, "list")
	script := filepath.Join(h.dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho $(id -u) $(basename $1) $(test -r $1 && echo readable) >>"+list+"\n"), 0o755))
	for dir := h.dir; dir != "/"; dir = filepath.Dir(dir) { // the test's own directories
		st, err := os.Stat(dir)
		require.NoError(t, err)
		if st.Mode()&1 == 0 {
			require.NoError(t, os.Chmod(dir, 0o755))
		}
	}
	require.NoError(t, os.WriteFile(list, nil, 0o666))
	require.NoError(t, os.Chmod(list, 0o666))
	journal := filepath.Join(h.dir, "nobodys", "journal.jsonl")
	require.NoError(t, os.Mkdir(filepath.Dir(journal), 0o700))
	require.NoError(t, os.Chown(filepath.Dir(journal), 65534, 65534))
	p := h.capture("-i", "c0", "--name", "u", "-Z", "nobody", "-W", "3", "-z", script, "--dicom-journal", journal)
	status := h.statusOf("u")
	p.threadsHave(status.PID, "Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65534\t65534\t65534\t65534\n", "Groups:\t65534 \n", "CapEff:"+netRaw, "CapPrm:"+netRaw, "NoNewPrivs:\t1\n")
	h.replay("echo_ok.pcap")
	require.Eventually(t, func() bool { return len(journalLines(t, journal)) == 1 }, patience, 10*time.Millisecond, &p.stderr)
	const each = 100
	for range 4 {
		require.Equal(t, each, h.peer.Flood(t, "g0", 200, each))
		h.does("rotate", "u")
	}
	h.does("hold", "u", "--from", "1h", "--reason", "test")
	require.Equal(t, each, h.peer.Flood(t, "g0", 200, each))
	said := p.stop()
	assert.Contains(t, said, "\n0 packets dropped by kernel\n")
	assert.NotContains(t, said, "permission denied")
	dir := filepath.Join(h.lib, "netcap", "u")
	for _, path := range append(filepathGlob(t, dir+"/*.pcapng"), dir, dir+"/u.ledger") {
		st, err := os.Stat(path)
		require.NoError(t, err)
		assert.EqualValues(t, 65534, st.Sys().(*syscall.Stat_t).Uid, path)
		assert.Zero(t, st.Mode().Perm()&0o077, path)
	}
	assert.Len(t, filepathGlob(t, dir+"/*.pcapng"), 3)
	b, err := os.ReadFile(list)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	assert.Len(t, lines, 5)
	for _, line := range lines { // the set may have deleted it by then
		assert.Regexp(t, `^65534 u-.*\.pcapng( readable)?$`, line)
	}
	assert.Contains(t, lines[len(lines)-1], " readable")
	// The next run has the same set, and root alone doesn't take it for its own.
	status1, stderr := h.fails(h.command("-i", "c0", "--name", "u", "-W", "3"))
	assert.Equal(t, 1, status1)
	assert.Contains(t, stderr, "u/.u.lock: is not a lock file of root, but of nobody: capture as that user (-Z), move it away, or choose another directory")
	h.does("release", "u", "1")
	p = h.capture("-i", "c0", "--name", "u", "-Z", "nobody", "-W", "3")
	h.does("rotate", "u")
	p.stop()
	assert.Len(t, filepathGlob(t, dir+"/*.pcapng"), 3)
}

// TestUserLog has a capture that has become a user log to a directory that is root's: the
// log keeps its bound there, as it does for root.
func TestUserLog(t *testing.T) {
	const bound, line = 10 << 20, "msg=before\n"
	for user, aside := range map[string]string{"nobody": "u-previous.log", "root": "u-2???-*.log"} {
		h := newHost(t)
		path := filepath.Join(h.log, "netcap", "u.log")
		require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat(line, bound/len(line)-500)), 0o600))
		h.does("start", "-i", "c0", "--name", "u", "-Z", user, "-W", "3", "-v")
		for range 20 {
			h.does("rotate", "u")
		}
		assert.Regexp(t, `^u \(PID \d+\) is capturing on c0 into `, h.does("restart", "u"))
		h.does("stop")
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Less(t, len(b), 100_000, user)
		assert.Contains(t, string(b), "finished a file")
		assert.Contains(t, string(b), "\n0 packets captured\n", "on standard error")
		older := filepathGlob(t, filepath.Join(h.log, "netcap", "u-*"))
		assert.Equal(t, filepathGlob(t, filepath.Join(h.log, "netcap", aside)), older)
		require.Len(t, older, 1)
		b, err = os.ReadFile(older[0])
		require.NoError(t, err)
		assert.LessOrEqual(t, len(b), bound)
		assert.Contains(t, string(b), isCapturing, "it was moved after it became that user")
	}
}

// TestUserRefused has users that can't be.
func TestUserRefused(t *testing.T) {
	h := newHost(t)
	status, stderr := h.fails(h.command("-i", "c0", "-Z", "no-such-user"))
	assert.Equal(t, 1, status)
	assert.Equal(t, "netcap: -Z: user \"no-such-user\": user: unknown user no-such-user\n", stderr)
	cmd := h.program("setpriv", "--reuid=65534", "--clear-groups", testenv.Netcap(t), "-i", "c0", "-Z", "daemon")
	status, stderr = h.fails(cmd)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "-Z: only root can become another user")
}

// TestNoSandbox keeps everything, and says so.
func TestNoSandbox(t *testing.T) {
	h := newHost(t)
	p := h.capture("-i", "c0", "--name", "n", "--no-sandbox")
	p.says("nothing confines the capture: --no-sandbox")
	p.threadsHave(h.statusOf("n").PID, "NoNewPrivs:\t0\n", "Seccomp:\t0\n")
	assert.Contains(t, h.does("status", "n"), "n is not confined in one respect: --no-sandbox\n")
	p.stop()
}

// TestForeignDirectory has root capture into a set in a directory of another user's: a
// capability is kept for that, and said.
func TestForeignDirectory(t *testing.T) {
	h := newHost(t)
	dir := filepath.Join(h.dir, "home")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.Chown(dir, 65534, 65534))
	p := h.capture("-i", "c0", "-w", dir+"/x.pcapng", "-W", "3")
	p.says("CAP_DAC_OVERRIDE is kept: ")
	for range 3 {
		h.does("rotate", "c0")
	}
	p.stop()
	assert.Len(t, filepathGlob(t, dir+"/*.pcapng"), 3)
}
