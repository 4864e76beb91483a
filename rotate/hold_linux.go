package rotate

import (
	"errors"
	"io/fs"
	"time"

	"netcap/internal/fileset"
	"netcap/internal/holds"
)

// refreshHolds reads the holds if they have changed. Where they can't be read all
// files are held: nothing that may be evidence is deleted for that.
func (s *set) refreshHolds() {
	st, err := s.dir.root.Lstat(fileset.Holds(s.name))
	var state holds.State
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.holdAll(err)
		return
	default:
		state = holds.StateOf(st)
	}
	if state == s.holdsState && s.holds != nil {
		return
	}
	h, state, err := holds.Read(s.dir.root, s.dir.path, s.name)
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
	s.holds, s.holdsState = nil, holds.State{}
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
	return s.holds.Covers(s.files[i].name.Start, end)
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
