//go:build !linux

package main

import (
	"io"
	"time"
)

// askLedgers knows nothing: ledgers are where captures run.
func askLedgers([]string, period, time.Time, time.Time) (completeness, error) {
	return completeness{}, nil
}

func sayGone(io.Writer, []string) error { return nil }
