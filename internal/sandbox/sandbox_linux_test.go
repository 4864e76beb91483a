package sandbox_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/sandbox"
	"netcap/internal/testenv"
)

// probe is package probe, and where it tries what it does.
type probe struct {
	path, set, elsewhere, other string
}

// newProbe builds it as releases are: with cgo not all threads could be reached.
func newProbe(t *testing.T) *probe {
	t.Helper()
	testenv.Root(t)
	dir := t.TempDir()
	for at := dir; at != os.TempDir(); at = filepath.Dir(at) {
		require.NoError(t, os.Chmod(at, 0o755))
	}
	p := &probe{path: filepath.Join(dir, "probe"), set: filepath.Join(dir, "set"), elsewhere: filepath.Join(dir, "elsewhere")}
	build := exec.Command("go", "build", "-o", p.path, "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, dir := range []string{p.set, p.elsewhere} {
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.Chmod(dir, 0o777))
	}
	file := filepath.Join(p.elsewhere, "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	require.NoError(t, os.Chmod(file, 0o666))
	for _, name := range []string{filepath.Join(p.elsewhere, "socket"), "@netcap-probe"} {
		l, err := net.Listen("unix", name)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, l.Close()) })
	}
	require.NoError(t, os.Chmod(filepath.Join(p.elsewhere, "socket"), 0o666))
	// A process of nobody's, whom nobody might signal.
	victim := exec.Command(testenv.Program(t, "setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "60")
	require.NoError(t, victim.Start())
	t.Cleanup(func() {
		assert.NoError(t, victim.Process.Kill())
		_ = victim.Wait() // killed
	})
	p.other = fmt.Sprint(victim.Process.Pid)
	return p
}

// probed is what it says that a process can do, and the process.
type probed struct {
	names []string
	may   map[string]bool
	said  map[string]string
	pid   int
}

// start starts it. What it makes of the machine is its own.
func (p *probe) start(t *testing.T, who, other string) (cmd *exec.Cmd, lines *bufio.Scanner) {
	t.Helper()
	cmd = exec.Command(p.path, who, p.set, p.elsewhere, other)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = stdin.Close() }) // Wait may have closed it
	return cmd, bufio.NewScanner(stdout)
}

// run runs it until it has said all, and ends it with the test.
func (p *probe) run(t *testing.T, who string) *probed {
	t.Helper()
	cmd, lines := p.start(t, who, p.other)
	d := &probed{may: make(map[string]bool), said: make(map[string]string), pid: cmd.Process.Pid}
	for lines.Scan() && lines.Text() != "ready" {
		fields := strings.Split(lines.Text(), "\t")
		require.Len(t, fields, 3)
		name, may, said := fields[0], fields[1], fields[2]
		if name == "lacks" {
			if !bySocketcall {
				assert.Empty(t, said)
			}
			continue
		}
		d.names = append(d.names, name)
		d.may[name], d.said[name] = may == "true", said
	}
	return d
}

// has looks at what the kernel says of each thread.
func (d *probed) has(t *testing.T, lines ...string) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.pid))
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

// Capabilities, by the bits of capability.h.
const (
	noneOf   = "\t0000000000000000\n"
	netRaw   = "\t0000000000002000\n" // 13
	override = "\t0000000000000002\n" // 1
	forFiles = "\t00000000000001ff\n" // 0 to 8
)

// bySocketcall says that sockets are made by socketcall(2), where seccomp can't tell their families:
// the processes say so.
const bySocketcall = runtime.GOARCH == "386" || runtime.GOARCH == "s390x"

// table is that of SECURITY.md: the abilities, and whether each of the processes has them.
func table(t *testing.T) (names []string, may map[string]map[string]bool) {
	t.Helper()
	b, err := os.ReadFile("../../SECURITY.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(b), "\n| ability | ")
	require.True(t, found)
	text, _, _ = strings.Cut(text, "\n\n")
	var processes []string
	may = make(map[string]map[string]bool)
	for n, line := range strings.Split("| ability | "+text, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		switch n {
		case 0:
			processes = cells[1:]
		case 1:
		default:
			require.Len(t, cells, len(processes)+1, line)
			names = append(names, cells[0])
			for i, p := range processes {
				if may[p] == nil {
					may[p] = make(map[string]bool)
				}
				require.Contains(t, []string{"yes", "–"}, cells[i+1], line)
				may[p][cells[0]] = cells[i+1] == "yes"
			}
		}
	}
	return names, may
}

// TestAbilities tries on several threads what processes of netcap's can do: what SECURITY.md
// says. A process that gives up nothing can do all of it, or the trial would mean nothing.
func TestAbilities(t *testing.T) {
	p := newProbe(t)
	names, processes := table(t)
	require.Greater(t, len(names), 60)
	free := p.run(t, "free")
	require.Equal(t, names, free.names)
	for _, name := range names {
		lacking := free.said[name] == unix.ENOSYS.Error() // a kernel without modules, say
		assert.True(t, free.may[name] || lacking, "%s: %s", name, free.said[name])
	}
	for who, may := range processes {
		d := p.run(t, who)
		require.Equal(t, names, d.names)
		for _, name := range names {
			if bySocketcall && (who == "capture" || who == "gate") && strings.Contains(name, "socket") {
				continue
			}
			assert.Equal(t, may[name], d.may[name], "%s: %s: %s", who, name, d.said[name])
		}
		switch who {
		case "capture":
			d.has(t, "Uid:\t0\t0\t0\t0\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
				"CapInh:"+noneOf, "CapPrm:"+netRaw, "CapEff:"+netRaw, "CapBnd:"+netRaw, "CapAmb:"+noneOf)
		case "helper":
			d.has(t, "NoNewPrivs:\t1\n", "CapInh:"+noneOf, "CapPrm:"+forFiles, "CapEff:"+forFiles, "CapBnd:"+forFiles, "CapAmb:"+noneOf)
		case "gate":
			d.has(t, "NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapInh:"+noneOf, "CapPrm:"+override, "CapEff:"+override, "CapBnd:"+override, "CapAmb:"+noneOf)
		case "reader":
			d.has(t, "Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65534\t65534\t65534\t65534\n", "Groups:\t \n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
				"CapInh:"+noneOf, "CapPrm:"+noneOf, "CapEff:"+noneOf, "CapBnd:"+noneOf, "CapAmb:"+noneOf)
		}
		// Another table of system calls ends it, but where programs may be run.
		for _, table := range []string{"i386", "x32"} {
			if runtime.GOARCH != "amd64" || may["run a program"] {
				continue
			}
			cmd, lines := p.start(t, who, table)
			var said []string
			for lines.Scan() {
				said = append(said, lines.Text())
			}
			assert.Equal(t, []string{"lacks\t\t", "ready"}, said)
			assert.ErrorContains(t, cmd.Wait(), "signal: bad system call", "%s: %s", who, table)
		}
	}
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
