package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Docker is a Docker engine of the test's own: its bridge docker0 and its
// containers are in the namespace it was started in, its files in a directory
// of its own, and the machine's engine, if there is one, is left alone.
type Docker struct {
	// Host is what programs that talk to the engine want as DOCKER_HOST.
	Host string

	client string
}

// StartDocker starts a Docker engine in the namespace, stopped with all its
// containers when the test ends. It demands the programs of Docker.
func (n *Namespace) StartDocker(t testing.TB) *Docker {
	t.Helper()
	client, ok := program("docker")
	engine, ok2 := program("dockerd")
	if !ok || !ok2 {
		lacking(t, requireDocker, "docker and dockerd")
	}
	// Not t.TempDir: a socket's path has room for 107 bytes only.
	dir, err := os.MkdirTemp("", "dockerd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Where a container was in the engine's own network namespace, that stays mounted.
		spaces, _ := filepath.Glob(filepath.Join(dir, "exec/netns/*"))
		for _, path := range spaces {
			_ = unix.Unmount(path, unix.MNT_DETACH) // what isn't mounted is removed
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the engine's files: %v", err)
		}
	})
	if err := afterExit(stopDocker, dir); err != nil {
		t.Fatal(err)
	}
	d := &Docker{Host: "unix://" + filepath.Join(dir, "socket"), client: client}
	d.start(t, n, engine, dir)
	return d
}

// stopDocker ends, in the shell, the engine of a test process that was killed.
const stopDocker = `
if pid=$(cat "$0/pid" 2>/dev/null) && kill "$pid"; then
	for _ in $(seq 60); do kill -0 "$pid" 2>/dev/null || break; sleep 1; done
fi
umount --lazy "$0"/exec/netns/* 2>/dev/null
rm -rf "$0"`

// dockerLimit bounds how long an engine takes to start, or to stop: one or two
// seconds, where nothing is wrong.
const dockerLimit = time.Minute

func (d *Docker) start(t testing.TB, n *Namespace, engine, dir string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	fail := func(what string) {
		t.Helper()
		text, _ := os.ReadFile(log.Name())
		lines := strings.SplitAfter(string(text), "\n")
		t.Fatalf("dockerd %s; the end of its log:\n%s", what, strings.Join(lines[max(0, len(lines)-30):], ""))
	}
	cmd := exec.Command(engine, "--host", d.Host,
		"--data-root", filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin") // it runs iptables
	cmd.Stdout, cmd.Stderr = log, log
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // an engine that has ended is told nothing
		select {
		case <-ended:
		case <-time.After(dockerLimit):
			t.Errorf("dockerd: still running %v after SIGTERM", dockerLimit)
			cmd.Process.Kill()
		}
	})
	for start := time.Now(); exec.Command(d.client, "--host", d.Host, "info").Run() != nil; {
		select {
		case err := <-ended:
			ended <- err
			fail(fmt.Sprintf("ended: %v", err))
		case <-time.After(100 * time.Millisecond):
		}
		if time.Since(start) > dockerLimit {
			fail("doesn't answer")
		}
	}
}

// Run runs the docker program on this engine and returns what it printed on
// standard output, without the line's end.
func (d *Docker) Run(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(d.client, append([]string{"--host", d.Host}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s%s", strings.Join(args, " "), err, output, &stderr)
	}
	return strings.TrimSuffix(string(output), "\n")
}

// Import makes an image of files and directories of this machine, given by
// absolute paths and found at the same in the image, with the shared libraries
// that the programs among them need: no registry is asked.
func (d *Docker) Import(t testing.TB, image string, paths ...string) {
	t.Helper()
	member := map[string]bool{}
	for _, path := range paths {
		member[path] = true
		// ldd fails on what is no dynamic program, which then needs nothing.
		output, _ := exec.Command("ldd", path).Output()
		for _, library := range regexp.MustCompile(`(?m)(?:^\s+|=> )(/\S+)`).FindAllSubmatch(output, -1) {
			member[string(library[1])] = true
		}
	}
	args := []string{"--create", "--dereference", "--directory", "/"}
	for path := range member {
		args = append(args, strings.TrimPrefix(path, "/"))
	}
	tar := exec.Command("tar", args...)
	archive, err := tar.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tar.Start(); err != nil {
		t.Fatal(err)
	}
	load := exec.Command(d.client, "--host", d.Host, "import", "-", image)
	load.Stdin = archive
	output, err := load.CombinedOutput()
	if tarErr := tar.Wait(); tarErr != nil {
		t.Fatalf("tar: %v", tarErr)
	}
	if err != nil {
		t.Fatalf("docker import: %v\n%s", err, output)
	}
}
