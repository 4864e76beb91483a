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

	"netcap/internal/testenv"
)

// TestIsolate looks at what the kernel says of an isolated process, and at what becomes of
// what it tries.
func TestIsolate(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	probe := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-o", probe, "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as releases are built: with cgo not all threads can be reached
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	shared := filepath.Join(dir, "shared")
	require.NoError(t, os.Mkdir(shared, 0o755))
	require.NoError(t, os.Chmod(shared, 0o777))

	// A process of nobody's, whom nobody might signal.
	victim := exec.Command(testenv.Program(t, "setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "60")
	require.NoError(t, victim.Start())
	defer func() {
		assert.NoError(t, victim.Process.Kill())
		_ = victim.Wait() // killed
	}()

	cmd := exec.Command(probe, "/etc/passwd", shared, fmt.Sprint(victim.Process.Pid))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := make(map[string]string)
	for s := bufio.NewScanner(stdout); s.Scan() && s.Text() != "ready"; {
		what, result, _ := strings.Cut(s.Text(), ": ")
		said[what] = result
	}
	for _, what := range []string{"read what is open", "threads"} {
		assert.Equal(t, "<nil>", said[what], what)
	}
	for _, what := range []string{
		"open a file", "create a file", "make a directory", "list a directory", "write into a file", "list what is open", "connect", "listen", "packet socket",
		"run a program", "signal", "trace", "become root", "mount", "bpf",
	} {
		assert.NotEqual(t, "<nil>", said[what], what)
		assert.NotEmpty(t, said[what], what)
	}
	assert.Empty(t, said["lacks"])

	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", cmd.Process.Pid))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(tasks), 5)
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, line := range []string{
			"Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65534\t65534\t65534\t65534\n", "Groups:\t \n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
			"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n",
		} {
			assert.Contains(t, string(b), line, path)
		}
	}
	require.NoError(t, stdin.Close())
	require.NoError(t, cmd.Wait())
}
