package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// The tests here run the program as its users do: a process of its own, real
// interfaces in a namespace of the test's, files read by other programs.

// patience is how long anything may take before a test gives up on it. It is
// no measure of speed: the machine may be busy.
const patience = 30 * time.Second

// host is a machine: interface c0, on which frames from a peer's g0 arrive, and
// directories of its own for /var/lib and /run.
type host struct {
	t    *testing.T
	net  *testenv.Namespace
	peer *testenv.Namespace
	dir  string // for files
	// what the process sees as /var/lib, /run and /var/log
	lib, run, log string
	// users has a passwd and a group that the process sees in /etc; "" for the machine's.
	users string
}

func newHost(t *testing.T) *host {
	t.Helper()
	testenv.Netcap(t)
	h := &host{t: t, net: testenv.NewNamespace(t), peer: testenv.NewNamespace(t)}
	testenv.NewVeth(t, h.peer, h.net, "g0", "c0")
	h.makeDirs()
	return h
}

func (h *host) makeDirs() {
	h.dir = h.t.TempDir()
	h.lib, h.run, h.log = filepath.Join(h.dir, "lib"), filepath.Join(h.dir, "run"), filepath.Join(h.dir, "varlog")
	for _, d := range []string{h.lib, h.run, h.log} {
		require.NoError(h.t, os.Mkdir(d, 0o755))
	}
}

// process is a running netcap.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr testenv.Output
	ended          chan struct{}
}

// command is netcap on the host. Its mount namespace has the host's directories.
func (h *host) command(args ...string) *exec.Cmd {
	return h.program(append([]string{testenv.Netcap(h.t)}, args...)...)
}

// program is any program on the host.
func (h *host) program(args ...string) *exec.Cmd {
	const script = `mount --bind "$0" /var/lib && mount --bind "$1" /run && mount --bind "$2" /var/log &&
if [ -n "$3" ]; then mount --bind "$3/passwd" /etc/passwd && mount --bind "$3/group" /etc/group; fi && shift 3 && exec "$@"`
	sh := []string{"--mount", "--propagation", "private", "sh", "-c", script, h.lib, h.run, h.log, h.users}
	cmd := exec.Command(testenv.Program(h.t, "unshare"), append(sh, args...)...)
	cmd.Dir = h.dir
	return cmd
}

func (h *host) start(cmd *exec.Cmd) *process {
	h.t.Helper()
	return h.startWith(cmd, nil)
}

// startWith starts a command with a standard error that isn't the test's, unless it is nil.
func (h *host) startWith(cmd *exec.Cmd, stderr *os.File) *process {
	h.t.Helper()
	p := &process{t: h.t, cmd: cmd, ended: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	cmd.Stderr = &p.stderr
	if stderr != nil {
		cmd.Stderr = stderr
	}
	require.NoError(h.t, h.net.Start(cmd))
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	h.t.Cleanup(func() {
		if !p.over() {
			_ = cmd.Process.Kill() // it may be ending just now
		}
		<-p.ended
	})
	return p
}

// isCapturing is what a capture says once it receives packets, and not before.
const isCapturing = "level=INFO msg=capturing "

// capture starts a capture and returns when packets are received.
func (h *host) capture(args ...string) *process {
	h.t.Helper()
	p := h.start(h.command(args...))
	p.says(isCapturing)
	return p
}

// fails runs netcap, which is to end by itself, and returns its exit status and
// what it said.
func (h *host) fails(cmd *exec.Cmd) (status int, stderr string) {
	h.t.Helper()
	p := h.start(cmd)
	p.wait()
	return cmd.ProcessState.ExitCode(), p.stderr.String()
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// says waits until the process has printed text on standard error.
func (p *process) says(text string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.stderr.String(), text) || p.over() }, patience, 2*time.Millisecond)
	require.Contains(p.t, p.stderr.String(), text)
}

func (p *process) wait() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		require.Fail(p.t, "the process doesn't end", p.stderr.String())
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// stop ends the capture as Ctrl-C does and expects it to end well.
func (p *process) stop() string {
	p.t.Helper()
	p.signal(syscall.SIGINT)
	p.wait()
	require.Equal(p.t, 0, p.cmd.ProcessState.ExitCode(), p.stderr.String())
	return p.stderr.String()
}

// file is the one file that matches a pattern.
func (h *host) file(pattern string) string {
	h.t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(h.t, err)
	require.Len(h.t, files, 1, pattern)
	return files[0]
}

// merged is the path of one file with the packets of a whole set: a set goes
// on to another file on the hour.
func (h *host) merged(dir string) string {
	h.t.Helper()
	files := filepathGlob(h.t, dir+"/*.pcapng")
	require.NotEmpty(h.t, files, dir)
	path := filepath.Join(h.t.TempDir(), "merged.pcapng")
	run1(h.t, "mergecap", append([]string{"-w", path}, files...)...)
	return path
}

// run runs another program and returns what it prints on standard output.
func run1(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, testenv.Program(t, name), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v: %s", name, args, &stderr)
	return string(out)
}

// lines is how many lines tcpdump prints of a file, one a packet.
func tcpdumpLines(t *testing.T, path string) int {
	return strings.Count(run1(t, "tcpdump", "-nr", path), "\n")
}

// netcapLines is how many lines netcap itself prints of it.
func netcapLines(t *testing.T, path string) int {
	out, err := exec.Command(testenv.Netcap(t), "read", path).Output()
	require.NoError(t, err)
	return strings.Count(string(out), "\n")
}

func isEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	assert.Empty(t, left)
}
