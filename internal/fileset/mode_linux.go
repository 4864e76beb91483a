package fileset

import (
	"io/fs"
	"os"
	"syscall"
)

// Modes of files that nobody but their owner reads, and of those that a group may.
const (
	Private fs.FileMode = 0o600
	Shared  fs.FileMode = 0o640
)

// Mode is the mode of a set's files: that of its lock says who may read the set.
func Mode(root *os.Root, set string) fs.FileMode {
	st, err := root.Lstat(Lock(set))
	if err != nil || !st.Mode().IsRegular() || st.Mode().Perm()&0o040 == 0 {
		return Private
	}
	return Shared
}

// Share gives a file of a set the group of its lock, and the mode, where it hasn't got them
// by the way in which it was made: a confined capture can't change them, and needn't.
func Share(root *os.Root, set string, f *os.File) error {
	if Mode(root, set) != Shared {
		return nil
	}
	lock, err := root.Lstat(Lock(set))
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Mode().Perm() != Shared {
		if err := f.Chmod(Shared); err != nil {
			return err
		}
	}
	if of, ok := lock.Sys().(*syscall.Stat_t); ok && st.Sys().(*syscall.Stat_t).Gid != of.Gid {
		// Who is no member can't, and has a directory for it that gives files its group.
		_ = f.Chown(-1, int(of.Gid))
	}
	return nil
}
