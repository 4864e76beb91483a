//go:build !linux

package rotate

// Running reports whether a capture writes a set: captures run on Linux.
func Running(dir, set string) bool { return false }
