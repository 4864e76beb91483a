package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

func TestSingleFile(t *testing.T) {
	c := single(t, t.TempDir())
	r := newRig(t, c, realMachine())
	r.add(1000)
	require.NoError(t, r.w.Rotate(0), "there is none to go on with")
	r.add(1000)
	require.NoError(t, r.w.Close())
	require.NoError(t, r.w.Close(), "twice")
	path := filepath.Join(c.Dir, c.File)
	assert.Equal(t, "HPT", kinds(t, path))
	r.sums(path)
	st, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), st.Mode())
	entries, err := os.ReadDir(c.Dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "and nothing else")

	_, err = r.w.Ready()
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.NoError(t, r.w.Rotate(0))
}

func TestSingleFileExists(t *testing.T) {
	noLeaks(t)
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("victim"), 0o600))
	for what, create := range map[string]func(path string) error{
		"file":      func(path string) error { return os.WriteFile(path, []byte("old"), 0o600) },
		"symlink":   func(path string) error { return os.Symlink(victim, path) },
		"dangling":  func(path string) error { return os.Symlink("nowhere", path) },
		"fifo":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"hard link": func(path string) error { return os.Link(victim, path) },
	} {
		c := single(t, t.TempDir())
		require.NoError(t, create(filepath.Join(c.Dir, c.File)))
		before := listing(t, c.Dir)
		_, err := Open(c)
		assert.ErrorIs(t, err, fs.ErrExist, what)
		assert.ErrorContains(t, err, "nothing is ever overwritten", what)
		assert.Equal(t, before, listing(t, c.Dir), what)
	}
	p, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "victim", string(p))
}

// TestOpenFails has Open fail at each step: nothing is left that wasn't there.
func TestOpenFails(t *testing.T) {
	broken := newFaults()
	broken.room, broken.err = 10, unix.EIO
	for _, tt := range []struct {
		name   string
		change func(*Config)
		m      machine
		want   error
	}{
		{"no directory", func(c *Config) { c.MakeDir = false }, realMachine(), fs.ErrNotExist},
		{"budget", func(c *Config) { c.Budget = Amount{Bytes: 1 << 20} }, realMachine(), nil},
		{"keep-free", func(c *Config) { c.KeepFree = Amount{Percent: 100} }, realMachine(), nil},
		{"name", func(c *Config) { c.Name = "../x" }, realMachine(), nil},
		{"header can't be written", func(*Config) {}, broken.machine(), unix.EIO},
	} {
		for _, set := range []bool{true, false} {
			if !set && (tt.name == "budget" || tt.name == "name") {
				continue // of no matter to one file
			}
			t.Run(tt.name, func(t *testing.T) {
				noLeaks(t)
				parent := t.TempDir()
				dir := filepath.Join(parent, "a", "b")
				c := config(t, dir)
				if !set {
					c = single(t, dir)
				}
				c.MakeDir = true
				tt.change(c)
				_, err := open(c, tt.m)
				require.Error(t, err)
				if tt.want != nil {
					assert.ErrorIs(t, err, tt.want)
				}
				entries, err := os.ReadDir(parent)
				require.NoError(t, err)
				assert.Empty(t, entries)

				// In a directory that is there, what is there stays.
				require.NoError(t, os.MkdirAll(dir, 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(dir, ".docker0.lock"), nil, 0o600))
				before := listing(t, dir)
				w, err := open(c, tt.m)
				if err == nil {
					require.Equal(t, "no directory", tt.name)
					require.NoError(t, w.Close())
					return
				}
				assert.Equal(t, before, listing(t, dir))
			})
		}
	}
}

func TestOpenRefusedByTheFileSystem(t *testing.T) {
	testenv.Root(t)
	dir := mountTmpfs(t, "size=1m")
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"))
	for _, c := range []*Config{config(t, dir), single(t, dir), config(t, filepath.Join(dir, "new")), single(t, filepath.Join(dir, "new"))} {
		noLeaks(t)
		c.MakeDir = true
		_, err := Open(c)
		assert.ErrorIs(t, err, unix.EROFS)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// TestOpenTooFull has no room to begin with, of bytes or of names.
func TestOpenTooFull(t *testing.T) {
	testenv.Root(t)
	dir := mountTmpfs(t, "size=2m")
	fill(t, dir, 64<<10)
	for _, c := range []*Config{config(t, dir), single(t, dir)} {
		noLeaks(t)
		_, err := Open(c)
		assert.ErrorContains(t, err, "the disk is full")
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "the filler alone")

	dir = mountTmpfs(t, "size=8m,nr_inodes=2") // the root and one more: the lock file
	_, err = Open(config(t, dir))
	assert.True(t, errors.Is(err, unix.ENOSPC), err)
	entries, err = os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// TestOpenFailsWithoutKeepingMemory fails often.
func TestOpenFailsWithoutKeepingMemory(t *testing.T) {
	broken := newFaults()
	broken.room, broken.err = 10, unix.EIO
	failing := config(t, t.TempDir())
	failing.Log = nil
	mapped := func() (pages int64) {
		p, err := os.ReadFile("/proc/self/statm")
		require.NoError(t, err)
		_, err = fmt.Sscan(string(p), &pages)
		require.NoError(t, err)
		return pages * int64(os.Getpagesize())
	}
	before := mapped()
	for i := range 100 {
		c := *failing
		if i%2 == 1 {
			c.KeepFree = Amount{Percent: 100}
		}
		_, err := open(&c, broken.machine())
		require.Error(t, err)
	}
	assert.Less(t, mapped()-before, int64(30*bufferSize), "bytes of memory mapped")
}
