// Package repair cuts a torn capture to its longest valid prefix, in place, and salvages the
// packets of a damaged one into another file.
//
// What a crash or a full disk leaves behind the last whole record is cut: part of a record,
// zeros, garbage. A file of no bytes, as a power cut leaves it, is removed. If whole packets follow, of whatever capture, the file is damaged and not
// torn: they would be lost, and are cut only by force. Nothing else is ever changed.
package repair

import (
	"errors"
	"fmt"
	"io"
	"os"

	"netcap/internal/damage"
	"netcap/internal/input"
	"netcap/pcapfile"
)

// Result is what was found, and done.
type Result struct {
	Packets int64 // that remain
	Offset  int64 // where the file was cut; its size
	Cut     int64 // bytes, 0 if the file was whole
	Reason  error // why; nil if it was whole
	Removed bool  // the file was empty, and is gone
}

// DamageError says that whole packets follow the damage in a file. It was left as it is.
type DamageError struct {
	Size int64 // of the file
	*damage.Judgement
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged, and not torn: %v, but %v: --salvage -w OUT writes all into another file; to cut the %d bytes from offset %d on would leave %d packets: --force does that",
		e.Reason, e.Judgement, e.Size-e.End, e.End, e.Packets)
}

// Unwrap returns what is wrong.
func (e *DamageError) Unwrap() error { return e.Reason }

// File repairs the file at a path. The error, a *input.FileError, says why it was left as it
// is; it wraps a *DamageError if force would cut it.
func File(path string, force bool) (*Result, error) {
	r, err := file(path, force)
	if err != nil {
		return nil, &input.FileError{Path: path, Err: err}
	}
	return r, nil
}

func file(path string, force bool) (*Result, error) {
	// What isn't a regular file isn't opened: that may have effects.
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("no regular file: nothing there is cut")
	}
	if err := written(path); err != nil {
		return nil, err
	}
	f, err := openLocked(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err = f.Stat(); err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("no regular file: it was replaced just now")
	}
	if linked(st) && !force {
		return nil, errors.New("it has another name too (a hard link), and would be cut there as well: repair a copy, or cut both with --force")
	}
	if st.Size() == 0 {
		return &Result{Removed: true}, remove(path, f)
	}
	r, err := find(f, st.Size(), force)
	if err != nil || r.Cut == 0 {
		return r, err
	}
	return r, cut(f, st, r.Offset)
}

// remove removes an empty file that is still the one that was opened.
func remove(path string, f *os.File) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(opened, named) || opened.Size() > 0 || named.Size() > 0 {
		return errors.New("it is being written: it changed just now")
	}
	return os.Remove(path)
}

// cut cuts a file that still is as it was. Its time remains that of the packets.
func cut(f *os.File, st os.FileInfo, size int64) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if now.Size() != st.Size() || !now.ModTime().Equal(st.ModTime()) {
		return errors.New("it is being written: it changed while it was read")
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return setTime(f, st.ModTime())
}

// plain refuses a compressed file.
func plain(f *os.File) error {
	head := make([]byte, 16)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	if method := input.CompressionOf(head[:n]); method != "" {
		return fmt.Errorf("it is compressed with %s: decompress it, and repair that", method)
	}
	return nil
}

// find reads a file and says where it has to be cut.
func find(f *os.File, size int64, force bool) (*Result, error) {
	if err := plain(f); err != nil {
		return nil, err
	}
	_, err := pcapfile.NewReader(io.NewSectionReader(f, 0, size))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("no packet is in it, the file ends in its header: nothing to repair")
	}
	if err != nil {
		return nil, err
	}
	j, err := damage.Judge(f, size)
	if err != nil {
		return nil, err
	}
	if j.Following > 0 && !force {
		return nil, &DamageError{Size: size, Judgement: j}
	}
	return &Result{Packets: j.Packets, Offset: j.End, Cut: size - j.End, Reason: j.Reason}, nil
}
