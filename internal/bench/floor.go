//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// buildFloor builds the program that shows the limit. The function that it returns
// removes it.
func buildFloor(ctx context.Context) (t tool, remove func()) {
	t = tool{name: "floor"}
	dir, err := os.MkdirTemp("", "netcap-bench-")
	if err != nil {
		t.missing = err
		return t, func() {}
	}
	program := filepath.Join(dir, "floor")
	t.args = func(f string) []string { return []string{program, "c0", f + ".pcap"} }
	build := command(ctx, "go", "build", "-o", program, "netcap/internal/bench/floor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.missing = fmt.Errorf("building it: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return t, func() { os.RemoveAll(dir) }
}
