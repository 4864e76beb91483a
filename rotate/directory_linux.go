package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"netcap/internal/ownfile"

	"golang.org/x/sys/unix"
)

// directory is a directory held open: what is done in it stays in it, whatever
// becomes of its path.
type directory struct {
	root *os.Root
	file *os.File // the directory itself, for fsync and statfs
	path string
	made []string    // directories that were made for it, outermost first
	mode fs.FileMode // of the files that are made
}

// wayMode is the mode of directories that are made on the way to that of the files. Where
// these belong to another user, or a group reads them, those have to get through.
func (c *Config) wayMode() fs.FileMode {
	if c.Owner != os.Geteuid() || c.Group != nil {
		return 0o711
	}
	return 0o700
}

func openDirectory(path string, create bool, way fs.FileMode) (*directory, error) {
	d := &directory{path: path, mode: privateMode}
	err := d.open(create, way)
	if err != nil {
		return nil, errors.Join(ownfile.ExplainDir(path, err), d.unmake())
	}
	return d, nil
}

func (d *directory) open(create bool, way fs.FileMode) error {
	if create {
		for dir := filepath.Clean(d.path); ; dir = filepath.Dir(dir) {
			if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
				break
			}
			d.made = append(d.made, dir)
		}
		slices.Reverse(d.made)
		if err := os.MkdirAll(filepath.Dir(filepath.Clean(d.path)), way); err != nil {
			return err
		}
		if err := os.MkdirAll(d.path, 0o700); err != nil {
			return err
		}
	}
	var err error
	if d.root, err = os.OpenRoot(d.path); err != nil {
		return err
	}
	if d.file, err = d.root.Open("."); err != nil {
		return errors.Join(err, d.root.Close())
	}
	return nil
}

func (d *directory) close() error { return errors.Join(d.file.Close(), d.root.Close()) }

// unmake removes what was made for the directory and holds nothing.
func (d *directory) unmake() error {
	for _, dir := range slices.Backward(d.made) {
		err := os.Remove(dir)
		switch {
		case errors.Is(err, unix.ENOTEMPTY):
			return nil // others use it already
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// sync makes names that were created or removed last through a power cut.
func (d *directory) sync() error {
	err := d.file.Sync()
	if errors.Is(err, unix.EINVAL) { // the file system has nothing to sync there
		return nil
	}
	return err
}

// usage is the size of the file system and what an unprivileged user could
// still take of it, in bytes.
func (d *directory) usage() (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.file.Fd()), &st); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", d.path, os.NewSyscallError("statfs", err))
	}
	total, free = usage(&st)
	return total, free, nil
}

func usage(st *unix.Statfs_t) (total, free int64) {
	size := int64(st.Frsize) // what blocks are counted in; FUSE tells it from Bsize
	if size == 0 {
		size = int64(st.Bsize)
	}
	return int64(st.Blocks) * size, int64(st.Bavail) * size
}

// usageOf is the usage of the file system on which a directory is, or would be
// if it were made.
func usageOf(path string) (total, free int64, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return 0, 0, err
	}
	var st unix.Statfs_t
	for dir := abs; ; dir = filepath.Dir(dir) {
		err := unix.Statfs(dir, &st)
		if err == nil {
			total, free = usage(&st)
			return total, free, nil
		}
		if !errors.Is(err, unix.ENOENT) || dir == "/" {
			return 0, 0, ownfile.ExplainDir(dir, &fs.PathError{Op: "statfs", Path: dir, Err: err})
		}
	}
}

// create makes a file that didn't exist. Even a link, a FIFO or a directory of
// that name is an error, fs.ErrExist.
func (d *directory) create(name string) (*os.File, error) {
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW|unix.O_LARGEFILE, d.mode)
}

func ownerOf(st fs.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return "an unknown user"
	}
	return userName(int(sys.Uid))
}

func userName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "uid " + strconv.Itoa(uid)
	}
	return u.Username
}
