package repair

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netcap/rotate"
)

// written refuses a file that is being written: the last of a set whose capture runs, and any
// that a process has open for writing.
func written(path string) error {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if set, _, seq, _, ok := rotate.ParseName(name); ok && rotate.Running(dir, set) && last(dir, set, seq) {
		return fmt.Errorf("a capture is writing it: it is whole when that has ended, see netcap stop %s", set)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close() // which ends a lease
	// A lease for reading is refused where somebody has the file open for writing, see
	// fcntl(2). Not every file system has leases, and not everybody gets one.
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if errors.Is(err, unix.EAGAIN) {
		return errors.New("a process has it open for writing: end that first (fuser FILE names it)")
	}
	return nil
}

// last reports whether a set has no later file.
func last(dir, set string, seq uint64) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return true
	}
	for _, e := range entries {
		if other, _, later, _, ok := rotate.ParseName(e.Name()); ok && other == set && later > seq {
			return false
		}
	}
	return true
}

// openLocked opens a file for nobody else but us, as far as others ask.
func openLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.New("another process has locked it")
		}
		return nil, os.NewSyscallError("flock", err)
	}
	return f, nil
}

// linked reports whether a file has several names.
func linked(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && sys.Nlink > 1
}

// setTime sets the time of the file that is open, whatever its name has come to mean.
func setTime(f *os.File, t time.Time) error {
	return os.Chtimes("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), time.Time{}, t)
}
