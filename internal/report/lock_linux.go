package report

import (
	"errors"
	"os"
	"syscall"
)

// locked reports whether a process holds the lock file of a set. To find out,
// the lock is taken, shared, and let go at once. A capture that is starting at
// this very moment finds it taken.
func locked(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close() // which releases the lock, flock(2)
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK)
}
