package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const systemUID, systemGID = 977, 976

// haveSystemUser has the host have the user netcap.
func (h *host) haveSystemUser() {
	h.t.Helper()
	h.users = filepath.Join(h.dir, "etc")
	require.NoError(h.t, os.Mkdir(h.users, 0o755))
	for name, line := range map[string]string{
		"passwd": fmt.Sprintf("netcap:x:%d:%d::/var/lib/netcap:/usr/sbin/nologin\n", systemUID, systemGID),
		"group":  fmt.Sprintf("netcap:x:%d:\n", systemGID),
	} {
		require.NoError(h.t, os.WriteFile(filepath.Join(h.users, name), []byte(content(h.t, "/etc/"+name)+line), 0o644))
	}
	letThrough(h.t, h.dir)
}

// uidOf is the user that a capture is.
func (h *host) uidOf(name string) string {
	h.t.Helper()
	for line := range strings.Lines(content(h.t, fmt.Sprintf("/proc/%d/status", h.statusOf(name).PID))) {
		if f := strings.Fields(line); f[0] == "Uid:" {
			return f[1]
		}
	}
	return ""
}

// ownedBy sees whose files are.
func ownedBy(t *testing.T, uid int, paths ...string) {
	t.Helper()
	require.NotEmpty(t, paths)
	for _, path := range paths {
		st, err := os.Stat(path)
		require.NoError(t, err)
		assert.EqualValues(t, uid, st.Sys().(*syscall.Stat_t).Uid, path)
	}
}

// TestSystemUser has root capture where the user netcap is: the capture becomes that user, and
// the set of earlier runs that user's, without a file that somebody could read before and can't
// after; the command of -z stays root's. -Z root goes on with the set, and so does the next run.
func TestSystemUser(t *testing.T) {
	h := newHost(t)
	set := []string{"-i", "c0", "--name", "u", "-G", "8760h", "-W", "4"}
	const each = 100
	runs := 0
	run := func(uid string, args ...string) (said string) {
		p := h.capture(append(set, args...)...)
		assert.Equal(t, uid, h.uidOf("u"))
		require.Equal(t, each, h.peer.Flood(t, "g0", 200, each))
		h.awaitWritten("u", each)
		h.does("hold", "u", "--from", "1m", "--reason", "test")
		runs++
		h.does("release", "u", fmt.Sprint(runs))
		return p.stop()
	}
	dir := filepath.Join(h.lib, "netcap", "u")
	files := func() []string { return filepathGlob(t, dir+"/*.pcapng") }

	assert.Contains(t, run("0"), "there is no user called netcap")
	ownedBy(t, 0, append(files(), dir)...)
	shared := files()[0]
	require.NoError(t, os.Chown(shared, 0, daemonUser))
	require.NoError(t, os.Chmod(shared, 0o640))

	h.haveSystemUser()
	assert.Contains(t, h.does(append([]string{"check"}, set...)...), "and by netcap")
	list := filepath.Join(h.dir, "list")
	script := filepath.Join(h.dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho $(id -u) $(test -r $1 && echo readable) >>"+list+"\n"), 0o700))
	said := run(fmt.Sprint(systemUID), "-z", script, "--dicom-journal", h.dir+"/journal")
	assert.NotContains(t, said, "denied")
	assert.Equal(t, "0 readable\n", content(t, list), "of root's command")
	assert.Len(t, files(), 2)
	ownedBy(t, systemUID, append(files(), dir, dir+"/u.ledger", dir+"/u.holds")...)
	st, err := os.Stat(shared)
	require.NoError(t, err)
	assert.EqualValues(t, daemonUser, st.Sys().(*syscall.Stat_t).Gid, "who could read it still can")
	assert.Equal(t, os.FileMode(0o640), st.Mode().Perm())
	assert.Equal(t, 2*each, capinfosPackets(t, files()...))

	for range 2 {
		run("0", "-Z", "root")
		run(fmt.Sprint(systemUID))
	}
	assert.Len(t, files(), 4, "those of both count")
	ownedBy(t, systemUID, files()...)
	assert.Equal(t, 4*each, capinfosPackets(t, files()...))
	gaps, _ := h.gapsOf("u")
	for _, g := range gaps {
		assert.Contains(t, []string{"not_running", "deleted"}, string(g.Cause))
	}
}

// TestSystemUserStays has captures that can't become the user netcap, or shouldn't: they stay
// root's, and what is others' stays theirs.
func TestSystemUserStays(t *testing.T) {
	h := newHost(t)
	h.haveSystemUser()
	others := filepath.Join(h.dir, "others")
	require.NoError(t, os.Mkdir(others, 0o755))
	require.NoError(t, os.Chown(others, nobody, nobody))
	private := filepath.Join(h.dir, "private")
	require.NoError(t, os.Mkdir(private, 0o700))
	for name, tt := range map[string]struct {
		args []string
		uid  int
		says string
	}{
		"others' directory": {[]string{"--dir", others}, 0, "belongs to user 65534"},
		"a private way":     {[]string{"--dir", private + "/set"}, 0, "can't go through a directory on the way"},
		"a set of -w":       {[]string{"-w", h.dir + "/x.pcapng", "-W", "3"}, 0, "the directory of -w is shared with others"},
		"no sandbox":        {[]string{"--no-sandbox"}, 0, "--no-sandbox"},
		"a file of -w":      {[]string{"-w", private + "/x.pcapng"}, systemUID, "user netcap"},
		"its own directory": {[]string{"--dir", h.dir + "/own"}, systemUID, "user netcap"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			args := append([]string{"-i", "c0", "--name", "s"}, tt.args...)
			if tt.uid == 0 {
				assert.Contains(t, h.does(append([]string{"check"}, args...)...), "the capture stays root's: ")
			}
			p := h.capture(args...)
			assert.Equal(t, fmt.Sprint(tt.uid), h.uidOf("s"))
			h.peer.Flood(t, "g0", 200, 10)
			said := p.stop()
			assert.Contains(t, said, tt.says)
			assert.Contains(t, said, "\n10 packets captured\n")
			ownedBy(t, nobody, others)
			ownedBy(t, 0, private)
		})
	}
}
