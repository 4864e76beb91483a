package main

import (
	"bytes"
	"encoding/csv"
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

	"netcap/internal/report"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// runCommand runs one command in this process.
func runCommand(cmd *cobra.Command, stdin []byte, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	cmd.SetIn(bytes.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetArgs(append([]string{}, args...)) // nil would be the test's own
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
	expression := writeTestFile(t, filepath.Join(dir, "filter"), []byte("# all that comes\nsrc host 10.0.0.1 # from there\n"))
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

		"missing":               {args: []string{missing}, err: missing + ": stat: no such file or directory"},
		"filter":                {args: []string{"-t", one, "src", "host 10.0.0.1"}, out: strings.Repeat(testPacket, 3)},
		"filter that fits none": {args: []string{"-t", one, "tcp port 104"}},
		"filter and -c":         {args: []string{"-t", "-c1", one, "ip proto 253 and len = 20"}, out: testPacket},
		"filter file":           {args: []string{"-t", "-F", expression, one, again}, out: strings.Repeat(testPacket, 5)},
		"-d":                    {args: []string{"-d", one, "ip proto 253"}, out: "(000) ldb      [0]\n(001) jge      #0x40            jt 2\tjf 6\n(002) jge      #0x50            jt 6\tjf 3\n(003) ldb      [9]\n(004) jeq      #0xfd            jt 5\tjf 6\n(005) ret      #262144\n(006) ret      #0\n"},

		"mistake in filter":     {args: []string{one, "tcp", "prot 104"}, usage: true, err: `filter: expected and, or, or the end, not "prot" at "prot"`},
		"filter of other links": {args: []string{one, "vlan 5"}, usage: true, err: `filter: vlan is not supported on link type RAW`},
		"filter given twice":    {args: []string{"-F", expression, one, "ip"}, usage: true, err: "a filter is given by -F or on the command line, not both"},
		"-y without -d":         {args: []string{"-y", "RAW", one, "ip"}, usage: true, err: "-y is for -d"},
		"nothing":               {usage: true, err: "a file to read is missing: read NAME|DIR|FILE… [FILTER…] [flags]"},
		"no capture":            {args: []string{"-"}, stdin: []byte("hello"), err: "standard input: not a pcap or pcapng file: it begins with bytes 68656c6c"},
		"bad count":             {args: []string{"-c", "-1", one}, usage: true, err: "-c -1: not a number of packets"},
		"too many of t":         {args: []string{"-tttttt", one}, usage: true, err: "-tttttt: at most five of them mean something"},
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
			assert.Equal(t, tt.usage, exitStatus(err) == exitUsage, "usage error")
			if tt.stderr == "" {
				assert.Empty(t, stderr)
			} else {
				assert.True(t, strings.HasPrefix(stderr, tt.stderr), stderr)
				assert.Equal(t, 1, strings.Count(stderr, "\n"))
			}
		})
	}
}

// TestReadErrorsOfSeveral: each file's error is told, and none hides another or the
// command's own.
func TestReadErrorsOfSeveral(t *testing.T) {
	dir := t.TempDir()
	raw := writeTestFile(t, filepath.Join(dir, "raw.pcapng"), capturedOn(3, "eth0"))
	ethernet := writeTestFile(t, filepath.Join(dir, "ethernet.pcapng"), packetsAt("eth0", 4, 5))
	garbage := writeTestFile(t, filepath.Join(dir, "garbage"), []byte("garbage"))
	damaged := filepath.Join(dir, "damaged")
	require.NoError(t, os.Mkdir(damaged, 0o700))
	for _, name := range []string{"a.pcap", "b.pcap", "c.pcap"} {
		writeTestFile(t, filepath.Join(damaged, name), []byte("garbage"))
	}
	// A filter that isn't for the packets of one file is for those of another.
	out, stderr, err := runCommand(newReadCommand(), nil, "-t", raw, ethernet, "not vlan")
	assert.Equal(t, 2, strings.Count(out, "\n"))
	assert.Equal(t, "netcap: "+raw+": filter: vlan is not supported on link type RAW at \"vlan\"\n", stderr)
	assert.ErrorIs(t, err, errSilent)
	_, stderr, err = runCommand(newReadCommand(), nil, garbage, raw, "prot 104")
	assert.True(t, strings.HasPrefix(stderr, "netcap: "+garbage+": not a pcap"), stderr)
	assert.ErrorContains(t, err, "filter: ")
	assert.NotErrorIs(t, err, errSilent, "which would keep it from being printed")
	_, stderr, err = runCommand(newReadCommand(), nil, damaged)
	assert.ErrorIs(t, err, errSilent)
	for _, name := range []string{"a.pcap", "b.pcap", "c.pcap"} {
		assert.Equal(t, 1, strings.Count(stderr, filepath.Join(damaged, name)+": not a pcap"), stderr)
	}
}

// readable calls each with every capture of the corpus that tcpdump reads to its
// end, and the number of packets in it.
func readable(t *testing.T, each func(path, packets string)) {
	t.Helper()
	dir := filepath.Join(testenv.Corpus(t), "captures")
	b, err := os.ReadFile(filepath.Join(dir, "oracle.tsv"))
	require.NoError(t, err)
	table := csv.NewReader(bytes.NewReader(b))
	table.Comma, table.LazyQuotes = '\t', true
	rows, err := table.ReadAll()
	require.NoError(t, err)
	file, count, status := slices.Index(rows[0], "file"), slices.Index(rows[0], "tcpdump_count"), slices.Index(rows[0], "tcpdump_rc")
	n := 0
	for _, row := range rows[1:] {
		path := filepath.Join(dir, row[file])
		if row[status] != "0" {
			continue
		}
		if _, err := report.Info(path, nil); err != nil { // zeros aren't packets
			assert.Positive(t, testenv.OdditiesOf(t, path).Empty, "%s: %v", path, err)
			continue
		}
		each(path, row[count])
		n++
	}
	t.Logf("%d files", n)
	assert.NotZero(t, n)
}

// TestReadCorpus holds the number of lines to tcpdump's, for every file that
// it reads.
func TestReadCorpus(t *testing.T) {
	readable(t, func(path, packets string) {
		out, stderr, err := runCommand(newReadCommand(), nil, path)
		require.NoError(t, err)
		assert.Empty(t, stderr)
		assert.Equal(t, packets, strconv.Itoa(strings.Count(out, "\n")), path)
	})
}

// TestReadFilter does the same with filters, on the link types that they fit.
func TestReadFilter(t *testing.T) {
	tcpdump := testenv.Program(t, "tcpdump")
	compared, lines := 0, 0
	for _, expr := range []string{"udp port 53 or arp", "vlan", "not ip and not ip6"} {
		readable(t, func(path, _ string) {
			counted, err := exec.Command(tcpdump, "--count", "-r", path, expr).Output()
			if err != nil || strings.Contains(path, "arcnet-rfc1051") {
				return // no such thing on this link type, or for libpcap 1.10 only
			}
			want, _, ok := strings.Cut(string(counted), " packet")
			require.True(t, ok, "%s", counted)
			out, _, err := runCommand(newReadCommand(), nil, path, expr)
			if assert.NoError(t, err, "%s %q", path, expr) {
				assert.Equal(t, want, strconv.Itoa(strings.Count(out, "\n")), "%s %q", path, expr)
				compared++
				lines += strings.Count(out, "\n")
			}
		})
	}
	assert.Greater(t, compared, 1000)
	assert.NotZero(t, lines)
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

// The flags that netcap and netcap read have in common mean the same with -r.
func TestReadByFlag(t *testing.T) {
	path := writeTestFile(t, filepath.Join(t.TempDir(), "x.pcapng"), capturedOn(3, "eth0", "eth1"))
	out, err := exec.Command(testenv.Netcap(t), "-c", "2", "-r", path, "ip proto 253").Output()
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(out), "\n"))
	cmd := exec.Command(testenv.Netcap(t), "-i", "eth0", "-r", path)
	said, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Equal(t, exitUsage, cmd.ProcessState.ExitCode())
	assert.Equal(t, "netcap: --interface is not for reading files; see: netcap read --help\n", string(said))
}

// What fails leaves no file behind, and what exists stays as it is.
func TestReadWriteFails(t *testing.T) {
	dir := t.TempDir()
	in := writeTestFile(t, filepath.Join(dir, "in.pcapng"), capturedOn(3, "eth0", "lo"))
	out := filepath.Join(dir, "out.pcapng")
	_, _, err := runCommand(newReadCommand(), nil, in, "tcp", "prot", "1", "-w", out)
	assert.ErrorContains(t, err, `expected and, or, or the end, not "prot"`)
	assert.NoFileExists(t, out)
	_, _, err = runCommand(newReadCommand(), nil, in, "-w", in)
	assert.ErrorContains(t, err, "nothing is ever overwritten")
	after, err := os.ReadFile(in)
	require.NoError(t, err)
	assert.Equal(t, capturedOn(3, "eth0", "lo"), after)
	_, _, err = runCommand(newReadCommand(), nil, in, "-w", out, "--format", "erf")
	assert.ErrorContains(t, err, "not one of pcapng, pcap")
	assert.NoFileExists(t, out)
}

// netcap -r FILE, however tcpdump's users type it, is netcap read FILE.
func TestReadInstead(t *testing.T) {
	for typed, read := range map[string]string{
		"-r x":                       "read x",
		"-rx":                        "read x",
		"-nr x":                      "read -n x",
		"-nnvvr x tcp port 104":      "read -nnvv x tcp port 104",
		"-c 5 -r x":                  "read -c 5 x",
		"-c5 -r x":                   "read -c5 x",
		"-tttt -e -r x -w out ip":    "read -tttt -e x -w out ip",
		"--read x":                   "read x",
		"--read=x -n":                "read x -n",
		"--from 14:00 -r x":          "read --from 14:00 x",
		"-i eth0 -r x":               "-i eth0 -r x",
		"-w r -i eth0":               "-w r -i eth0",
		"start -r x":                 "start -r x",
		"-- -r x":                    "-- -r x",
		"-r":                         "-r",
		"-i eth0 tcp port 104":       "-i eth0 tcp port 104",
		"-F r -r x":                  "read -F r x",
		"host 10.0.0.1 and not port": "host 10.0.0.1 and not port",
	} {
		assert.Equal(t, read, strings.Join(readInstead(newRootCommand(), strings.Fields(typed)), " "), typed)
	}
}

// TestReadFlags holds what the flags do that tcpdump has to what they do there: byte for
// byte, on captures of which both say the same.
func TestReadFlags(t *testing.T) {
	tcpdump := testenv.Program(t, "tcpdump")
	utc := append(os.Environ(), "TZ=UTC")
	run := func(program string, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Env = utc
		out, err := cmd.Output()
		require.NoError(t, err, "%s %v", program, args)
		return string(out)
	}
	for _, name := range []string{"IGMP_V2.pcap", "802.1w_rapid_STP.pcap", "dns_tcp_8053.pcap", "02-sunrise-sunset-esp.pcap"} {
		path := filepath.Join(testenv.Corpus(t), "captures", name)
		plain := run(tcpdump, "-nSr", path)
		for _, flags := range []string{"-S", "-t", "-tt", "-ttt", "-tttt", "-ttttt", "-e", "-q", "-v", "-x", "-xx", "-X", "-XX", "-A", "-AA", "-#", "-c3", "-ex", "-qt", "-l", "-K"} {
			want := run(tcpdump, "-nS", flags, "-r", path)
			assert.Equal(t, want, run(testenv.Netcap(t), "read", "-n", flags, path), "%s %s", name, flags)
			if flags == "-x" || flags == "-tt" {
				assert.NotEqual(t, plain, want)
			}
		}
	}
}
