package ledger

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Cause is why packets are missing.
type Cause string

// Causes.
const (
	RingFull      Cause = "ring_full"      // packets came faster than they were taken
	DiskSlow      Cause = "disk_slow"      // the same, since all memory waited for the disk
	DiskFull      Cause = "disk_full"      // there was no room
	DiskError     Cause = "disk_error"     // writing failed
	InterfaceDown Cause = "interface_down" // it was there, and down
	InterfaceGone Cause = "interface_gone" // it wasn't there
	NotRunning    Cause = "not_running"    // between an orderly stop and the next start
	Killed        Cause = "killed"         // from an end without a stop to the next start
	ClockStep     Cause = "clock_step"     // the clock was set: times before and after don't compare
	Suspended     Cause = "suspended"      // the machine slept
	Deleted       Cause = "deleted"        // netcap deleted files, for a bound of the set
	MissingFile   Cause = "missing_file"   // files of the set are gone, and netcap didn't delete them
)

// A Gap is an interval in which packets are or may be missing.
type Gap struct {
	From time.Time
	// To is zero while the gap lasts.
	To    time.Time
	Cause Cause
	// Lost is how many packets are missing, if Known.
	Lost  int64
	Known bool
	// Interface is empty where it holds for all of them.
	Interface string
	// File is the name of the file that was being written, if there was one and it is
	// still there; of Deleted and MissingFile it is the one that is gone, if it is one.
	File string
	// Files is how many files are gone, of Deleted and MissingFile.
	Files int64
	// Because is the bound of the set for which they were Deleted.
	Because string
}

// gapJSON is a Gap as programs read it.
type gapJSON struct {
	From      time.Time  `json:"from"`
	To        *time.Time `json:"to"`
	Cause     Cause      `json:"cause"`
	Lost      *int64     `json:"packets_lost"`
	Interface string     `json:"interface"`
	File      string     `json:"file"`
	Files     int64      `json:"files,omitempty"`
	Because   string     `json:"because,omitempty"`
}

// MarshalJSON writes from, to (null while it lasts), cause, packets_lost (null where
// it isn't known), interface and file; files and because where they say something.
func (g Gap) MarshalJSON() ([]byte, error) {
	j := gapJSON{From: g.From.UTC(), Cause: g.Cause, Interface: g.Interface, File: g.File, Files: g.Files, Because: g.Because}
	if !g.To.IsZero() {
		to := g.To.UTC()
		j.To = &to
	}
	if g.Known {
		j.Lost = &g.Lost
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (g *Gap) UnmarshalJSON(b []byte) error {
	var j gapJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if j.From.IsZero() || j.Cause == "" || j.Lost != nil && *j.Lost < 0 || j.To != nil && (j.To.Before(j.From) || !writable(*j.To)) || !writable(j.From) {
		return fmt.Errorf("not a gap: %s", b)
	}
	*g = Gap{From: j.From, Cause: j.Cause, Interface: j.Interface, File: j.File, Files: j.Files, Because: j.Because}
	if j.To != nil {
		g.To = *j.To
	}
	if j.Lost != nil {
		g.Lost, g.Known = *j.Lost, true
	}
	return nil
}

// writable reports whether MarshalJSON can write a time: its year may not be in UTC what it
// is in another zone.
func writable(t time.Time) bool { return t.UTC().Year() >= 0 && t.UTC().Year() <= 9999 }

// Comment is what a file's statistics say of a gap.
func Comment(g Gap) string {
	b, err := json.Marshal(g)
	if err != nil {
		return commentPrefix + err.Error() // no field of a Gap can't be written
	}
	return commentPrefix + string(b)
}

// ParseComment reads what Comment writes.
func ParseComment(text string) (g Gap, ok bool) {
	text, ok = strings.CutPrefix(text, commentPrefix)
	return g, ok && json.Unmarshal([]byte(text), &g) == nil
}

const commentPrefix = "netcap gap "

// Overlaps reports whether any of a gap lies between two times. Zero times are no
// bounds.
func (g *Gap) Overlaps(from, to time.Time) bool {
	return (to.IsZero() || g.From.Before(to)) && (from.IsZero() || g.To.IsZero() || g.To.After(from))
}

// Absorb makes one gap of this one, of deleted files, and of those that were deleted next for
// the same reason. It reports whether that was so.
func (g *Gap) Absorb(next *Gap) bool {
	if g.Cause != Deleted || next.Cause != Deleted || g.Because != next.Because || next.From.After(g.To) {
		return false
	}
	if next.To.After(g.To) {
		g.To = next.To
	}
	g.Lost += next.Lost
	g.Known = g.Known && next.Known
	g.Files += next.Files
	g.File = ""
	return true
}

// sorted sorts gaps by their beginnings.
func sorted(gaps []Gap) []Gap {
	slices.SortStableFunc(gaps, func(a, b Gap) int { return a.From.Compare(b.From) })
	return gaps
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
