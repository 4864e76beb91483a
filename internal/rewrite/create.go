package rewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

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
	dir *os.Root
}

// End closes the file. If err, which is why it isn't whole, or that fails, the file is
// removed, and the error says so.
func (f *File) End(err error) error {
	err = errors.Join(err, f.Close())
	if f.dir == nil {
		return err
	}
	if err != nil {
		err = errors.Join(err, f.dir.Remove(filepath.Base(f.Name())))
		err = fmt.Errorf("%w; %s was removed again", err, printable.Text(f.Name()))
	}
	return errors.Join(err, f.dir.Close())
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
		return &File{File: stdout}, nil
	}
	if ext := filepath.Ext(path); slices.Contains([]string{".gz", ".zst", ".lz4", ".xz", ".bz2"}, ext) {
		return nil, fmt.Errorf("%q: captures are written uncompressed: leave out %s, or give -w - and pipe that into a compressor", path, ext)
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	f, err := dir.OpenFile(filepath.Base(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err == nil {
		return &File{f, dir}, nil
	}
	switch of := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrExist):
		err = fmt.Errorf("%q: %w, and nothing is ever overwritten: choose another name, or move it away", path, fs.ErrExist)
	case errors.As(err, &of):
		err = &fs.PathError{Op: "open", Path: path, Err: of.Err}
	}
	return nil, errors.Join(err, dir.Close())
}
