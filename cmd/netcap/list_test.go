package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/printable"
)

func TestListCommand(t *testing.T) {
	local(t)
	dir := t.TempDir()
	out, _, err := runCommand(newListCommand(), nil, dir)
	require.NoError(t, err)
	assert.Equal(t, "no capture files in "+dir+"\n", out)
	out, _, err = runCommand(newListCommand(), nil, "--json", dir)
	require.NoError(t, err)
	assert.Equal(t, "[]\n", out)

	whole := capturedOn(1200, "docker0")
	writeTestFile(t, filepath.Join(dir, "docker0-20261123T130405Z-000001.pcapng"), whole)
	writeTestFile(t, filepath.Join(dir, "docker0-20261123T132405Z-000002.pcapng"), capturedOn(1, "docker0")[:180])
	writeTestFile(t, filepath.Join(dir, "x-20261123T132405Z-000001.pcapng"), nil)
	writeTestFile(t, filepath.Join(dir, "notes.txt"), nil)
	out, stderr, err := runCommand(newListCommand(), nil, dir)
	require.NoError(t, err)
	assert.Empty(t, stderr)
	assert.Equal(t, []string{
		"STATE    FIRST                LAST                 PACKETS  DROPPED   SIZE  FILE",
		"closed   2026-11-23 13:04:05  2026-11-23 13:24:04    1,200        2  77 kB  docker0-20261123T130405Z-000001.pcapng",
		"suspect  2026-11-23 13:04:05  2026-11-23 13:04:05        1        -  180 B  docker0-20261123T132405Z-000002.pcapng",
		"suspect  -                    -                          -        -    0 B  x-20261123T132405Z-000001.pcapng",
		"3 files, 77 kB, 1,201 packets (not known of 1 file), 2 dropped (not recorded in 2 files)",
		"",
	}, strings.Split(out, "\n"))

	out, _, err = runCommand(newListCommand(), nil, "--json", dir)
	require.NoError(t, err)
	var files []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &files))
	require.Len(t, files, 3)
	assert.Equal(t, "closed", files[0]["state"])
	assert.Equal(t, float64(len(whole)), files[0]["bytes"])

	missing := filepath.Join(dir, "missing")
	_, _, err = runCommand(newListCommand(), nil, missing)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.EqualError(t, err, missing+": stat: no such file or directory")
	_, _, err = runCommand(newListCommand(), nil, dir, dir)
	var usage usageError
	assert.ErrorAs(t, err, &usage)
}

// TestListSeveral prints whole paths for several directories, so that a terminal
// can take it, and goes on after one that can't be read.
func TestListSeveral(t *testing.T) {
	base := t.TempDir()
	var dirs, paths []string
	for _, name := range []string{"docker0", "eth\x1b[2J0"} {
		dirs = append(dirs, filepath.Join(base, name))
		require.NoError(t, os.Mkdir(filepath.Join(base, name), 0o700))
		paths = append(paths, writeTestFile(t, filepath.Join(base, name, "x-20261123T130405Z-000001.pcapng"), capturedOn(2, name)))
	}
	gone := filepath.Join(base, "gone\n")
	var out, stderr bytes.Buffer
	cmd := newListCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&stderr)
	err := list(cmd, base, filePlaces([]string{dirs[0], gone, dirs[1]}), false)
	assert.EqualError(t, err, strconv.Quote(gone)+": stat: no such file or directory")
	for _, path := range paths {
		assert.Contains(t, out.String(), "  "+printable.Text(path)+"\n")
	}
	assert.NotContains(t, out.String(), "\x1b")
	assert.Contains(t, out.String(), "\n2 files, ")
	assert.Empty(t, stderr.String())

	err = list(cmd, base, filePlaces([]string{gone, gone, dirs[1]}), false)
	assert.ErrorIs(t, err, errSilent)
	assert.Equal(t, strings.Repeat("netcap: "+strconv.Quote(gone)+": stat: no such file or directory\n", 2), stderr.String())
}
