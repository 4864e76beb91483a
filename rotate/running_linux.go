package rotate

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Running reports whether a capture writes the set of a name in a directory. To find out,
// the set's lock is taken, shared, and let go at once. A capture that is starting at this
// very moment finds it taken.
func Running(dir, set string) bool {
	f, err := os.OpenFile(filepath.Join(dir, lockName(set)), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close() // which releases the lock, flock(2)
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}
