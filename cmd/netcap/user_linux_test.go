package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// letThrough opens the test's own directories to other users.
func letThrough(t *testing.T, dir string) {
	t.Helper()
	for ; dir != "/"; dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		require.NoError(t, err)
		if st.Mode()&1 == 0 {
			require.NoError(t, os.Chmod(dir, 0o755))
		}
	}
}

// owners lists what is in a directory, with owners and modes.
func owners(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if path == filepath.Join(dir, "run") { // the PID file, which is never unlinked, and what mount(8) has there
			return filepath.SkipDir
		}
		sys := st.Sys().(*syscall.Stat_t)
		all = append(all, fmt.Sprintf("%s %v %d:%d %d", path, st.Mode(), sys.Uid, sys.Gid, st.Size()))
		return nil
	}))
	return all
}

const daemonUser = 1

// TestUserCannot has a user of -Z who can't go on with the set: check and the capture say so
// before the first packet, who can't do what, where, why, and what to do, and leave all as it
// was.
func TestUserCannot(t *testing.T) {
	h := newHost(t)
	letThrough(t, h.dir)
	in := func(name string, mode os.FileMode) string {
		dir := filepath.Join(h.dir, name)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.Chmod(dir, mode))
		return dir
	}
	put := func(dir, name string, uid int) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chown(path, uid, uid))
	}
	readOnly := tmpfs(t, "size=1g,mode=777")
	letThrough(t, readOnly)
	require.NoError(t, unix.Mount("", readOnly, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	private := in("private", 0o700)
	require.NoError(t, os.Mkdir(private+"/set", 0o755))
	require.NoError(t, os.Chown(private+"/set", nobody, nobody))
	require.NoError(t, os.Symlink(private+"/set", h.dir+"/link"))
	sticky := in("sticky", 0o777|os.ModeSticky)
	put(sticky, "x.ledger", daemonUser)
	old := in("old", 0o755)
	put(old, "h.holds", daemonUser)
	lock := in("lock", 0o777)
	put(lock, ".x.lock", daemonUser)
	script := filepath.Join(h.dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700))
	roots, group := in("roots", 0o755), in("group", 0o750)

	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"set beside root's": {
			[]string{"-w", roots + "/x.pcapng", "-W", "3"},
			"nobody can't make a file in the directory: " + roots + ": permission denied (owned by root, mode 0755): give the user a directory (chown nobody " + roots + "), or use --dir, whose directory is handed over",
		},
		"not listed":     {[]string{"-w", in("secret", 0o733) + "/x.pcapng", "-W", "3"}, "nobody can't list the directory: " + h.dir + "/secret: permission denied (owned by root, mode 0733)"},
		"not searched":   {[]string{"-w", in("listed", 0o766) + "/x.pcapng", "-W", "3"}, "nobody can't go through a directory on the way: " + h.dir + "/listed: permission denied (owned by root, mode 0766): chmod o+x " + h.dir + "/listed"},
		"other group":    {[]string{"-w", group + "/x.pcapng", "-W", "3"}, "nobody can't go through a directory on the way: " + group + ": permission denied (owned by root, mode 0750)"},
		"private parent": {[]string{"--dir", private + "/set"}, "nobody can't go through a directory on the way: " + private + ": permission denied (owned by root, mode 0700): chmod o+x " + private},
		"by a link":      {[]string{"--dir", h.dir + "/link"}, "nobody can't go through a directory on the way: " + private + ": permission denied"},
		"below":          {[]string{"--dir", private + "/new/set"}, "nobody can't go through a directory on the way: " + private + ": permission denied"},
		"own, mode":      {[]string{"--dir", in("mode", 0o500)}, "nobody can't make a file in the directory: " + h.dir + "/mode: permission denied (owned by nobody, mode 0500): chmod u+rwx " + h.dir + "/mode"},
		"read-only":      {[]string{"-w", readOnly + "/x.pcapng", "-W", "3"}, "read-only file system"},
		"read-only set":  {[]string{"--dir", readOnly + "/set"}, "read-only file system"},
		"ledger":         {[]string{"-w", sticky + "/x.pcapng", "-W", "3"}, "nobody can't write to a file of the set: " + sticky + "/x.ledger: permission denied (owned by daemon, mode 0600): chown nobody " + sticky + "/x.ledger"},
		"holds":          {[]string{"--dir", old, "--name", "h"}, "nobody can't write to a file of the set: " + old + "/h.holds: permission denied (owned by daemon, mode 0600)"},
		"lock":           {[]string{"-w", lock + "/x.pcapng", "-W", "3"}, "x.lock: is not a lock file of root, but of daemon"},
		"compression":    {[]string{"-w", roots + "/x.pcapng", "--compress", "gzip"}, "nobody can't make a file in the directory: " + roots},
		"command":        {[]string{"-z", script + " now"}, "nobody can't run -z " + script + ": permission denied"},
		"journal":        {[]string{"--dicom-journal", roots + "/journal"}, roots + ": permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			before := owners(t, h.dir)
			args := append([]string{"-i", "c0", "-Z", "nobody"}, tt.args...)
			status, stdout, _ := h.netcap(append([]string{"check"}, args...)...)
			assert.Equal(t, exitFound, status)
			assert.Contains(t, stdout, tt.says)
			assert.Equal(t, before, owners(t, h.dir))
			status, stderr := h.fails(h.command(args...))
			assert.NotZero(t, status)
			if name != "journal" { // the helper says it in other words
				assert.Contains(t, stderr, tt.says)
			}
			assert.NotContains(t, stderr, isCapturing)
			assert.Equal(t, before, owners(t, h.dir))
			status, _, stderr = h.netcap(append([]string{"start"}, args...)...)
			assert.NotZero(t, status)
			assert.Contains(t, stderr, tt.says)
			assert.Equal(t, before, owners(t, h.dir))
		})
	}
}

// TestUserCan has users of -Z go on with sets, in each kind of directory in which that
// works, through rotation, deletion, compression and holds.
func TestUserCan(t *testing.T) {
	h := newHost(t)
	letThrough(t, h.dir)
	own := filepath.Join(h.dir, "own")
	require.NoError(t, os.Mkdir(own, 0o700))
	require.NoError(t, os.Chown(own, nobody, nobody))
	group := filepath.Join(h.dir, "group")
	require.NoError(t, os.Mkdir(group, 0o700))
	require.NoError(t, os.Chown(group, 0, nobody))
	require.NoError(t, os.Chmod(group, 0o770))
	sticky := filepath.Join(h.dir, "sticky")
	require.NoError(t, os.Mkdir(sticky, 0o700))
	require.NoError(t, os.Chmod(sticky, 0o777|os.ModeSticky))
	foreign := filepath.Join(sticky, "x-20200101T000000Z-000001.pcapng")
	for name, args := range map[string][]string{
		"managed":         {},
		"new directories": {"--dir", h.dir + "/new/and/deep"},
		"own":             {"-w", own + "/x.pcapng"},
		"group":           {"-w", group + "/x.pcapng"},
		"sticky":          {"-w", sticky + "/x.pcapng"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			args := append([]string{"-i", "c0", "--name", "x", "-W", "3"}, args...)
			if name != "new directories" {
				h.capture(args...).stop() // root's, before
			}
			args = append(args, "-Z", "nobody", "--compress", "gzip")
			dir := filepath.Dir(h.filesAt(args, h.lib+"/netcap/x/x"))
			if name == "sticky" {
				require.NoError(t, os.WriteFile(foreign, nil, 0o600))
				require.NoError(t, os.Chown(foreign, daemonUser, daemonUser))
			}
			var before []string
			if name != "new directories" {
				before = owners(t, dir)
			}
			out := h.does(append([]string{"check"}, args...)...)
			if name == "new directories" {
				assert.NoDirExists(t, h.dir+"/new")
			} else {
				assert.Equal(t, before, owners(t, dir), "check leaves all as it was")
			}
			if name == "sticky" {
				assert.Contains(t, out, "warning  directory: 1 files have names of the set's and belong to others, such as "+foreign+" (owned by daemon)")
			} else {
				assert.Contains(t, out, "can be written, and by nobody\n")
			}
			p := h.capture(args...)
			for range 5 {
				require.Equal(t, 10, h.peer.Flood(t, "g0", 100, 10))
				h.does("rotate", "x")
			}
			if name == "managed" {
				h.does("hold", "x", "--from", "1h", "--reason", "test")
				h.does("release", "x", "1")
			}
			said := p.stop()
			assert.NotContains(t, said, "denied")
			assert.NotContains(t, said, "ERROR")
			assert.Contains(t, said, "\n50 packets captured\n")
			files := filepathGlob(t, dir+"/x-*.pcapng*")
			if name == "sticky" {
				assert.Contains(t, said, "files are left alone")
				assert.Contains(t, files, foreign)
				files = files[1:]
			}
			assert.Len(t, files, 3)
		})
	}
}

// filesAt is where the files of a capture go with these flags, but for their endings.
func (h *host) filesAt(args []string, otherwise string) string {
	for i, arg := range args {
		switch arg {
		case "--dir":
			return filepath.Join(args[i+1], "x")
		case "-w":
			return strings.TrimSuffix(args[i+1], ".pcapng")
		}
	}
	return otherwise
}
