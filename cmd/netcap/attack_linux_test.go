package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// The tests here have an attacker with a shell on the machine, who can write to the
// directories that root's captures use, and knows the names that come next.

// scene is a directory that everybody may write, as /tmp, and one that nobody should.
type scene struct {
	t           *testing.T
	open, etc   string
	victim, sum string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, open: t.TempDir(), etc: t.TempDir()}
	require.NoError(t, unix.Chmod(s.open, 0o1777)) // os.Chmod has another sticky bit
	s.victim = filepath.Join(s.etc, "victim")
	require.NoError(t, os.WriteFile(s.victim, []byte("precious"), 0o644))
	for _, name := range []string{"x.pid", "x.log", "x.jsonl"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.etc, name), []byte("4194303\n"), 0o644))
	}
	s.sum = listingOf(t, s.etc)
	return s
}

// plants puts something of the attacker's at a path.
func (s *scene) plants() map[string]func(path string) {
	own := func(path string, err error) {
		s.t.Helper()
		require.NoError(s.t, err)
		require.NoError(s.t, os.Lchown(path, nobody, nobody))
	}
	return map[string]func(path string){
		"link":      func(path string) { own(path, os.Symlink(s.victim, path)) },
		"dangling":  func(path string) { own(path, os.Symlink(s.etc+"/new", path)) },
		"FIFO":      func(path string) { own(path, unix.Mkfifo(path, 0o666)) },
		"directory": func(path string) { own(path, os.Mkdir(path, 0o777)) },
		"file":      func(path string) { own(path, os.WriteFile(path, []byte("4194303\n"), 0o666)) },
		// Of one that belongs to root. /proc/sys/fs/protected_hardlinks forbids that where it is 1.
		"hard link": func(path string) { require.NoError(s.t, os.Link(s.victim, path)) },
	}
}

// untouched sees that nothing has happened where nothing should.
func (s *scene) untouched(after string) {
	s.t.Helper()
	// A hard link to the victim changes its count and time.
	without := regexp.MustCompile(`(?m)^victim .*$`)
	assert.Equal(s.t, without.ReplaceAllString(s.sum, ""), without.ReplaceAllString(listingOf(s.t, s.etc), ""), after)
	b, err := os.ReadFile(s.victim)
	require.NoError(s.t, err)
	assert.Equal(s.t, "precious", string(b), after)
}

// listingOf tells of each name in a directory what it is, whose, how large, when changed,
// and what is in it.
func listingOf(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var b strings.Builder
	for _, e := range entries {
		var st unix.Stat_t
		path := filepath.Join(dir, e.Name())
		require.NoError(t, unix.Lstat(path, &st))
		fmt.Fprintln(&b, e.Name(), st.Ino, st.Mode, st.Uid, st.Nlink, st.Size, st.Mtim, st.Ctim)
		if e.Type().IsRegular() {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			fmt.Fprintf(&b, "%q\n", content[:min(len(content), 100)])
		}
	}
	return b.String()
}

// In a directory that everybody may write, what is planted at the names of the next files
// is passed over: never opened, waited for, counted or deleted, however full the set gets.
func TestPlantedFiles(t *testing.T) {
	h := newOperated(t)
	s := newScene(t)
	plants := s.plants()
	kinds := []string{"link", "FIFO", "directory", "file", "hard link", "dangling"}
	now := time.Now().UTC()
	for second := range 120 { // the test may begin so much later
		for seq, kind := range kinds {
			name := fmt.Sprintf("c0-%s-%06d.pcapng", now.Add(time.Duration(second)*time.Second).Format("20060102T150405Z"), seq+1)
			plants[kind](filepath.Join(s.open, name))
		}
	}
	for _, odd := range []string{"c0-20261123T130005Z-000001.pcapng\nlevel=INFO", "c0\n-20261123T130005Z-000001.pcapng", strings.Repeat("c", 255)} {
		plants["file"](filepath.Join(s.open, odd))
	}
	planted := map[string]string{}
	for line := range strings.Lines(listingOf(t, s.open)) {
		planted[line] = line
	}
	p := h.capture("-i", "c0", "--dir", s.open, "-C", "1", "--disk-budget", "3MB", "--keep-free", "1", "-G", "8760h", "--flush", "20ms", "-v", "udp")
	p.says("the next file's name is taken; using another")
	sent := h.peer.Flood(t, "g0", 1514, 5000)
	captured, received, _ := summary(t, p.stop())
	assert.Equal(t, sent, received)
	assert.Positive(t, captured)

	after := listingOf(t, s.open)
	for line := range planted {
		assert.Contains(t, after, line)
	}
	s.untouched("after a capture")
	var size int64
	ours := 0
	entries, err := os.ReadDir(s.open)
	require.NoError(t, err)
	for _, e := range entries {
		var st unix.Stat_t
		require.NoError(t, unix.Lstat(filepath.Join(s.open, e.Name()), &st))
		if st.Uid != 0 || st.Nlink != 1 {
			continue
		}
		assert.EqualValues(t, unix.S_IFREG|0o600, st.Mode, e.Name())
		if strings.HasPrefix(e.Name(), "c0-") {
			ours++
			size += st.Size
		}
	}
	assert.GreaterOrEqual(t, ours, 2)
	assert.Less(t, size, int64(3e6))
	// A name with a newline makes no line in the log.
	assert.NotRegexp(t, `(?m)^level=INFO`, p.stderr.String())
	assert.Contains(t, p.stderr.String(), "left alone")
}

// At the names of the other files that a capture makes, and of those that a user names,
// what is planted is refused, and nothing else happens.
func TestPlantedAtNames(t *testing.T) {
	const goesOn = "it captures: "
	h := newHost(t)
	capturing := func(args ...string) func(s *scene, path string) *exec.Cmd {
		return func(s *scene, path string) *exec.Cmd {
			all := []string{"-i", "c0", "--name", "x", "--keep-free", "1", "--flush", "20ms"}
			for _, a := range args {
				all = append(all, strings.NewReplacer("OPEN", s.open, "PATH", path).Replace(a))
			}
			return h.command(all...)
		}
	}
	capture := filepath.Join(h.dir, "source.pcapng")
	p := h.capture("-i", "c0", "-w", capture)
	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100))
	p.stop()
	for _, tt := range []struct {
		name    string
		command func(s *scene, path string) *exec.Cmd
		says    string
	}{
		{".x.lock", capturing("--dir", "OPEN"), "move it away"},
		{"x.ledger", capturing("--dir", "OPEN"), goesOn + "gaps stand in the files alone"},
		{".x.ledger.new", capturing("--dir", "OPEN"), goesOn + "gaps stand in the files alone"},
		{"x.pcapng", capturing("-w", "PATH"), "nothing is ever overwritten|it is a directory"},
		{"x.pid", capturing("-w", "OPEN/y.pcapng", "--pid-file", "PATH"), "alone, and is left as it is: choose another with --pid-file"},
		{"x.sock", capturing("-w", "OPEN/y.pcapng", "--pid-file", "OPEN/x.pid"), "something else is there: move it away, or choose another --pid-file"},
		{"x.log", capturing("-w", "OPEN/y.pcapng", "--log-file", "PATH"), "alone, and is left as it is: choose another with --log-file"},
		{"x.jsonl", capturing("-w", "OPEN/y.pcapng", "--dicom-journal", "PATH"), "alone, and is left as it is: choose another with --dicom-journal"},
		{"copy.pcapng", func(_ *scene, path string) *exec.Cmd { return h.command("read", capture, "-w", path) }, "nothing is ever overwritten"},
		{"copy.pcapng", func(_ *scene, path string) *exec.Cmd { return h.command("extract", capture, "-w", path) }, "nothing is ever overwritten"},
		{"x.pid", func(_ *scene, path string) *exec.Cmd { return h.command("stop", "--pid-file", path) }, "alone, and is left as it is"},
	} {
		for kind, plant := range newScene(t).plants() {
			t.Run(tt.name+", "+kind, func(t *testing.T) {
				h.t = t
				s := newScene(t)
				plant = s.plants()[kind]
				path := filepath.Join(s.open, tt.name)
				plant(path)
				before, err := os.Lstat(path)
				require.NoError(t, err)
				says, captures := strings.CutPrefix(tt.says, goesOn)
				p := h.start(tt.command(s, path))
				if captures {
					p.says(isCapturing)
					p.signal(unix.SIGTERM)
				}
				p.wait()
				stderr := p.stderr.String()
				assert.Regexp(t, says, stderr)
				assert.Contains(t, stderr, path)
				if !captures {
					assert.Contains(t, []int{exitFailed, exitUsage}, p.cmd.ProcessState.ExitCode())
					assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
					assert.Empty(t, slices.DeleteFunc(filepathGlob(t, s.open+"/*.pcapng"), func(f string) bool { return f == path }), "nothing was captured")
				}
				after, err := os.Lstat(path)
				require.NoError(t, err)
				assert.True(t, os.SameFile(before, after) && before.Mode() == after.Mode() && before.Size() == after.Size())
				s.untouched(kind)
			})
		}
	}
}

// A path that leads through what is the attacker's, who can have it lead to /etc in the end,
// is refused for PID files, logs and journals.
func TestAttackersDirectory(t *testing.T) {
	h := newHost(t)
	for option, name := range map[string]string{"--pid-file": "x.pid", "--log-file": "x.log", "--dicom-journal": "x.jsonl"} {
		for _, kind := range []string{"link", "directory"} {
			s := newScene(t)
			evil := filepath.Join(s.open, "evil")
			if kind == "link" {
				require.NoError(t, os.Symlink(s.etc, evil))
			} else {
				require.NoError(t, os.Mkdir(evil, 0o755))
			}
			require.NoError(t, os.Lchown(evil, nobody, nobody))
			status, stderr := h.fails(h.command("-i", "c0", "-w", h.dir+"/x.pcapng", option, filepath.Join(evil, name)))
			assert.Equal(t, 1, status)
			assert.Contains(t, stderr, evil+" belongs to nobody, who decides where the path leads: choose another with "+option)
			s.untouched(option)
			isEmpty(t, h.lib)
			assert.NoFileExists(t, h.dir+"/x.pcapng")
			if option != "--dicom-journal" {
				status, stdout, _ := h.netcap("check", "-i", "c0", "-w", h.dir+"/x.pcapng", option, filepath.Join(evil, name))
				assert.Equal(t, exitFound, status)
				assert.Contains(t, stdout, "belongs to nobody", "netcap check says so before")
			}
		}
	}
}

// The directory becomes a link to /etc while its files are written: nothing is read,
// written or deleted there.
func TestDirectoryBecomesLink(t *testing.T) {
	h := newOperated(t)
	s := newScene(t)
	dir := filepath.Join(s.open, "cap")
	require.NoError(t, os.WriteFile(filepath.Join(s.etc, "c0-20261122T130005Z-000001.pcapng"), make([]byte, 1<<20), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(s.etc, "c0.ledger"), []byte("precious"), 0o600))
	s.sum = listingOf(t, s.etc)
	p := h.start(h.command("-i", "c0", "--dir", dir, "-C", "1", "--disk-budget", "4MB", "--keep-free", "1", "-G", "8760h", "--flush", "20ms",
		"--compress", "gzip", "--log-file", dir+"/x.log", "-W", "3", "udp"))
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(dir + "/x.log")
		return err == nil && strings.Contains(string(b), isCapturing)
	}, patience, 5*time.Millisecond, &p.stderr)
	sent := h.peer.Flood(t, "g0", 1514, 1000)
	h.awaitWritten("c0", int64(sent))
	require.NoError(t, os.Rename(dir, dir+".moved"))
	require.NoError(t, os.Symlink(s.etc, dir))
	require.NoError(t, os.Lchown(dir, nobody, nobody))
	for range 5 {
		sent += h.peer.Flood(t, "g0", 1514, 1000)
		p.signal(unix.SIGHUP) // the log is opened again
		p.signal(unix.SIGUSR2)
		h.awaitWritten("c0", int64(sent))
	}
	p.stop()
	s.untouched("after the directory became a link")
	assert.NotEmpty(t, filepathGlob(t, dir+".moved/c0-*.pcapng*"))
	assert.LessOrEqual(t, len(filepathGlob(t, dir+".moved/c0-*.pcapng*")), 3)
	b, err := os.ReadFile(dir + ".moved/x.log")
	require.NoError(t, err)
	assert.Contains(t, string(b), isCapturing)
	for _, f := range filepathGlob(t, dir+".moved/*") {
		st, err := os.Lstat(f)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), st.Mode(), f)
	}
}

// Whoever locks a PID file that names somebody else's process doesn't have root signal
// that: not with a file of his own, nor with one that a dead capture of root's left.
func TestPIDFileNamesAnother(t *testing.T) {
	h := newHost(t)
	s := newScene(t)
	bystander := exec.Command("sleep", "600")
	require.NoError(t, bystander.Start())
	defer func() {
		require.NoError(t, bystander.Process.Kill())
		_ = bystander.Wait() // it was killed
	}()
	for _, owner := range []int{nobody, 0} {
		path := filepath.Join(s.open, strconv.Itoa(owner)+".pid")
		require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(bystander.Process.Pid)+"\n"), 0o644))
		require.NoError(t, os.Chown(path, owner, owner))
		f, err := os.OpenFile(path, os.O_RDONLY, 0)
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
		require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}))
		for _, command := range []string{"stop", "restart", "rotate", "status"} {
			status, _, stderr := h.netcap(command, "--pid-file", path)
			if owner == nobody {
				assert.Equal(t, 1, status, command)
				assert.Contains(t, stderr, "alone, and is left as it is")
			} else {
				assert.Equal(t, exitNotRunning, status, command)
			}
			require.NoError(t, bystander.Process.Signal(unix.Signal(0)), "%s: it lives", command)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", bystander.Process.Pid))
	require.NoError(t, err)
	assert.Contains(t, string(stat), "(sleep) S ", "and no signal has come")

	// What is no PID isn't overwritten, were it root's own.
	config := filepath.Join(s.etc, "config")
	require.NoError(t, os.WriteFile(config, []byte("key = value\n"), 0o644))
	status, stderr := h.fails(h.command("-i", "c0", "-w", h.dir+"/x.pcapng", "--pid-file", config))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "what is in it is no PID, and is left as it is")
	assert.Equal(t, "key = value\n", content(t, config))
}

// Once it captures, a process opens nothing outside its directory and what the kernel tells
// of itself.
func TestOpensNothingElse(t *testing.T) {
	h := newOperated(t)
	set := filepath.Join(h.dir, "set")
	p := h.capture("-i", "c0", "--dir", set, "-C", "1", "--disk-budget", "3MB", "--keep-free", "1", "-G", "8760h", "--flush", "20ms", "--fsync", "100ms", "udp")
	trace := filepath.Join(h.dir, "trace")
	strace := exec.Command(testenv.Program(t, "strace"), "-f", "-y", "-s", "4096", "-e", "trace=%file,execve,ptrace,socket", "-o", trace, "-p", strconv.Itoa(p.cmd.Process.Pid))
	tracer := h.start(strace)
	tracer.says("attached")
	sent := h.peer.Flood(t, "g0", 1514, 5000) // several files, and retention
	p.signal(unix.SIGUSR2)
	p.signal(unix.SIGUSR1)
	h.net.SetDown(t, "c0")
	p.says("is down")
	h.net.SetUp(t, "c0")
	p.says("is up again")
	h.net.Delete(t, "c0")
	p.says("was deleted")
	testenv.NewVeth(t, h.peer, h.net, "g0", "c0")
	p.says("is back")
	sent += h.peer.Flood(t, "g0", 1514, 1000)
	_, received, _ := summary(t, p.stop())
	assert.Equal(t, sent, received)
	tracer.wait()

	b, err := os.ReadFile(trace)
	require.NoError(t, err)
	call := regexp.MustCompile(`^\d+ +(?:<\.\.\. )?(\w+)\((.*)$`)
	at := regexp.MustCompile(`^(?:AT_FDCWD|\d+)<([^>]*)>, "((?:[^"\\]|\\.)*)"`)
	opened := 0
	var elsewhere []string
	for line := range bytes.Lines(b) {
		m := call.FindSubmatch(bytes.TrimSuffix(line, []byte{'\n'}))
		if m == nil {
			continue
		}
		name, args := string(m[1]), string(m[2])
		require.NotContains(t, []string{"execve", "ptrace"}, name, "%s", line)
		if name == "socket" {
			assert.Regexp(t, `^AF_(PACKET|NETLINK)`, args)
			continue
		}
		path := ""
		if m := at.FindStringSubmatch(args); m != nil {
			path = m[2]
			if !filepath.IsAbs(path) {
				path = filepath.Join(m[1], path)
			}
		} else if strings.HasPrefix(args, `"`) {
			path, _, _ = strings.Cut(args[1:], `"`)
		}
		switch {
		case path == set || strings.HasPrefix(path, set+"/"):
			opened++
		default:
			elsewhere = append(elsewhere, strings.TrimSpace(string(line)))
		}
	}
	assert.Greater(t, opened, 10, "the trace shows what is opened")
	// At its end it removes its control socket.
	require.Len(t, elsewhere, 1)
	assert.Regexp(t, `unlink(at)?\(.*"/run/netcap/c0.sock"`, elsewhere[0])
}
