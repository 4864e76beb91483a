//go:build linux

// Probe isolates itself and tries what an isolated process mustn't be able to do, for the
// tests of package sandbox: it prints a line each, "name: result". Its arguments are a file
// that everybody may read, a directory that everybody may write to, and the ID of a process
// that it may signal without a sandbox.
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
	if err := probe(os.Args[1], os.Args[2], os.Args[3]); err != nil {
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

func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
