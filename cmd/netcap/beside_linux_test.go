package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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
