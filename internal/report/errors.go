package report

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FileError puts the path before an error of a file, once, and so that it can
// be printed: names of files may hold anything.
func FileError(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("%s: %s: %w", Printable(path), pathErr.Op, pathErr.Err)
	}
	return fmt.Errorf("%s: %w", Printable(path), err)
}

// Printable returns s if it is text that stays on its line and in its column,
// and quoted as a Go string otherwise.
func Printable(s string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}
