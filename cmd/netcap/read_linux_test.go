package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// TestReadFollow follows a running capture from one file of its set to the next, and
// what was sent comes out, each packet once, until Ctrl-C.
func TestReadFollow(t *testing.T) {
	h := newOperated(t)
	h.does("start", "-i", "c0", "-C", "1", "--keep-free", "1KB", "-G", "8760h", "-U", "-B", "65536", "udp")
	set := h.lib + "/netcap/c0"
	follow := h.start(exec.Command(testenv.Netcap(t), "read", "-f", set, "udp"))
	written := filepath.Join(t.TempDir(), "copy.pcapng")
	writer := h.start(exec.Command(testenv.Netcap(t), "read", "-f", set, "-w", written))
	lines := func() int { return strings.Count(follow.stdout.String(), "\n") }
	const n = 2000
	for round := range 3 {
		h.fill(n)
		sent := n * (round + 1)
		require.Eventually(t, func() bool { return lines() >= sent || follow.over() }, patience, 10*time.Millisecond)
		require.Equal(t, sent, lines(), "all that came, before more comes: %s", &follow.stderr)
	}
	require.Eventually(t, func() bool {
		out, err := exec.Command(testenv.Program(t, "capinfos"), "-T", "-r", "-M", "-c", written).Output()
		return err == nil && strings.HasSuffix(strings.TrimSpace(string(out)), "\t6000")
	}, patience, 10*time.Millisecond, "the copy is as far, by capinfos")
	files := filepathGlob(t, set+"/*.pcapng")
	assert.Greater(t, len(files), 3)
	testInfoOfGrowing(t, files)
	assert.Equal(t, run1(t, "tcpdump", "-nqtr", h.merged(set)), run1(t, "tcpdump", "-nqtr", written))
	assert.False(t, follow.over())
	for _, p := range []*process{follow, writer} {
		p.signal(syscall.SIGINT)
		p.wait()
	}
	// Printing ends as tail -f does, of the signal; what is written is ended in order.
	assert.Equal(t, syscall.SIGINT, follow.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	assert.Empty(t, follow.stderr.String())
	assert.Equal(t, 0, writer.cmd.ProcessState.ExitCode(), writer.stderr.String())
	run1(t, "capinfos", written)
	h.does("stop")
}

// TestReadFollowSays does to a file that is followed what GNU tail -F tells of too.
func TestReadFollowSays(t *testing.T) {
	path := writeTestFile(t, filepath.Join(t.TempDir(), "x.pcapng"), capturedOn(3, "eth0"))
	var printed, said, tails testenv.Output
	start := func(cmd *exec.Cmd) {
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		})
	}
	read := exec.Command(testenv.Netcap(t), "read", "-f", path)
	read.Stdout, read.Stderr = &printed, &said
	start(read)
	tail := exec.Command(testenv.Program(t, "tail"), "-c1", "-s", "0.1", "-F", path)
	tail.Env, tail.Stderr = append(os.Environ(), "LC_ALL=C"), &tails
	start(tail)
	both := func(packets int, ours, theirs string) {
		t.Helper()
		require.Eventually(t, func() bool {
			return strings.Count(printed.String(), "\n") == packets && strings.Contains(said.String(), ours) && strings.Contains(tails.String(), theirs)
		}, patience, 10*time.Millisecond, "%s: netcap: %s tail: %s", ours, &said, &tails)
		said.Forget()
		tails.Forget()
	}
	both(3, "", "")
	time.Sleep(300 * time.Millisecond) // both have looked at it
	writeTestFile(t, path, capturedOn(2, "eth0"))
	both(5, "netcap: "+path+": it was truncated: it is read again from its beginning\n", "file truncated")
	require.NoError(t, os.Rename(writeTestFile(t, path+".new", capturedOn(4, "eth0")), path))
	both(9, "netcap: "+path+": another file has its name now: that is read on\n", "has been replaced")
	require.NoError(t, os.Remove(path))
	both(9, "netcap: "+path+": it was removed: another one of its name is waited for\n", "No such file")
	writeTestFile(t, path, capturedOn(1, "eth0"))
	both(10, "netcap: "+path+": another file has its name now: that is read on\n", "has appeared")
}

// testInfoOfGrowing has info tell of the files of a running capture.
func testInfoOfGrowing(t *testing.T, files []string) {
	t.Helper()
	out, err := exec.Command(testenv.Netcap(t), append([]string{"info", "--json"}, files...)...).Output()
	require.NoError(t, err)
	var infos []struct {
		Packets      int
		Complete     bool
		BeingWritten bool `json:"being_written"`
	}
	require.NoError(t, json.Unmarshal(out, &infos))
	packets := 0
	for n, info := range infos {
		packets += info.Packets
		last := n == len(infos)-1
		assert.Equal(t, last, info.BeingWritten)
		assert.True(t, last || info.Complete)
	}
	assert.Equal(t, 6000, packets)
}

// onTerminal runs a command whose standard output and error are a terminal, and returns
// what comes on it.
func onTerminal(t *testing.T, environment []string, command string) string {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, "script"), "-qec", command, "/dev/null")
	cmd.Env = append(os.Environ(), "TERM=xterm")
	cmd.Env = append(cmd.Env, environment...)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

func TestReadOnTerminal(t *testing.T) {
	path := writeTestFile(t, filepath.Join(t.TempDir(), "x.pcapng"), capturedOn(1000, "eth0"))
	read := testenv.Netcap(t) + " read -tt " + path
	plain, err := exec.Command(testenv.Netcap(t), "read", "-tt", path).Output()
	require.NoError(t, err)
	require.NotContains(t, string(plain), "\x1b", "no terminal, no colours")
	sequence := regexp.MustCompile("\x1b\\[[0-9;]*m")
	const pager = `NETCAP_PAGER=sed s/^/paged:/`

	paged := strings.ReplaceAll(string(plain), "1795", "paged:1795")
	for name, tt := range map[string]struct {
		command     string
		environment []string
		want        string
		colors      bool
	}{
		"a terminal":            {read, []string{pager}, paged, true},
		"NO_COLOR":              {read, []string{pager, "NO_COLOR=1"}, paged, false},
		"a dumb one":            {read, []string{pager, "TERM=dumb"}, paged, false},
		"--color never":         {read + " --color never", []string{pager}, paged, false},
		"--no-pager":            {read + " --no-pager", []string{pager}, string(plain), true},
		"an empty pager":        {read, []string{"NETCAP_PAGER="}, string(plain), true},
		"cat":                   {read, []string{"NETCAP_PAGER=cat"}, string(plain), true},
		"one that is missing":   {read, []string{"NETCAP_PAGER=/nowhere/pager"}, string(plain), true},
		"PAGER":                 {read, []string{"PAGER=sed s/^/paged:/"}, paged, true},
		"NETCAP_PAGER is first": {read, []string{"PAGER=false", pager}, paged, true},
		// Who reads on no longer ends it quietly, whatever is still to come.
		"one that has seen enough": {read, []string{"NETCAP_PAGER=head -n 1"}, strings.SplitAfter(string(plain), "\n")[0], true},
	} {
		t.Run(name, func(t *testing.T) {
			out := onTerminal(t, tt.environment, tt.command)
			assert.Equal(t, tt.colors, sequence.MatchString(out))
			assert.Equal(t, tt.want, sequence.ReplaceAllString(out, ""))
		})
	}
	// Colours are there for who asks for them, and change nothing else.
	colored, err := exec.Command(testenv.Netcap(t), "read", "-tt", "--color", "always", path).Output()
	require.NoError(t, err)
	assert.Equal(t, string(plain), sequence.ReplaceAllString(string(colored), ""))
	assert.Regexp(t, sequence, string(colored))
}

// TestReadNames looks names up as the system does, here in a hosts file; that of a
// capture comes first.
func TestReadNames(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	hosts := writeTestFile(t, filepath.Join(dir, "hosts"), []byte("10.0.0.1 modality.example\n10.0.0.2 archive.example\n"))
	path := writeTestFile(t, filepath.Join(dir, "x.pcapng"), capturedOn(2, "eth0"))
	whole, described := capturedOn(1, "eth0"), len(capturedOn(0, "eth0"))-52 // of statistics
	pacs := pcapfile.AppendNames(nil, []pcapfile.Name{{Addr: netip.MustParseAddr("10.0.0.2"), Names: []string{"pacs"}}})
	named := writeTestFile(t, filepath.Join(dir, "named.pcapng"), slices.Concat(whole[:described], pacs, whole[described:]))
	read := func(args ...string) string {
		const script = `mount --bind "$0" /etc/hosts && exec "$@"`
		command := append([]string{"--mount", "--propagation", "private", "sh", "-c", script, hosts, testenv.Netcap(t), "read", "-t"}, args...)
		return run1(t, "unshare", command...)
	}
	const packet = "ip-proto-253, length 0\n"
	assert.Equal(t, strings.Repeat("IP modality.example > archive.example: "+packet, 2), read("--names", path))
	assert.Equal(t, strings.Repeat("IP 10.0.0.1 > 10.0.0.2: "+packet, 2), read(path), "nothing is looked up unasked")
	assert.Contains(t, read("--names", named), "IP modality.example > pacs: ")
	assert.NotContains(t, read("-n", named), "pacs")
}
