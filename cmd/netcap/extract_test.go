package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// packetsAt is an open capture of packets at seconds behind testStart.
func packetsAt(name string, seconds ...int) []byte {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap test"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: name, LinkType: pcapfile.LinkTypeEthernet, SnapLen: 65536})
	for _, s := range seconds {
		b = pcapfile.AppendPacket(b, 0, testStart.Add(time.Duration(s)*time.Second).UnixNano(), testenv.UDPFrame(uint32(s), 60), uint32(60+s%2), 0)
	}
	return b
}

func gzipped(t testing.TB, content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(content)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// secondsIn are the times of a capture's packets, as tcpdump prints them.
func secondsIn(t testing.TB, path string) string {
	t.Helper()
	b, err := exec.Command(testenv.Program(t, "tcpdump"), "-r", path, "-tt", "-n").Output()
	require.NoError(t, err)
	var all []string
	for line := range strings.Lines(string(b)) {
		var second float64
		_, err := fmt.Sscan(line, &second)
		require.NoError(t, err)
		all = append(all, fmt.Sprint(second-float64(testStart.Unix())))
	}
	return strings.Join(all, " ")
}

func TestExtract(t *testing.T) {
	dir := t.TempDir()
	set := filepath.Join(dir, "set")
	require.NoError(t, os.Mkdir(set, 0o700))
	writeTestFile(t, filepath.Join(set, "eth0-20261123T130405Z-000001.pcapng.gz"), gzipped(t, packetsAt("eth0", 0, 1, 2)))
	writeTestFile(t, filepath.Join(set, "eth0-20261123T130408Z-000002.pcapng"), packetsAt("eth0", 3, 4, 5))
	torn := packetsAt("eth0", 6, 7, 8)
	writeTestFile(t, filepath.Join(set, "eth0-20261123T130411Z-000003.pcapng"), torn[:len(torn)-10])
	one := writeTestFile(t, filepath.Join(dir, "one.pcap"), pcapfile.AppendRecord(pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 65535, false),
		testStart.Add(time.Second).UnixNano(), testenv.UDPFrame(1, 60), 60, false))
	two := writeTestFile(t, filepath.Join(dir, "two.pcapng"), packetsAt("eth1", 0, 5))
	raw := writeTestFile(t, filepath.Join(dir, "raw.pcapng"), capturedOn(2, "tun0"))
	at := func(second int) string {
		return testStart.Add(time.Duration(second) * time.Second).Format(time.RFC3339)
	}

	for name, tt := range map[string]struct {
		args   []string
		want   string // seconds
		said   string
		err    string
		usage  bool
		out    string
		noFile bool
	}{
		"window":        {args: []string{set, "--from", at(2), "--to", at(5)}, want: "2 3 4", said: `netcap: 3 packets of 2 files, .* to .*, in .*out.pcapng \(\d+ B\); .*eth0: there is no ledger, or it is damaged: this is what the files tell; no gaps are known of this window`},
		"to the end":    {args: []string{set, "--from", at(5)}, want: "5 6 7", said: `000003.pcapng: pcapng block at offset \d+ is cut short: .*\n.*3 packets of 2 files, since `, err: "reported already"},
		"filter":        {args: []string{set, "--to", at(6), "greater", "61"}, want: "1 3 5", said: "3 packets of 2 files, before "},
		"files":         {args: []string{two, one}, want: "0 1 5", said: "3 packets of 2 files, in "},
		"pcap":          {args: []string{two, one}, out: "out.pcap", want: "0 1 5"},
		"nothing":       {args: []string{one, "--from", at(100)}, want: "", said: "netcap: 0 packets of 0 files, since "},
		"dash":          {args: []string{one, "--", "udp"}, want: "1"},
		"relative time": {args: []string{set, "--from", "2562047h"}, want: "0 1 2 3 4 5 6 7", err: "reported already"},

		"no -w":            {args: []string{set, "--from", at(2)}, out: "-", usage: true, err: "-w is missing"},
		"no window":        {args: []string{set}, usage: true, err: "--from is missing: since when? A whole set would be written twice"},
		"swapped":          {args: []string{set, "--from", at(2), "--to", at(1)}, usage: true, err: "is not before --to"},
		"missing":          {args: []string{filepath.Join(dir, "missing")}, err: "missing: stat: no such file or directory"},
		"mistake":          {args: []string{one, "prot", "5"}, usage: true, err: "filter: "},
		"exists":           {args: []string{one}, out: "two.pcapng", err: "file already exists, and nothing is ever overwritten: choose another name"},
		"link types":       {args: []string{one, raw}, out: "out.pcap", err: "pcap can't hold packets of link type RAW", noFile: true},
		"damaged and good": {args: []string{writeTestFile(t, filepath.Join(dir, "text"), []byte("text")), one}, want: "1", said: `text: not a pcap or pcapng file: .*\n.*1 packet of 1 file`, err: "reported already"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.pcapng")
			switch tt.out {
			case "":
			case "two.pcapng":
				out = two
			default:
				out = filepath.Join(filepath.Dir(out), tt.out)
			}
			args := append([]string{"-w", out}, tt.args...)
			if tt.out == "-" {
				args = tt.args
			}
			stdout, stderr, err := runCommand(newExtractCommand(), nil, args...)
			assert.Empty(t, stdout)
			assert.Equal(t, tt.usage, exitStatus(err) == exitUsage, "usage error")
			if tt.err == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, tt.err)
			}
			if tt.said != "" {
				assert.Regexp(t, tt.said, stderr)
			}
			if tt.noFile {
				assert.NoFileExists(t, out)
			}
			if err == nil || tt.err == "reported already" {
				assert.Equal(t, tt.want, secondsIn(t, out))
			}
		})
	}

	// To standard output, for a reader.
	stdout, stderr, err := runCommand(newExtractCommand(), contentOf(t, one), "-", two, "-w", "-")
	require.NoError(t, err)
	assert.Equal(t, "netcap: 3 packets of 2 files\n", stderr)
	assert.Equal(t, "0 1 5", secondsIn(t, writeTestFile(t, filepath.Join(dir, "stdout"), []byte(stdout))))
}

func contentOf(t testing.TB, path string) []byte {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}
