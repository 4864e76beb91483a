package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace that lives as long as the test: a host of
// its own, with a loopback interface, no other, and no IPv6, so that no packet
// is on the wire that the test did not send.
type Namespace struct {
	fd int
}

// NewNamespace makes a network namespace, closed when the test ends. It
// demands Root.
func NewNamespace(t testing.TB) *Namespace {
	t.Helper()
	Root(t)
	n := &Namespace{fd: -1}
	err := apart(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		fd, err := openThreadNamespace()
		if err != nil {
			return err
		}
		n.fd = fd
		// /proc/sys/net shows the namespace of the thread that opens it. Without
		// IPv6 in the kernel there is no such file, and nothing to switch off.
		err = os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
	if n.fd >= 0 {
		t.Cleanup(func() { unix.Close(n.fd) })
	}
	if err != nil {
		t.Fatalf("new network namespace: %v", err)
	}
	n.SetUp(t, "lo")
	return n
}

// Do calls f on a thread that is in the namespace. Sockets that f opens stay
// in it; goroutines that f starts are not in it, since they run on other
// threads. f may end the test.
func (n *Namespace) Do(f func()) {
	err := apart(func() error {
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		f()
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("testenv: enter network namespace: %v", err))
	}
}

// Start starts a command whose process, with all its threads, is in the
// namespace. Waiting for it, and ending it, is the caller's.
func (n *Namespace) Start(cmd *exec.Cmd) (err error) {
	n.Do(func() { err = cmd.Start() })
	return err
}

// apart calls f, which may move its thread to another network namespace, and
// moves the thread back. A thread that can't be moved back is of no use to
// anyone: it stays locked to its goroutine, with which Go ends it, and the
// panic keeps the goroutine from going on there.
func apart(f func() error) error {
	runtime.LockOSThread()
	home, err := openThreadNamespace()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		err := unix.Setns(home, unix.CLONE_NEWNET)
		unix.Close(home)
		if err != nil {
			panic(fmt.Sprintf("testenv: leave network namespace: %v", os.NewSyscallError("setns", err)))
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

func openThreadNamespace() (fd int, err error) {
	const path = "/proc/thread-self/ns/net"
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// canMakeNamespaces says whether this process may do what Root promises: it
// does it once.
func canMakeNamespaces() error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("running as user %d", uid)
	}
	return apart(func() error {
		return os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET))
	})
}
