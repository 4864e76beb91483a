package ownfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what a Log is.
type Config struct {
	Path string
	// MakeDir has directories made that are missing.
	MakeDir bool
	// Size bounds the file, in bytes, and Kept is how many are kept that were moved aside.
	Size int64
	Kept int
}

// A Log is a file that is appended to. Before a write would make it larger than its bound
// it is moved aside, to a name with the time in it, and so many of these are kept. Where
// that isn't permitted it is copied to its spare, if it has one, and emptied. Where that
// fails too it grows on: no line is lost for it. Its methods may be called by any goroutine.
type Log struct {
	cfg  Config
	dir  *os.Root // what is done stays in it, whatever becomes of its path
	name string

	mu    sync.Mutex
	file  *os.File
	spare *os.File // nil for none
	fd    int      // what is the file too, 0 for none
	size  int64    // since it was begun, or couldn't be moved aside
	prune error    // why it couldn't be moved aside, or one that was is still there
}

// NewLog opens a log, and makes it if it is missing. That fails where the file can't be
// written, or isn't this user's alone.
func NewLog(cfg *Config) (*Log, error) {
	dir, err := OpenDir(cfg.Path, cfg.MakeDir)
	if err != nil {
		return nil, err
	}
	l := &Log{cfg: *cfg, dir: dir, name: filepath.Base(cfg.Path)}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return l, nil
}

func (l *Log) open() error {
	f, err := Open(l.dir, l.name, os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	before := l.file
	l.file, l.size = f, st.Size()
	if before == nil {
		return nil
	}
	return errors.Join(before.Close(), l.duplicate())
}

// Become has a descriptor of the process, such as standard error, be the file from now on,
// whichever it is.
func (l *Log) Become(fd int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fd = fd
	return l.duplicate()
}

func (l *Log) duplicate() error {
	if l.fd == 0 {
		return nil
	}
	return os.NewSyscallError("dup3", unix.Dup3(int(l.file.Fd()), l.fd, 0))
}

// Write appends p, all of it to one file.
func (l *Log) Write(p []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(p)) > l.cfg.Size {
		if l.prune = l.turn(); l.prune != nil {
			l.size = 0 // it is tried again when as much has come again
		}
	}
	n, err = l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// Reopen opens the file by its name, if somebody has moved what is open. If that fails what
// was open is written on.
func (l *Log) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st, err := l.file.Stat(); err == nil {
		if there, err := l.dir.Lstat(l.name); err == nil && os.SameFile(st, there) {
			return nil // and who has become another user may not be let
		}
	}
	return l.open()
}

// Close closes the log. The error says too if older ones couldn't be deleted.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := errors.Join(l.file.Close(), l.prune, l.dir.Close())
	if l.spare != nil {
		err = errors.Join(err, l.spare.Close())
	}
	return err
}

// Spare prepares for a user whom the process is about to become, and who may have nothing
// to say in the log's directory: "x.log" gets a spare, "x-previous.log", where it can't be
// moved aside any more. In a directory of the user's own that isn't needed.
func (l *Log) Spare(uid int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	st, err := l.dir.Stat(".")
	if err != nil || int(ownerOf(st)) == uid {
		return err
	}
	prefix, ext := l.around()
	l.spare, err = Open(l.dir, prefix+"previous"+ext, os.O_WRONLY|os.O_CREATE)
	return err
}

// aside is the time in the name of a file that was moved aside, in UTC.
const aside = "2006-01-02T15-04-05.000"

// around is what stands before and behind the time.
func (l *Log) around() (prefix, ext string) {
	ext = filepath.Ext(l.name)
	return strings.TrimSuffix(l.name, ext) + "-", ext
}

// turn moves the file aside and begins another.
func (l *Log) turn() error {
	prefix, ext := l.around()
	err := rename(l.dir, l.name, prefix+time.Now().UTC().Format(aside)+ext)
	for tries := 0; errors.Is(err, fs.ErrExist) && tries < 10; tries++ { // another one had this millisecond
		time.Sleep(time.Millisecond)
		err = rename(l.dir, l.name, prefix+time.Now().UTC().Format(aside)+ext)
	}
	if l.spare != nil && errors.Is(err, fs.ErrPermission) {
		return l.copy()
	}
	if err != nil {
		return fmt.Errorf("moving %s aside: %w", filepath.Join(l.dir.Name(), l.name), err)
	}
	return errors.Join(l.open(), l.deleteOldest())
}

// copy has the spare be what the file is, and empties the file.
func (l *Log) copy() error {
	err := l.spare.Truncate(0)
	if err == nil {
		_, err = l.spare.Seek(0, io.SeekStart)
	}
	if err == nil {
		_, err = io.Copy(l.spare, io.NewSectionReader(l.file, 0, math.MaxInt64))
	}
	if err == nil {
		err = l.file.Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("copying %s to %s: %w", filepath.Join(l.dir.Name(), l.name), filepath.Base(l.spare.Name()), err)
	}
	l.size = 0
	return nil
}

// rename gives a file a name that nothing has.
func rename(dir *os.Root, from, to string) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	fd := int(d.Fd())
	err = unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not every file system can
		if err = dir.Link(from, to); err == nil {
			err = dir.Remove(from)
		}
	}
	return err
}

// deleteOldest deletes what was moved aside and is too much. What others called so stays.
func (l *Log) deleteOldest() error {
	d, err := l.dir.Open(".")
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	prefix, ext := l.around()
	names = slices.DeleteFunc(names, func(name string) bool {
		stamp, ok := strings.CutPrefix(name, prefix)
		stamp, hasExt := strings.CutSuffix(stamp, ext)
		if _, err := time.Parse(aside, stamp); !ok || !hasExt || err != nil {
			return true
		}
		st, err := l.dir.Lstat(name)
		return err != nil || !Is(l.dir, st)
	})
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) }) // the newest first
	for _, name := range names[min(l.cfg.Kept, len(names)):] {
		if removeErr := l.dir.Remove(name); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}
	return err
}
