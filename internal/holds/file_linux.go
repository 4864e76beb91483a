package holds

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/ownfile"
)

func pathOf(d, set string) string { return filepath.Join(d, fileset.Holds(set)) }

// List returns the holds of a set in a directory, in the order in which they were
// made.
func List(dir, set string) ([]Hold, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	h, _, err := Read(root, dir, set)
	if err != nil {
		return nil, err
	}
	return h.Holds, nil
}

// Add makes a hold, which a capture that runs obeys from then on, and returns it
// with its number.
func Add(dir, set string, hold Hold) (Hold, error) {
	if err := hold.check(); err != nil {
		return hold, err
	}
	err := change(dir, set, func(h *Set) (err error) {
		hold, err = h.add(hold)
		return err
	})
	return hold, err
}

// Release ends a hold and returns it: ErrNone if there is none of that number.
func Release(dir, set string, id int) (hold Hold, err error) {
	err = change(dir, set, func(h *Set) (err error) {
		hold, err = h.release(id)
		return err
	})
	return hold, err
}

func change(dir, set string, do func(*Set) error) error {
	if err := fileset.CheckName(set); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return ownfile.ExplainDir(dir, err)
	}
	defer root.Close()
	lock, err := lockFile(root, dir, set)
	if err != nil {
		return err
	}
	defer lock.Close()
	h, _, err := Read(root, dir, set)
	if err != nil {
		return err
	}
	if err := do(h); err != nil {
		return err
	}
	if err := write(root, set, h); err != nil {
		return ownfile.ExplainDir(dir, fmt.Errorf("%s: %w", pathOf(dir, set), err))
	}
	return nil
}

// lockFile waits for whoever changes the holds at this moment.
func lockFile(root *os.Root, dir, set string) (*os.File, error) {
	path := filepath.Join(dir, fileset.HoldsLock(set))
	f, err := root.OpenFile(fileset.HoldsLock(set), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, fileset.Mode(root, set))
	if err != nil {
		return nil, ownfile.ExplainDir(dir, err)
	}
	fail := func(err error) (*os.File, error) {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	if st, err := f.Stat(); err != nil || !oursOrOwners(root, st) {
		return fail(errors.Join(err, errNotOurs))
	}
	if err := errors.Join(giveToOwner(root, f), fileset.Share(root, set, f)); err != nil {
		return fail(err)
	}
	const tries, pause = 1000, 5 * time.Millisecond // the disk may take its time
	for range tries {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		time.Sleep(pause)
	}
	if err != nil {
		return fail(fmt.Errorf("locking it, which another process has (fuser FILE names it): %w", os.NewSyscallError("flock", err)))
	}
	return f, nil
}

var errNotOurs = errors.New("it is no regular file of this user alone: move it away")

// oursOrOwners reports whether a file is a regular one with one name, and of this user, or
// of whom the directory belongs to, or root's: root may hold what another user captures.
func oursOrOwners(root *os.Root, st fs.FileInfo) bool {
	const rootUser = 0
	return ownfile.Plain(st, rootUser, os.Geteuid()) || ownfile.OfDirectory(root, st)
}

// write puts a new file in the place of the holds. It belongs to whom the
// directory belongs to: root may hold what another user captures.
func write(root *os.Root, set string, h *Set) error {
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	f, err := (&ownfile.Replacement{
		Name: fileset.Holds(set), Content: append(b, '\n'), Mode: fileset.Mode(root, set), Ours: oursOrOwners,
		Give: func(f *os.File) error { return errors.Join(giveToOwner(root, f), fileset.Share(root, set, f)) },
	}).Replace(root)
	if err != nil {
		return err
	}
	return f.Close()
}

// giveToOwner gives a file of root's to whom its directory belongs to.
func giveToOwner(root *os.Root, f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	st, err := root.Stat(".")
	if err != nil {
		return err
	}
	made, err := f.Stat()
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	is, known := made.Sys().(*syscall.Stat_t)
	if !ok || known && is.Uid == sys.Uid { // a confined capture can't change it, and needn't
		return nil
	}
	return f.Chown(int(sys.Uid), int(sys.Gid))
}

// State tells one content of the file from another.
type State struct {
	ino  uint64
	time time.Time
	size int64
}

// Read reads the holds of a set: none if there is no file.
func Read(root *os.Root, dir, set string) (*Set, State, error) {
	h, state := &Set{}, State{}
	fail := func(err error) (*Set, State, error) {
		return nil, state, fmt.Errorf("holds %s: %w", pathOf(dir, set), err)
	}
	f, err := root.OpenFile(fileset.Holds(set), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return h, state, nil
	}
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	state = StateOf(st)
	if !oursOrOwners(root, st) {
		return fail(errNotOurs)
	}
	const longest = 16 << 20 // of MaxHolds with a character escaped for each of their bytes
	b, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return fail(err)
	}
	if err = json.Unmarshal(b, h); err == nil {
		err = h.check()
	}
	if err != nil {
		return fail(fmt.Errorf("it is damaged: %w", err))
	}
	return h, state, nil
}

// StateOf is that of the file.
func StateOf(st fs.FileInfo) State {
	s := State{time: st.ModTime(), size: st.Size()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		s.ino = sys.Ino
	}
	return s
}
