package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"netcap/internal/printable"
	"netcap/internal/repair"
)

func newRepairCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "repair FILE…",
		Short: "Cut the torn tail of captures",
		Long: `Cuts captures in place to their longest valid prefix: what a crash or a full disk left
of a record at the end, or of zeros. Says what was cut, where and why. A whole file is
left as it is.

A file that is being written is refused, and so is a compressed one. One that is damaged
in its middle, with whole packets behind the damage, is cut only by --force: they would be
lost. netcap read prints what precedes the damage.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("a file is missing: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			failed := failures{cmd: cmd, of: len(args)}
			for _, path := range args {
				r, err := repair.File(path, force)
				if err != nil {
					failed.add(err)
					continue
				}
				text := fmt.Sprintf("whole, %s: left as it is", countOf(r.Packets, "packet"))
				if r.Cut > 0 {
					text = fmt.Sprintf("cut %s at offset %d (%v); %s left", countOf(r.Cut, "byte"), r.Offset, r.Reason, countOf(r.Packets, "packet"))
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", printable.Text(path), text); err != nil {
					return err
				}
			}
			return failed.err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "cut a file that is damaged in its middle, and lose what follows")
	return cmd
}
