package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"netcap/internal/daemon"
	"netcap/internal/fileset"
	"netcap/internal/ownfile"
)

// Capture is one that runs, or ran.
type Capture struct {
	Name    string    `json:"name"`
	Dir     string    `json:"dir"`            // the absolute path of the directory that it writes to
	Set     string    `json:"set,omitempty"`  // the name of its set there
	File    string    `json:"file,omitempty"` // or of its only file
	PIDFile string    `json:"pid_file"`       // its absolute path
	Started time.Time `json:"started"`

	// Running says that a process has the PID file locked.
	Running bool `json:"-"`
}

// Path is where the capture writes: the directory of a set, or the only file.
func (c *Capture) Path() string { return filepath.Join(c.Dir, c.File) }

// Registry is where captures are remembered.
type Registry struct {
	Run   string // the directory of PID files whose captures don't name one
	State string // the directory of sets
}

const ext = ".capture"

// dirs are those of the registry's files: for some users one and the same. Root trusts what the
// user has entered to whom they belong, as it does of his PID files.
func (r *Registry) dirs() []string { return slices.Compact([]string{r.Run, r.State}) }

// usual reports whether a capture's PID file is the one that it has without being told.
func (r *Registry) usual(c *Capture) bool { return c.PIDFile == filepath.Join(r.Run, c.Name+".pid") }

// fileName is that of a capture's file. No name of a capture has a tilde.
func (r *Registry) fileName(c *Capture) string {
	if r.usual(c) {
		return c.Name + ext
	}
	sum := sha256.Sum256([]byte(c.PIDFile))
	return c.Name + "~" + hex.EncodeToString(sum[:4]) + ext
}

// mostRemembered bounds the captures that are remembered.
const mostRemembered = 256

// Enter remembers this process's capture, which has begun. Where it can be entered in one of the
// places only, it is entered. It doesn't open the capture's PID file, which would give up the
// lock of it, see daemon.LockPIDFile.
func (r *Registry) Enter(c *Capture) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var failed []error
	for _, path := range r.dirs() {
		failed = append(failed, enter(path, r.fileName(c), append(b, '\n')))
	}
	if slices.Contains(failed, nil) {
		return r.forget(c)
	}
	return errors.Join(failed...)
}

func enter(path, name string, b []byte) error {
	dir, err := ownfile.OpenDir(filepath.Join(path, name), true)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := (&ownfile.Replacement{Name: name, Content: b}).Replace(dir)
	if err != nil {
		return err
	}
	return f.Close()
}

// forget removes, of too many captures that have ended, those that began first.
func (r *Registry) forget(own *Capture) error {
	all, _ := r.entered() // what can't be read is none too many
	slices.SortFunc(all, laterFirst)
	var failed error
	for _, c := range all[min(len(all), mostRemembered):] {
		if c.PIDFile == own.PIDFile || daemon.IsLocked(c.PIDFile) {
			continue
		}
		for _, path := range r.dirs() {
			if err := os.Remove(filepath.Join(path, r.fileName(&c))); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}

// All returns what is known of captures: those that run first, then those that began last. With
// an error it is what could be read.
func (r *Registry) All() ([]Capture, error) {
	all, err := r.entered()
	for i := range all {
		all[i].Running = daemon.IsLocked(all[i].PIDFile)
	}
	slices.SortFunc(all, func(a, b Capture) int {
		switch {
		case a.Running == b.Running:
			return laterFirst(a, b)
		case a.Running:
			return -1
		}
		return 1
	})
	return all, err
}

func laterFirst(a, b Capture) int {
	return cmp.Or(b.Started.Compare(a.Started), strings.Compare(a.PIDFile, b.PIDFile))
}

// entered are all captures that were entered, in no order.
func (r *Registry) entered() (all []Capture, failed error) {
	latest := make(map[string]Capture)
	for _, path := range r.dirs() {
		failed = errors.Join(failed, r.read(path, latest))
	}
	for _, c := range latest {
		all = append(all, c)
	}
	return all, failed
}

// read enters the captures that a directory tells of. A directory that others decide about, or that
// this user may not read, tells nothing about captures of his; nor does a file that isn't his, or
// is damaged.
func (r *Registry) read(path string, latest map[string]Capture) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	var dir *os.Root
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ext) || !e.Type().IsRegular() {
			continue
		}
		if dir == nil {
			dir, err = ownfile.OpenDir(filepath.Join(path, e.Name()), false)
			var unsafe *ownfile.UnsafeError
			if errors.As(err, &unsafe) {
				return nil
			}
			if err != nil {
				return err
			}
			defer dir.Close()
		}
		c, err := readFile(dir, e.Name())
		if err != nil || r.fileName(c) != e.Name() {
			continue
		}
		if before, ok := latest[e.Name()]; !ok || before.Started.Before(c.Started) {
			latest[e.Name()] = *c
		}
	}
	return nil
}

// longest is how long a capture's file may be.
const longest = 64 << 10

func readFile(dir *os.Root, name string) (*Capture, error) {
	f, err := ownfile.Open(dir, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return nil, err
	}
	c := &Capture{}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, err
	}
	return c, c.check()
}

// check refuses what no capture is.
func (c *Capture) check() error {
	switch {
	case fileset.CheckName(c.Name) != nil, c.Set != "" && fileset.CheckName(c.Set) != nil:
		return fmt.Errorf("a capture has no such name: %q, %q", c.Name, c.Set)
	case !filepath.IsAbs(c.Dir), !filepath.IsAbs(c.PIDFile):
		return errors.New("a path isn't absolute")
	case (c.Set == "") == (c.File == ""), c.File != "" && filepath.Base(c.File) != c.File:
		return errors.New("neither a set nor a file")
	}
	return nil
}

// Find returns the captures of a name, in the order of All.
func (r *Registry) Find(name string) ([]Capture, error) {
	all, err := r.All()
	return slices.DeleteFunc(all, func(c Capture) bool { return c.Name != name }), err
}
