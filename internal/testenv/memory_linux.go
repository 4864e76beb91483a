package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// MemoryGroup is a control group that bounds the memory of those above and in it, of version
// 1 or 2 as the machine has it. It lives as long as the test.
type MemoryGroup struct {
	dir   string // that is bounded
	inner string // in it, where processes are
	v2    bool
}

// NewMemoryGroup makes a group with so many bytes. It demands Root, and a machine on which
// memory can be bounded.
func NewMemoryGroup(t testing.TB, bytes int64) *MemoryGroup {
	t.Helper()
	Root(t)
	root, v2 := memoryRoot()
	if root == "" {
		lacking(t, requireRoot, "control groups that bound memory")
	}
	dir, err := os.MkdirTemp(root, "netcap-test-")
	if err != nil {
		t.Logf("no control group can be made: %v", err)
		lacking(t, requireRoot, "control groups that can be made")
	}
	g := &MemoryGroup{dir: dir, inner: filepath.Join(dir, "inner"), v2: v2}
	if err := afterExit(removeControlGroup, dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { awaitRemoval(t, dir) })
	if err := os.Mkdir(g.inner, 0o755); err != nil {
		t.Fatal(err)
	}
	g.Bound(t, bytes)
	return g
}

// memoryRoot is where groups can be made that bound memory, "" for nowhere.
func memoryRoot() (dir string, v2 bool) {
	const v1 = "/sys/fs/cgroup/memory"
	if _, err := os.Stat(v1 + "/memory.limit_in_bytes"); err == nil {
		return v1, false
	}
	const root = "/sys/fs/cgroup"
	var st unix.Statfs_t
	if unix.Statfs(root, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return "", false
	}
	// In a container this fails where processes are in the group itself.
	_ = os.WriteFile(root+"/cgroup.subtree_control", []byte("+memory"), 0)
	if b, err := os.ReadFile(root + "/cgroup.subtree_control"); err == nil && strings.Contains(string(b), "memory") {
		return root, true
	}
	return "", false
}

func awaitRemoval(t testing.TB, dir string) {
	t.Helper()
	// The kernel takes a moment to forget processes that were waited for.
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := removeTree(dir)
		if err == nil {
			return
		}
		if time.Since(start) > 30*time.Second {
			t.Errorf("remove control groups: %v", err)
			return
		}
	}
}

// Bound changes how many bytes the group has.
func (g *MemoryGroup) Bound(t testing.TB, bytes int64) {
	t.Helper()
	name := "memory.limit_in_bytes"
	if g.v2 {
		name = "memory.max"
	}
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(strconv.FormatInt(bytes, 10)), 0); err != nil {
		t.Fatal(err)
	}
}

// Enclose has a command, which isn't started yet, run in the group.
func (g *MemoryGroup) Enclose(t testing.TB, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	sh := Program(t, "sh")
	const enter = `echo $$ >"$0" && exec "$@"`
	cmd.Args = append([]string{sh, "-c", enter, filepath.Join(g.inner, "cgroup.procs"), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = sh
	return cmd
}

// Killed is how many processes of the group were killed for want of memory.
func (g *MemoryGroup) Killed(t testing.TB) (n int) {
	t.Helper()
	name := "memory.oom_control"
	if g.v2 {
		name = "memory.events"
	}
	b, err := os.ReadFile(filepath.Join(g.inner, name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "oom_kill %d", &n); err == nil {
			return n
		}
	}
	t.Fatalf("%s doesn't say how many were killed: %s", name, b)
	return 0
}

// Most is the most bytes that the group had at once.
func (g *MemoryGroup) Most(t testing.TB) int64 {
	t.Helper()
	name := "memory.max_usage_in_bytes"
	if g.v2 {
		name = "memory.peak"
	}
	b, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
