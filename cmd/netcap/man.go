package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man [COMMAND…]",
		Short: "Print the manual page",
		Long:  "Prints the manual page of netcap, or of one of its commands, for man(1):\n\n    netcap man | man -l -",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			page, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q", strings.Join(args, " "))
			}
			if err != nil {
				return usageError{err}
			}
			cmd.Root().DisableAutoGenTag = true
			var b bytes.Buffer
			header := &doc.GenManHeader{Section: "8", Source: "netcap " + version, Manual: "System Administration"}
			if err := doc.GenMan(page, header, &b); err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(b.Bytes())
			return err
		},
	}
}
