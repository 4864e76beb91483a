package rewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"netcap/internal/input"
	"netcap/internal/printable"
	"netcap/pcapfile"
)

// Format is the format in which a file of that name is written: what its extension says,
// else kept, which is that of what is read.
func Format(path string, kept pcapfile.Format) pcapfile.Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".pcapng", ".ntar":
		return pcapfile.PCAPNG
	case ".pcap", ".cap", ".dmp":
		return pcapfile.PCAP
	}
	return kept
}

// File is a file that was made, in a directory that is held: what becomes of the path
// meanwhile doesn't matter. For standard output there is no directory.
type File struct {
	*os.File
	dir  *os.Root
	part bool   // it has its name only once it is whole
	path string // that it has then, as the user has it
}

// partExt is what the name of a file ends in that isn't whole.
const partExt = ".part"

// End closes the file. If err, which is why it isn't whole, or that fails, the file is
// removed, and the error says so.
func (f *File) End(err error) error {
	err = errors.Join(err, f.Close())
	if f.dir == nil {
		return err
	}
	if err == nil && f.part {
		err = f.name()
	}
	if err != nil {
		err = errors.Join(err, f.dir.Remove(filepath.Base(f.Name())))
		err = fmt.Errorf("%w; %s was removed again", err, printable.Text(f.Name()))
	}
	return errors.Join(err, f.dir.Close())
}

// name gives a file that is whole the name that was asked for, if that is still nobody's: an
// empty file of ours takes it first.
func (f *File) name() error {
	name := filepath.Base(f.path)
	place, err := f.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil {
		return refusal(f.path, err)
	}
	if err := place.Close(); err != nil {
		return err
	}
	return f.dir.Rename(name+partExt, name)
}

// Leave closes a file that isn't whole, and won't be. It keeps the name that says so, which is
// returned.
func (f *File) Leave() (path string, err error) {
	err = f.Close()
	if f.dir != nil {
		err = errors.Join(err, f.dir.Close())
	}
	return f.path + partExt, err
}

// Discard closes and removes the file: nothing is to be written after all.
func (f *File) Discard() error {
	err := f.Close()
	if f.dir == nil {
		return err
	}
	return errors.Join(err, f.dir.Remove(filepath.Base(f.Name())), f.dir.Close())
}

// Create creates a file to write a capture to, for its owner alone; - is stdout. Nothing
// that exists is overwritten, and no terminal is written to.
func Create(path string, stdout *os.File) (*File, error) {
	if path == "-" {
		if term.IsTerminal(int(stdout.Fd())) {
			return nil, errors.New("-w -: standard output is a terminal, which a capture would garble: redirect it, or name a file")
		}
		return &File{File: stdout, path: path}, nil
	}
	if err := compressed(path); err != nil {
		return nil, err
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	f, err := dir.OpenFile(filepath.Base(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err == nil {
		return &File{File: f, dir: dir, path: path}, nil
	}
	return nil, errors.Join(refusal(path, err), dir.Close())
}

// Begin is Create for a file that is whole only at its End, or not at all. Until then its name
// ends in .part: what a process leaves behind that is killed can't be mistaken.
func Begin(path string, stdout *os.File) (*File, error) {
	if path == "-" {
		return Create(path, stdout)
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, refusal(path, fs.ErrExist)
	}
	if err := compressed(path); err != nil {
		return nil, err
	}
	f, err := Create(path+partExt, stdout)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%q: %w: another netcap is writing it, or was killed before it was whole: remove it then", path+partExt, fs.ErrExist)
	}
	if err != nil {
		return nil, refusal(path, err)
	}
	f.part, f.path = true, path
	return f, nil
}

// compressed refuses names of compressed files.
func compressed(path string) error {
	if ext := filepath.Ext(path); input.Compresses(ext) {
		return fmt.Errorf("%q: captures are written uncompressed: leave out %s, or give -w - and pipe that into a compressor", path, ext)
	}
	return nil
}

// refusal says why a file of a path wasn't made.
func refusal(path string, err error) error {
	switch of := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrExist):
		err = fmt.Errorf("%q: %w, and nothing is ever overwritten: choose another name, or move it away", path, fs.ErrExist)
	case errors.As(err, &of):
		err = &fs.PathError{Op: "open", Path: path, Err: of.Err}
	}
	return err
}
