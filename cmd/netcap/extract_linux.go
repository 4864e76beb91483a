package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"netcap/internal/printable"
	"netcap/internal/report"
)

// knownGaps says what the ledgers of sets know of a period: whether packets are missing.
func knownGaps(from sources, p period, now time.Time) (string, error) {
	if len(from.dirs) == 0 {
		return "", nil
	}
	gaps, known := 0, 0
	var notes []string
	for _, dir := range from.dirs {
		sets, err := report.Gaps(dir, now)
		if err != nil {
			return "", err
		}
		for _, set := range sets {
			known++
			begin := p.from
			if begin.IsZero() || begin.Before(set.From) {
				begin = set.From
				if !p.from.IsZero() {
					notes = append(notes, fmt.Sprintf("the files of %s reach back to %s only", printable.Text(set.Name), tableTime(&set.From)))
				}
			}
			if last := cmp.Or(p.to, p.from); last.After(now) {
				notes = append(notes, tableTime(&last)+" has not come yet")
			}
			if set.Rebuilt {
				notes = append(notes, fmt.Sprintf("%s has no ledger, or a damaged one: its files tell what follows", printable.Text(set.Name)))
			}
			for _, g := range set.Gaps {
				if g.Overlaps(begin, p.to) {
					gaps++
				}
			}
		}
	}
	if known == 0 {
		return "", nil
	}
	text := "no gaps are known of this window"
	if gaps > 0 {
		text = fmt.Sprintf("%s in this window: see netcap gaps%s", count(int64(gaps), "gap"), gapsArgs(from, p))
	}
	return strings.Join(append(notes, text), "; "), nil
}

// gapsArgs are the arguments by which netcap gaps tells of the same.
func gapsArgs(from sources, p period) (args string) {
	if len(from.dirs) == 1 {
		args = " " + printable.Text(strings.TrimSuffix(from.dirs[0], "/")) + "/"
	}
	if !p.from.IsZero() {
		args += " --from " + p.from.Format(time.RFC3339Nano)
	}
	if !p.to.IsZero() {
		args += " --to " + p.to.Format(time.RFC3339Nano)
	}
	return args
}
