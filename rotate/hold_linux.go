package rotate

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

// The holds of the set NAME are in the file NAME.holds beside its files: JSON, never
// changed but replaced as a whole, under the lock of another file.
func holdsPath(d, set string) string { return filepath.Join(d, fileset.Holds(set)) }

// Holds returns the holds of a set in a directory, in the order in which they were
// made.
func Holds(dir, set string) ([]Hold, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	h, _, err := readHolds(root, dir, set)
	if err != nil {
		return nil, err
	}
	return h.Holds, nil
}

// AddHold makes a hold, which a capture that runs obeys from then on, and returns it
// with its number.
func AddHold(dir, set string, hold Hold) (Hold, error) {
	if err := hold.check(); err != nil {
		return hold, err
	}
	err := changeHolds(dir, set, func(h *holds) (err error) {
		hold, err = h.add(hold)
		return err
	})
	return hold, err
}

// Release ends a hold and returns it: ErrNoHold if there is none of that number.
func Release(dir, set string, id int) (hold Hold, err error) {
	err = changeHolds(dir, set, func(h *holds) (err error) {
		hold, err = h.release(id)
		return err
	})
	return hold, err
}

func changeHolds(dir, set string, change func(*holds) error) error {
	if err := fileset.CheckName(set); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return explainDir(dir, err)
	}
	defer root.Close()
	lock, err := lockHolds(root, dir, set)
	if err != nil {
		return err
	}
	defer lock.Close()
	h, _, err := readHolds(root, dir, set)
	if err != nil {
		return err
	}
	if err := change(h); err != nil {
		return err
	}
	if err := writeHolds(root, set, h); err != nil {
		return explainDir(dir, fmt.Errorf("%s: %w", holdsPath(dir, set), err))
	}
	return nil
}

// lockHolds waits for whoever changes the holds at this moment.
func lockHolds(root *os.Root, dir, set string) (*os.File, error) {
	path := filepath.Join(dir, fileset.HoldsLock(set))
	f, err := root.OpenFile(fileset.HoldsLock(set), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, setMode(root, set))
	if err != nil {
		return nil, explainDir(dir, err)
	}
	fail := func(err error) (*os.File, error) {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	if st, err := f.Stat(); err != nil || !oursOrOwners(root, st) {
		return fail(errors.Join(err, errNotOurs))
	}
	if err := errors.Join(giveToOwner(root, f), likeSet(root, set, f)); err != nil {
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
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || !st.Mode().IsRegular() || sys.Nlink != 1 {
		return false
	}
	if sys.Uid == 0 || int(sys.Uid) == os.Geteuid() {
		return true
	}
	of, err := root.Stat(".")
	if err != nil {
		return false
	}
	dir, ok := of.Sys().(*syscall.Stat_t)
	return ok && dir.Uid == sys.Uid
}

// writeHolds puts a new file in the place of the holds. It belongs to whom the
// directory belongs to: root may hold what another user captures.
func writeHolds(root *os.Root, set string, h *holds) error {
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	f, err := (&ownfile.Replacement{
		Name: fileset.Holds(set), Content: append(b, '\n'), Mode: setMode(root, set), Ours: oursOrOwners,
		Give: func(f *os.File) error { return errors.Join(giveToOwner(root, f), likeSet(root, set, f)) },
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

// holdsState tells one content of the file from another.
type holdsState struct {
	ino  uint64
	time time.Time
	size int64
}

// readHolds reads the holds of a set: none if there is no file.
func readHolds(root *os.Root, dir, set string) (*holds, holdsState, error) {
	h, state := &holds{}, holdsState{}
	fail := func(err error) (*holds, holdsState, error) {
		return nil, state, fmt.Errorf("holds %s: %w", holdsPath(dir, set), err)
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
	state = stateOf(st)
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

func stateOf(st fs.FileInfo) holdsState {
	s := holdsState{time: st.ModTime(), size: st.Size()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		s.ino = sys.Ino
	}
	return s
}

// refreshHolds reads the holds if they have changed. Where they can't be read all
// files are held: nothing that may be evidence is deleted for that.
func (s *set) refreshHolds() {
	st, err := s.dir.root.Lstat(fileset.Holds(s.name))
	var state holdsState
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.holdAll(err)
		return
	default:
		state = stateOf(st)
	}
	if state == s.holdsState && s.holds != nil {
		return
	}
	h, state, err := readHolds(s.dir.root, s.dir.path, s.name)
	if err != nil {
		s.holdAll(err)
		return
	}
	s.holds, s.holdsState = h, state
}

func (s *set) holdAll(err error) {
	if s.holds != nil {
		s.log.Error("the holds can't be read: no file is deleted until they can, though the budget be exceeded; mend the file or remove it", "error", err)
	}
	s.holds, s.holdsState = nil, holdsState{}
}

// held reports whether a hold covers the file at an index, which ends where the next
// one begins.
func (s *set) held(i int) bool {
	if s.holds == nil {
		return true
	}
	var end time.Time
	if i+1 < len(s.files) {
		end = s.files[i+1].name.Start.Add(time.Second) // names are exact to the second
	}
	return s.holds.covers(s.files[i].name.Start, end)
}

// oldest is the index of the oldest file that may be deleted, -1 if there is none.
func (s *set) oldest() int {
	s.refreshHolds()
	for i := range s.files {
		if i != s.current && !s.held(i) {
			return i
		}
	}
	return -1
}

// heldFiles counts the files that are held and their bytes, but for the one that is
// being written.
func (s *set) heldFiles() (n int, bytes int64) {
	if s.holds != nil && len(s.holds.Holds) == 0 {
		return 0, 0
	}
	for i := range s.files {
		if i != s.current && s.held(i) {
			n++
			bytes += s.files[i].size
		}
	}
	return n, bytes
}
