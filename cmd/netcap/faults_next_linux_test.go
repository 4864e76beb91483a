package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// inject has system calls of all threads of a process fail, until the function it returns is
// called.
func (h *host) inject(pid int, calls, failure string) (end func()) {
	h.t.Helper()
	cmd := exec.Command(testenv.Program(h.t, "strace"), "-f", "-p", fmt.Sprint(pid), "-o", "/dev/null", "-e", "trace="+calls, "-e", "inject="+calls+":error="+failure)
	var said testenv.Output
	cmd.Stderr = &said
	require.NoError(h.t, cmd.Start())
	require.Eventually(h.t, func() bool { return strings.Contains(said.String(), "attached") }, patience, time.Millisecond, &said)
	return func() {
		h.t.Helper()
		require.NoError(h.t, cmd.Process.Signal(syscall.SIGINT))
		_ = cmd.Wait() // it ends by the signal
	}
}

// Every system call by which files are looked for, begun, examined and deleted fails for a
// time, on all threads, with rotations under load: not one packet is lost.
func TestFilesCantBegin(t *testing.T) {
	for _, tt := range []struct{ calls, failure string }{
		{"openat,newfstatat,getdents64,fstatfs,unlinkat", "EIO"},
		{"openat", "EMFILE"},
		{"openat", "ENOSPC"},
	} {
		t.Run(tt.calls+" "+tt.failure, func(t *testing.T) {
			h := newOperated(t)
			set := h.lib + "/netcap/c0"
			p := h.capture("-i", "c0", "--keep-free", "1", "-C", "600kB", "-G", "8760h", "-W", "4", "--flush", "20ms", "--no-sandbox", "udp")
			sent := h.peer.Flood(t, "g0", 1000, 1000)
			h.awaitWritten("c0", int64(sent))
			files := filepathGlob(t, set+"/*.pcapng")
			require.Len(t, files, 2)

			end := h.inject(h.statusOf("c0").PID, tt.calls, tt.failure)
			for range 4 {
				sent += h.peer.Flood(t, "g0", 1000, 1000)
				time.Sleep(100 * time.Millisecond)
			}
			p.says("the next file can't be begun: the capture goes on in the one before")
			end()
			p.says("the next file is begun")
			sent += h.peer.Flood(t, "g0", 1000, 1000)
			h.awaitWritten("c0", int64(sent))
			said := p.stop()
			captured, received, dropped := summary(t, said)
			assert.Equal(t, []int{sent, sent, 0}, []int{captured, received, dropped})
			assert.NotContains(t, said, "could not be written")
			assert.Equal(t, 1, strings.Count(said, "the next file can't be begun"), said)

			after := filepathGlob(t, set+"/*.pcapng")
			require.LessOrEqual(t, len(after), 4)
			// The file that went on reads to its end, in other programs too.
			long := files[1]
			frames, whole := framesOf(t, long)
			assert.True(t, whole)
			assert.Greater(t, len(frames), 3000)
			assert.Equal(t, len(frames), capinfosPackets(t, long))
			assert.Equal(t, len(frames), tcpdumpLines(t, long))
			assert.Equal(t, len(frames), netcapLines(t, long))
		})
	}
}

// A set with a file and a lock that the file system can't examine any more is captured into,
// listed, and asked for its gaps.
func TestDamagedSet(t *testing.T) {
	h := newOperated(t)
	image := filepath.Join(h.dir, "image")
	d := newDisk(t, image, 64<<20, "errors=continue")
	set := d.dir + "/set"
	capture := []string{"-i", "c0", "--dir", set, "--keep-free", "1", "-G", "8760h", "-W", "4", "--flush", "20ms", "udp"}
	p := h.capture(capture...)
	for range 2 {
		h.peer.Flood(t, "g0", 1000, 100)
		h.does("rotate", "c0")
	}
	p.stop()
	files := filepathGlob(t, set+"/*.pcapng")
	require.Len(t, files, 3)
	require.NoError(t, unix.Unmount(d.dir, 0))
	for _, file := range []string{filepath.Base(files[0]), ".c0.lock"} {
		run1(t, "debugfs", "-w", "-R", "clri set/"+file, image)
	}
	run1(t, "mount", "-o", "loop,errors=continue", image, d.dir)

	p = h.capture(capture...)
	assert.Contains(t, p.stderr.String(), "the set's lock file is damaged")
	assert.Contains(t, p.stderr.String(), "files of the set can't be examined")
	sent := 0
	for range 5 {
		sent += h.peer.Flood(t, "g0", 1000, 100)
		h.does("rotate", "c0")
	}
	status, list, said := h.netcap("list", set)
	assert.Equal(t, 1, status)
	assert.Regexp(t, `(?m)^suspect .*`+filepath.Base(files[0])+`$`, list)
	assert.Equal(t, 4, strings.Count(list, ".pcapng\n")-1, "the others are listed:\n%s", list)
	assert.Contains(t, said, files[0]+": open: structure needs cleaning")
	status, gaps, _ := h.netcap("gaps", set, "--from", "1h")
	assert.Equal(t, 5, status)
	assert.Regexp(t, `missing_file +100 .* `+filepath.Base(files[0])+`\n`, gaps)
	assert.Regexp(t, `deleted +100 .* `+filepath.Base(files[1])+` \(file count\)\n`, gaps)
	captured, received, dropped := summary(t, p.stop())
	assert.Equal(t, []int{sent, sent, 0}, []int{captured, received, dropped})
}
