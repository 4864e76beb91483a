package ownfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Open opens a file in a directory as open(2) does with these flags; one that it makes has
// mode 0600. It follows no link and waits for nothing. An UnsafeError says that what is
// there is no file of this user alone, and that it was left as it is.
func Open(dir *os.Root, name string, flag int) (*os.File, error) {
	f, err := dir.OpenFile(name, flag|unix.O_LARGEFILE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		// Why a link, a FIFO or a directory can't be opened says an error each.
		if st, statErr := dir.Lstat(name); statErr == nil && !Is(dir, st) {
			return nil, foreign(dir, name)
		}
		return nil, named(dir, name, err)
	}
	st, err := f.Stat()
	if err == nil && !Is(dir, st) {
		err = foreign(dir, name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Is reports whether what is in a directory is a regular file of this user alone: for
// root, of the user's too to whom the directory belongs.
func Is(dir *os.Root, st fs.FileInfo) bool { return Plain(st, int(ownerOf(st))) && Owns(dir, st) }

// Plain reports whether a file is a regular one with a single name, of one of the users with
// these numbers.
func Plain(st fs.FileInfo, owners ...int) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && st.Mode().IsRegular() && sys.Nlink == 1 && slices.Contains(owners, int(sys.Uid))
}

// Owns is Is for what is no regular file.
func Owns(dir *os.Root, st fs.FileInfo) bool {
	if int(ownerOf(st)) == os.Geteuid() {
		return true
	}
	if os.Geteuid() != 0 {
		return false
	}
	of, err := dir.Stat(".")
	return err == nil && ownerOf(of) == ownerOf(st)
}

// OfDirectory reports whether what is in a directory is a regular file, with one name, of whom
// the directory belongs to, who decides about what is there anyway.
func OfDirectory(dir *os.Root, st fs.FileInfo) bool {
	of, err := dir.Stat(".")
	return err == nil && Plain(st, int(ownerOf(of)))
}

// named has an error name the path, and not what os.Root knows of it.
func named(dir *os.Root, name string, err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return &fs.PathError{Op: "open", Path: filepath.Join(dir.Name(), name), Err: err}
}

func foreign(dir *os.Root, name string) error {
	return &UnsafeError{filepath.Join(dir.Name(), name), "what is there is no regular file of " + userName(uint32(os.Geteuid())) + " alone, and is left as it is"}
}

// Check finds out whether a file at a path can be opened for writing, made if it is
// missing, and leaves everything as it is.
func Check(path string) error {
	w, err := newWalk(path)
	if err != nil {
		return err
	}
	err = w.all()
	if errors.Is(err, fs.ErrNotExist) {
		return writable(w.at) // and so will be what is made there
	}
	if err != nil {
		return err
	}
	dir, err := os.OpenRoot(w.at)
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(path)
	st, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writable(w.at)
	case err != nil:
		return err
	case !Is(dir, st):
		return foreign(dir, name)
	}
	return writable(filepath.Join(w.at, name))
}

func writable(path string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
