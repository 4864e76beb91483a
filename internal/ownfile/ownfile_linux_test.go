package ownfile_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/ownfile"
	"netcap/internal/testenv"
)

const nobody = 65534

// A path is as in the file system of a test: / stands for a directory of it.
type tree struct {
	t   *testing.T
	dir string
}

func (f *tree) path(path string) string { return filepath.Join(f.dir, path) }

func (f *tree) mkdir(path string, mode uint32, uid int) {
	f.t.Helper()
	require.NoError(f.t, os.MkdirAll(f.path(path), 0o755))
	require.NoError(f.t, unix.Chmod(f.path(path), mode)) // os.Chmod has another sticky bit
	require.NoError(f.t, os.Chown(f.path(path), uid, uid))
}

func (f *tree) link(to, path string, uid int) {
	f.t.Helper()
	require.NoError(f.t, os.Symlink(to, f.path(path)))
	require.NoError(f.t, os.Lchown(f.path(path), uid, uid))
}

// The rules that systemd has for its own files (CHASE_SAFE in its chase.h): no step from
// what an unprivileged user owns to what somebody else does.
func TestPaths(t *testing.T) {
	testenv.Root(t)
	f := &tree{t, t.TempDir()}
	f.mkdir("run", 0o755, 0)
	f.mkdir("run/service", 0o755, nobody)
	f.mkdir("run/service/sub", 0o755, nobody)
	f.mkdir("tmp", 0o1777, 0)
	f.mkdir("tmp/mine", 0o700, 0)
	f.mkdir("tmp/theirs", 0o700, nobody)
	f.mkdir("open", 0o777, 0)
	f.mkdir("open/mine", 0o700, 0)
	f.mkdir("group", 0o775, 0)
	f.mkdir("group/mine", 0o700, 0)
	f.link(f.path("run"), "tmp/link", nobody)
	f.link(f.path("run"), "tmp/own-link", 0)
	f.link("../run", "tmp/relative", 0)
	f.link("tmp/link", "twice", 0)
	f.link("round", "round", 0)
	f.link("../run/../tmp/theirs", "run/dots", 0)
	for _, tt := range []struct {
		path string
		err  string
	}{
		{"run/x", ""},
		{"tmp/x", ""},
		{"tmp/mine/x", ""},
		{"open/x", ""},
		{"group/mine/x", ""},
		{"run/service/x", ""},
		{"tmp/own-link/x", ""},
		{"tmp/relative/x", ""},
		{"run/service/sub/x", "run/service: it belongs to nobody, who decides where the path leads"},
		{"run/service/new/x", "run/service: it belongs to nobody"},
		{"tmp/theirs/x", "tmp/theirs belongs to nobody"},
		{"run/dots/x", "tmp/theirs belongs to nobody"},
		{"tmp/link/x", "tmp/link belongs to nobody"},
		{"twice/x", "tmp/link belongs to nobody"},
		{"open/mine/x", "open: everybody may replace what is in it"},
		{"round/x", "too many levels of symbolic links"},
	} {
		check := ownfile.Check(f.path(tt.path))
		dir, err := ownfile.OpenDir(f.path(tt.path), true)
		if tt.err != "" {
			assert.ErrorContains(t, err, tt.err, tt.path)
			assert.ErrorContains(t, check, tt.err, tt.path)
			continue
		}
		assert.NoError(t, check, tt.path)
		if assert.NoError(t, err, tt.path) {
			assert.NoError(t, dir.Close())
		}
	}
	assert.NoDirExists(t, f.path("run/service/new"))

	_, err := ownfile.OpenDir(f.path("run/a/b/x"), false)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, f.path("run/a/b/x"))
	assert.NoError(t, ownfile.Check(f.path("run/a/b/x")))
	assert.NoDirExists(t, f.path("run/a"))
	dir, err := ownfile.OpenDir(f.path("run/a/b/x"), true)
	require.NoError(t, err)
	require.NoError(t, dir.Close())
	st, err := os.Stat(f.path("run/a/b"))
	require.NoError(t, err)
	assert.Equal(t, os.ModeDir|0o755, st.Mode())
}

// plant puts into a directory what isn't ours, each under a name of its own, and returns
// a function that sees that it was left alone.
func plant(t *testing.T, dir string) (names []string, untouched func()) {
	t.Helper()
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	for name, make := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink(victim, path) },
		"dangling":  func(path string) error { return os.Symlink(victim+"-not", path) },
		"hard link": func(path string) error { return os.Link(victim, path) },
		"fifo":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"foreign": func(path string) error {
			if err := os.WriteFile(path, []byte("foreign"), 0o666); err != nil {
				return err
			}
			return os.Chown(path, nobody, nobody)
		},
	} {
		require.NoError(t, make(filepath.Join(dir, name)), name)
		names = append(names, name)
	}
	return names, func() {
		t.Helper()
		b, err := os.ReadFile(victim)
		require.NoError(t, err)
		assert.Equal(t, "precious", string(b))
		assert.NoFileExists(t, victim+"-not")
		b, err = os.ReadFile(filepath.Join(dir, "foreign"))
		require.NoError(t, err)
		assert.Equal(t, "foreign", string(b))
	}
}

func TestForeignFiles(t *testing.T) {
	testenv.Root(t)
	path := t.TempDir()
	names, untouched := plant(t, path)
	dir, err := os.OpenRoot(path)
	require.NoError(t, err)
	defer dir.Close()
	var unsafe *ownfile.UnsafeError
	for _, name := range names {
		for _, flag := range []int{os.O_RDONLY, os.O_WRONLY | os.O_CREATE | os.O_APPEND, os.O_RDWR | os.O_CREATE} {
			_, err := ownfile.Open(dir, name, flag)
			require.ErrorAs(t, err, &unsafe, "%s, %x", name, flag)
			assert.Equal(t, filepath.Join(path, name)+": what is there is no regular file of root alone, and is left as it is", err.Error())
		}
		assert.ErrorAs(t, ownfile.Check(filepath.Join(path, name)), &unsafe, name)
		_, err := ownfile.NewLog(&ownfile.Config{Path: filepath.Join(path, name), Size: 100, Kept: 1})
		assert.ErrorAs(t, err, &unsafe, name)
	}
	untouched()
	// Who owns the directory owns what is in it.
	require.NoError(t, os.Chown(path, nobody, nobody))
	f, err := ownfile.Open(dir, "foreign", os.O_RDONLY)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// A log is moved aside before it gets too large, the oldest go, and what others have called
// like them stays.
func TestLog(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "x.log")
	l, err := ownfile.NewLog(&ownfile.Config{Path: path, MakeDir: true, Size: 20, Kept: 2})
	require.NoError(t, err)
	foreign := filepath.Join(dir, "sub", "x-2001-01-01T00-00-00.000.log")
	require.NoError(t, os.WriteFile(foreign, nil, 0o600))
	require.NoError(t, os.Chown(foreign, nobody, nobody))
	link := filepath.Join(dir, "sub", "x-2001-01-01T00-00-00.001.log")
	require.NoError(t, os.Symlink(foreign, link))
	other := filepath.Join(dir, "sub", "x-other.log")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	for i := range 10 {
		n, err := fmt.Fprintf(l, "line %d....\n", i) // 11 bytes: one a file
		require.NoError(t, err)
		assert.Equal(t, 11, n)
		time.Sleep(2 * time.Millisecond) // names are exact to the millisecond
	}
	assert.Equal(t, []string{"line 9....\n"}, contents(t, path))
	assert.Equal(t, []string{"", "", "line 7....\n", "line 8....\n"}, contents(t, filepath.Join(dir, "sub", "x-2*.log")))
	assert.FileExists(t, other)
	st, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode())

	// What is longer than a file may be is written nevertheless.
	_, err = l.Write([]byte(strings.Repeat("x", 100)))
	require.NoError(t, err)
	require.NoError(t, os.Rename(path, path+".moved"))
	require.NoError(t, l.Reopen())
	_, err = l.Write([]byte("after\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"after\n"}, contents(t, path))

	// The directory's path comes to lead elsewhere.
	require.NoError(t, l.Reopen())
	elsewhere := t.TempDir()
	require.NoError(t, os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "moved")))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "sub")))
	_, err = l.Write([]byte("stays in the directory\n"))
	require.NoError(t, err)
	left, err := os.ReadDir(elsewhere)
	require.NoError(t, err)
	assert.Empty(t, left)

	// Somebody takes the name: what is open is written on.
	path = filepath.Join(dir, "moved", "x.log")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink(other, path))
	var unsafe *ownfile.UnsafeError
	assert.ErrorAs(t, l.Reopen(), &unsafe)
	_, err = l.Write([]byte("not through a link\n"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.NoError(t, l.Reopen())
	_, err = l.Write([]byte("again\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"again\n"}, contents(t, path))
	require.NoError(t, l.Close())
}

// TestSpare becomes a user, in a process of its own, who can make no names in the log's
// directory: the log stays within its bound, and what it was before is in its spare.
func TestSpare(t *testing.T) {
	testenv.Root(t)
	const env = "NETCAP_OWNFILE_SPARE"
	path := os.Getenv(env)
	if path == "" {
		dir := t.TempDir()
		path = filepath.Join(dir, "x.log")
		cmd := exec.Command(os.Args[0], "-test.run=^TestSpare$", "-test.v")
		cmd.Env = append(os.Environ(), env+"="+path)
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", output)
		require.Contains(t, string(output), "--- PASS")
		assert.Equal(t, []string{"line 8....\nline 9....\n"}, contents(t, path))
		assert.Equal(t, []string{"line 6....\nline 7....\n"}, contents(t, filepath.Join(dir, "x-*")))
		return
	}
	l, err := ownfile.NewLog(&ownfile.Config{Path: path, Size: 30, Kept: 2})
	require.NoError(t, err)
	require.NoError(t, l.Spare(nobody))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, syscall.Setuid(nobody))
	for i := range 10 {
		_, err := fmt.Fprintf(l, "line %d....\n", i) // 11 bytes: two a file
		require.NoError(t, err)
		st, err := f.Stat()
		require.NoError(t, err)
		assert.LessOrEqual(t, st.Size(), int64(30))
		require.NoError(t, l.Reopen(), "it is where it was")
	}
	require.NoError(t, l.Close())
}

// contents are those of the files that match a pattern.
func contents(t *testing.T, pattern string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		all = append(all, string(b))
	}
	return all
}
