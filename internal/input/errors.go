package input

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"netcap/internal/printable"
)

// FileError is an error of one file. Others can be read nevertheless.
type FileError struct {
	Path string // as it was given, "standard input" for -
	Err  error
}

// Error names the file once, and so that it can be printed.
func (e *FileError) Error() string {
	var pathErr *fs.PathError
	if errors.As(e.Err, &pathErr) {
		return fmt.Sprintf("%s: %s: %v", printable.Text(e.Path), pathErr.Op, pathErr.Err)
	}
	return fmt.Sprintf("%s: %v", printable.Text(e.Path), e.Err)
}

// Unwrap returns the error without the path.
func (e *FileError) Unwrap() error { return e.Err }

// fileError wraps an error of a file, once.
func fileError(path string, err error) error {
	var e *FileError
	if errors.As(err, &e) {
		return err
	}
	return &FileError{path, err}
}

// CompressionError reports compressed data that can't be read on. What precedes the
// damage was delivered.
type CompressionError struct {
	Method string // as File.Compression
	Offset int64  // bytes of the file that were read by then
	Err    error  // io.ErrUnexpectedEOF if the data ends too early
}

func (e *CompressionError) Error() string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("the %s data is cut short, after %d bytes of it", e.Method, e.Offset)
	}
	return fmt.Sprintf("the %s data can't be read, at %d bytes of it or before: %v", e.Method, e.Offset, e.Err)
}

// Unwrap returns the reason.
func (e *CompressionError) Unwrap() error { return e.Err }
