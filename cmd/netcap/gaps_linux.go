package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"netcap/internal/printable"
	"netcap/internal/report"
)

func newGapsCommand() *cobra.Command {
	var from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "gaps [NAME|DIR|FILE]",
		Short: "Say in which intervals packets are or may be missing, and why",
		Long: `Answers whether a capture is complete: lists every interval in which packets are or
may be missing, of all sets, of that of the capture called NAME, wherever it is, of those
in DIR, or of the time of FILE, which is of a set.

` + placesHelp + `
` + timeHelp + `
Without --from it is when the oldest file was begun, without --to it is now.

CAUSE is ring_full (packets came faster than they could be taken), disk_slow (so
slow that all memory waited for it), disk_full, disk_error, interface_down,
interface_gone, not_running (between a stop and the next start), killed (from the last
packet in the files, after an end without a stop, to the next start), clock_step,
suspended (the machine slept), deleted (by netcap, for a bound of the set; what precedes
the oldest file is listed with --from only) or missing_file (a number of the set that has no
file: it was moved or removed by others). LOST is the number of packets, - where nobody can
know.

Exit status: 0 complete, 5 gaps, 4 what may not be read, 1 what failed otherwise.`,
		Example: `  netcap gaps
  netcap gaps docker0 --from 14:00 --to 14:05 && echo complete
  netcap gaps --from 24h --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one name, directory or file at most: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			boundHeap()
			now := time.Now()
			p, err := parsePeriod(cmd.ErrOrStderr(), from, to, now)
			if err != nil {
				return err
			}
			where, places, err := newFinder(cmd.ErrOrStderr()).places(args)
			if err != nil {
				return err
			}
			return gaps(cmd, where, places, p, now, asJSON)
		},
	}
	registerPeriod(cmd.Flags(), &from, &to, "")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, an object a gap")
	return cmd
}

func gaps(cmd *cobra.Command, where string, places []report.Place, p period, now time.Time, asJSON bool) error {
	known, err := report.Complete(places, p.from, p.to, now)
	if err != nil {
		return err
	}
	if len(known.Sets) == 0 {
		what := "no captures there"
		if len(places) == 1 && len(dirsOf(places)) == 0 {
			what = "a file that is of no set has no ledger (netcap info FILE says what it holds)"
		}
		return fmt.Errorf("%s: %s, so nothing is known", printable.Text(where), what)
	}
	notes := notesOn(known, p)
	for _, note := range notes {
		fmt.Fprintln(cmd.ErrOrStderr(), "netcap: "+note)
	}
	switch {
	case asJSON:
		err = printJSON(cmd.OutOrStdout(), append([]report.Gap{}, known.Gaps...))
	case len(known.Gaps) > 0:
		t := newTable(cmd.OutOrStdout(), "FROM", "TO", "CAUSE", "LOST", "INTERFACE", "FILE")
		for i := range known.Gaps {
			t.row(gapRow(&known.Gaps[i], len(places) > 1)...)
		}
		err = t.flush()
	case len(notes) == 0:
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "complete: nothing is known to be missing")
	}
	if err == nil && (len(notes) > 0 || !known.Complete()) {
		err = errFound
	}
	return err
}

func gapRow(g *report.Gap, paths bool) []string {
	to, lost := "now", "-"
	if !g.To.IsZero() {
		to = g.To.Local().Format(precise)
	}
	if g.Known {
		lost = comma(g.Lost)
	}
	file, iface := "-", "-"
	switch {
	case g.Files > 1:
		file = countFiles(int(g.Files))
	case g.File != "" && paths:
		file = filepath.Join(g.Dir, g.File)
	case g.File != "":
		file = g.File
	}
	if g.Because != "" {
		file += " (" + g.Because + ")"
	}
	if g.Interface != "" {
		iface = g.Interface
	}
	return []string{g.From.Local().Format(precise), to, printable.Text(string(g.Cause)), lost, printable.Text(iface), printable.Text(file)}
}
