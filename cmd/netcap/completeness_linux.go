package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"netcap/internal/ledger"
	"netcap/internal/printable"
	"netcap/internal/report"
)

// askLedgers asks the ledgers of sets: of those in directories, and of those that files are of.
// What is only missing behind the time last, if that isn't zero, is left out, but files that
// are gone.
func askLedgers(places []report.Place, p period, last, now time.Time) (completeness, error) {
	places = slices.DeleteFunc(slices.Clone(places), func(p report.Place) bool { return p.Path == "-" })
	known, err := report.Complete(places, p.from, p.to, now)
	known.Gaps = slices.DeleteFunc(known.Gaps, func(g report.Gap) bool {
		return g.Files == 0 && !g.Overlaps(time.Time{}, last)
	})
	return completeness{sets: len(known.Sets), complete: known.Complete(), partial: len(known.Before) > 0 || !known.Future.IsZero(), gaps: len(known.Gaps), notes: notesOn(known, p)}, err
}

// notesOn says what ledgers can't answer of a period.
func notesOn(c *report.Completeness, p period) (notes []string) {
	name := func(s report.SetRecord) string { return printable.Text(filepath.Join(s.Dir, s.Name)) }
	for _, s := range c.Before {
		notes = append(notes, fmt.Sprintf("%s: that is before the set begins: its files reach back to %s, not to %s", name(s), tableTime(&s.From), tableTime(&p.from)))
	}
	if !c.Future.IsZero() {
		notes = append(notes, tableTime(&c.Future)+" has not come yet")
	}
	for _, s := range c.Rebuilt() {
		notes = append(notes, name(s)+": there is no ledger, or it is damaged: this is what the files tell")
	}
	return notes
}

// sayGone says, under a list of files, which are missing between them.
func sayGone(w io.Writer, places []report.Place) error {
	known, err := report.Complete(places, time.Time{}, time.Time{}, time.Now())
	if err != nil {
		return err
	}
	for _, s := range known.Sets {
		var deleted, missing int64
		for _, g := range known.Gaps {
			switch {
			case g.Dir != s.Dir || g.Set != s.Name:
			case g.Cause == ledger.Deleted:
				deleted += g.Files
			case g.Cause == ledger.MissingFile:
				missing += g.Files
			}
		}
		var what []string
		if deleted > 0 {
			what = append(what, countFiles(int(deleted))+" deleted")
		}
		if missing > 0 {
			what = append(what, countFiles(int(missing))+" missing")
		}
		if len(what) > 0 {
			if _, err := fmt.Fprintf(w, "%s: between these, %s: netcap gaps %s lists them\n", printable.Text(s.Name), strings.Join(what, " and "), asArgument(s.Dir)); err != nil {
				return err
			}
		}
	}
	return nil
}
