package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"netcap/internal/ledger"
	"netcap/internal/printable"
	"netcap/internal/report"
)

func newGapsCommand() *cobra.Command {
	var from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "gaps [NAME|DIR]",
		Short: "Say in which intervals packets are or may be missing, and why",
		Long: `Answers whether a capture is complete: lists every interval in which packets are or
may be missing, of all sets in /var/lib/netcap (for a user in
$XDG_STATE_HOME/netcap), of the one called NAME there, or of those in DIR.

T is 15:04, 2006-01-02 15:04, RFC 3339, or 15m for that long ago. Without --from it
is when the oldest file was begun, without --to it is now.

CAUSE is ring_full (packets came faster than they could be taken), disk_slow (so
slow that all memory waited for it), disk_full, disk_error, interface_down,
interface_gone, not_running (between a stop and the next start), killed (from an end
without a stop to the next start), clock_step or suspended (the machine slept).
LOST is the number of packets, - where nobody can know.

Exit status: 0 complete, 5 gaps, 4 what may not be read, 1 what failed otherwise.`,
		Example: `  netcap gaps
  netcap gaps docker0 --from 14:00 --to 14:05 && echo complete
  netcap gaps --from 24h --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one name or directory at most: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			p, err := parsePeriod(from, to, now)
			if err != nil {
				return err
			}
			place, dirs, err := listed(setsDir, args)
			if err != nil {
				return err
			}
			return gaps(cmd, place, dirs, p, now, asJSON)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "from the time `T` on")
	cmd.Flags().StringVar(&to, "to", "", "up to the time `T`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, an object a gap")
	return cmd
}

func gaps(cmd *cobra.Command, place string, dirs []string, p period, now time.Time, asJSON bool) error {
	var sets []report.SetGaps
	for _, dir := range dirs {
		more, err := report.Gaps(dir, now)
		if err != nil {
			return err
		}
		sets = append(sets, more...)
	}
	if len(sets) == 0 {
		return fmt.Errorf("%s: no captures there, so nothing is known", printable.Text(place))
	}
	found := []ledger.Gap{}
	t := newTable(cmd.OutOrStdout(), "FROM", "TO", "CAUSE", "LOST", "INTERFACE", "FILE")
	incomplete := false
	for _, set := range sets {
		notes := notesOn(set, p, now)
		incomplete = incomplete || len(notes) > 0
		for _, note := range notes {
			fmt.Fprintln(cmd.ErrOrStderr(), "netcap: "+note)
		}
		from := p.from
		if from.IsZero() {
			from = set.From
		}
		for _, g := range set.Gaps {
			if !g.Overlaps(from, p.to) {
				continue
			}
			found = append(found, g)
			t.row(gapRow(set, g, len(dirs) > 1)...)
		}
	}
	var err error
	switch {
	case asJSON:
		err = printJSON(cmd.OutOrStdout(), found)
	case len(found) > 0:
		err = t.flush()
	case !incomplete:
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "complete: nothing is known to be missing")
	}
	if err == nil && (len(found) > 0 || incomplete) {
		err = errFound
	}
	return err
}

// notesOn says what a ledger can't answer of a period.
func notesOn(set report.SetGaps, p period, now time.Time) (notes []string) {
	name := filepath.Join(set.Dir, set.Name)
	if !p.from.IsZero() && p.from.Before(set.From) {
		notes = append(notes, fmt.Sprintf("%s: the files reach back to %s, not to %s", printable.Text(name), tableTime(&set.From), tableTime(&p.from)))
	}
	if p.from.After(now) {
		notes = append(notes, fmt.Sprintf("%s: %s has not come yet", printable.Text(name), tableTime(&p.from)))
	} else if p.to.After(now) {
		notes = append(notes, fmt.Sprintf("%s: %s has not come yet", printable.Text(name), tableTime(&p.to)))
	}
	if set.Rebuilt {
		notes = append(notes, fmt.Sprintf("%s: there is no ledger, or it is damaged: this is what the files tell", printable.Text(name)))
	}
	return notes
}

func gapRow(set report.SetGaps, g ledger.Gap, paths bool) []string {
	to, lost := "now", "-"
	if !g.To.IsZero() {
		to = g.To.Local().Format(precise)
	}
	if g.Known {
		lost = comma(g.Lost)
	}
	file, iface := "-", "-"
	if g.File != "" {
		file = g.File
		if paths {
			file = filepath.Join(set.Dir, file)
		}
	}
	if g.Interface != "" {
		iface = g.Interface
	}
	return []string{g.From.Local().Format(precise), to, printable.Text(string(g.Cause)), lost, printable.Text(iface), printable.Text(file)}
}
