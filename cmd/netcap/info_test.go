package main

import (
	"encoding/json"
	"io/fs"
	"os"
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
Interface:        docker0, RAW, snapshot length 65536, 61 packets, 2 dropped by the system, 61 delivered
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

// TestInfoOfDamage says of damaged files what is a packet, and what is wrong; list says the same.
func TestInfoOfDamage(t *testing.T) {
	bugs := filepath.Join(testenv.Corpus(t), "bugs")
	for name, want := range map[string]struct {
		packets, following int64
		reason             string
	}{
		"zero-tail.pcap":                  {50, 0, "pcap record at offset 6749: zeros stand where a record should begin"},
		"repair-cat-pcap.pcap":            {50, 50, "another capture begins at 6749"},
		"repair-torn-then-pcap.pcap":      {49, 50, "cut short: other packets begin within it"},
		"repair-zeroed-sector.pcap":       {103, 196, "zeros stand where a record should begin"},
		"repair-torn-then-section.pcapng": {49, 50, "pcapng block at offset 7504"},
		"section-v2-in-middle.pcapng":     {2, 0, "of version 2.0, which isn't known, and was passed over"},
	} {
		path := filepath.Join(bugs, name)
		out, _, err := runCommand(newInfoCommand(), nil, "--json", path)
		assert.Equal(t, want.reason != "" && !strings.Contains(name, "section-v2"), err != nil, name)
		var infos []struct {
			Packets   int64  `json:"packets"`
			Complete  bool   `json:"complete"`
			Reason    string `json:"reason"`
			Following int64  `json:"following_packets"`
			First     string `json:"first_packet"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &infos))
		require.Len(t, infos, 1)
		i := infos[0]
		assert.Equal(t, want.packets, i.Packets, name)
		assert.Equal(t, want.following, i.Following, name)
		assert.False(t, i.Complete, name)
		assert.Contains(t, i.Reason, want.reason, name)
		assert.NotContains(t, i.First, "1970", name)
		text, _, _ := runCommand(newInfoCommand(), nil, path) //nolint:errcheck // as before
		assert.Regexp(t, `Complete: +no: `, text, name)

		_, stderr, err := runCommand(newReadCommand(), nil, path)
		if want.following > 0 {
			assert.ErrorContains(t, err, "whole packets follow at offset", "%s: %s", name, stderr)
		}

		b, err := os.ReadFile(path)
		require.NoError(t, err)
		dir := t.TempDir()
		writeTestFile(t, filepath.Join(dir, "eth0-20261123T130405Z-000001"+filepath.Ext(name)), b)
		out, _, err = runCommand(newListCommand(), nil, "--json", dir)
		require.NoError(t, err)
		var files []struct {
			Packets       int64
			State, Reason string
		}
		require.NoError(t, json.Unmarshal([]byte(out), &files))
		require.Len(t, files, 1)
		assert.Equal(t, want.packets, files[0].Packets, name)
		assert.Equal(t, "suspect", files[0].State, name)
		assert.Contains(t, files[0].Reason, want.reason, name)
	}
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
