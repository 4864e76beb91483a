package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/ownfile"
)

// A Successor is a user whom the process of a Writer is to become, once HandOver has given
// that user the files.
type Successor struct {
	Name     string
	UID, GID int
	// Do calls a function as that user.
	Do func(func() error) error
	// Owns says that the directory is handed over too.
	Owns bool
	// Opened is a directory on the way through which everybody is let before, "" for none.
	Opened string
}

// try finds out whether the user can go on with the set in a directory: whether the way
// leads there, files can be made, replaced and deleted, and what is there is the user's, or
// will be. All is as it was then.
func (n *Successor) try(c *Config, dir *directory) (err error) {
	if n.Opened != "" {
		undo, err := n.open()
		if err != nil {
			return err
		}
		defer undo()
	}
	if n.Owns {
		st, err := dir.file.Stat()
		if err != nil {
			return err
		}
		if err := dir.file.Chown(n.UID, n.GID); err != nil {
			return n.cannot("be given it", dir.path, err, "choose another directory with --dir: this file system doesn't let root hand it over")
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			defer func() { err = errors.Join(err, dir.file.Chown(int(sys.Uid), int(sys.Gid))) }()
		}
	}
	if err := n.tryWay(dir.path); err != nil {
		return err
	}
	if err := n.tryFiles(dir); err != nil {
		return err
	}
	return n.tryOld(c, dir)
}

// open lets everybody through a directory, as is done before the files are handed over.
func (n *Successor) open() (undo func(), err error) {
	st, err := os.Stat(n.Opened)
	if err != nil {
		return nil, err
	}
	const way = 0o011
	mode := st.Mode().Perm()
	if mode&way == way {
		return func() {}, nil
	}
	if err := os.Chmod(n.Opened, mode|way); err != nil {
		return nil, err
	}
	return func() { _ = os.Chmod(n.Opened, mode) }, nil
}

// cannot says who can't do what, where, why and what to do.
func (n *Successor) cannot(what, path string, err error, do string) error {
	var of *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &of):
		err = of.Err
	case errors.As(err, &link):
		err = link.Err
	}
	owner := ""
	if st, statErr := os.Stat(path); statErr == nil {
		owner = fmt.Sprintf(" (owned by %s, mode %s)", ownerOf(st), modeOf(st))
	}
	return fmt.Errorf("%s can't %s: %s: %w%s: %s", n.Name, what, path, err, owner, do)
}

// modeOf is a mode as chmod(1) takes it.
func modeOf(st fs.FileInfo) string {
	mode := uint32(st.Mode().Perm())
	for bit, octal := range map[fs.FileMode]uint32{fs.ModeSticky: 0o1000, fs.ModeSetgid: 0o2000, fs.ModeSetuid: 0o4000} {
		if st.Mode()&bit != 0 {
			mode |= octal
		}
	}
	return fmt.Sprintf("%04o", mode)
}

// tryWay follows the path of a directory.
func (n *Successor) tryWay(path string) error {
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return err
	}
	return n.Do(func() error {
		for at := 0; at < len(abs); {
			next := strings.IndexByte(abs[at+1:], filepath.Separator)
			parent := abs
			if next >= 0 {
				parent = abs[:max(at+1+next, 1)]
			}
			if at == 0 {
				if err := unix.Faccessat(unix.AT_FDCWD, "/", unix.X_OK, unix.AT_EACCESS); err != nil {
					return n.cannot("go through a directory on the way", "/", err, "let others through it")
				}
			}
			if err := unix.Faccessat(unix.AT_FDCWD, parent, unix.X_OK, unix.AT_EACCESS); err != nil {
				do := "chmod o+x " + parent + ", or choose another directory with --dir or -w"
				return n.cannot("go through a directory on the way", parent, err, do)
			}
			if next < 0 {
				break
			}
			at += 1 + next
		}
		d, err := os.Open(abs)
		if err != nil {
			return n.cannot("list the directory", abs, err, n.mend(abs))
		}
		return d.Close()
	})
}

// mend is what to do about a directory in which the user can't work.
func (n *Successor) mend(path string) string {
	if n.Owns {
		return "chmod u+rwx " + path + ", or choose another directory with --dir"
	}
	return fmt.Sprintf("give the user a directory (chown %s %s), or use --dir, whose directory is handed over", n.Name, path)
}

// tryFiles does in the directory what a set, its ledger and its holds do there, with a file
// that the user makes and with one that is handed over.
func (n *Successor) tryFiles(dir *directory) error {
	name := fmt.Sprintf(".netcap-check-%d", os.Getpid())
	given := name + "-given"
	f, err := dir.create(given)
	if err != nil {
		return ownfile.ExplainDir(dir.path, err)
	}
	defer func() {
		_ = errors.Join(dir.root.Remove(given), dir.root.Remove(given+".new"), dir.root.Remove(name), dir.root.Remove(name+".new"))
	}()
	if err := errors.Join(f.Chown(n.UID, n.GID), f.Close()); err != nil {
		return n.cannot("be given a file", dir.path, err, "choose another directory: this file system doesn't let root hand files over")
	}
	return n.Do(func() error {
		f, err := dir.create(name)
		if err == nil {
			_, err = f.Write(make([]byte, 4096))
			err = errors.Join(err, f.Sync(), f.Close())
		}
		if err != nil {
			return n.cannot("make a file in the directory", dir.path, err, n.mend(dir.path))
		}
		for _, file := range []string{name, given} {
			f, err := dir.root.OpenFile(file, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				return n.cannot("open a file of its own in the directory", dir.path, err, n.mend(dir.path))
			}
			if err := dir.root.Rename(file, file+".new"); err != nil {
				return n.cannot("rename a file in the directory", dir.path, err, n.mend(dir.path))
			}
			if err := dir.root.Remove(file + ".new"); err != nil {
				return n.cannot("delete a file in the directory", dir.path, err, n.mend(dir.path))
			}
		}
		return nil
	})
}

// tryOld looks at what the set has beside its segments: what isn't handed over must be the
// user's.
func (n *Successor) tryOld(c *Config, dir *directory) error {
	if c.Name == "" {
		return nil
	}
	for _, file := range fileset.Beside(c.Name) {
		st, err := dir.root.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if handedOver(st) {
			continue
		}
		path := filepath.Join(dir.path, file)
		if err := n.Do(func() error {
			f, err := dir.root.OpenFile(file, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
			if err != nil {
				return err
			}
			return f.Close()
		}); err != nil {
			return n.cannot("write to a file of the set", path, err, fmt.Sprintf("chown %s %s, move it away, or choose another --name or --dir", n.Name, path))
		}
	}
	return nil
}

// handedOver reports whether HandOver gives a file away: a regular one of this user's,
// with one name.
func handedOver(st fs.FileInfo) bool { return ownfile.Plain(st, os.Geteuid()) }

// foreign says which files have the names of the set's, and aren't its: they are neither
// counted nor deleted. "" for none.
func (s *set) foreign(c *Config) (string, error) {
	d, err := s.dir.root.Open(".")
	if err != nil {
		return "", err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return "", err
	}
	first, count, owner := "", 0, ""
	for _, file := range names {
		name, ok := fileset.Parse(file)
		if !ok || name.Set != c.Name || !name.IsCapture(c.Ext) {
			continue
		}
		st, err := s.dir.root.Lstat(file)
		if err != nil || s.ours(st) {
			continue
		}
		if count++; first == "" || file < first {
			first, owner = file, ownerOf(st)
		}
	}
	if count == 0 {
		return "", nil
	}
	return fmt.Sprintf("%d files have names of the set's and belong to others, such as %s (owned by %s): they are neither counted nor deleted", count, filepath.Join(s.dir.path, first), owner), nil
}
