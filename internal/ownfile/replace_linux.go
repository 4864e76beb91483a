package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Replacement is a file that takes the place of another, or of none.
type Replacement struct {
	Name    string
	Content []byte
	Mode    fs.FileMode // 0600 if 0

	// Ours reports whether a temporary file that a killed process left may be removed: Is, if
	// nil.
	Ours func(*os.Root, fs.FileInfo) bool
	// Give makes the new file another user's or group's, if it isn't nil.
	Give func(*os.File) error
}

// Replace puts a file in the place of another at once: after a crash there is the one or the
// other, whole. It is written as .NAME.new, which only one process may do at a time, brought to
// the disk, and renamed. What it returns is that file, open for writing, for the caller to close.
func (r *Replacement) Replace(dir *os.Root) (*os.File, error) {
	temporary := "." + r.Name + ".new"
	if err := r.tidy(dir, temporary); err != nil {
		return nil, err
	}
	mode := r.Mode
	if mode == 0 {
		mode = 0o600
	}
	f, err := dir.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, mode)
	if err != nil {
		return nil, named(dir, temporary, err)
	}
	_, err = f.Write(r.Content)
	if err == nil && r.Give != nil {
		err = r.Give(f)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = dir.Rename(temporary, r.Name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), dir.Remove(temporary))
	}
	if err := syncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// tidy removes what a process left that was killed.
func (r *Replacement) tidy(dir *os.Root, temporary string) error {
	st, err := dir.Lstat(temporary)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ours := r.Ours
	if ours == nil {
		ours = Is
	}
	if err == nil && !ours(dir, st) {
		return fmt.Errorf("%s: it is no regular file of this user alone: move it away", filepath.Join(dir.Name(), temporary))
	}
	if err == nil {
		err = dir.Remove(temporary)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncDir brings the names in a directory to the disk, where that can be had.
func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) { // the file system has nothing to sync there
		err = nil
	}
	return errors.Join(err, d.Close())
}
