// Package packaging tests what scripts/packages builds, and the recipes beside it: with
// dpkg, rpm, lintian, systemd, Docker and the types of Kubernetes.
package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// run runs a program that has to succeed and returns what it printed, without the last
// line's end.
func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", program, strings.Join(args, " "), out)
	return strings.TrimSuffix(string(out), "\n")
}

// packages is where the packages of two versions are, for this machine's architecture.
type packages struct {
	old, new string // directories
}

const (
	oldVersion = "v0.9.0-rc1"
	newVersion = "v0.9.0"
)

var built struct {
	once sync.Once
	packages
	err error
}

// built packages are of use to all tests: they are made once a run.
func build(t testing.TB) packages {
	t.Helper()
	built.once.Do(func() {
		var dir string
		if dir, built.err = os.MkdirTemp("", "netcap-packages-"); built.err != nil {
			return
		}
		built.packages = packages{filepath.Join(dir, "old"), filepath.Join(dir, "new")}
		for version, dir := range map[string]string{oldVersion: built.old, newVersion: built.new} {
			if built.err = buildInto(dir, version); built.err != nil {
				return
			}
		}
	})
	require.NoError(t, built.err)
	return built.packages
}

func buildInto(dir, version string) error {
	arch, err := exec.Command("go", "env", "GOHOSTARCH").Output()
	if err != nil {
		return err
	}
	cmd := exec.Command("../scripts/packages", dir, strings.TrimSpace(string(arch)))
	cmd.Env = append(os.Environ(), "NETCAP_VERSION="+version)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return &exec.Error{Name: "scripts/packages", Err: errorText{err, out.String()}}
	}
	return nil
}

// errorText is an error with what was printed.
type errorText struct {
	error
	text string
}

func (e errorText) Error() string { return e.error.Error() + "\n" + e.text }

func TestMain(m *testing.M) {
	status := m.Run()
	if built.old != "" {
		os.RemoveAll(filepath.Dir(built.old))
	}
	os.Exit(status)
}

// one is the only file of a pattern.
func one(t testing.TB, pattern ...string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pattern...))
	require.NoError(t, err)
	require.Len(t, files, 1, "%v", pattern)
	return files[0]
}

// Two builds of a commit are the same bytes.
func TestReproducible(t *testing.T) {
	p, again := build(t), t.TempDir()
	require.NoError(t, buildInto(again, newVersion))
	files, err := filepath.Glob(filepath.Join(p.new, "*"))
	require.NoError(t, err)
	require.Len(t, files, 4, "a .deb, an .rpm, the program, copyright")
	for _, file := range files {
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(again, filepath.Base(file)))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), filepath.Base(file))
	}
}

// What git describe says of one build after the other is legal, and sorted.
func TestVersions(t *testing.T) {
	dpkg, rpm := testenv.Program(t, "dpkg"), testenv.Program(t, "rpm")
	previous := ""
	for _, tt := range []struct{ described, seconds, want string }{
		{"devel", "0", "0.0.0~devel"},
		{"fedcba9", "1700000000", "0.0.0~20231114221320.gfedcba9"},
		{"0a1b2c3", "1700000001", "0.0.0~20231114221321.g0a1b2c3"},
		{"0a1b2c3-dirty", "1700000001", "0.0.0~20231114221321.g0a1b2c3.dirty"},
		{"v0.9.0-rc1", "1700000002", "0.9.0~rc1"},
		{"v0.9.0-rc1-3-gabcdef0", "1700000002", "0.9.0~rc1+3.gabcdef0"},
		{"v0.9.0", "1700000002", "0.9.0"},
		{"v0.9.0-dirty", "1700000002", "0.9.0+0.dirty"},
		{"v0.9.0-9-gabcdef0", "1700000002", "0.9.0+9.gabcdef0"},
		{"v0.9.0-10-g0abcdef-dirty", "1700000002", "0.9.0+10.g0abcdef.dirty"},
		{"v0.9.1", "1700000002", "0.9.1"},
		{"v1.0", "1700000002", "1.0"},
	} {
		got := run(t, "./version", tt.described, tt.seconds)
		assert.Equal(t, tt.want, got)
		run(t, dpkg, "--validate-version", got+"-1")
		// The first, devel, is no build of a commit, and has no place among them.
		if previous != "" && previous != "0.0.0~devel" {
			run(t, dpkg, "--compare-versions", previous+"-1", "lt", got+"-1")
			assert.Equal(t, "-1", run(t, rpm, "--eval", `%{lua: print(rpm.vercmp("`+previous+`", "`+got+`"))}`), "%s, %s", previous, got)
		}
		previous = got
	}
}

// Debian's checker has nothing to say that lintian-overrides doesn't explain.
func TestLintian(t *testing.T) {
	lintian := testenv.Program(t, "lintian")
	out := run(t, lintian, "--allow-root", "--fail-on", "error,warning", "--display-info", one(t, build(t).new, "*.deb"))
	assert.NotContains(t, out, "E: ")
	assert.NotContains(t, out, "W: ")
}

// rpm reads the package, and finds in it what dpkg finds in the other.
func TestRPM(t *testing.T) {
	rpm := testenv.Program(t, "rpm")
	p := build(t)
	file := one(t, p.new, "*.rpm")
	assert.Contains(t, run(t, rpm, "--checksig", file), "digests OK")
	assert.Equal(t, "netcap 0.9.0 1 (none)", run(t, rpm, "-qp", "--qf", "%{NAME} %{VERSION} %{RELEASE} %{EPOCH}", file))
	assert.Equal(t, "localhost", run(t, rpm, "-qp", "--qf", "%{BUILDHOST}", file))
	list := strings.Split(run(t, rpm, "-qpl", file), "\n")
	commands := 0
	for _, line := range strings.Split(run(t, testenv.Program(t, "dpkg-deb"), "--contents", one(t, p.new, "*.deb")), "\n") {
		fields := strings.Fields(line)
		path := strings.TrimPrefix(fields[5], ".")
		switch {
		case strings.HasPrefix(fields[0], "d"):
		case strings.HasPrefix(path, "/usr/share/lintian"), strings.HasSuffix(path, "/copyright"), strings.HasSuffix(path, "changelog.Debian.gz"):
		case path == "/usr/share/zsh/vendor-completions/_netcap":
			assert.Contains(t, list, "/usr/share/zsh/site-functions/_netcap")
		default:
			assert.Contains(t, list, path)
		}
		assert.Equal(t, "root/root", fields[1], path)
		if strings.Contains(path, "/man8/netcap-") {
			commands++
		}
	}
	assert.Greater(t, commands, 15, "a page a command")
	assert.Contains(t, list, "/usr/share/licenses/netcap/LICENSE")
	assert.Contains(t, list, "/etc/netcap")
	scripts := run(t, rpm, "-qp", "--scripts", file)
	for _, script := range []string{"postinstall scriptlet (using /bin/sh)", "preuninstall scriptlet", "postuninstall scriptlet"} {
		assert.Contains(t, scripts, script)
	}
}
