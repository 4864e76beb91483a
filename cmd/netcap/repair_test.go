package main

import (
	"encoding/json"
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

// TestRepairedInList repairs the file of a set that a crash has torn, as list sees it.
func TestRepairedInList(t *testing.T) {
	local(t)
	dir := t.TempDir()
	whole := capturedOn(3, "docker0")
	path := writeTestFile(t, filepath.Join(dir, "docker0-20261123T130405Z-000001.pcapng"), whole[:len(whole)-10])
	state := func() string {
		out, _, err := runCommand(newListCommand(), nil, "--json", dir)
		require.NoError(t, err)
		var files []struct{ State string }
		require.NoError(t, json.Unmarshal([]byte(out), &files))
		require.Len(t, files, 1)
		return files[0].State
	}
	assert.Equal(t, "suspect", state())
	_, _, err := runCommand(newRepairCommand(), nil, path)
	require.NoError(t, err)
	assert.Equal(t, "recovered", state())
}

// TestSalvage writes what is whole into a new file, and leaves none behind that isn't wanted.
func TestSalvage(t *testing.T) {
	dir := t.TempDir()
	whole := packetsAt("eth0", 1, 2, 3)
	damaged := append(append([]byte{}, whole[:len(whole)-7]...), whole...)
	path := writeTestFile(t, filepath.Join(dir, "damaged"), damaged)
	out := filepath.Join(dir, "out.pcapng")

	_, _, err := runCommand(newRepairCommand(), nil, path)
	assert.ErrorContains(t, err, "(3 of them, pcapng, little-endian): --salvage -w OUT writes all into another file")
	stdout, _, err := runCommand(newRepairCommand(), nil, "--salvage", "-w", out, path)
	require.NoError(t, err)
	assert.Equal(t, path+": 5 packets written to "+out+", of 2 captures; 85 bytes skipped in 1 place; left as it is\n", stdout)
	assert.Equal(t, "1 2 1 2 3", secondsIn(t, out))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, damaged, b)
	_, _, err = runCommand(newRepairCommand(), nil, "--salvage", "-w", out, path)
	assert.ErrorContains(t, err, "nothing is ever overwritten")

	nothing := writeTestFile(t, filepath.Join(dir, "nothing"), make([]byte, 1000))
	none := filepath.Join(dir, "none.pcapng")
	_, _, err = runCommand(newRepairCommand(), nil, "--salvage", "-w", none, nothing)
	assert.ErrorContains(t, err, "nothing to salvage")
	assert.NoFileExists(t, none)
	for _, args := range [][]string{
		{"--salvage", path},
		{"-w", none, path},
		{"--salvage", "--force", "-w", none, path},
		{"--salvage", "-w", none, path, path},
		{"--salvage", "-w", "x.pcap", path},
	} {
		_, _, err = runCommand(newRepairCommand(), nil, args...)
		assert.Equal(t, exitUsage, exitStatus(err), "%q", args)
	}
}
