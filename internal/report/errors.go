package report

import (
	"errors"
	"fmt"
	"io/fs"

	"netcap/internal/printable"
)

// FileError puts the path before an error of a file, once, and so that it can
// be printed: names of files may hold anything.
func FileError(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("%s: %s: %w", printable.Text(path), pathErr.Op, pathErr.Err)
	}
	return fmt.Errorf("%s: %w", printable.Text(path), err)
}
