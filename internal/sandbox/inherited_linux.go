package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseInherited closes the descriptors that the process was started with, but the standard
// ones and those to keep. A program that is run gets none that are closed on execve(2), and
// Go opens no others: by that they are told apart, so close_range(2) would take too many.
func CloseInherited(keep []int) error {
	var err error
	for _, fd := range openDescriptors() {
		if fd <= 2 || slices.Contains(keep, fd) {
			continue
		}
		flags, fcntlErr := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if fcntlErr != nil || flags&unix.FD_CLOEXEC != 0 { // it is not there, or Go's
			continue
		}
		if closeErr := unix.Close(fd); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("closing descriptor %d, which this process was started with: %w", fd, closeErr))
		}
	}
	return err
}

// openDescriptors are those of the process; where /proc isn't there those that may be, since
// few get more than Linux allows without being asked.
func openDescriptors() (fds []int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		const usual = 1024 // RLIMIT_NOFILE
		for fd := range usual {
			fds = append(fds, fd)
		}
		return fds
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			fds = append(fds, fd)
		}
	}
	return fds
}
