package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/ownfile"
)

// ErrNotRunning is what Find returns where no process has the lock.
var ErrNotRunning = errors.New("no such capture is running")

// Process is a running process that was found by its PID file. It can't come to mean another
// one: a descriptor holds it, and not the number. Linux before 5.3 has no such descriptors, and
// a container's seccomp filter may refuse them: there the number counts only as long as the
// process behind it began when this one did.
type Process struct {
	PID   int
	file  *os.File // the process, pidfd_open(2); nil where that can't be had
	began string   // when it began, in clock ticks since boot, where there is no file
}

// Find returns the process that has a PID file locked, whatever the file says of
// processes that are gone.
func Find(path string) (*Process, error) {
	// The process may end, and another begin, while it is looked at.
	const tries = 5
	for range tries {
		p, again, err := find(path)
		if !again {
			return p, err
		}
	}
	return nil, fmt.Errorf("PID file %s: it changes all the time: is the capture being restarted?", path)
}

func find(path string) (p *Process, again bool, err error) {
	pid, err := lockedBy(path)
	if err != nil {
		return nil, false, err
	}
	p = &Process{PID: pid}
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, true, nil
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
		if p.began = beginningOf(pid); p.began == "" {
			return nil, true, nil
		}
	case err != nil:
		return nil, false, fmt.Errorf("process %d: %w", pid, os.NewSyscallError("pidfd_open", err))
	default:
		p.file = os.NewFile(uintptr(fd), "pidfd")
	}
	if now, err := lockedBy(path); err != nil || now != pid {
		return nil, true, p.Close()
	}
	return p, false, nil
}

// lockedBy returns the process that has a PID file locked, as the kernel knows it: what
// is in the file may be of a process that is gone, whose number another one has now.
func lockedBy(path string) (pid int, err error) {
	dir, err := ownfile.OpenDir(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ErrNotRunning
	}
	if err != nil {
		return 0, fmt.Errorf("PID file: %w", err)
	}
	defer dir.Close()
	f, err := ownfile.Open(dir, filepath.Base(path), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ErrNotRunning
	}
	if err != nil {
		return 0, fmt.Errorf("PID file: %w", err)
	}
	defer f.Close()
	// Who may only read the file has no lock that keeps readers out.
	lock := unix.Flock_t{Type: unix.F_RDLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("PID file %s: %w", path, os.NewSyscallError("fcntl", err))
	}
	switch {
	case lock.Type == unix.F_UNLCK:
		return 0, ErrNotRunning
	case lock.Pid <= 0: // pid_namespaces(7)
		return 0, fmt.Errorf("PID file %s: the process that has it locked can't be seen from here: ask in its container", path)
	}
	return int(lock.Pid), nil
}

// IsLocked reports whether a process has a PID file locked, as far as that can be seen.
func IsLocked(path string) bool {
	_, err := lockedBy(path)
	return err == nil
}

// FindAll returns the paths of the PID files in a directory that processes have
// locked. A directory that isn't there has none.
func FindAll(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var running []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !strings.HasSuffix(e.Name(), pidSuffix) || !e.Type().IsRegular() {
			continue
		}
		if IsLocked(path) {
			running = append(running, path)
		}
	}
	return running, nil
}

const pidSuffix = ".pid"

// beginningOf is when a process began, "" if there is none, or it has ended and nobody took note.
func beginningOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// proc_pid_stat(5): a name in parentheses may hold anything, and is the second of them.
	const state, starttime = 3, 22
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) <= starttime-state || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[starttime-state]
}

// ended reports whether a process without a descriptor has ended.
func (p *Process) ended() bool { return beginningOf(p.PID) != p.began }

// Signal sends a signal.
func (p *Process) Signal(s unix.Signal) (err error) {
	call := "pidfd_send_signal"
	switch {
	case p.file != nil:
		err = unix.PidfdSendSignal(int(p.file.Fd()), s, nil, 0)
	case p.ended():
		return ErrNotRunning
	default:
		call, err = "kill", unix.Kill(p.PID, s)
	}
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	return os.NewSyscallError(call, err)
}

// Wait returns when the process has ended, or with the error of ctx.
func (p *Process) Wait(ctx context.Context) error {
	const slice = 100 // ms
	for {
		over, err := p.poll(slice)
		switch {
		case err != nil:
			return err
		case over:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// poll waits for some milliseconds, and reports whether the process has ended.
func (p *Process) poll(ms int) (over bool, err error) {
	if p.file == nil {
		if p.ended() {
			return true, nil
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return false, nil
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.file.Fd()), Events: unix.POLLIN}}, ms)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, os.NewSyscallError("poll", err)
	}
	return n > 0, nil
}

// Close lets go of the process, which goes on.
func (p *Process) Close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}
