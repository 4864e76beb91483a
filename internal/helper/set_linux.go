package helper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"netcap/internal/journal"
)

// set is the directory of a capture's files. It stays the one that it was when the first
// of them was named, whatever its path leads to later.
type set struct {
	mu   sync.Mutex
	path string
	root *os.Root // nil before it could be opened
}

// of names a file of the set.
func (s *set) of(path string) {
	s.mu.Lock()
	if s.path == "" {
		s.path = filepath.Dir(path)
	}
	s.mu.Unlock()
	_, _ = s.dir() // who needs it asks again
}

func (s *set) dir() (*os.Root, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.root != nil {
		return s.root, nil
	}
	root, err := os.OpenRoot(s.path)
	if err == nil {
		s.root = root
	}
	return root, err
}

// file is the directory, for another process.
func (s *set) file() (*os.File, error) {
	root, err := s.dir()
	if err != nil {
		return nil, err
	}
	return root.Open(".")
}

// take has the directory be the one that another process had open.
func (s *set) take(dir *os.File) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.root, err = os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	return errors.Join(err, dir.Close())
}

// open opens a file of the set.
func (s *set) open(path string) (*os.File, error) {
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	return dir.OpenFile(filepath.Base(path), journal.Flags, 0)
}

// leads reports whether a path leads to the set's own file, or to nothing: the command of
// -z takes paths, and others may have put another directory at this one.
func (s *set) leads(path string) error {
	dir, err := s.dir()
	if err != nil {
		return err
	}
	own, ownErr := dir.Lstat(filepath.Base(path))
	there, thereErr := os.Lstat(path)
	switch {
	case ownErr == nil && thereErr == nil && os.SameFile(own, there):
	case errors.Is(ownErr, fs.ErrNotExist) && errors.Is(thereErr, fs.ErrNotExist): // the set gave way
	default:
		return fmt.Errorf("%s isn't the set's directory any more: the command isn't run on what is there", s.path)
	}
	return nil
}

func (s *set) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.root == nil {
		return nil
	}
	return s.root.Close()
}
