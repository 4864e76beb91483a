//go:build !linux

package repair

import (
	"os"
	"time"
)

// written lets every file pass: captures run on Linux.
func written(string) error { return nil }

func openLocked(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR, 0) }

func linked(os.FileInfo) bool { return false }

func setTime(f *os.File, t time.Time) error { return os.Chtimes(f.Name(), time.Time{}, t) }
