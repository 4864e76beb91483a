package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// directory is a directory held open: what is done in it stays in it, whatever
// becomes of its path.
type directory struct {
	root *os.Root
	file *os.File // the directory itself, for fsync and statfs
	path string
}

func openDirectory(path string, create bool) (*directory, error) {
	if create {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, explainDir(path, err)
		}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, explainDir(path, err)
	}
	file, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(explainDir(path, err), root.Close())
	}
	return &directory{root: root, file: file, path: path}, nil
}

func (d *directory) close() error { return errors.Join(d.file.Close(), d.root.Close()) }

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
	size := int64(st.Bsize)
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
			return 0, 0, explainDir(dir, &fs.PathError{Op: "statfs", Path: dir, Err: err})
		}
	}
}

// create makes a file that didn't exist. Even a link, a FIFO or a directory of
// that name is an error, fs.ErrExist.
func (d *directory) create(name string) (*os.File, error) {
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
}

// explainDir says of a refusal who is refused what, and what to do.
func explainDir(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
		return err
	}
	owner := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		st, statErr := os.Stat(dir)
		if statErr == nil {
			owner = fmt.Sprintf("%s is owned by %s, mode %v", dir, ownerOf(st), st.Mode().Perm())
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	do := "choose another directory with --dir or -w, or run as its owner or with sudo"
	if errors.Is(err, unix.EROFS) {
		do = "choose a directory on a file system that can be written, with --dir or -w"
	} else if os.Geteuid() == 0 {
		do = "root is refused by network file systems with root squash, and by AppArmor or SELinux; choose another directory with --dir or -w"
	}
	return fmt.Errorf("%w (running as %s; %s): %s", err, userName(os.Geteuid()), owner, do)
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

// entry is a file of the set.
type entry struct {
	name fileName
	size int64
	born time.Duration // when it was begun, by the boot clock; see set.age
}

// set is the files of one capture in a directory, oldest first.
type set struct {
	dir    *directory
	name   string
	log    *slog.Logger
	lock   *os.File
	files  []entry
	last   uint64 // highest number in use
	origin time.Duration
	wall   time.Time // at origin, by the wall clock
}

// openSet takes the lock of a set, which one process may have, and looks at
// what is there.
func openSet(dir *directory, name string, now time.Time, log *slog.Logger) (*set, error) {
	s := &set{dir: dir, name: name, log: log, origin: bootClock(), wall: now}
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	if err := s.scan(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// ErrLocked is what Open returns where another process writes the same set.
var ErrLocked = errors.New("another netcap is writing this set")

// takeLock locks a file beside the set's. It is never unlinked: a lock on a
// file that has lost its name would keep nobody out.
func (s *set) takeLock() error {
	name := "." + s.name + ".lock"
	path := filepath.Join(s.dir.path, name)
	f, err := s.dir.root.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return explainDir(s.dir.path, err)
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if !ours(st) {
		return errors.Join(fmt.Errorf("%s: is not a lock file of %s: move it away, or choose another directory", path, userName(os.Geteuid())), f.Close())
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("%s: %w: stop it, or choose another --name or --dir", s.dir.path, ErrLocked)
		} else {
			err = fmt.Errorf("%s: %w", path, os.NewSyscallError("flock", err))
		}
		return errors.Join(err, f.Close())
	}
	s.lock = f
	return nil
}

// ours reports whether a file is a regular one of this user with one name.
func ours(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && st.Mode().IsRegular() && int(sys.Uid) == os.Geteuid() && sys.Nlink == 1
}

func (s *set) close() error { return s.lock.Close() }

// scan brings the list up to date with the directory: files that others
// removed or changed, and those of earlier runs.
func (s *set) scan() error {
	dir, err := s.dir.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	known := make(map[string]time.Duration, len(s.files))
	for _, e := range s.files {
		known[e.name.String()] = e.born
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("%s: %w", s.dir.path, err)
	}
	files := make([]entry, 0, len(s.files)+1)
	for _, file := range names {
		name, ok := parseName(file)
		if !ok || name.set != s.name {
			continue
		}
		// The number is taken, whoever's file it is.
		s.last = max(s.last, name.seq)
		st, err := s.dir.root.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !ours(st) {
			if _, told := known[file]; !told {
				s.log.Debug("left alone: not a regular file of this user", "file", file)
			}
			continue
		}
		born, ok := known[file]
		if !ok {
			born = s.origin - s.wall.Sub(name.start)
		}
		files = append(files, entry{name: name, size: st.Size(), born: born})
	}
	slices.SortFunc(files, func(a, b entry) int {
		if a.name.seq != b.name.seq {
			if a.name.seq < b.name.seq {
				return -1
			}
			return 1
		}
		return a.name.start.Compare(b.name.start)
	})
	s.files = files
	return nil
}

// bytes is the size of all files together.
func (s *set) bytes() (n int64) {
	for i := range s.files {
		n += s.files[i].size
	}
	return n
}

// age is how long ago the last packet of file i can have come: when the next
// file was begun. It is counted by the boot clock, so that setting the wall
// clock deletes nothing.
func (s *set) age(i int) time.Duration {
	if i+1 >= len(s.files) {
		return 0
	}
	return bootClock() - s.files[i+1].born
}

// deleteOldest deletes the oldest file and returns its size. The newest, which
// is being written, is never deleted: errNothingLeft.
func (s *set) deleteOldest(why string) (int64, error) {
	if len(s.files) < 2 {
		return 0, errNothingLeft
	}
	e := s.files[0]
	file := e.name.String()
	st, err := s.dir.root.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.files = s.files[1:]
		return 0, nil
	case err != nil:
		return 0, err
	case !ours(st):
		// It was changed since the last scan: no longer ours to delete.
		s.files = s.files[1:]
		return 0, nil
	}
	if err := s.dir.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("deleting %s: %w", filepath.Join(s.dir.path, file), err)
	}
	s.files = s.files[1:]
	s.log.Info("deleted the oldest file", "file", file, "bytes", st.Size(), "because", why)
	return st.Size(), s.dir.sync()
}

var errNothingLeft = errors.New("no older file to delete")

// bootClock is time since boot, that spent in suspend included. Nobody can set
// it.
func bootClock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("CLOCK_BOOTTIME: " + err.Error()) // Linux has it since 2.6.39
	}
	return time.Duration(ts.Nano())
}
