package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// Each finished file is compressed and handed to the command, the last included, and
// no packet is lost by that.
func TestCompressAndCommand(t *testing.T) {
	h := newOperated(t)
	list := filepath.Join(h.dir, "list")
	script := filepath.Join(h.dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho \"$1\" >>"+list+"\n"), 0o700))
	h.does("start", "-i", "c0", "--keep-free", "1", "-C", "1", "-G", "8760h", "--compress", "gzip", "-z", script, "-B", "65536", "udp")
	const n = 5000
	require.Equal(t, n, h.peer.Flood(t, "g0", 1514, n))
	h.awaitWritten("c0", n)
	h.does("rotate")
	require.Equal(t, 10, h.peer.Flood(t, "g0", 1514, 10))
	h.does("stop")

	files := filepathGlob(t, h.lib+"/netcap/c0/c0-*")
	require.Greater(t, len(files), 7)
	var want []string
	for _, f := range files {
		assert.True(t, strings.HasSuffix(f, ".pcapng.gz"), f)
		run1(t, "gzip", "-t", f)
		want = append(want, "/var/lib"+strings.TrimPrefix(f, h.lib))
	}
	got, err := os.ReadFile(list)
	require.NoError(t, err)
	assert.Equal(t, strings.Join(want, "\n")+"\n", string(got))
	assert.Equal(t, n+10, capinfosPackets(t, files...), "capinfos reads them")
	assert.Contains(t, h.does("list"), ".pcapng.gz")

	// The set goes on, within its budget, compressed files of earlier runs included.
	h.does("start", "-i", "c0", "--keep-free", "1", "-C", "1", "-G", "8760h", "--disk-budget", "4MB", "--compress", "zstd", "-B", "65536", "udp")
	h.fill(10_000)
	h.awaitWritten("c0", 10_000)
	require.Eventually(t, func() bool { return h.statusOf("c0").Finished.Waiting == 0 }, patience, 10*time.Millisecond)
	assert.Zero(t, h.statusOf("c0").Finished.Failed)
	h.does("stop")
	sum := int64(0)
	for _, f := range filepathGlob(t, h.lib+"/netcap/c0/c0-*") {
		st, err := os.Stat(f)
		require.NoError(t, err)
		sum += st.Size()
	}
	assert.LessOrEqual(t, sum, int64(4_000_000))
	assert.NoFileExists(t, files[0])
}

func TestFinishingUsage(t *testing.T) {
	h := newOperated(t)
	for _, tt := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"--compress", "rar"}, 2, "netcap: --compress rar: not one of none, gzip, zstd\n"},
		{[]string{"--compress", "gzip", "-w", "-"}, 2, "netcap: -w - is a stream: --compress and -z are for files\n"},
		{[]string{"-z", " "}, 2, "netcap: -z: the command is empty\n"},
		{[]string{"-z", "no-such-program"}, 1, "netcap: -z no-such-program: "},
		{[]string{"--compress", "gzip", "-C", "1", "--disk-budget", "2MB"}, 1, "must hold at least three segments"},
	} {
		p := h.start(h.command(append([]string{"-i", "c0"}, tt.args...)...))
		p.wait()
		assert.Equal(t, tt.status, p.cmd.ProcessState.ExitCode())
		assert.Contains(t, p.stderr.String(), tt.stderr)
	}
	isEmpty(t, h.lib+"/netcap")
}

// A command that fails is told of in the end, and its file is there.
func TestCommandFails(t *testing.T) {
	h := newOperated(t)
	p := h.capture("-i", "c0", "--dir", h.dir+"/set", "-z", testenv.Program(t, "false"))
	require.Equal(t, 10, h.peer.Flood(t, "g0", 100, 10))
	p.signal(syscall.SIGINT)
	p.wait()
	assert.Equal(t, exitFailed, p.cmd.ProcessState.ExitCode())
	assert.Contains(t, p.stderr.String(), "failed for 1 file(s), which are kept: see the log")
	assert.Len(t, filepathGlob(t, h.dir+"/set/*.pcapng"), 1)
}
