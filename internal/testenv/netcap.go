package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var netcap struct {
	build sync.Once
	path  string
	err   error
}

// Netcap builds the program once a test process, as a release is built, and
// returns its path. Every user may execute it. It is removed after the
// process has ended. Under the race detector the test is skipped: the program that is released,
// without cgo, can't have it, and nothing else of such a test could race.
func Netcap(t testing.TB) string {
	t.Helper()
	if underRace {
		t.Skip("it runs the program that is released, which the race detector isn't in")
	}
	root := repository(t)
	netcap.build.Do(func() {
		netcap.path, netcap.err = buildNetcap(root)
	})
	if netcap.err != nil {
		t.Fatalf("build netcap: %v", netcap.err)
	}
	return netcap.path
}

func buildNetcap(root string) (path string, err error) {
	dir, err := os.MkdirTemp("", "netcap-test-")
	if err != nil {
		return "", err
	}
	if err := afterExit(`rm -rf "$0"`, dir); err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "netcap")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "./cmd/netcap")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, output)
	}
	return path, os.Chmod(path, 0o755)
}
