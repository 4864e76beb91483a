package main

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

func TestInfoCommand(t *testing.T) {
	local(t)
	dir := t.TempDir()
	one := writeTestFile(t, filepath.Join(dir, "one.pcapng"), capturedOn(61, "docker0"))
	out, stderr, err := runCommand(newInfoCommand(), nil, one)
	require.NoError(t, err)
	assert.Empty(t, stderr)
	// Bytes of blocks by the draft: 48 of the section, 44 of the interface, 61
	// times 64 of a packet with flags, 52 of statistics. A packet a second puts two into
	// the columns from 0 s and from 41 × 1.024 s.
	assert.Equal(t, `File:             `+one+`
Format:           pcapng, little-endian
Compression:      none
Link type:        RAW
Snapshot length:  65536
Packets:          61
File size:        4.0 kB (4,048 bytes)
Data size:        1.2 kB (1,220 bytes)
First packet:     2026-11-23 13:04:05.000000000 +00:00
Last packet:      2026-11-23 13:05:05.000000000 +00:00
Duration:         1m0s (60.000000 s)
Packet rate:      1.0 packets/s
Data rate:        20 B/s
Average packet:   20.0 bytes
Over time:        |█`+strings.Repeat("▄", 40)+"█"+strings.Repeat("▄", 17)+`| 1.9 packets/s at most, a column is 1.024s
Dropped:          2 packets
Time order:       strict
Complete:         yes
Interface:        docker0, RAW, snapshot length 65536, 61 packets, 2 dropped
Captured by:      netcap test
`, out)

	whole := capturedOn(3, "eth0")
	torn := writeTestFile(t, filepath.Join(dir, "torn.pcapng"), whole[:len(whole)-3])
	missing := filepath.Join(dir, "missing.pcapng")
	out, stderr, err = runCommand(newInfoCommand(), nil, one, torn, missing)
	assert.ErrorIs(t, err, errSilent)
	assert.Equal(t, []string{
		"FORMAT  FIRST                LAST                 PACKETS  DROPPED    SIZE  COMPLETE  FILE",
		"pcapng  2026-11-23 13:04:05  2026-11-23 13:05:05       61        2  4.0 kB  yes       " + one,
		"pcapng  2026-11-23 13:04:05  2026-11-23 13:04:07        3        -   329 B  no        " + torn,
		"2 files, 4.4 kB, 64 packets, 2 dropped (not recorded in 1 file)",
		"",
	}, strings.Split(out, "\n"))
	assert.Equal(t, 2, strings.Count(stderr, "\n"))
	assert.Contains(t, stderr, "netcap: "+torn+": pcapng block at offset ")
	assert.Contains(t, stderr, "netcap: "+missing+": stat: no such file or directory\n")

	// A directory stands for the captures in it.
	byName, _, err := runCommand(newInfoCommand(), nil, one, torn)
	assert.ErrorIs(t, err, errSilent)
	ofDir, _, err := runCommand(newInfoCommand(), nil, dir)
	assert.ErrorIs(t, err, errSilent)
	assert.Equal(t, byName, ofDir)

	// A single damaged file is reported, and its error is main's to print.
	out, stderr, err = runCommand(newInfoCommand(), nil, torn)
	assert.ErrorContains(t, err, torn+": pcapng block at offset ")
	assert.Empty(t, stderr)
	assert.Contains(t, out, "\nComplete:         no: ")
	assert.Contains(t, out, "\nDropped:          not recorded\n")

	out, _, err = runCommand(newInfoCommand(), whole, "--json", "-", one)
	require.NoError(t, err)
	var documents []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &documents))
	require.Len(t, documents, 2)
	assert.Equal(t, "standard input", documents[0]["path"])
	assert.Equal(t, float64(3), documents[0]["packets"])
	assert.Equal(t, one, documents[1]["path"])

	out, _, err = runCommand(newInfoCommand(), nil, "--json", missing)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, "[]\n", out)
	_, _, err = runCommand(newInfoCommand(), nil)
	var usage usageError
	assert.ErrorAs(t, err, &usage)
}

// local makes times of this process those of Greenwich.
func local(t *testing.T) {
	t.Helper()
	before := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = before })
}

// TestInfoOfCorpus prints a line for each file that can be read at all, and one
// of head and sum.
func TestInfoOfCorpus(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testenv.Corpus(t), "captures", "*.pcap*"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	out, stderr, err := runCommand(newInfoCommand(), nil, paths...)
	if err != nil {
		assert.ErrorIs(t, err, errSilent)
	}
	unread := 0
	for line := range strings.Lines(stderr) {
		if strings.Contains(line, pcapfile.ErrFormat.Error()) || strings.Contains(line, "pcap file header") {
			unread++
		}
	}
	assert.Equal(t, len(paths)-unread+2, strings.Count(out, "\n"))
}
