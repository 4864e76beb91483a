//go:build linux && !amd64

package main

// foreign does nothing: other processors have one table that a program can use, or the test
// isn't run there.
func foreign(string) int32 { return 0 }
