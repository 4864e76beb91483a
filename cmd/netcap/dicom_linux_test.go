package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// replay sends the frames of a capture of the corpus to the host.
func (h *host) replay(name string) (frames int) {
	h.t.Helper()
	f, err := os.Open(dicomCapture(h.t, name))
	require.NoError(h.t, err)
	defer f.Close()
	r, err := pcapfile.NewReader(f)
	require.NoError(h.t, err)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return frames
		}
		require.NoError(h.t, err)
		h.peer.Send(h.t, "g0", p.Data)
		frames++
	}
}

// journalLines are those of a journal by now.
func journalLines(t *testing.T, path string) (lines []map[string]any) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for text := range strings.Lines(string(b)) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &l), text)
		lines = append(lines, l)
	}
	return lines
}

// TestDICOMJournal has a capture keep a journal, over several files, and whoever reads for it
// be killed: nothing of that is seen in the capture.
func TestDICOMJournal(t *testing.T) {
	h := newHost(t)
	journal := filepath.Join(h.dir, "journal.jsonl")
	p := h.capture("-i", "c0", "--name", "j", "--dicom-journal", journal, "-v", "--flush", "100ms")
	p.says("DICOM journal's process")
	frames := h.replay("echo_ok.pcap")
	// It comes while the capture goes on, and nothing else is on the line.
	require.Eventually(t, func() bool { return len(journalLines(t, journal)) == 1 }, patience, 10*time.Millisecond, &p.stderr)

	var pid int
	_, after, found := strings.Cut(p.stderr.String(), `"the DICOM journal's process" pid=`)
	require.True(t, found)
	_, err := fmt.Sscan(after, &pid)
	require.NoError(t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for _, line := range []string{"Uid:\t65534\t65534\t65534\t65534\n", "CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		assert.Contains(t, string(status), line)
	}
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	p.says("is started again; the capture goes on")

	p.signal(syscall.SIGUSR2)
	p.says("finished a file")
	frames += h.replay("rj_called_ae.pcap")
	frames += h.replay("find_ok.pcap")
	said := p.stop()
	assert.Contains(t, said, fmt.Sprintf("%d packets captured\n", frames))
	assert.Contains(t, said, "\n0 packets dropped by kernel\n")

	lines := journalLines(t, journal)
	require.Len(t, lines, 4, said)
	var files []string
	for _, l := range lines {
		place := l["packet"].(map[string]any)
		files = append(files, place["file"].(string))
		// What stands there is the connection's first packet: a SYN of this port.
		out := run1(t, "tshark", "-r", strings.Replace(place["file"].(string), "/var/lib", h.lib, 1), "-Y", fmt.Sprintf("frame.number == %v", place["packet"]), "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.flags.syn")
		assert.Regexp(t, fmt.Sprintf(`^%v\s(1|True)\n$`, l["client"].(map[string]any)["port"]), out)
	}
	assert.NotEqual(t, files[0], files[1])
	assert.Equal(t, files[1], files[3])
	assert.Equal(t, "PACS", lines[0]["called_ae"])
	assert.Equal(t, "rejected", lines[1]["result"])
	st, err := os.Stat(journal)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode())
}

// TestDICOMJournalRefused has journals that can't be kept: nothing is captured then.
func TestDICOMJournalRefused(t *testing.T) {
	h := newHost(t)
	status, stderr := h.fails(h.command("-i", "c0", "-w", "-", "--dicom-journal", "j"))
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--dicom-journal reads the files of a capture, and -w - makes none: choose one")
	status, stderr = h.fails(h.command("-i", "c0", "--dicom-journal", "/no/such/journal"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "/no/such/journal: no such file or directory: choose another with --dicom-journal")
	files, err := filepath.Glob(h.lib + "/netcap/c0/*.pcapng")
	require.NoError(t, err)
	assert.Empty(t, files)
	// The process that reads is for captures to start.
	status, stderr = h.fails(h.command("dicom-journal-reader"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "is started by a capture with --dicom-journal")
}

// TestDICOMFollow prints associations of a running capture as they end.
func TestDICOMFollow(t *testing.T) {
	testenv.Root(t)
	h := newHost(t)
	p := h.capture("-i", "c0", "--name", "f", "--flush", "100ms")
	f := h.start(h.command("dicom", "-f", "f"))
	h.replay("echo_ok.pcap")
	require.Eventually(t, func() bool { return strings.Contains(f.stdout.String(), "C-ECHO 1 ok") }, patience, 10*time.Millisecond, &f.stderr)
	h.replay("rj_called_ae.pcap")
	require.Eventually(t, func() bool { return strings.Contains(f.stdout.String(), `called AE title "PACSS" not recognised`) }, patience, 10*time.Millisecond)
	j := h.start(h.command("dicom", "-f", "--json", "f"))
	require.Eventually(t, func() bool { return strings.Count(j.stdout.String(), "\n") == 2 }, patience, 10*time.Millisecond)
	for text := range strings.Lines(j.stdout.String()) {
		var l struct {
			Calling string `json:"calling_ae"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		assert.Equal(t, "CT01", l.Calling)
	}
	c := h.start(h.command("dicom", "-f", "--check", "f"))
	require.Eventually(t, func() bool { return strings.Contains(c.stdout.String(), "REJECTED") }, patience, 10*time.Millisecond)
	for follower, status := range map[*process]int{f: 0, j: 0, c: exitFound} {
		follower.signal(syscall.SIGINT)
		follower.wait()
		assert.Equal(t, status, follower.cmd.ProcessState.ExitCode(), follower.stderr.String())
		assert.Empty(t, follower.stderr.String())
	}
	p.stop()
	// Without an argument all sets are read.
	all := h.start(h.command("dicom"))
	all.wait()
	assert.Contains(t, all.stdout.String(), "2 associations · ")
}

// TestDICOMNothing has no captures to read.
func TestDICOMNothing(t *testing.T) {
	h := newHost(t)
	status, stderr := h.fails(h.command("dicom"))
	assert.Equal(t, 1, status)
	assert.Equal(t, "netcap: no captures are in /var/lib/netcap\n", stderr)
}

// TestDICOMSeveral has files be one capture, whatever their order and compression, and in a
// directory.
func TestDICOMSeveral(t *testing.T) {
	local(t)
	dir := t.TempDir()
	whole := dicomCapture(t, "mixed.pcap")
	run1(t, "editcap", "-c", "20", whole, filepath.Join(dir, "part.pcap"))
	parts, err := filepath.Glob(filepath.Join(dir, "part*.pcap"))
	require.NoError(t, err)
	require.Greater(t, len(parts), 2)
	run1(t, "gzip", parts[1])
	parts[1] += ".gz"
	want := rowsOf(dicomOf(t, whole), "START")
	require.Len(t, want, 4)
	slices.Reverse(parts)
	assert.Equal(t, want, rowsOf(dicomOf(t, parts...), "START"))
	assert.Equal(t, want, rowsOf(dicomOf(t, dir), "START"))
	in, err := os.ReadFile(whole)
	require.NoError(t, err)
	out, _, err := runCommand(newDICOMCommand(), in, "-")
	require.NoError(t, err)
	assert.Equal(t, want, rowsOf(out, "START"))
}
