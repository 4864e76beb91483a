package main

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/docker"
	"netcap/internal/helper"
	"netcap/internal/journal"
	"netcap/internal/seqpacket"
	"netcap/internal/testenv"
)

// TestInherited starts each process of netcap's with a pipe that nobody meant for it: the
// kernel says that its other end has been closed while the process runs.
func TestInherited(t *testing.T) {
	h := newHost(t)
	for name, cmd := range map[string]*exec.Cmd{
		"capture": h.command("-i", "c0", "--name", "i", "--dicom-journal", h.dir+"/journal"),
		"helper":  exec.Command(testenv.Netcap(t), helper.Argument),
		"reader":  exec.Command(testenv.Netcap(t), journal.Argument),
		"gate":    exec.Command(testenv.Netcap(t), docker.GateArgument),
		"read":    exec.Command(testenv.Netcap(t), "read", "-"),
	} {
		conn, stdin, err := seqpacket.Pair() // as long as it is open none of them ends
		require.NoError(t, err)
		defer conn.Close()
		out, in, err := os.Pipe()
		require.NoError(t, err)
		defer out.Close()
		cmd.Stdin, cmd.ExtraFiles = stdin, []*os.File{nil, in, in}
		p := h.start(cmd)
		require.NoError(t, stdin.Close())
		require.NoError(t, in.Close())
		require.NoError(t, out.SetReadDeadline(time.Now().Add(patience)))
		_, err = out.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF, name)
		require.NoError(t, conn.SetReadDeadline(time.Now()))
		_, err = conn.Read(make([]byte, 1))
		assert.NotErrorIs(t, err, io.EOF, "%s has ended: %s", name, &p.stderr)
		require.NoError(t, p.cmd.Process.Kill())
		p.wait()
	}
}

// TestHandedOver has descriptors be named, as shells do: they are kept.
func TestHandedOver(t *testing.T) {
	f, err := os.Open(testenv.Corpus(t) + "/dicom/echo_ok.pcap")
	require.NoError(t, err)
	defer f.Close()
	for _, path := range []string{"/dev/fd/5", "/proc/self/fd/5"} {
		_, err := f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		cmd := exec.Command(testenv.Netcap(t), "read", path)
		cmd.ExtraFiles = []*os.File{nil, nil, f}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "C-ECHO")
	}
}
