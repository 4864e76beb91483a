package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// OpenDir opens the directory that a file at a path is in. If makeDir is set, directories
// that are missing are made, mode 0755. An UnsafeError says that others decide where the
// path leads.
func OpenDir(path string, makeDir bool) (*os.Root, error) {
	w, err := newWalk(path)
	if err != nil {
		return nil, err
	}
	w.make = makeDir
	if err := w.all(); err != nil {
		return nil, err
	}
	return os.OpenRoot(w.at)
}

// UnsafeError is the error that somebody else decides what is at a path.
type UnsafeError struct {
	Path string // of the directory, or of the file
	Why  string
}

func (e *UnsafeError) Error() string { return e.Path + ": " + e.Why }

// mostLinks is how many links a path may lead through, as in path_resolution(7).
const mostLinks = 40

// walk follows the path of a directory, step by step.
type walk struct {
	file string   // what is meant to be in that directory
	at   string   // a directory whose path is trusted
	rest []string // what remains to be walked
	make bool     // directories that are missing are made
	top  uint32   // whom / belongs to: root, but for a user namespace

	links int
}

func newWalk(file string) (*walk, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	top, err := os.Lstat("/")
	if err != nil {
		return nil, err
	}
	return &walk{file: file, at: "/", rest: split(filepath.Dir(abs)), top: ownerOf(top)}, nil
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

func (w *walk) all() error {
	for len(w.rest) > 0 {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) step() error {
	parent, err := os.Stat(w.at) // w.at has no link in it
	if err != nil {
		return err
	}
	path := filepath.Join(w.at, w.rest[0])
	entry, err := os.Lstat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if missing {
		if err := w.trust(parent, nil); err != nil {
			return err
		}
	}
	if missing && w.make {
		if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		entry, err = os.Lstat(path) // not necessarily what was made
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "open", Path: w.file, Err: unix.ENOENT}
	}
	if err != nil {
		return err
	}
	if err := w.trust(parent, entry); err != nil {
		return err
	}
	name := w.rest[0]
	w.rest = w.rest[1:]
	switch {
	case name == "..": // of a link: what is above has been walked
		w.at = filepath.Dir(w.at)
	case entry.Mode()&fs.ModeSymlink != 0:
		return w.follow(path)
	default:
		w.at = path // if it is no directory, the next step says so
	}
	return nil
}

func (w *walk) follow(link string) error {
	if w.links++; w.links > mostLinks {
		return &fs.PathError{Op: "open", Path: link, Err: unix.ELOOP}
	}
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) {
		w.at = "/"
	}
	// Not cleaned: what is behind .. depends on the links before it.
	w.rest = append(split(target), w.rest...)
	return nil
}

// trust reports whether nobody else decides what an entry of a directory is, nil for one
// that is to be made.
func (w *walk) trust(parent, entry fs.FileInfo) error {
	const everybody = 0o002
	switch {
	case !w.trusted(parent):
		return w.unsafe("it", parent, w.at)
	case entry == nil || parent.Mode().Perm()&everybody == 0:
		return nil
	case parent.Mode()&fs.ModeSticky == 0:
		return &UnsafeError{w.at, "everybody may replace what is in it"}
	case !w.trusted(entry):
		return w.unsafe(filepath.Join(w.at, entry.Name()), entry, w.at)
	}
	return nil
}

func (w *walk) trusted(st fs.FileInfo) bool {
	uid := ownerOf(st)
	return uid == 0 || uid == w.top || int(uid) == os.Geteuid()
}

func (w *walk) unsafe(what string, st fs.FileInfo, dir string) error {
	return &UnsafeError{dir, fmt.Sprintf("%s belongs to %s, who decides where the path leads", what, userName(ownerOf(st)))}
}

func ownerOf(st fs.FileInfo) uint32 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Uid
	}
	return ^uint32(0)
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}
