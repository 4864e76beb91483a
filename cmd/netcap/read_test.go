package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// runCommand runs one command in this process.
func runCommand(cmd *cobra.Command, stdin []byte, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	cmd.SetIn(bytes.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.Execute()
	return out.String(), errOut.String(), err
}

var testStart = time.Date(2026, 11, 23, 13, 4, 5, 0, time.UTC)

// capturedOn is a closed capture of IPv4 packets without payload, n on each
// interface.
func capturedOn(n int, interfaces ...string) []byte {
	ip := []byte("\x45\x00\x00\x14\x00\x01\x00\x00\x40\xfd\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02")
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap test"})
	for _, name := range interfaces {
		b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: name, LinkType: pcapfile.LinkTypeRaw, SnapLen: 65536})
	}
	for k := range n * len(interfaces) {
		b = pcapfile.AppendPacket(b, uint32(k%len(interfaces)), testStart.Add(time.Duration(k)*time.Second).UnixNano(), ip, 20, pcapfile.FlagInbound)
	}
	for id := range interfaces {
		b = pcapfile.AppendStatistics(b, uint32(id), testStart.UnixNano(), &pcapfile.Statistics{
			Delivered: pcapfile.Count(uint64(n)), DroppedByOS: pcapfile.Count(2),
		})
	}
	return b
}

func writeTestFile(t testing.TB, path string, content []byte) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

const testPacket = "IP 10.0.0.1 > 10.0.0.2: ip-proto-253, length 0\n"

func TestRead(t *testing.T) {
	dir := t.TempDir()
	one := writeTestFile(t, filepath.Join(dir, "one.pcapng"), capturedOn(3, "eth0"))
	two := writeTestFile(t, filepath.Join(dir, "two.pcapng"), capturedOn(1, "eth0", "veth12345"))
	again := writeTestFile(t, filepath.Join(dir, "again.pcapng"), capturedOn(1, "eth0", "eth0"))
	missing := filepath.Join(dir, "missing.pcap")
	whole := capturedOn(3, "eth0")
	// Without the 52 bytes of statistics, and 8 of the last packet.
	torn := writeTestFile(t, filepath.Join(dir, "torn.pcapng"), whole[:len(whole)-60])

	for name, tt := range map[string]struct {
		args        []string
		stdin       []byte
		out, stderr string
		err         string
		usage       bool
	}{
		"file":             {args: []string{"-t", one}, out: strings.Repeat(testPacket, 3)},
		"two files":        {args: []string{"-t", one, one}, out: strings.Repeat(testPacket, 6)},
		"-c":               {args: []string{"-t", "-c", "2", one}, out: strings.Repeat(testPacket, 2)},
		"-c in the second": {args: []string{"-t", "-c4", one, one}, out: strings.Repeat(testPacket, 4)},
		"stdin":            {args: []string{"-t", "-"}, stdin: whole, out: strings.Repeat(testPacket, 3)},
		"-nn -tt":          {args: []string{"-nn", "-tt", "-c1", one}, out: "1795439045.000000 " + testPacket},
		"interfaces": {
			args: []string{"-t", two},
			out:  "eth0  In  " + testPacket + "veth12345 In  " + testPacket,
		},
		"interface that came back": {args: []string{"-t", again}, out: testPacket + testPacket},

		"missing": {args: []string{missing}, err: missing + ": no such file"},
		"filter": {
			args: []string{one, "tcp", "port 104"}, usage: true,
			err: `filter "tcp port 104": filter expressions are not compiled yet; print without one, or use: tcpdump -r ` + one + ` 'tcp port 104'`,
		},
		"nothing":       {usage: true, err: "a file to read is missing: read FILE… [FILTER…] [flags]"},
		"no capture":    {args: []string{"-"}, stdin: []byte("hello"), err: "standard input: not a pcap or pcapng file: it begins with bytes 68656c6c"},
		"bad count":     {args: []string{"-c", "-1", one}, usage: true, err: "-c -1: not a number of packets"},
		"too many of t": {args: []string{"-tttttt", one}, usage: true, err: "-tttttt: at most five of them mean something"},
		"torn": {
			args: []string{"-t", torn}, out: strings.Repeat(testPacket, 2),
			err: torn + ": pcapng block at offset ",
		},
		"torn before another": {
			args: []string{"-t", torn, one}, out: strings.Repeat(testPacket, 5),
			stderr: "netcap: " + torn + ": pcapng block at offset ", err: errSilent.Error(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, err := runCommand(newReadCommand(), tt.stdin, tt.args...)
			assert.Equal(t, tt.out, out)
			if tt.err == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, tt.err)
			}
			var usage usageError
			assert.Equal(t, tt.usage, errors.As(err, &usage), "usage error")
			if tt.stderr == "" {
				assert.Empty(t, stderr)
			} else {
				assert.True(t, strings.HasPrefix(stderr, tt.stderr), stderr)
				assert.Equal(t, 1, strings.Count(stderr, "\n"))
			}
		})
	}
}

// TestReadCorpus holds the number of lines to tcpdump's, for every file that
// it reads.
func TestReadCorpus(t *testing.T) {
	dir := filepath.Join(testenv.Corpus(t), "captures")
	b, err := os.ReadFile(filepath.Join(dir, "oracle.tsv"))
	require.NoError(t, err)
	table := csv.NewReader(bytes.NewReader(b))
	table.Comma, table.LazyQuotes = '\t', true
	rows, err := table.ReadAll()
	require.NoError(t, err)
	file, count, status := slices.Index(rows[0], "file"), slices.Index(rows[0], "tcpdump_count"), slices.Index(rows[0], "tcpdump_rc")
	compared := 0
	for _, row := range rows[1:] {
		if row[status] != "0" {
			continue
		}
		out, stderr, err := runCommand(newReadCommand(), nil, filepath.Join(dir, row[file]))
		require.NoError(t, err)
		assert.Empty(t, stderr)
		assert.Equal(t, row[count], strconv.Itoa(strings.Count(out, "\n")), row[file])
		compared++
	}
	t.Logf("%d files compared", compared)
	assert.NotZero(t, compared)
}

// TestReadBrokenPipe ends quietly when nobody reads on.
func TestReadBrokenPipe(t *testing.T) {
	capture := writeTestFile(t, filepath.Join(t.TempDir(), "many.pcapng"), capturedOn(100_000, "eth0"))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(testenv.Netcap(t), "read", capture)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = write, &stderr
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	_, err = read.Read(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, read.Close())
	assert.NoError(t, cmd.Wait())
	assert.Empty(t, stderr.String())
}

// A filter sees every packet, and -c counts those that it lets through.
func TestReadMatches(t *testing.T) {
	path := writeTestFile(t, filepath.Join(t.TempDir(), "x.pcapng"), capturedOn(3, "eth0", "eth1"))
	var out bytes.Buffer
	seen := 0
	p := &packetPrinter{out: bufio.NewWriter(&out), count: 2, match: func(pk *pcapfile.Packet) bool {
		seen++
		return pk.Interface.Name == "eth1"
	}}
	p.printer.Time = decode.TimeNone
	require.NoError(t, p.printFile(newReadCommand(), path))
	require.NoError(t, p.out.Flush())
	assert.Equal(t, 4, seen, "the second of eth1 is the fourth packet")
	assert.Equal(t, 2, strings.Count(out.String(), testPacket))
}
