package rotate

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Running reports whether a capture writes the set of a name in a directory. To find out,
// the set's lock is taken, shared, and let go at once. A capture that is starting at this
// very moment finds it taken. Where the lock file is damaged the directory's lock is asked.
func Running(dir, set string) bool {
	err := tryShared(filepath.Join(dir, lockName(set)))
	if damaged(err) {
		err = tryShared(dir)
	}
	return errors.Is(err, unix.EWOULDBLOCK)
}

func tryShared(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close() // which releases the lock, flock(2)
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
}
