package helper

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/sandbox"
	"netcap/internal/testenv"
)

// write writes a script that anybody may run.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	dir := t.TempDir()
	for at := dir; at != os.TempDir(); at = filepath.Dir(at) {
		require.NoError(t, os.Chmod(at, 0o755))
	}
	path = filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	return path
}

func start(t *testing.T, cfg *Config) *Helper {
	t.Helper()
	cfg.Program = testenv.Netcap(t)
	h, err := Start(cfg)
	require.NoError(t, err)
	return h
}

// TestRun runs the command on each path, in order, at the lowest priority.
func TestRun(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	h := start(t, &Config{Command: write(t, `echo "$1 $2 $(cut -d' ' -f19 /proc/$$/stat)" >>`+list) + " arg"})
	want := ""
	for _, path := range []string{"/a b", "/b", "/c"} {
		require.NoError(t, h.Run(t.Context(), path))
		want += "arg " + path + " 19\n"
	}
	require.NoError(t, h.Close(t.Context()))
	got, err := os.ReadFile(list)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "at nice 19 (proc(5))")
}

func TestRunFails(t *testing.T) {
	h := start(t, &Config{Command: write(t, "echo so sorry >&2; exit 7")})
	assert.ErrorContains(t, h.Run(t.Context(), "/a"), "exit status 7: so sorry")
	assert.ErrorContains(t, h.Run(t.Context(), "/a"), "exit status 7: so sorry", "again")
	require.NoError(t, h.Close(t.Context()))

	_, err := Start(&Config{Command: "no-such-program -x", Program: testenv.Netcap(t)})
	assert.ErrorContains(t, err, "-z no-such-program: ")
	_, err = Start(&Config{Journal: "/no/such/directory/journal", Program: testenv.Netcap(t)})
	assert.ErrorContains(t, err, "no such file or directory: choose another with --dicom-journal")
}

// TestGivenUp ends a command that hangs when there is no more time.
func TestGivenUp(t *testing.T) {
	h := start(t, &Config{Command: write(t, "exec sleep 600")})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, h.Run(ctx, "/a"), "signal: terminated")
	require.NoError(t, h.Close(t.Context()))
}

// TestSignals sends what Ctrl-C and systemd send to all processes of a capture: the helper
// ends with the capture, and not before.
func TestSignals(t *testing.T) {
	h := start(t, &Config{Command: write(t, "true")})
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		require.NoError(t, syscall.Kill(h.pid(), s))
		require.NoError(t, h.Run(t.Context(), "/a"))
	}
	require.NoError(t, h.Close(t.Context()))
}

// children are the processes that a process has started, by what they run.
func children(t *testing.T, pid int, comm string) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	require.NoError(t, err)
	for _, task := range tasks {
		b, _ := os.ReadFile(task) // the thread may have ended
		for _, word := range strings.Fields(string(b)) {
			runs, _ := os.ReadFile("/proc/" + word + "/comm") // as may the process
			if n, err := strconv.Atoi(word); err == nil && string(runs) == comm+"\n" {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// TestKilled has the helper be killed before it knows the set, so that nobody stands by: who
// asks it for anything is told, and waits for nothing. The command ends with it.
func TestKilled(t *testing.T) {
	h := start(t, &Config{Command: write(t, "exec sleep 600")})
	ran := make(chan error)
	go func() { ran <- h.Run(context.Background(), "/a") }()
	var sleeps []int
	require.Eventually(t, func() bool {
		sleeps = children(t, h.pid(), "sleep")
		return len(sleeps) == 1
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, syscall.Kill(h.pid(), syscall.SIGKILL))
	assert.ErrorIs(t, <-ran, errGone)
	assert.ErrorIs(t, h.Run(t.Context(), "/b"), errGone)
	assert.ErrorIs(t, h.Close(t.Context()), errGone)
	require.Eventually(t, func() bool { return syscall.Kill(sleeps[0], 0) != nil }, 30*time.Second, time.Millisecond)
}

// TestCrash has the helper end as by a panic: what Go's runtime says is in the log.
func TestCrash(t *testing.T) {
	log := &testenv.Output{}
	h := start(t, &Config{Command: write(t, "true"), Log: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, syscall.Kill(h.pid(), syscall.SIGQUIT))
	<-h.work.over
	assert.ErrorIs(t, h.Close(t.Context()), errGone)
	assert.Contains(t, log.String(), "level=ERROR msg=\"the helper process says\" text=\"SIGQUIT: quit\"\n")
}

// TestUser has the command run as the user that a capture becomes, without a capability, by the
// first process, and by the one that goes on in its place.
func TestUser(t *testing.T) {
	testenv.Root(t)
	list := filepath.Join(t.TempDir(), "list")
	require.NoError(t, os.WriteFile(list, nil, 0o666))
	require.NoError(t, os.Chmod(list, 0o666))
	for at := filepath.Dir(list); at != os.TempDir(); at = filepath.Dir(at) {
		require.NoError(t, os.Chmod(at, 0o755))
	}
	u, err := sandbox.LookUp("nobody")
	require.NoError(t, err)
	h := start(t, &Config{Command: write(t, "(id -u; id -g; grep CapEff /proc/$$/status) >>"+list), User: u})
	dir := filepath.Dir(list)
	h.Began(dir + "/a")
	require.NoError(t, h.Run(t.Context(), dir+"/a"))
	awaitSpare(t, h)
	require.NoError(t, syscall.Kill(h.pid(), syscall.SIGKILL))
	require.NoError(t, h.Run(t.Context(), dir+"/b"))
	assert.EqualValues(t, 1, h.Restarts())
	require.NoError(t, h.Close(t.Context()))
	got, err := os.ReadFile(list)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("65534\n65534\nCapEff:\t0000000000000000\n", 2), string(got))
}

// TestPrivileges has root's command look at what it was left: of the capabilities those for
// files and users (bits 0 to 8, capability.h), and no way to get others.
func TestPrivileges(t *testing.T) {
	testenv.Root(t)
	list := filepath.Join(t.TempDir(), "list")
	h := start(t, &Config{Command: write(t, "grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs' /proc/$$/status >"+list)})
	require.NoError(t, h.Run(t.Context(), "/a"))
	require.NoError(t, h.Close(t.Context()))
	got, err := os.ReadFile(list)
	require.NoError(t, err)
	const left, none = "\t00000000000001ff\n", "\t0000000000000000\n"
	assert.Equal(t, "CapPrm:"+left+"CapEff:"+left+"CapBnd:"+left+"CapAmb:"+none+"NoNewPrivs:\t1\n", string(got))
}

// TestDirectoryReplaced has somebody put another directory in the place of the set's: its
// files are read for the journal where they are, and the command isn't run on others.
func TestDirectoryReplaced(t *testing.T) {
	testenv.Root(t)
	top := t.TempDir()
	journal, list := filepath.Join(top, "journal"), filepath.Join(top, "list")
	dir, other := filepath.Join(top, "set"), filepath.Join(top, "other")
	put := func(dir, name, from string) {
		b, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "dicom", from))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Mkdir(other, 0o700))
	put(dir, "1", "echo_ok.pcap")
	put(other, "1", "store_big.pcap")
	put(other, "2", "store_big.pcap")
	h := start(t, &Config{Command: write(t, `echo "$1" >>`+list), Journal: journal})
	h.Began(dir + "/1")
	require.NoError(t, h.Run(t.Context(), dir+"/1"))

	require.NoError(t, os.Rename(dir, dir+".moved"))
	require.NoError(t, os.Symlink(other, dir))
	put(dir+".moved", "2", "find_ok.pcap")
	h.Began(dir + "/2")
	for _, name := range []string{"/1", "/2", "/3"} {
		err := h.Run(t.Context(), dir+name)
		if name == "/3" { // it is in neither
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, dir+" isn't the set's directory any more: the command isn't run")
	}
	require.NoError(t, h.Close(t.Context()))
	got, err := os.ReadFile(list)
	require.NoError(t, err)
	assert.Equal(t, dir+"/1\n"+dir+"/3\n", string(got))
	got, err = os.ReadFile(journal)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(got), `"kind":"C-ECHO"`), "%s", got)
	assert.Equal(t, 2, strings.Count(string(got), `"kind":"C-FIND"`), "%s", got)
	assert.NotContains(t, string(got), "C-STORE")
}

// TestAlone is started without a capture.
func TestAlone(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	assert.ErrorContains(t, Main(null), "capture-helper is started by a capture: ")
}
