package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// A group of the tests', and a user who is a member of it or not. Neither has a name.
const (
	readers = 23_456
	reader  = 54_321
)

// as runs netcap as a user without root, in some groups.
func (h *host) as(groups string, args ...string) (status int, stdout, stderr string) {
	h.t.Helper()
	who := []string{testenv.Program(h.t, "setpriv"), "--reuid", fmt.Sprint(reader), "--regid", fmt.Sprint(reader), "--groups", groups, "--bounding-set=-all"}
	p := h.start(h.program(append(append(who, testenv.Netcap(h.t)), args...)...))
	p.wait()
	return p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()
}

// sharedFiles holds that the group may read all that is in a set's directory, and nobody else
// anything.
func sharedFiles(t *testing.T, dir string, owns bool) (n int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir && !owns {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o640)
		if d.IsDir() {
			want = 0o750
		} else {
			n++
		}
		assert.Equal(t, want, st.Mode().Perm(), path)
		assert.EqualValues(t, readers, st.Sys().(*syscall.Stat_t).Gid, path)
		return nil
	}))
	return n
}

// holdByCapture has the capture itself make a hold.
func (h *host) holdByCapture(socket string) {
	h.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Post("http://netcap/holds", "application/json", strings.NewReader(`{"from":"2026-11-24T10:00:00Z","to":"2026-11-24T10:05:00Z","reason":"a ticket"}`))
	require.NoError(h.t, err)
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	require.Equal(h.t, http.StatusOK, answer.StatusCode, "%s", said)
}

// TestGroup has a group read what a capture writes, and what others write into its set later,
// without root; somebody else reads nothing.
func TestGroup(t *testing.T) {
	group := fmt.Sprint(readers)
	for _, tt := range []struct {
		name string
		set  string   // in the host's directory; "" is the managed one
		args []string // of the capture
	}{
		{"managed", "", []string{"--compress", "zstd"}},
		{"managed, of a user", "", []string{"-Z", "daemon", "--compress", "gzip"}},
		{"beside others", "sets", []string{"-w", "sets/c0.pcapng", "-C", "1"}},
		{"beside others, of a user", "open", []string{"-w", "open/c0.pcapng", "-C", "1", "-Z", "daemon"}},
		{"a file", "file", []string{"-w", "file/c0.pcapng"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newOperated(t)
			letThrough(t, h.dir)
			for _, dir := range []string{"sets", "file", "open"} {
				require.NoError(t, os.Mkdir(filepath.Join(h.dir, dir), 0o755))
			}
			require.NoError(t, os.Chown(filepath.Join(h.dir, "open"), daemonUser, daemonUser))
			dir, seen, owns := filepath.Join(h.dir, tt.set), filepath.Join(h.dir, tt.set), tt.set == ""
			if owns {
				dir, seen = h.lib+"/netcap/c0", "/var/lib/netcap/c0"
				// What there is already, of nobody else, is shared too.
				p := h.capture("-i", "c0", "--keep-free", "1", "-G", "8760h", "udp")
				h.peer.Flood(t, "g0", 200, 1)
				p.stop()
				status, _, _ := h.as(group, "list", seen)
				assert.Equal(t, exitUnreadable, status)
			}
			mask := syscall.Umask(0o077) // as services have it
			p := h.capture(append([]string{"-i", "c0", "--group", group, "--keep-free", "1"}, tt.args...)...)
			syscall.Umask(mask)
			h.peer.Flood(t, "g0", 1000, 500)
			h.awaitWritten("c0", 500)
			if tt.set != "file" {
				h.does("rotate", "c0")
				h.peer.Flood(t, "g0", 1000, 500)
				h.holdByCapture(h.run + "/netcap/c0.sock")
			}
			p.stop()
			if tt.set != "file" { // by who has another group
				h.does("hold", seen, "--from", "1h", "--to", "1m", "--reason", "another")
			}
			n := sharedFiles(t, dir, owns)
			t.Logf("%d files", n)
			files := filepathGlob(t, dir+"/*.pcapng*")
			seenFile := filepath.Join(seen, filepath.Base(files[len(files)-1]))
			for _, command := range [][]string{
				{"list", seen},
				{"gaps", seen},
				{"gaps", "--json", seen},
				{"dicom", seen},
				{"info", seenFile},
				{"read", "-q", seenFile},
				{"read", "-q", seen, "udp"},
				{"hold", seen},
				{"extract", seen, "--from", "1h", "--to", "0s", "-w", "-"},
			} {
				if tt.set == "file" && (command[0] == "hold" || command[0] == "gaps") {
					continue
				}
				status, stdout, stderr := h.as(group, command...)
				assert.Contains(t, []int{0, exitFound}, status, "%v: %s", command, stderr)
				assert.NotEmpty(t, stdout, command)
				assert.NotContains(t, stderr, "denied", command)
			}
			status, _, _ := h.as(fmt.Sprint(reader), "info", seenFile)
			assert.Equal(t, exitUnreadable, status, "somebody else")
		})
	}
}

// TestGroupRefused has groups that can't be: each is one line that says so.
func TestGroupRefused(t *testing.T) {
	h := newHost(t)
	letThrough(t, h.dir)
	for _, command := range [][]string{{}, {"check"}, {"start"}, {"service", "show"}} {
		status, _, stderr := h.netcap(append(command, "-i", "c0", "--group", "nosuchgroup")...)
		assert.Equal(t, exitUsage, status, command)
		assert.Equal(t, "netcap: --group nosuchgroup: no such group: make it (groupadd), or name another\n", stderr, command)
	}
	unit, err := exec.Command(testenv.Netcap(t), "service", "show", "-i", "lo", "--group", fmt.Sprint(readers)).Output()
	require.NoError(t, err)
	for _, line := range []string{fmt.Sprintf("SupplementaryGroups=%d", readers), "RestrictSUIDSGID=no"} {
		assert.Contains(t, strings.Split(string(unit), "\n"), line)
	}
}

// TestGroupOfMember has who isn't root, but a member, share a directory of its own.
func TestGroupOfMember(t *testing.T) {
	h := newHost(t)
	letThrough(t, h.dir)
	dir := filepath.Join(h.dir, "own")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, reader, reader))
	who := []string{testenv.Program(t, "setpriv"), "--reuid", fmt.Sprint(reader), "--regid", fmt.Sprint(reader), "--groups", fmt.Sprint(readers), "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw"}
	run := func(args ...string) *process {
		p := h.start(h.program(append(append(who, testenv.Netcap(t), "-i", "c0", "--group", fmt.Sprint(readers), "--keep-free", "1", "--pid-file", filepath.Join(h.dir, "own", "pid")), args...)...))
		return p
	}
	p := run("--dir", filepath.Join(dir, "set"), "--compress", "zstd", "-c", "500", "udp")
	p.says(isCapturing)
	h.peer.Flood(t, "g0", 1000, 500)
	p.wait()
	require.Equal(t, 0, p.cmd.ProcessState.ExitCode(), p.stderr.String())
	sharedFiles(t, filepath.Join(dir, "set"), true)
	p = run("-w", filepath.Join(dir, "x.pcapng"))
	p.wait()
	assert.Equal(t, exitUnreadable, p.cmd.ProcessState.ExitCode(), p.stderr.String())
	assert.Contains(t, p.stderr.String(), "be root, or run netcap with that group (sg GROUP -c …)")
	assert.NoFileExists(t, filepath.Join(dir, "x.pcapng"))
}
