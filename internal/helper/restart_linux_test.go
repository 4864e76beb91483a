package helper

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// pid is that of the process at work.
func (h *Helper) pid() int {
	p, _ := h.processes()
	return int(p.pid.Load())
}

// twoProcesses starts a helper with a set in dir, and waits until it has a spare process.
func twoProcesses(t *testing.T, cfg *Config, dir string) *Helper {
	t.Helper()
	h := start(t, cfg)
	h.Began(filepath.Join(dir, "1"))
	awaitSpare(t, h)
	return h
}

// awaitSpare waits for a spare process, and returns its number.
func awaitSpare(t *testing.T, h *Helper) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, spare := h.processes()
		if spare != nil {
			pid = int(spare.pid.Load())
		}
		return pid != 0
	}, 30*time.Second, time.Millisecond)
	return pid
}

// stopped says that every thread of a process is.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	require.NoError(t, err)
	for _, thread := range threads {
		b, _ := os.ReadFile(thread)               // it may have ended
		if !strings.Contains(string(b), ") T ") { // proc_pid_stat(5)
			return false
		}
	}
	return len(threads) > 0
}

// TestReplaced has processes of the helper end, or not answer, one after the other, in the
// midst of the command: each time it is run again, by another.
func TestReplaced(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(unix.SignalName(s), func(t *testing.T) {
			dir := t.TempDir()
			log := &testenv.Output{}
			h := twoProcesses(t, &Config{
				Command:  write(t, `echo "$1" >>`+dir+`/list; [ "$(wc -l <`+dir+`/list)" -ne "$(cat `+dir+`/hang)" ] || exec sleep 600`),
				Patience: 300 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil)),
			}, dir)
			want := ""
			for n := range 3 {
				path := fmt.Sprintf("%s/%d", dir, n)
				require.NoError(t, os.WriteFile(path, nil, 0o600))
				want += path + "\n" + path + "\n"
				require.NoError(t, os.WriteFile(dir+"/hang", fmt.Append(nil, 2*n+1), 0o600))
				ran := make(chan error)
				go func() { ran <- h.Run(t.Context(), path) }()
				require.Eventually(t, func() bool { return len(children(t, h.pid(), "sleep")) == 1 }, 30*time.Second, time.Millisecond)
				require.NoError(t, syscall.Kill(h.pid(), s))
				require.NoError(t, <-ran, log)
				assert.EqualValues(t, n+1, h.Restarts())
				awaitSpare(t, h)
			}
			require.NoError(t, h.Close(t.Context()))
			got, err := os.ReadFile(dir + "/list")
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
			assert.Equal(t, s == syscall.SIGSTOP, strings.Contains(log.String(), "doesn't answer: it is killed"), log)
		})
	}
}

// TestSpareReplaced has the spare process end, and then the other.
func TestSpareReplaced(t *testing.T) {
	dir := t.TempDir()
	h := twoProcesses(t, &Config{Command: write(t, "true")}, dir)
	before := awaitSpare(t, h)
	require.NoError(t, syscall.Kill(before, syscall.SIGKILL))
	require.Eventually(t, func() bool { _, spare := h.processes(); return spare == nil }, 30*time.Second, time.Millisecond)
	assert.NotEqual(t, before, awaitSpare(t, h))
	require.NoError(t, syscall.Kill(h.pid(), syscall.SIGKILL))
	require.NoError(t, os.WriteFile(dir+"/1", nil, 0o600))
	require.NoError(t, h.Run(t.Context(), dir+"/1"))
	assert.EqualValues(t, 1, h.Restarts())
	require.NoError(t, h.Close(t.Context()))
}

// TestJournalGoesOn has the process be killed that keeps the journal: each association is in
// it once.
func TestJournalGoesOn(t *testing.T) {
	dir, journal := t.TempDir(), filepath.Join(t.TempDir(), "journal")
	log := &testenv.Output{}
	h := start(t, &Config{Journal: journal, Log: slog.New(slog.NewTextHandler(log, nil))})
	count := func() (n [3]int) {
		b, _ := os.ReadFile(journal) // it comes
		for i, kind := range []string{"C-ECHO", "C-FIND", "C-STORE"} {
			n[i] = strings.Count(string(b), `"kind":"`+kind+`"`)
		}
		return n
	}
	for n, from := range []string{"echo_ok.pcap", "find_ok.pcap", "store_big.pcap"} {
		b, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "dicom", from))
		require.NoError(t, err)
		path := fmt.Sprintf("%s/%d", dir, n)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		h.Began(path)
		if n == 1 {
			require.Eventually(t, func() bool { return count()[n] > 0 }, 30*time.Second, time.Millisecond, log)
			awaitSpare(t, h)
			before := h.pid()
			require.NoError(t, syscall.Kill(before, syscall.SIGKILL))
			require.Eventually(t, func() bool { return h.pid() != before }, 30*time.Second, time.Millisecond)
		}
	}
	require.NoError(t, h.Close(t.Context()), log)
	assert.EqualValues(t, 1, h.Restarts())
	n := count()
	assert.Equal(t, []int{1, 2}, n[:2], log)
	assert.Positive(t, n[2], log)
	assert.NotContains(t, log.String(), "lacks something")
}

// TestLook has more files begun than are noted, while the process is stopped: the rest is found
// by looking at the set.
func TestLook(t *testing.T) {
	dir, looked := t.TempDir(), make(chan string, 1)
	h := twoProcesses(t, &Config{Journal: filepath.Join(dir, "journal"), Look: func(after string) []string {
		looked <- after
		return []string{dir + "/last"}
	}}, dir)
	require.NoError(t, syscall.Kill(h.pid(), syscall.SIGSTOP))
	require.Eventually(t, func() bool { return stopped(t, h.pid()) }, 30*time.Second, time.Millisecond)
	for n := range mostBegun + 10 {
		h.Began(fmt.Sprintf("%s/x%d", dir, n)) // none is there
	}
	require.NoError(t, syscall.Kill(h.pid(), syscall.SIGCONT))
	select {
	case after := <-looked:
		assert.Regexp(t, `/x999[89]$`, after, "the first may have been read before")
	case <-time.After(30 * time.Second):
		require.Fail(t, "it doesn't look")
	}
	require.NoError(t, h.Close(t.Context()))
	got, err := os.ReadFile(dir + "/journal")
	require.NoError(t, err)
	assert.Contains(t, string(got), dir+"/last")
}

// TestSpareIsForTheSame has a capture that was broken into tell the spare process what it would
// have it be for: that runs what the first was told at the start.
func TestSpareIsForTheSame(t *testing.T) {
	dir := t.TempDir()
	h := twoProcesses(t, &Config{Command: write(t, `echo "$1" >>`+dir+`/list`)}, dir)
	_, spare := h.processes()
	other := write(t, "touch "+dir+"/broken")
	require.NoError(t, spare.conn.send(&message{Setup: &setup{Command: []string{other}}}))
	require.NoError(t, spare.conn.send(&message{Setup: &setup{Command: []string{other}}, Directory: true, Work: &work{}}))
	require.NoError(t, syscall.Kill(h.pid(), syscall.SIGKILL))
	path := dir + "/1"
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, h.Run(t.Context(), path))
	require.NoError(t, h.Close(t.Context()))
	assert.NoFileExists(t, dir+"/broken")
	got, err := os.ReadFile(dir + "/list")
	require.NoError(t, err)
	assert.Equal(t, path+"\n", string(got))
}
