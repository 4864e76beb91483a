package sandbox_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/sandbox"
	"netcap/internal/testenv"
)

// probed is what package probe says, and its process.
type probed struct {
	said map[string]string
	pid  int
}

// runProbe runs package probe until it has said all, and ends it with the test.
func runProbe(t *testing.T, how string) *probed {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-o", path, "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as releases are built: with cgo not all threads can be reached
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	shared := filepath.Join(dir, "shared")
	require.NoError(t, os.Mkdir(shared, 0o755))
	require.NoError(t, os.Chmod(shared, 0o777))

	// A process of nobody's, whom nobody might signal.
	victim := exec.Command(testenv.Program(t, "setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "60")
	require.NoError(t, victim.Start())
	t.Cleanup(func() {
		assert.NoError(t, victim.Process.Kill())
		_ = victim.Wait() // killed
	})
	cmd := exec.Command(path, how, "/etc/passwd", shared, fmt.Sprint(victim.Process.Pid))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		assert.NoError(t, stdin.Close())
		assert.NoError(t, cmd.Wait())
	})
	p := &probed{said: make(map[string]string), pid: cmd.Process.Pid}
	for s := bufio.NewScanner(stdout); s.Scan() && s.Text() != "ready"; {
		what, result, _ := strings.Cut(s.Text(), ": ")
		p.said[what] = result
	}
	assert.Empty(t, p.said["lacks"])
	return p
}

func (p *probed) may(t *testing.T, tries ...string) {
	t.Helper()
	for _, what := range tries {
		assert.Equal(t, "<nil>", p.said[what], what)
	}
}

func (p *probed) mayNot(t *testing.T, tries ...string) {
	t.Helper()
	for _, what := range tries {
		assert.NotContains(t, p.said[what], "<nil>", what)
		assert.NotEmpty(t, p.said[what], what)
	}
}

// has looks at what the kernel says of each thread.
func (p *probed) has(t *testing.T, lines ...string) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.pid))
	require.NoError(t, err)
	looked := 0
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil { // the thread has ended
			continue
		}
		looked++
		for _, line := range lines {
			assert.Contains(t, string(b), line, path)
		}
	}
	assert.GreaterOrEqual(t, looked, 5)
}

const (
	noneOf = "\t0000000000000000\n"
	netRaw = "\t0000000000002000\n" // bit 13, capability.h
)

func TestIsolate(t *testing.T) {
	testenv.Root(t)
	p := runProbe(t, "isolate")
	p.may(t, "read what is open", "threads")
	p.mayNot(t, "open a file", "create a file", "make a directory", "list a directory", "write into a file", "list what is open", "connect", "listen",
		"packet socket", "run a program", "signal", "trace", "become root", "mount", "bpf")
	p.has(t, "Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65534\t65534\t65534\t65534\n", "Groups:\t \n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
		"CapInh:"+noneOf, "CapPrm:"+noneOf, "CapEff:"+noneOf, "CapBnd:"+noneOf, "CapAmb:"+noneOf)
}

func TestConfine(t *testing.T) {
	testenv.Root(t)
	p := runProbe(t, "confine")
	p.may(t, "read what is open", "make, rename and delete a file", "packet socket", "netlink socket", "unix socket")
	p.mayNot(t, "internet socket", "internet socket, version 6", "open a file", "make a file elsewhere", "run a program", "trace", "signal", "mount",
		"another root", "another namespace")
	p.has(t, "Uid:\t0\t0\t0\t0\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
		"CapInh:"+noneOf, "CapPrm:"+netRaw, "CapEff:"+netRaw, "CapBnd:"+netRaw, "CapAmb:"+noneOf)
}

func TestLookUp(t *testing.T) {
	u, err := sandbox.LookUp("nobody")
	require.NoError(t, err)
	assert.Equal(t, 65534, u.UID)
	u, err = sandbox.LookUp("65534")
	require.NoError(t, err)
	assert.Equal(t, "nobody", u.Name)
	_, err = sandbox.LookUp("no-such-user")
	assert.ErrorContains(t, err, `user "no-such-user": `)
}
