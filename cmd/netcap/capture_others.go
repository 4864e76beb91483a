//go:build !linux

package main

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newCaptureCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "netcap",
		Short: "Read packet captures; capturing needs Linux",
		Args:  cobra.ArbitraryArgs,
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("capturing on %s: %w: here netcap reads files, see netcap --help", runtime.GOOS, errors.ErrUnsupported)
		},
	}
}

// operatingCommands are those that act on running captures.
func operatingCommands() []*cobra.Command { return nil }
