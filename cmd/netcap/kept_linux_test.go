package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// TestFullDiskLeavesNothing writes to a disk that is too small: no file is left, whole or not.
func TestFullDiskLeavesNothing(t *testing.T) {
	testenv.Root(t)
	content := packetsAt("eth0")
	for n := range 4_000 {
		content = pcapfile.AppendPacket(content, 0, testStart.UnixNano()+int64(n), testenv.UDPFrame(uint32(n), 500), 500, 0)
	}
	in := writeTestFile(t, filepath.Join(t.TempDir(), "in.pcapng"), content)
	small := tmpfs(t, "size=1m")
	for what, newCommand := range map[string]func() *cobra.Command{"read": newReadCommand, "extract": newExtractCommand} {
		_, _, err := runCommand(newCommand(), nil, in, "-w", filepath.Join(small, "out.pcapng"))
		assert.ErrorIs(t, err, unix.ENOSPC, what)
		left, err := os.ReadDir(small)
		require.NoError(t, err)
		assert.Empty(t, left, what)
	}
}
