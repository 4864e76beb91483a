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

	"netcap/internal/ownfile"
)

// PIDFile is a file that holds the PID of a running process, which has it
// locked for as long as it runs, twice: by flock(2), which keeps others out, and by
// fcntl(2), of which the kernel tells every reader the process. So neither that it runs
// nor which it is depends on what is in the file.
type PIDFile struct {
	f    *os.File
	path string
}

// ErrRunning is what LockPIDFile returns where a process has the lock.
var ErrRunning = errors.New("already running")

// LockPIDFile creates the file, 0600, locks it, and writes this process's PID there.
// A missing directory is created, mode 0755. The file is never unlinked: a
// process that waits for the lock of a file without a name would not keep the
// next one out. What isn't a PID file of this user's is left as it is.
//
// Until Release this process must not open the file again: closing it there would give
// up the lock of fcntl(2).
func LockPIDFile(path string) (*PIDFile, error) {
	dir, err := ownfile.OpenDir(path, true)
	if err != nil {
		return nil, pidFileError(path, err)
	}
	defer dir.Close()
	f, err := ownfile.Open(dir, filepath.Base(path), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, pidFileError(path, err)
	}
	if err := lockAndWrite(f, dir, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &PIDFile{f, path}, nil
}

func lockAndWrite(f *os.File, dir *os.Root, path string) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return runningError(path, readPID(f))
		}
		return fmt.Errorf("PID file %s: %w", path, os.NewSyscallError("flock", err))
	}
	// The name may have come to mean another file before the lock was had.
	if now, err := dir.Lstat(filepath.Base(path)); err != nil || !os.SameFile(st, now) {
		return fmt.Errorf("PID file %s: it was replaced just now: try again", path)
	}
	if st.Size() > 0 && readPID(f) == unknown {
		return fmt.Errorf("PID file %s: what is in it is no PID, and is left as it is: move it away, or choose another with --pid-file", path)
	}
	// Older ones may be read by everybody, and so be locked by everybody.
	if err := f.Chmod(0o600); err != nil {
		return pidFileError(path, err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
		return fmt.Errorf("PID file %s: %w", path, os.NewSyscallError("fcntl", err))
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
	if err := ownfile.Check(path); err != nil {
		return pidFileError(path, err)
	}
	return nil
}

// unknown is the PID where there is none.
const unknown = "unknown"

// readPID returns what the file holds, for people.
func readPID(f *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid := strings.TrimSpace(string(b))
	if _, numErr := strconv.Atoi(pid); err != nil || numErr != nil {
		return unknown
	}
	return pid
}

func pidFileError(path string, err error) error {
	var unsafe *ownfile.UnsafeError
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.As(err, &unsafe) {
		return fmt.Errorf("PID file: %w: choose another with --pid-file", err)
	}
	return fmt.Errorf("PID file %s: %w", path, err)
}

// Release empties the file and gives up the lock.
func (p *PIDFile) Release() error {
	return errors.Join(p.f.Truncate(0), p.f.Close())
}
