package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What NETCAP_REQUIRE can name.
const (
	requireRoot   = "root"
	requireCorpus = "corpus"
	requirePeers  = "peers"
	requireDocker = "docker"
	requireFUSE   = "fuse"
)

// lacking ends the test because the machine lacks something: it fails where
// NETCAP_REQUIRE names requirement, and is skipped elsewhere.
func lacking(t testing.TB, requirement, what string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("NETCAP_REQUIRE"), ","), requirement) {
		t.Fatalf("not run: needs %s, and NETCAP_REQUIRE has %q", what, requirement)
	}
	t.Skipf("not run: needs %s", what)
}

// Root demands an effective user and capabilities that can make network
// namespaces and open packet sockets.
func Root(t testing.TB) {
	t.Helper()
	if err := canMakeNamespaces(); err != nil {
		t.Logf("no network namespace can be made: %v", err)
		lacking(t, requireRoot, "root")
	}
}

// FUSE demands a kernel that lets programs be file systems.
func FUSE(t testing.TB) {
	t.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		lacking(t, requireFUSE, "FUSE (/dev/fuse)")
	} else if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Corpus demands the corpus and returns its directory: $NETCAP_CORPUS, or
// shared/corpus beside the repository.
func Corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("NETCAP_CORPUS")
	if dir == "" {
		dir = filepath.Join(repository(t), "..", "shared", "corpus")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		lacking(t, requireCorpus, "the corpus ($NETCAP_CORPUS, or ../shared/corpus)")
	}
	return dir
}

// Program demands a program that netcap is compared with, tshark for one, and
// returns its path: from $PATH, or from the directories of root's programs,
// which other users' $PATH leaves out.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, ok := program(name)
	if !ok {
		lacking(t, requirePeers, name)
	}
	return path
}

func program(name string) (path string, ok bool) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, true
		}
	}
	return "", false
}

// repository returns the directory of go.mod, at or above the working
// directory, which go test sets to that of the tested package.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod at or above the working directory")
		}
		dir = parent
	}
}
