package main

import (
	"bytes"
	"fmt"
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
	"golang.org/x/sys/unix"

	"netcap/internal/helper"
)

// The tests here have what stands beside the way of a packet hang: the log, who reads standard
// error, the helper process. The disk of the set is idle meanwhile, so nothing may be lost.

// besideFlags are those of a capture that has much to log, and files to finish.
var besideFlags = []string{"-i", "c0", "--keep-free", "1", "-C", "1", "-G", "8760h", "--disk-budget", "400MB", "-B", "65536", "--flush", "100ms", "-v"}

// startUnread starts a command whose standard error is a pipe that is full.
func (h *host) startUnread(cmd *exec.Cmd) *process {
	h.t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(h.t, err)
	h.t.Cleanup(func() { reader.Close() })
	require.NoError(h.t, control(writer, func(fd int) error {
		for page := bytes.Repeat([]byte{'x'}, 4096); ; {
			if _, err := unix.Write(fd, page); err != nil { // Go's pipes don't block
				require.ErrorIs(h.t, err, unix.EAGAIN)
				return unix.SetNonblock(fd, false) // as others find theirs
			}
		}
	}))
	p := h.startWith(cmd, writer)
	require.NoError(h.t, writer.Close())
	return p
}

// captured waits until the capture of a name has dealt with n packets and lost none.
func (h *host) captured(name string, n int) {
	h.t.Helper()
	h.awaitWritten(name, int64(n))
	p := h.statusOf(name).Packets
	assert.EqualValues(h.t, n, p.Received)
	assert.Zero(h.t, p.DroppedKernel+p.DroppedDisk)
}

// Nobody reads standard error: nothing is lost, who asks is answered, and it ends with the
// sums told. What was logged is there or counted.
func TestNobodyReadsLog(t *testing.T) {
	h := newOperated(t)
	p := h.startUnread(h.command(besideFlags...))
	h.awaitRunning("c0")
	n := rounds(120_000)
	require.Equal(t, n, h.peer.Flood(t, "g0", 1000, n))
	for range 2000 { // more than waits for the reader
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGUSR1))
		time.Sleep(100 * time.Microsecond) // one signal is pending at a time
	}
	h.captured("c0", n)
	assert.Contains(t, h.does("rotate"), ".pcapng\n")
	assert.Contains(t, h.does("status"), "c0 could not write ")
	assert.Positive(t, h.statusOf("c0").LogMissed)
	assert.Contains(t, h.does("stop"), fmt.Sprintf("%d packets received, %s written, 0 dropped", n, comma(int64(n))))
	p.wait()
	require.Zero(t, p.cmd.ProcessState.ExitCode())
	assert.Equal(t, n, capinfosPackets(t, filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")...))
}

// The log is on a file system that is frozen.
func TestFrozenLog(t *testing.T) {
	h := newOperated(t)
	d := newDisk(t, filepath.Join(h.dir, "image"), 32<<20, "defaults")
	log := d.dir + "/log"
	p := h.start(h.command(append([]string{"--log-file", log}, besideFlags...)...))
	h.awaitRunning("c0")
	thaw := d.freeze()
	n := rounds(120_000)
	require.Equal(t, n, h.peer.Flood(t, "g0", 1000, n))
	h.captured("c0", n)
	p.signal(syscall.SIGHUP) // re-opens it, but for the frost
	assert.Contains(t, h.does("rotate"), ".pcapng\n")
	p.signal(syscall.SIGTERM)
	p.says("packets dropped by kernel\n")
	captured, received, dropped := summary(t, p.stderr.String())
	assert.Equal(t, []int{n, n, 0}, []int{captured, received, dropped})
	p.says("netcap: log: its last lines could not be written: its disk doesn't answer\n")
	thaw() // the kernel ends no process in the midst of a write
	p.wait()
	assert.Zero(t, p.cmd.ProcessState.ExitCode())
	assert.Equal(t, n, capinfosPackets(t, filepathGlob(t, h.lib+"/netcap/c0/*.pcapng")...))
}

// helpers are the helper processes of a capture: the one that it started, and the other.
func (h *host) helpers(name string) (pids []int) {
	h.t.Helper()
	for above, next := h.pid(h.run+"/netcap/"+name+".pid"), true; next; {
		next = false
		for _, pid := range childrenOf(h.t, above) {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended
			if bytes.Contains(b, []byte(helper.Argument)) {
				pids, above, next = append(pids, pid), pid, true
			}
		}
	}
	return pids
}

func childrenOf(t *testing.T, pid int) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, task := range tasks {
		b, _ := os.ReadFile(task) // the thread may have ended
		for _, word := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(word)
			require.NoError(t, err)
			pids = append(pids, n)
		}
	}
	return pids
}

// The helper process is stopped, and one is killed: nothing is lost, who asks is answered, and
// each finished file is compressed and handed to the command.
func TestHelperStops(t *testing.T) {
	h := newOperated(t)
	list, script := filepath.Join(h.dir, "list"), filepath.Join(h.dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho \"$1\" >>"+list+"\n"), 0o700))
	p := h.capture(append([]string{"-z", script, "--compress", "gzip", "--dicom-journal", filepath.Join(h.dir, "journal")}, besideFlags...)...)
	var pids []int
	require.Eventually(t, func() bool { pids = h.helpers("c0"); return len(pids) == 2 }, patience, 10*time.Millisecond)
	t.Cleanup(func() { // what is stopped ends with nobody
		for _, pid := range pids {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // as a rule it has ended
			if bytes.Contains(b, []byte(helper.Argument)) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	require.NoError(t, syscall.Kill(pids[0], syscall.SIGSTOP))
	n := rounds(240_000)
	require.Equal(t, n, h.peer.Flood(t, "g0", 1000, n))
	h.captured("c0", n)
	assert.Contains(t, h.does("rotate"), ".pcapng\n")
	require.NoError(t, syscall.Kill(pids[0], syscall.SIGKILL))
	require.Eventually(t, func() bool { return h.statusOf("c0").HelperRestarts == 1 }, patience, 10*time.Millisecond)
	assert.Contains(t, h.does("status"), "c0 had its helper process replaced 1 time")
	// The first spare one was ready, then to work, and then there was another.
	const ready = `msg="a helper process is ready"`
	require.Eventually(t, func() bool { return strings.Count(p.stderr.String(), ready) == 3 }, patience, 10*time.Millisecond)
	require.NoError(t, syscall.Kill(pids[1], syscall.SIGSTOP)) // the one that works now: it is noticed at the end
	assert.Contains(t, h.does("stop"), fmt.Sprintf("%d packets received, %s written, 0 dropped", n, comma(int64(n))))
	p.wait()
	require.Zero(t, p.cmd.ProcessState.ExitCode(), &p.stderr)
	assert.Contains(t, p.stderr.String(), "doesn't answer: it is killed")

	files := filepathGlob(t, h.lib+"/netcap/c0/c0-*")
	got, err := os.ReadFile(list)
	require.NoError(t, err)
	handed := strings.Fields(string(got))
	for _, f := range files {
		assert.True(t, strings.HasSuffix(f, ".pcapng.gz"), f)
		assert.Contains(t, handed, "/var/lib"+strings.TrimPrefix(f, h.lib))
	}
	assert.LessOrEqual(t, len(handed), len(files)+2, "those at hand are handed over twice at most")
	assert.Equal(t, n, capinfosPackets(t, files...))
}

// The disk of the set is frozen: SIGTERM, a second one, and stop end the capture with the sums
// told.
func TestFrozenSet(t *testing.T) {
	for by, how := range map[string]string{"TERM": "since the disk takes nothing", "TERM twice": "at once", "stop": "since the disk takes nothing"} {
		t.Run(by, func(t *testing.T) {
			h := newOperated(t)
			d := newDisk(t, filepath.Join(h.dir, "image"), 64<<20, "defaults")
			p := h.capture("-i", "c0", "--dir", d.dir+"/set", "--keep-free", "1", "-G", "8760h", "--flush", "100ms", "udp")
			sent := h.peer.Flood(t, "g0", 1000, 1000)
			h.captured("c0", sent)
			thaw := d.freeze()
			sent += h.peer.Flood(t, "g0", 1000, 10_000)
			require.Eventually(t, func() bool { return h.statusOf("c0").Packets.Received == int64(sent) }, patience, 10*time.Millisecond)
			asked := time.Now()
			switch by {
			case "stop":
				assert.Regexp(t, fmt.Sprintf(`has ended: %d packets received, .*; the kernel keeps its process, in the midst of a write, until the disk answers\n$`, sent), h.does("stop"))
			case "TERM twice":
				p.signal(syscall.SIGTERM)
				time.Sleep(1100 * time.Millisecond)
				fallthrough
			default:
				p.signal(syscall.SIGTERM)
			}
			p.says(" not yet written, and lost\n")
			t.Logf("the sums are told after %v", time.Since(asked).Round(time.Millisecond))
			said := p.stderr.String()
			captured, received, dropped := summary(t, said)
			assert.Equal(t, []int{sent, 0}, []int{received, dropped})
			assert.Contains(t, said, fmt.Sprintf("netcap: stopped %s: %d packets were not yet written, and lost\n", how, sent-captured))
			require.Eventually(t, func() bool { // it is nobody's any more
				status, _, _ := h.netcap("status", "c0")
				return status == exitNotRunning
			}, patience, 10*time.Millisecond)
			thaw() // the kernel ends no process in the midst of a write
			p.wait()
			assert.Equal(t, exitFailed, p.cmd.ProcessState.ExitCode())
		})
	}
}

// The command of -z hangs: the sums are told before it is waited for, which a second signal
// ends.
func TestHangingCommand(t *testing.T) {
	h := newOperated(t)
	script, number := filepath.Join(h.dir, "script"), filepath.Join(h.dir, "number")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho $$ >"+number+"\nexec sleep 600\n"), 0o700))
	t.Cleanup(func() { // the helper process waits for it
		b, err := os.ReadFile(number)
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		require.NoError(t, err)
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	})
	p := h.capture("-i", "c0", "--keep-free", "1", "-z", script, "udp")
	sent := h.peer.Flood(t, "g0", 1000, 1000)
	p.signal(syscall.SIGTERM)
	p.says("the last files are still being worked on")
	captured, received, dropped := summary(t, p.stderr.String())
	assert.Equal(t, []int{sent, sent, 0}, []int{captured, received, dropped})
	assert.Equal(t, sent, capinfosPackets(t, h.file(h.lib+"/netcap/c0/*.pcapng")))
	time.Sleep(1100 * time.Millisecond)
	p.signal(syscall.SIGTERM)
	p.wait()
	assert.Contains(t, p.stderr.String(), "netcap: stopped at once: finished files may be left as they are\n")
}

// freeze freezes the disk's file system. It is thawed by what is returned, or at the end.
func (d *disk) freeze() (thaw func()) {
	d.t.Helper()
	run1(d.t, "fsfreeze", "-f", d.dir)
	frozen := true
	thaw = func() {
		if frozen {
			frozen = false
			run1(d.t, "fsfreeze", "-u", d.dir)
		}
	}
	d.t.Cleanup(thaw)
	return thaw
}

// awaitRunning waits until a capture answers.
func (h *host) awaitRunning(name string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		status, _, _ := h.netcap("status", name)
		return status == 0
	}, patience, 20*time.Millisecond)
}
