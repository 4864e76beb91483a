package fileset

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrLocked is the error where another process writes a set.
var ErrLocked = errors.New("another netcap is writing this set")

// Running reports whether a capture writes the set of a name in a directory. To find out,
// the set's lock is taken, shared, and let go at once. A capture that is starting at this
// very moment finds it taken. Where the lock file is damaged the directory's lock is asked.
func Running(dir, set string) bool {
	return errors.Is(Idle(dir, set, func() error { return nil }), ErrLocked)
}

// Idle calls a function while no capture writes a set, and none can begin to. Where one does
// the error is ErrLocked, and another one where that can't be found out.
func Idle(dir, set string, do func() error) error {
	err := shared(filepath.Join(dir, Lock(set)), do)
	if damaged(err) {
		err = shared(dir, do)
	}
	return err
}

// damaged reports whether an error is about what a file system, or a disk, has of one file.
func damaged(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EBADMSG) || errors.Is(err, unix.EUCLEAN) || errors.Is(err, unix.ESTALE)
}

// shared calls a function with a file locked for readers.
func shared(path string, do func() error) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close() // which releases the lock, flock(2)
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrLocked
	case err != nil:
		return os.NewSyscallError("flock", err)
	}
	return do()
}
