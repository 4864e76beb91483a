package rotate

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// entry is a file of the set.
type entry struct {
	name fileName
	size int64
	born time.Duration // when it was begun, by the boot clock; see set.age

	// Of files of this run; the rest is known by the name.
	start, end time.Time
	packets    int64 // -1 where it isn't known
}

// set is the files of one capture in a directory, oldest first.
type set struct {
	dir     *directory
	owner   int // whose files are its, beside the process's user
	name    string
	ext     string // of the files that are begun
	log     *slog.Logger
	lock    *os.File
	made    bool // the lock file was made by this set
	boot    func() time.Duration
	origin  time.Duration // boot clock and wall clock at one moment
	wall    time.Time
	last    uint64 // the highest number in use
	files   []entry
	current string // name of the file that is being written, which stays

	deleted func(FileInfo, Bound) // told of what is deleted

	holds      *holds // nil while they can't be read
	holdsState holdsState
}

// openSet locks the set, against other processes and this one, and looks at
// what is there.
func openSet(dir *directory, c *Config, boot func() time.Duration) (*set, error) {
	s := &set{dir: dir, owner: c.Owner, name: c.Name, ext: c.Ext, log: c.Log, boot: boot, origin: boot(), wall: c.Now(), holds: &holds{}, deleted: c.Deleted}
	if err := s.shareDir(c.OwnDir); err != nil {
		return nil, err
	}
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	if err := s.scan(); err != nil {
		return nil, errors.Join(err, s.undo(), s.close())
	}
	return s, nil
}

// shareDir locks the directory, for this set alone or with others that share it
// too, until it is closed.
func (s *set) shareDir(alone bool) error {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	err := unix.Flock(int(s.dir.file.Fd()), how|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK) && alone:
		return fmt.Errorf("%s: %w, or another one in this directory: stop it, or choose another --dir", s.dir.path, ErrLocked)
	case errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("%s: %w: the directory belongs to a set that was given it by --dir: choose another directory", s.dir.path, ErrLocked)
	case err != nil:
		// Some network file systems lock no directories: the set's own lock holds.
		s.log.Debug("the directory can't be locked", "directory", s.dir.path, "error", err)
	}
	return nil
}

// ErrLocked is what Open returns where another process writes the same set.
var ErrLocked = errors.New("another netcap is writing this set")

// takeLock locks a file beside the set's. The lock counts only if the file
// still has its name once it is locked: somebody may have removed it after it
// was opened, and a lock on a file without a name keeps nobody out.
func (s *set) takeLock() error {
	path := filepath.Join(s.dir.path, s.lockName())
	for range maxTaken {
		f, made, err := s.openLock(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed a moment ago
		}
		if err != nil {
			return err
		}
		if err := lockSoon(f); err != nil {
			if errors.Is(err, unix.EWOULDBLOCK) {
				err = fmt.Errorf("%s: %w: stop it, or choose another --name or --dir", s.dir.path, ErrLocked)
			} else {
				err = fmt.Errorf("%s: %w", path, os.NewSyscallError("flock", err))
			}
			return errors.Join(err, f.Close())
		}
		locked, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		if named, err := s.dir.root.Lstat(s.lockName()); err == nil && os.SameFile(named, locked) {
			s.lock, s.made = f, made
			return nil
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: is removed and made again all the time: choose a directory that only %s can write", path, userName(os.Geteuid()))
}

// lockSoon locks a file. Who only asks whether it is locked, as netcap list
// does, has it locked for an instant: that is waited for.
func lockSoon(f *os.File) (err error) {
	for range 10 {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

// openLock opens the lock file, and makes it if it is missing.
func (s *set) openLock(path string) (f *os.File, made bool, err error) {
	name := s.lockName()
	f, err = s.dir.create(name)
	if err == nil {
		return f, true, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, false, explainDir(s.dir.path, err)
	}
	st, err := s.dir.root.Lstat(name)
	if err != nil {
		return nil, false, err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Nlink == 0 {
		return nil, false, fs.ErrNotExist // it is being removed right now
	}
	if !s.ours(st) {
		return nil, false, fmt.Errorf("%s: is not a lock file of %s, but of %s: capture as that user (-Z), move it away, or choose another directory", path, userName(os.Geteuid()), ownerOf(st))
	}
	f, err = s.dir.root.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	return f, false, err
}

// ours reports whether a file is a regular one of this user, or of the set's, with one name.
func (s *set) ours(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && st.Mode().IsRegular() && (int(sys.Uid) == os.Geteuid() || int(sys.Uid) == s.owner) && sys.Nlink == 1
}

func (s *set) lockName() string { return lockName(s.name) }

func lockName(set string) string { return "." + set + ".lock" }

func (s *set) close() error { return s.lock.Close() }

// undo removes the lock file if it wasn't there before. It is still locked.
func (s *set) undo() error {
	if !s.made {
		return nil
	}
	return s.dir.root.Remove(s.lockName())
}

// scan brings the list up to date with the directory: files that others
// removed or changed, and those of earlier runs.
func (s *set) scan() error {
	dir, err := s.dir.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	known := make(map[string]entry, len(s.files))
	for _, e := range s.files {
		known[e.name.stem()] = e
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("%s: %w", s.dir.path, err)
	}
	files := make([]entry, 0, len(s.files)+1)
	for _, file := range names {
		name, ok := parseName(file)
		if !ok || name.set != s.name || !isCapture(name.ext, s.ext) {
			continue
		}
		st, err := s.dir.root.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !s.ours(st) {
			s.log.Debug("left alone: not a regular file of this user alone", "file", file)
			continue
		}
		s.last = max(s.last, name.seq)
		e, ok := known[name.stem()]
		if !ok {
			e = entry{born: s.origin - s.wall.Sub(name.start), start: name.start, packets: -1}
		}
		e.name, e.size = name, st.Size()
		files = append(files, e)
		delete(known, name.stem())
	}
	for _, gone := range known {
		s.miss(gone.name.String())
	}
	slices.SortFunc(files, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.name.seq, b.name.seq), a.name.start.Compare(b.name.start))
	})
	s.files = files
	return nil
}

// create makes the next file of the set. A name that is taken, by whatever, is
// passed over.
func (s *set) create(start time.Time) (*os.File, string, error) {
	for range maxTaken {
		if s.last == math.MaxUint64 {
			return nil, "", fmt.Errorf("%s: a file of the set has the highest number there is: move it away", s.dir.path)
		}
		s.last++
		name := fileName{set: s.name, start: start, seq: s.last, ext: s.ext}
		f, err := s.dir.create(name.String())
		if errors.Is(err, fs.ErrExist) {
			s.log.Warn("the next file's name is taken; using another", "file", filepath.Join(s.dir.path, name.String()))
			continue
		}
		if err != nil {
			s.last-- // it wasn't used
			return nil, "", explainDir(s.dir.path, err)
		}
		s.current = name.String()
		s.files = append(s.files, entry{name: name, born: s.boot(), start: start, packets: -1})
		return f, s.current, nil
	}
	return nil, "", fmt.Errorf("%s: the next %d names are taken: choose a directory that only %s can write", s.dir.path, maxTaken, userName(os.Geteuid()))
}

// maxTaken is how many taken names are passed over before giving up.
const maxTaken = 1000

// grown notes the size of the file that is being written.
func (s *set) grown(size int64) { s.files[len(s.files)-1].size = size }

// finished notes that no file is being written.
func (s *set) finished() { s.current = "" }

// ended notes when the file that is being written ended, and how many packets are in it.
func (s *set) ended(at time.Time, packets int64) {
	e := &s.files[len(s.files)-1]
	e.end, e.packets = at, packets
}

// bytes is the size of all files together.
func (s *set) bytes() (n int64) {
	for i := range s.files {
		n += s.files[i].size
	}
	return n
}

// age is how long ago the last packet of the oldest file that isn't held can have
// come: when the next file was begun. It is counted by the boot clock, so that setting
// the wall clock deletes nothing.
func (s *set) age() time.Duration {
	i := s.oldest()
	if i < 0 || i+1 >= len(s.files) {
		return 0
	}
	return s.boot() - s.files[i+1].born
}

// deleteOldest deletes the oldest file that isn't held and returns its size. The one
// that is being written is never deleted: errNothingLeft.
func (s *set) deleteOldest(why Bound) (int64, error) {
	i := s.oldest()
	if i < 0 {
		return 0, errNothingLeft
	}
	file := s.files[i].name.String()
	size, done, err := s.remove(file)
	if err != nil {
		return 0, fmt.Errorf("deleting %s: %w", filepath.Join(s.dir.path, file), err)
	}
	if done {
		s.tell(&s.files[i], size, why)
		s.log.Info("deleted the oldest file", "file", file, "bytes", size, "because", why)
	} else {
		s.miss(file)
	}
	s.files = slices.Delete(s.files, i, i+1)
	return size, nil
}

// discardCurrent removes the file that is being written.
func (s *set) discardCurrent() error {
	file := s.current
	s.finished()
	last := &s.files[len(s.files)-1]
	size, done, err := s.remove(file)
	if done {
		last.packets = 0
		s.tell(last, size, ByFailure)
	}
	s.files = s.files[:len(s.files)-1]
	return err
}

// miss logs that somebody else took a file away.
func (s *set) miss(file string) {
	s.log.Warn("a file of the set has gone: netcap didn't delete it", "file", filepath.Join(s.dir.path, file))
}

// tell tells of a file that was deleted.
func (s *set) tell(e *entry, size int64, why Bound) {
	if s.deleted != nil {
		s.deleted(FileInfo{Path: filepath.Join(s.dir.path, e.name.String()), Start: e.start, End: e.end, Bytes: size, Packets: e.packets}, why)
	}
}

// remove removes a file and returns its size. It is not done if the file is no longer there,
// or no longer ours to remove.
func (s *set) remove(file string) (size int64, done bool, err error) {
	st, err := s.dir.root.Lstat(file)
	if err == nil && !s.ours(st) {
		return 0, false, nil
	}
	if err == nil {
		err = s.dir.root.Remove(file)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return st.Size(), true, nil
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
