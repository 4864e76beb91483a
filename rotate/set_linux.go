package rotate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/holds"
	"netcap/internal/ownfile"
)

// entry is a file of the set.
type entry struct {
	name fileset.File
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
	alone   bool // the directory is locked for this set alone
	boot    func() time.Duration
	origin  time.Duration // boot clock and wall clock at one moment
	wall    time.Time
	last    uint64 // the highest number in use
	files   []entry
	total   int64 // bytes of all files
	current int   // index of the file that is being written, which stays; none for none

	lstat     func(*directory, string) (fs.FileInfo, error)
	newFile   func(*directory, string) (*os.File, error)
	watch     *watch // of a look at the directory, nil while nobody looks
	lookTook  time.Duration
	lookEnded time.Duration   // by the boot clock
	blind     bool            // the directory can't be listed
	hidden    map[string]bool // names of files that can't be examined

	deleted func(FileInfo, Bound) // told of what is deleted

	holds      *holds.Set // nil while they can't be read
	holdsState holds.State
}

// openSet locks the set, against other processes and this one, and looks at
// what is there.
func openSet(dir *directory, c *Config, m *machine) (*set, error) {
	s := &set{
		dir: dir, owner: c.Owner, name: c.Name, ext: c.Ext, log: c.Log, boot: m.boot, origin: m.boot(), wall: c.Now(),
		lstat: m.lstat, newFile: m.create, current: none, hidden: map[string]bool{}, holds: &holds.Set{}, deleted: c.Deleted,
	}
	if err := s.shareDir(c.OwnDir); err != nil {
		return nil, err
	}
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	l := s.look(new(atomic.Bool))
	if l.err != nil {
		return nil, errors.Join(ownfile.ExplainDir(dir.path, l.err), s.undo(), s.close())
	}
	s.takeOver(l)
	return s, nil
}

// none is the index of no file.
const none = -1

// ours reports whether a file is a regular one of this user, or of the set's, with one name.
func (s *set) ours(st fs.FileInfo) bool { return ownfile.Plain(st, os.Geteuid(), s.owner) }

// create makes the next file of the set, which begin makes the current one. A name that is
// taken, by whatever, is passed over.
func (s *set) create(start time.Time) (*os.File, fileset.File, error) {
	for range maxTaken {
		if s.last == math.MaxUint64 {
			return nil, fileset.File{}, fmt.Errorf("%s: a file of the set has the highest number there is: move it away", s.dir.path)
		}
		s.last++
		name := fileset.File{Set: s.name, Start: start, Seq: s.last, Ext: s.ext}
		f, err := s.newFile(s.dir, name.String())
		if errors.Is(err, fs.ErrExist) {
			s.log.Warn("the next file's name is taken; using another", "file", filepath.Join(s.dir.path, name.String()))
			continue
		}
		if err != nil {
			s.last-- // it wasn't used
			return nil, fileset.File{}, ownfile.ExplainDir(s.dir.path, err)
		}
		s.touch(name)
		return f, name, nil
	}
	return nil, fileset.File{}, fmt.Errorf("%s: the next %d names are taken: choose a directory that only %s can write", s.dir.path, maxTaken, userName(os.Geteuid()))
}

// maxTaken is how many taken names are passed over before giving up.
const maxTaken = 1000

// begin notes that a file that create made is being written.
func (s *set) begin(name fileset.File, start time.Time) {
	s.touch(name)
	s.files = append(s.files, entry{name: name, born: s.boot(), start: start, packets: -1})
	s.current = len(s.files) - 1
}

// grown notes the size of the file that is being written.
func (s *set) grown(size int64) {
	e := &s.files[s.current]
	s.total += size - e.size
	e.size = size
}

// finished notes that no file is being written.
func (s *set) finished() { s.current = none }

// ended notes when the file that is being written ended, and how many packets are in it.
func (s *set) ended(at time.Time, packets int64) {
	e := &s.files[s.current]
	e.end, e.packets = at, packets
}

// bytes is the size of all files together.
func (s *set) bytes() int64 { return s.total }

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

// newer is how many bytes are in the files behind the one at an index, and how long ago the
// first of them was begun.
func (s *set) newer(i int) (bytes int64, since time.Duration) {
	if i+1 >= len(s.files) {
		return 0, 0
	}
	bytes = s.total
	for _, e := range s.files[:i+1] {
		bytes -= e.size
	}
	return bytes, s.boot() - s.files[i+1].born
}

// deleteOldest deletes the oldest file that isn't held and returns its size. The one
// that is being written is never deleted: errNothingLeft. What can't be examined is passed over.
func (s *set) deleteOldest(why Bound, more ...any) (int64, error) {
	for {
		i := s.oldest()
		if i < 0 {
			return 0, errNothingLeft
		}
		e := &s.files[i]
		size, done, err := s.remove(e)
		file := e.name.String()
		switch {
		case damaged(err):
			s.passOver(file, err)
		case err != nil:
			return 0, fmt.Errorf("deleting %s: %w", filepath.Join(s.dir.path, file), err)
		case done:
			s.tell(e, size, why)
			level := slog.LevelInfo
			if why == ByKeepFree || why == ByFullDisk { // others may be the reason
				level = slog.LevelWarn
			}
			s.log.Log(context.Background(), level, "deleted the oldest file", append([]any{"file", file, "bytes", size, "because", why}, more...)...)
		default:
			s.miss(file)
		}
		s.drop(i)
		if err == nil {
			return size, nil
		}
	}
}

// drop takes a file off the list.
func (s *set) drop(i int) {
	s.total -= s.files[i].size
	if i < s.current {
		s.current--
	}
	if i == 0 { // the usual one: the others needn't move
		s.files = s.files[1:]
		return
	}
	s.files = slices.Delete(s.files, i, i+1)
}

// discardCurrent removes the file that is being written.
func (s *set) discardCurrent() error {
	i := s.current
	s.finished()
	e := &s.files[i]
	size, done, err := s.remove(e)
	if done {
		e.packets = 0
		s.tell(e, size, ByFailure)
	}
	s.drop(i)
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
func (s *set) remove(e *entry) (size int64, done bool, err error) {
	s.touch(e.name)
	name, st, err := s.find(e.name)
	if err == nil && !s.ours(st) {
		return 0, false, nil
	}
	if err == nil {
		err = s.dir.root.Remove(name.String())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	e.name = name
	return st.Size(), true, nil
}

// find returns a file, and the name that it has now: it may have been compressed since the
// directory was looked at.
func (s *set) find(name fileset.File) (fileset.File, fs.FileInfo, error) {
	st, err := s.lstat(s.dir, name.String())
	if !errors.Is(err, fs.ErrNotExist) {
		return name, st, err
	}
	for _, variant := range fileset.Variants(name.String())[1:] {
		compressed, ok := fileset.Parse(variant)
		if now, err := s.lstat(s.dir, variant); ok && err == nil {
			return compressed, now, nil
		}
	}
	return name, st, err
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
