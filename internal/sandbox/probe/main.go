//go:build linux

// Probe isolates or confines itself and tries what it mustn't be able to do then, for the
// tests of package sandbox: it prints a line each, "name: result". Its arguments are isolate
// or confine, a file that everybody may read, a directory that everybody may write to, which
// confine leaves it, and the ID of a process that it may signal without a sandbox.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"netcap/internal/sandbox"
)

func main() {
	how := probe
	if os.Args[1] == "confine" {
		how = confined
	}
	if err := how(os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func probe(file, dir, process string) error {
	pid, err := strconv.Atoi(process)
	if err != nil {
		return err
	}
	open, err := os.Open(file)
	if err != nil {
		return err
	}
	written, err := os.Create(filepath.Join(dir, "open"))
	if err != nil {
		return err
	}
	// Threads that are there before, which all are to be covered.
	for range 4 {
		go func() {
			runtime.LockOSThread()
			select {}
		}()
	}
	status, err := os.Open("/proc/self/task")
	if err != nil {
		return err
	}
	result, err := sandbox.Isolate()
	if err != nil {
		return err
	}
	fmt.Println("lacks:", strings.Join(result.Lacks, "; "))
	say := func(what string, err error) { fmt.Printf("%s: %v\n", what, err) }

	_, err = io.ReadAll(open)
	say("read what is open", err)
	done := make(chan struct{})
	for range 8 { // new threads
		go func() {
			runtime.LockOSThread()
			done <- struct{}{}
		}()
	}
	for range 8 {
		<-done
	}
	say("threads", nil)
	_, err = os.ReadFile(file)
	say("open a file", err)
	say("create a file", os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
	say("make a directory", os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	_, err = os.ReadDir(dir)
	say("list a directory", err)
	_, err = written.Write([]byte("x"))
	say("write into a file", err)
	_, err = status.Readdirnames(-1)
	say("list what is open", err)
	_, err = net.Dial("tcp", "127.0.0.1:9")
	say("connect", err)
	_, err = net.Listen("tcp", "127.0.0.1:0")
	say("listen", err)
	_, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	say("packet socket", err)
	say("run a program", exec.Command("/bin/true").Run())
	say("signal", syscall.Kill(pid, 0))
	say("trace", unix.PtraceSeize(pid))
	_, _, e := unix.RawSyscall(unix.SYS_SETUID, 0, 0, 0)
	say("become root", errno(e))
	say("mount", unix.Mount("none", dir, "tmpfs", 0, ""))
	_, _, e = unix.RawSyscall(unix.SYS_BPF, 0, 0, 0)
	say("bpf", errno(e))
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin) // until the test has looked
	return err
}

// confined tries on several threads, some of which were there before.
func confined(file, dir, process string) error {
	pid, err := strconv.Atoi(process)
	if err != nil {
		return err
	}
	const threads = 4
	tries, done := make(chan func()), make(chan struct{})
	thread := func() {
		runtime.LockOSThread()
		for try := range tries {
			try()
			done <- struct{}{}
		}
	}
	for range threads {
		go thread()
	}
	open, err := os.Open(file)
	if err != nil {
		return err
	}
	result, err := sandbox.Confine(&sandbox.Config{Write: []string{dir}})
	if err != nil {
		return err
	}
	fmt.Println("lacks:", strings.Join(result.Lacks, "; "))
	for range threads {
		go thread()
	}
	say := func(what string, try func() error) {
		results := make([]string, 0, 2*threads)
		for range 2 * threads {
			tries <- func() {
				if text := fmt.Sprint(try()); len(results) == 0 || results[len(results)-1] != text {
					results = append(results, text)
				}
			}
			<-done
		}
		fmt.Printf("%s: %s\n", what, strings.Join(results, "; "))
	}
	socket := func(family, kind int) func() error {
		return func() error {
			fd, err := unix.Socket(family, kind, 0)
			if err == nil {
				err = unix.Close(fd)
			}
			return err
		}
	}
	say("read what is open", func() error { _, err := io.ReadAll(open); return err })
	say("make, rename and delete a file", func() error {
		path := filepath.Join(dir, "made")
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			return err
		}
		if err := os.Rename(path, path+"2"); err != nil {
			return err
		}
		return os.Remove(path + "2")
	})
	say("packet socket", socket(unix.AF_PACKET, unix.SOCK_RAW))
	say("netlink socket", socket(unix.AF_NETLINK, unix.SOCK_RAW))
	say("unix socket", socket(unix.AF_UNIX, unix.SOCK_STREAM))
	say("internet socket", socket(unix.AF_INET, unix.SOCK_STREAM))
	say("internet socket, version 6", socket(unix.AF_INET6, unix.SOCK_DGRAM))
	say("open a file", func() error { _, err := os.ReadFile(file); return err })
	say("make a file elsewhere", func() error { return os.WriteFile(filepath.Join(filepath.Dir(dir), "elsewhere"), nil, 0o600) })
	say("run a program", func() error { return unix.Exec("/bin/true", []string{"true"}, nil) })
	say("trace", func() error { return unix.PtraceSeize(pid) })
	say("signal", func() error { return syscall.Kill(pid, 0) })
	say("mount", func() error { return unix.Mount("none", dir, "tmpfs", 0, "") })
	say("another root", func() error { return unix.Chroot(dir) })
	say("another namespace", func() error { return unix.Unshare(unix.CLONE_NEWNET) })
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin) // until the test has looked
	return err
}

func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
