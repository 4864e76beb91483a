package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"netcap/internal/printable"
	"netcap/internal/repair"
	"netcap/internal/report"
	"netcap/internal/rewrite"
	"netcap/pcapfile"
)

func newRepairCommand() *cobra.Command {
	var force, salvage bool
	var write string
	cmd := &cobra.Command{
		Use:   "repair FILE…",
		Short: "Cut the torn tail of captures, or salvage the packets of a damaged one",
		Long: `Cuts captures in place to their longest valid prefix: what a crash or a full disk left
of a record at the end, or of zeros. Says what was cut, where and why. A whole file is
left as it is, and one of 0 bytes, which a power cut leaves, is removed.

A file that is being written is refused, and so is a compressed one. One that is damaged
in its middle is cut only by --force if whole packets follow the damage, of this capture or
of another one that begins within the file: they would be lost. How many follow, and from
which offset, is said.

--salvage writes all whole packets into a new file instead, those behind each damage and of
other captures included, and leaves the original as it is. The new file is pcapng: where
bytes were skipped, a comment says how many, from which offset on, and why.`,
		Example: `  netcap repair torn.pcapng
  netcap repair --salvage -w salvaged.pcapng damaged.pcap`,
		Args: func(cmd *cobra.Command, args []string) error {
			usage := func(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
			switch {
			case len(args) == 0:
				return usage("a file is missing: %s", cmd.UseLine())
			case salvage && write == "":
				return usage("--salvage writes into a new file: name it with -w OUT")
			case !salvage && write != "":
				return usage("-w is for --salvage: without it files are cut in place")
			case salvage && force:
				return usage("--force cuts and --salvage leaves the file as it is: choose one")
			case salvage && len(args) > 1:
				return usage("--salvage is for one file: %d are given", len(args))
			case salvage && write != "-" && rewrite.Format(write, pcapfile.PCAPNG) != pcapfile.PCAPNG:
				return usage("-w %s: what --salvage writes is pcapng, which has comments: end the name in .pcapng", printable.Text(write))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if salvage {
				return salvageFile(cmd, args[0], write)
			}
			failed := failures{cmd: cmd, of: len(args)}
			for _, path := range args {
				r, err := repair.File(path, force)
				if err != nil {
					failed.add(err)
					continue
				}
				if r.Removed || r.Cut > 0 {
					act := newAct("repair")
					act.Text = path
					audit(act, report.Place{Path: path})
				}
				text := fmt.Sprintf("whole, %s: left as it is", countOf(r.Packets, "packet"))
				switch {
				case r.Removed:
					text = "removed: nothing was in it (0 bytes)"
				case r.Cut > 0:
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
	cmd.Flags().BoolVar(&salvage, "salvage", false, "write all whole packets into another file, and leave this one as it is")
	cmd.Flags().StringVarP(&write, "write", "w", "", "the `FILE` that --salvage writes (- is standard output); nothing is overwritten")
	return cmd
}

// salvageFile writes what is whole in one file into another.
func salvageFile(cmd *cobra.Command, path, write string) error {
	stdout, _ := cmd.OutOrStdout().(*os.File)
	if write == "-" && stdout == nil { // a test's
		_, err := repair.Salvage(path, cmd.OutOrStdout())
		return err
	}
	out, err := rewrite.Create(write, stdout)
	if err != nil {
		return err
	}
	s, err := repair.Salvage(path, out)
	if write == "-" {
		return err
	}
	if err := out.End(err); err != nil {
		return err
	}
	text := fmt.Sprintf("%s written to %s", countOf(s.Packets, "packet"), printable.Text(write))
	if s.Captures > 1 {
		text += fmt.Sprintf(", of %d captures", s.Captures)
	}
	if s.Holes > 0 {
		text += fmt.Sprintf("; %s skipped in %s", countOf(s.Skipped, "byte"), countOf(s.Holes, "place"))
	}
	if s.Unknown > 0 {
		text += fmt.Sprintf(", with %s of interfaces that are described nowhere", countOf(s.Unknown, "packet"))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s; left as it is\n", printable.Text(path), text)
	return err
}
