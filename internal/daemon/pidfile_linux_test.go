package daemon

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "x.pid")
	p, err := LockPIDFile(path)
	require.NoError(t, err)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(os.Getpid())+"\n", string(b))

	_, err = LockPIDFile(path)
	require.ErrorIs(t, err, ErrRunning)
	assert.ErrorContains(t, err, strconv.Itoa(os.Getpid()))
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, b, again, "who doesn't get the lock leaves the file as it is")

	require.NoError(t, p.Release())
	again, err = os.ReadFile(path)
	require.NoError(t, err, "it is never unlinked")
	assert.Empty(t, again)
	p, err = LockPIDFile(path)
	require.NoError(t, err)
	require.NoError(t, p.Release())
}

// What a dead process left is no obstacle, whatever it says.
func TestStalePIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	require.NoError(t, os.WriteFile(path, []byte("0000004194304\n"), 0o644))
	p, err := LockPIDFile(path)
	require.NoError(t, err)
	st, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode(), "who can open it can lock it")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(os.Getpid())+"\n", string(b))
	require.NoError(t, p.Release())
}

func TestPIDFileElsewhere(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o644))
	link := filepath.Join(dir, "link.pid")
	require.NoError(t, os.Symlink(victim, link))
	for _, path := range []string{link, dir, victim + "/x.pid"} {
		_, err := LockPIDFile(path)
		assert.ErrorContains(t, err, "PID file")
	}
	b, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(b))
}

// What is no PID isn't overwritten, and a file with another name isn't written.
func TestNoPIDFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.pid")
	for _, content := range []string{"key = value\n", "1 2\n", "-\n", strings.Repeat("1", 100)} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := LockPIDFile(path)
		assert.ErrorContains(t, err, "what is in it is no PID, and is left as it is: move it away")
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(b))
	}
	require.NoError(t, os.WriteFile(path, []byte("1\n"), 0o600))
	require.NoError(t, os.Link(path, path+".other"))
	_, err := LockPIDFile(path)
	assert.ErrorContains(t, err, "no regular file of")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "1\n", string(b))
}

// TestFind runs itself in a process that has the lock: the kernel says which that is,
// whatever is in the file.
func TestFind(t *testing.T) {
	const env = "NETCAP_DAEMON_PIDFILE"
	if path := os.Getenv(env); path != "" {
		_, err := LockPIDFile(path)
		require.NoError(t, err)
		_, err = os.Stdout.WriteString("locked\n")
		require.NoError(t, err)
		_, err = os.Stdin.Read(make([]byte, 1)) // until the test has seen enough
		require.ErrorIs(t, err, io.EOF)
		return
	}
	path := filepath.Join(t.TempDir(), "x.pid")
	_, err := Find(path)
	require.ErrorIs(t, err, ErrNotRunning)
	cmd := exec.Command(os.Args[0], "-test.run=^TestFind$")
	cmd.Env = append(os.Environ(), env+"="+path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, len("locked\n")))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("1\n"), 0o600))
	p, err := Find(path)
	require.NoError(t, err)
	assert.Equal(t, cmd.Process.Pid, p.PID)
	require.NoError(t, p.Close())
	_, err = LockPIDFile(path)
	require.ErrorIs(t, err, ErrRunning)
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
	_, err = Find(path)
	require.ErrorIs(t, err, ErrNotRunning)
}

func TestOneGetsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	for range 100 {
		var wg sync.WaitGroup
		got := make(chan *PIDFile, 8)
		for range cap(got) {
			wg.Go(func() {
				if p, err := LockPIDFile(path); err == nil {
					got <- p
				}
			})
		}
		wg.Wait()
		require.Len(t, got, 1)
		require.NoError(t, (<-got).Release())
	}
}
