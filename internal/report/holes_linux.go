package report

import (
	"os"

	"golang.org/x/sys/unix"
)

// hasHole reports whether the file system has nothing for a part of a file: it was not written
// before the power went, say, and is zeros (lseek(2), SEEK_HOLE).
func hasHole(f *os.File, size int64) bool {
	at, err := f.Seek(0, unix.SEEK_HOLE)
	return err == nil && at < size
}
