package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/ownfile"
)

// shareDir locks the directory, for this set alone or with others that share it
// too, until it is closed.
func (s *set) shareDir(alone bool) error {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	err := unix.Flock(int(s.dir.file.Fd()), how|unix.LOCK_NB)
	s.alone = alone && err == nil
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
var ErrLocked = fileset.ErrLocked

// takeLock locks a file beside the set's. The lock counts only if the file
// still has its name once it is locked: somebody may have removed it after it
// was opened, and a lock on a file without a name keeps nobody out.
//
// Where the file is damaged the directory's lock does, if it is this set's alone.
func (s *set) takeLock() error {
	path := filepath.Join(s.dir.path, s.lockName())
	for range maxTaken {
		taken, err := s.tryLock(path)
		switch {
		case damaged(err) && s.alone:
			s.log.Warn("the set's lock file is damaged: the directory's own lock keeps others out; check the file system (fsck), or remove the file", "file", path, "error", err)
			return nil
		case damaged(err):
			return fmt.Errorf("%s: the lock file is damaged: %w: check the file system (fsck), remove the file, or choose another --name or -w", path, err)
		case taken || err != nil:
			return err
		}
	}
	return fmt.Errorf("%s: is removed and made again all the time: choose a directory that only %s can write", path, userName(os.Geteuid()))
}

// tryLock is takeLock once. It isn't taken, and there is no error, where the file was removed
// meanwhile.
func (s *set) tryLock(path string) (taken bool, err error) {
	f, made, err := s.openLock(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // removed a moment ago
	}
	if err != nil {
		return false, err
	}
	if err := lockSoon(f); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("%s: %w: stop it, or choose another --name or --dir", s.dir.path, ErrLocked)
		} else {
			err = fmt.Errorf("%s: %w", path, os.NewSyscallError("flock", err))
		}
		return false, errors.Join(err, f.Close())
	}
	locked, err := f.Stat()
	if err != nil {
		return false, errors.Join(err, f.Close())
	}
	named, err := s.dir.root.Lstat(s.lockName())
	if err == nil && os.SameFile(named, locked) {
		s.lock, s.made = f, made
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return false, errors.Join(err, f.Close())
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
	f, err = s.newFile(s.dir, name)
	if err == nil {
		return f, true, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, false, ownfile.ExplainDir(s.dir.path, err)
	}
	st, err := s.lstat(s.dir, name)
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

func (s *set) lockName() string { return fileset.Lock(s.name) }

func (s *set) close() error {
	s.endLook()
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// undo removes the lock file if it wasn't there before. It is still locked.
func (s *set) undo() error {
	if !s.made {
		return nil
	}
	return s.dir.root.Remove(s.lockName())
}
