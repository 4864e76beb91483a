//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
)

// The bench runs itself inside the namespaces, with one of these as its first
// argument.
const (
	modeReceive = "receive"
	modeSend    = "send"
	modePace    = "pace"
)

var modes = map[string]func(args []string) error{
	modeReceive: receive,
	modeSend:    transmit,
	modePace:    pace,
}

// ourselves is a command that runs the bench in one of its modes.
func ourselves(ctx context.Context, where []string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return command(ctx, append(append(where, self), args...)...), nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
