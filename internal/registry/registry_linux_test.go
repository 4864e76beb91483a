package registry_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/daemon"
	"netcap/internal/registry"
)

func newRegistry(t *testing.T) *registry.Registry {
	t.Helper()
	dir := t.TempDir()
	return &registry.Registry{Run: filepath.Join(dir, "run"), State: filepath.Join(dir, "state")}
}

// locked is the PID file that a process of this test's has locked: the kernel tells nobody of
// locks of his own.
const locked = "NETCAP_REGISTRY_PIDFILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(locked); path != "" {
		if _, err := daemon.LockPIDFile(path); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("locked\n")
		os.Stdin.Read(make([]byte, 1)) //nolint:errcheck // until the test has seen enough
		return
	}
	os.Exit(m.Run())
}

// lock has a process lock a PID file until the test ends.
func lock(t *testing.T, path string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), locked+"="+path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, len("locked\n")))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait())
	})
}

func at(hour int) time.Time { return time.Date(2026, 11, 30, hour, 0, 0, 0, time.UTC) }

// TestFind has captures of one name, of which one runs, found when they have ended, and after a
// boot.
func TestFind(t *testing.T) {
	r := newRegistry(t)
	all, err := r.All()
	require.NoError(t, err)
	assert.Empty(t, all)

	usual := registry.Capture{Name: "lo", Dir: "/data/lo", Set: "lo", PIDFile: filepath.Join(r.Run, "lo.pid"), Started: at(1)}
	file := registry.Capture{Name: "lo", Dir: "/data", File: "x.pcap", PIDFile: filepath.Join(r.State, "own.pid"), Started: at(2)}
	other := registry.Capture{Name: "eth0", Dir: "/data/eth0", Set: "eth0", PIDFile: filepath.Join(r.Run, "eth0.pid"), Started: at(3)}
	for _, c := range []*registry.Capture{&usual, &file, &other} {
		require.NoError(t, r.Enter(c))
	}
	assert.Equal(t, "/data/lo", usual.Path())
	assert.Equal(t, "/data/x.pcap", file.Path())
	got, err := r.Find("lo")
	require.NoError(t, err)
	assert.Equal(t, []registry.Capture{file, usual}, got, "the one that began last first")

	// The usual one goes on elsewhere, and runs.
	lock(t, usual.PIDFile)
	usual.Dir, usual.Started, usual.Running = "/other/lo", at(0), true
	require.NoError(t, r.Enter(&usual))
	want := usual
	got, err = r.Find("lo")
	require.NoError(t, err)
	assert.Equal(t, []string{"lo.capture"}, glob(t, r.Run, "lo.c*"))
	assert.Equal(t, want.PIDFile, got[0].PIDFile)
	assert.True(t, got[0].Running)
	assert.Equal(t, file, got[1])

	require.NoError(t, os.RemoveAll(r.Run)) // a boot
	got, err = r.Find("lo")
	require.NoError(t, err)
	assert.Equal(t, file, got[0])
	assert.Len(t, got, 2)
	assert.False(t, got[1].Running)
}

func glob(t *testing.T, dir, pattern string) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

// TestOnePlace has a capture be entered though one of the directories can't be written.
func TestOnePlace(t *testing.T) {
	r := newRegistry(t)
	c := &registry.Capture{Name: "lo", Dir: "/data/lo", Set: "lo", PIDFile: filepath.Join(r.Run, "lo.pid"), Started: at(1)}
	require.NoError(t, os.WriteFile(r.State, nil, 0o600))
	require.NoError(t, r.Enter(c))
	got, err := r.Find("lo")
	assert.ErrorContains(t, err, r.State)
	assert.Equal(t, []registry.Capture{*c}, got, "what can be read")
	require.NoError(t, os.Remove(r.State))

	require.NoError(t, os.RemoveAll(r.Run))
	for _, path := range []string{r.State, r.Run} {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	err = r.Enter(c)
	assert.ErrorContains(t, err, r.Run)
	assert.ErrorContains(t, err, r.State)
}

// TestForeign passes over what isn't this user's, and what is no capture.
func TestForeign(t *testing.T) {
	r := newRegistry(t)
	c := &registry.Capture{Name: "lo", Dir: "/data/lo", Set: "lo", PIDFile: filepath.Join(r.Run, "lo.pid"), Started: at(1)}
	require.NoError(t, r.Enter(c))
	path := filepath.Join(r.Run, "lo.capture")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(r.State))
	for what, content := range map[string]string{
		"torn":          string(whole[:len(whole)/2]),
		"empty":         "",
		"another name":  `{"name":"eth0","dir":"/data","set":"eth0","pid_file":"` + c.PIDFile + `"}`,
		"no name":       `{"name":"../x","dir":"/data","set":"lo","pid_file":"` + c.PIDFile + `"}`,
		"relative":      `{"name":"lo","dir":"data","set":"lo","pid_file":"` + c.PIDFile + `"}`,
		"set and file":  `{"name":"lo","dir":"/data","set":"lo","file":"x","pid_file":"` + c.PIDFile + `"}`,
		"file far away": `{"name":"lo","dir":"/data","file":"../x","pid_file":"` + c.PIDFile + `"}`,
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		all, err := r.All()
		require.NoError(t, err, what)
		assert.Empty(t, all, what)
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink("/etc/passwd", path))
	all, err := r.All()
	require.NoError(t, err)
	assert.Empty(t, all, "a link")
	require.NoError(t, os.Remove(path))
	if os.Geteuid() == 0 {
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		require.NoError(t, os.Chown(path, 65534, 65534))
		all, err = r.All()
		require.NoError(t, err)
		assert.Empty(t, all, "another user's")
	}
}

// TestBounded has more captures end than are remembered: those that began last stay, and what
// runs.
func TestBounded(t *testing.T) {
	r := newRegistry(t)
	const most = 256
	runs := filepath.Join(r.Run, "c0.pid")
	lock(t, runs)
	for n := range most + 10 {
		name := fmt.Sprintf("c%d", n)
		require.NoError(t, r.Enter(&registry.Capture{Name: name, Dir: "/data/" + name, Set: name, PIDFile: filepath.Join(r.Run, name+".pid"), Started: at(0).Add(time.Duration(n) * time.Minute)}))
	}
	all, err := r.All()
	require.NoError(t, err)
	require.Equal(t, most+1, len(all))
	assert.Equal(t, "c0", all[0].Name)
	assert.Equal(t, "c265", all[1].Name)
	assert.Equal(t, "c10", all[most].Name)
	assert.Equal(t, most+1, len(glob(t, r.Run, "*.capture")))
}
