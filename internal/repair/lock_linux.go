package repair

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
)

// written refuses a file that is being written: the last of a set whose capture runs, and any
// that a process has open for writing.
func written(path string) error {
	if dir, f, ok := fileset.ParsePath(path); ok && fileset.Running(dir, f.Set) {
		if newest, err := fileset.Newest(dir, f); newest || err != nil { // what can't be told may be so
			return fmt.Errorf("a capture is writing it: it is whole when that has ended, see netcap stop %s", f.Set)
		}
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
