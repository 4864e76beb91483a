package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRepair(t *testing.T) {
	dir := t.TempDir()
	whole := packetsAt("eth0", 1, 2, 3)
	good := writeTestFile(t, filepath.Join(dir, "good"), whole)
	torn := writeTestFile(t, filepath.Join(dir, "torn"), whole[:len(whole)-7])
	damaged := append([]byte{}, whole...)
	damaged[len(whole)-94] ^= 0xff // the length of the second packet, at its end
	middle := writeTestFile(t, filepath.Join(dir, "middle"), damaged)
	missing := filepath.Join(dir, "missing")

	stdout, stderr, err := runCommand(newRepairCommand(), nil, torn, missing, good)
	assert.ErrorIs(t, err, errSilent)
	assert.Regexp(t, `^\S+/torn: cut 85 bytes at offset \d+ \(pcapng block at offset \d+ is cut short: 85 of 92 bytes\); 2 packets left\n\S+/good: whole, 3 packets: left as it is\n$`, stdout)
	assert.Equal(t, "netcap: "+missing+": lstat: no such file or directory\n", stderr)
	stdout, _, err = runCommand(newRepairCommand(), nil, torn)
	require.NoError(t, err)
	assert.Equal(t, torn+": whole, 2 packets: left as it is\n", stdout)
	assert.Equal(t, "1 2", secondsIn(t, torn))

	stdout, _, err = runCommand(newRepairCommand(), nil, middle)
	assert.Empty(t, stdout)
	assert.ErrorContains(t, err, "whole packets follow at offset")
	assert.Regexp(t, `to cut the \d+ bytes from offset \d+ on would leave \d packets?: --force does that$`, err.Error())
	b, err := os.ReadFile(middle)
	require.NoError(t, err)
	assert.Equal(t, damaged, b)
	stdout, _, err = runCommand(newRepairCommand(), nil, "--force", middle)
	require.NoError(t, err)
	assert.Contains(t, stdout, "middle: cut ")
	_, _, err = runCommand(newRepairCommand(), nil)
	assert.Equal(t, exitUsage, exitStatus(err))
}
