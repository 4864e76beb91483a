package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"netcap/internal/holds"
	"netcap/internal/printable"
	"netcap/internal/report"
	"netcap/rotate"
)

// heldSet is a set with its holds, as netcap hold --json prints it.
type heldSet struct {
	Set   string       `json:"set"`
	Dir   string       `json:"dir"`
	Holds []holds.Hold `json:"holds"`
	// Files are those that the holds exempt from deletion.
	Files []string `json:"files"`
	Bytes int64    `json:"bytes"`
}

func newHoldCommand() *cobra.Command {
	var from, to, reason string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "hold [NAME|DIR|FILE] [--from T --to T --reason TEXT]",
		Short: "Exempt files that hold evidence from deletion",
		Long: `Exempts the files with packets of an interval from deletion until the hold is
released, whether or not a capture runs: of the set of the capture called NAME, wherever it
is, of that in DIR, of that which FILE is of, or of the only one there is. Without --reason
it lists what is held.

` + timeHelp + `
--to is now if it is left out, and may lie ahead.

Files on hold count into the disk budget. Where they leave it no room for others, the
capture says so loudly and goes on beyond the budget, as long as --keep-free allows.`,
		Example: `  sudo netcap hold docker0 --from 14:00 --to 14:05 --reason "ticket 42"
  sudo netcap hold --from 15m --reason "the PACS lost images"
  netcap hold
  sudo netcap release docker0 1`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" && from == "" && to == "" {
				return listHolds(cmd, args, asJSON)
			}
			switch {
			case from == "":
				return usageError{errors.New("--from is missing: since when?")}
			case reason == "":
				return usageError{errors.New("--reason is missing: whoever finds the hold in a year will ask")}
			}
			now := time.Now()
			if to == "" {
				to = now.Format(time.RFC3339Nano)
			}
			p, err := parsePeriod(cmd.ErrOrStderr(), from, to, now)
			if err != nil {
				return err
			}
			dir, set, err := theSet(cmd, args)
			if err != nil {
				return err
			}
			h, err := holds.Add(dir, set, holds.Hold{From: p.from.UTC(), To: p.to.UTC(), Reason: reason, By: byWhom(), Made: now.UTC()})
			if err != nil {
				return err
			}
			act := newAct("hold")
			act.From, act.To, act.Text = &h.From, &h.To, fmt.Sprintf("hold %d: %s", h.ID, h.Reason)
			auditSet(act, dir, set)
			held, err := heldBy(dir, set, []holds.Hold{h})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), []heldSet{held})
			}
			text := fmt.Sprintf("hold %d: %s of %s (%s) won't be deleted until netcap release %s %d", h.ID, countFiles(len(held.Files)), set, rotate.Size(held.Bytes), set, h.ID)
			if len(held.Files) == 0 {
				text = fmt.Sprintf("hold %d: no file of %s is of that time yet, and none that comes will be deleted", h.ID, set)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	registerPeriod(cmd.Flags(), &from, &to, ", else now")
	cmd.Flags().StringVar(&reason, "reason", "", "why: `TEXT` for whoever finds the hold later")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, an object a set")
	return cmd
}

func newReleaseCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "release [NAME|DIR|FILE] HOLD",
		Short:   "Let files that were on hold be deleted again",
		Long:    "Ends the hold with the number HOLD, which netcap hold lists. Files that no other hold\ncovers are deleted again when the bounds of the set call for it.",
		Example: "  sudo netcap release docker0 1",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{fmt.Errorf("which hold? %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.Atoi(args[len(args)-1])
			if err != nil || id < 1 {
				return usageError{fmt.Errorf("%q: not the number of a hold: netcap hold lists them", args[len(args)-1])}
			}
			dir, set, err := theSet(cmd, args[:len(args)-1])
			if err != nil {
				return err
			}
			h, err := holds.Release(dir, set, id)
			if errors.Is(err, holds.ErrNone) {
				return fmt.Errorf("%s: %w: netcap hold lists them", set, err)
			}
			if err != nil {
				return err
			}
			act := newAct("release")
			act.From, act.To, act.Text = &h.From, &h.To, fmt.Sprintf("hold %d: %s", h.ID, h.Reason)
			auditSet(act, dir, set)
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "released hold %d of %s (%s)\n", h.ID, set, printable.Text(h.Reason))
			return err
		},
	}
}

// theSet is the one that is meant: that of NAME, of FILE, or the only one there is.
func theSet(cmd *cobra.Command, args []string) (dir, set string, err error) {
	where, places, err := newFinder(cmd.ErrOrStderr()).places(args)
	if err != nil {
		return "", "", err
	}
	var all []setAt
	for _, p := range places {
		if _, err := os.ReadDir(p.Path); err != nil && len(setsOf(p)) == 0 {
			return "", "", fmt.Errorf("%s: a hold is for a set, which that is not: %w", printable.Text(p.Path), err)
		}
		all = append(all, setsOf(p)...)
	}
	switch {
	case len(all) == 0:
		return "", "", fmt.Errorf("%s: no captures there", printable.Text(where))
	case len(all) > 1 && len(places) > 1:
		return "", "", usageError{fmt.Errorf("there are %d sets: name one of %s", len(all), setNames(all))}
	case len(all) > 1:
		return "", "", fmt.Errorf("%s: %d sets are in that directory, and a hold is for one: %s", printable.Text(where), len(all), setNames(all))
	}
	return all[0].dir, all[0].set, nil
}

// setNames are the first few names of sets.
func setNames(sets []setAt) string {
	const most = 5
	var names []string
	for _, at := range sets[:min(most, len(sets))] {
		names = append(names, at.set)
	}
	if len(sets) > most {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

// heldBy are the files of a set that holds cover.
func heldBy(dir, set string, by []holds.Hold) (heldSet, error) {
	h := heldSet{Set: set, Dir: dir, Holds: by, Files: []string{}}
	err := report.Held(dir, set, by, func(path string, bytes int64) {
		h.Files = append(h.Files, path)
		h.Bytes += bytes
	})
	return h, err
}

func listHolds(cmd *cobra.Command, args []string, asJSON bool) error {
	_, places, err := newFinder(cmd.ErrOrStderr()).places(args)
	if err != nil {
		return err
	}
	all := []heldSet{}
	t := newTable(cmd.OutOrStdout(), "SET", "HOLD", "FROM", "TO", "FILES", "SIZE", "BY", "REASON")
	for _, p := range places {
		for _, at := range setsOf(p) {
			dir, set := at.dir, at.set
			made, err := holds.List(dir, set)
			if err != nil {
				return err
			}
			if len(made) == 0 {
				continue
			}
			held, err := heldBy(dir, set, made)
			if err != nil {
				return err
			}
			all = append(all, held)
			for _, h := range made {
				one, err := heldBy(dir, set, []holds.Hold{h})
				if err != nil {
					return err
				}
				t.row(set, strconv.Itoa(h.ID), tableTime(&h.From), tableTime(&h.To), comma(int64(len(one.Files))), rotate.Size(one.Bytes), printable.Text(h.By), printable.Text(h.Reason))
			}
		}
	}
	switch {
	case asJSON:
		return printJSON(cmd.OutOrStdout(), all)
	case len(all) == 0:
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is held")
		return err
	}
	return t.flush()
}

// byWhom is the user who asks, behind sudo too.
func byWhom() string {
	if name := os.Getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Geteuid())
}
