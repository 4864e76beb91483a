package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// PIDFile is a file that holds the PID of a running process, which has it
// locked for as long as it runs. The lock, and not the number, tells whether
// the process is there.
type PIDFile struct {
	f    *os.File
	path string
}

// ErrRunning is what LockPIDFile returns where a process has the lock.
var ErrRunning = errors.New("already running")

// LockPIDFile creates the file, locks it, and writes this process's PID there.
// A missing directory is created, mode 0755. The file is never unlinked: a
// process that waits for the lock of a file without a name would not keep the
// next one out.
func LockPIDFile(path string) (*PIDFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, pidFileError(path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, pidFileError(path, err)
	}
	if err := lockAndWrite(f, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &PIDFile{f, path}, nil
}

func lockAndWrite(f *os.File, path string) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("PID file %s: it is no regular file: move it away, or choose another with --pid-file", path)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return runningError(path, readPID(f))
		}
		return fmt.Errorf("PID file %s: %w", path, os.NewSyscallError("flock", err))
	}
	// The name may have come to mean another file before the lock was had.
	if now, err := os.Lstat(path); err != nil || !os.SameFile(st, now) {
		return fmt.Errorf("PID file %s: it was replaced just now: try again", path)
	}
	if err := f.Truncate(0); err != nil {
		return pidFileError(path, err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return pidFileError(path, err)
	}
	return nil
}

func runningError(path, pid string) error {
	return fmt.Errorf("%w as PID %s (%s is locked): stop it, or choose another --name", ErrRunning, pid, path)
}

// CheckPIDFile finds out whether LockPIDFile would succeed, and leaves everything as
// it is.
func CheckPIDFile(path string) error {
	p, err := Find(path)
	switch {
	case err == nil:
		return errors.Join(runningError(path, strconv.Itoa(p.PID)), p.Close())
	case !errors.Is(err, ErrNotRunning):
		return err
	}
	if err := CanMake(path); err != nil {
		return pidFileError(path, err)
	}
	return nil
}

// CanMake finds out whether a file can be written: one that is there, or one that has
// to be made, with directories perhaps.
func CanMake(path string) error {
	for ; ; path = filepath.Dir(path) {
		err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS)
		if errors.Is(err, unix.ENOENT) && path != filepath.Dir(path) {
			continue
		}
		if err != nil {
			return &fs.PathError{Op: "write", Path: path, Err: err}
		}
		return nil
	}
}

// readPID returns what the file holds, for people.
func readPID(f *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid := strings.TrimSpace(string(b))
	if _, numErr := strconv.Atoi(pid); err != nil || numErr != nil {
		return "unknown"
	}
	return pid
}

func pidFileError(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("PID file: %w: choose another with --pid-file", err)
	}
	return fmt.Errorf("PID file %s: %w", path, err)
}

// Release empties the file and gives up the lock.
func (p *PIDFile) Release() error {
	return errors.Join(p.f.Truncate(0), p.f.Close())
}
