package main

import (
	"strings"
	"time"

	"netcap/internal/printable"
	"netcap/internal/report"
)

// completeness is what the ledgers of sets say of a period, for commands that read their
// packets. netcap gaps says the same with all details.
type completeness struct {
	sets int // that could be asked
	// complete: nothing of the period is known to be missing.
	complete bool
	// partial: a part of the period is before a set begins, or has not come yet.
	partial bool
	gaps    int
	notes   []string // what can't be answered of the period
}

// of says it of what was asked for in a line, "" where nothing was asked. args are those of
// netcap gaps.
func (c *completeness) of(what, args string) string {
	if c.sets == 0 {
		return ""
	}
	text := "no gaps are known of " + what
	switch {
	case c.gaps > 0:
		text = count(int64(c.gaps), "gap") + " in " + what + ": see netcap gaps" + args
	case c.partial:
		text = "no gaps are known of the rest of " + what
	}
	return strings.Join(append(c.notes, text), "; ")
}

// gapsArgs are the arguments by which netcap gaps tells of the same.
func gapsArgs(places []report.Place, p period) (args string) {
	if len(places) == 1 {
		args = " " + asArgument(places[0].Path)
	}
	if !p.from.IsZero() {
		args += " --from " + p.from.Format(time.RFC3339Nano)
	}
	if !p.to.IsZero() {
		args += " --to " + p.to.Format(time.RFC3339Nano)
	}
	return args
}

// asArgument is a directory as an argument that can't mean a NAME.
func asArgument(dir string) string { return printable.Text(strings.TrimSuffix(dir, "/")) + "/" }
