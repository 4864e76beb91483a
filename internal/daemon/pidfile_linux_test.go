package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
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
	require.NoError(t, os.WriteFile(path, []byte("1\nand more than a PID needs"), 0o644))
	p, err := LockPIDFile(path)
	require.NoError(t, err)
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

func TestLog(t *testing.T) {
	var stream bytes.Buffer
	l, err := NewLog("", &stream, slog.LevelInfo)
	require.NoError(t, err)
	l.Info("to the stream")
	assert.Contains(t, stream.String(), "to the stream")

	path := filepath.Join(t.TempDir(), "log")
	l, err = NewLog(path, &stream, slog.LevelWarn)
	require.NoError(t, err)
	l.Info("too little")
	l.Warn("before")
	require.NoError(t, os.Rename(path, path+".1"))
	require.NoError(t, l.Reopen())
	l.Warn("after")
	require.NoError(t, l.Close())
	for file, text := range map[string]string{path + ".1": "before", path: "after"} {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(b), text)
		assert.NotContains(t, string(b), "too little")
	}
}
