//go:build !linux

// Package priority steps back behind others on the machine, a capture above all. That is
// for Linux, where captures run.
package priority

// LowerThread does nothing.
func LowerThread() error { return nil }

// LowerProcess does nothing.
func LowerProcess() error { return nil }
