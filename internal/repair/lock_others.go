//go:build !linux

package repair

import "os"

// written lets every file pass: captures run on Linux.
func written(string) error { return nil }

func openLocked(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR, 0) }
