package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// timeHelp says what T is, for the long help of each command that takes one.
const timeHelp = `T is 15:04 (the last time that it was so late), 2006-01-02 15:04, RFC 3339, today,
yesterday, or 15m or 2h ago for that long before now.`

// registerPeriod adds --from and --to, and --since and --until, which are the same. whatTo is
// what --to is if it is left out, "" for no bound.
func registerPeriod(f *pflag.FlagSet, from, to *string, whatTo string) {
	f.StringVar(from, "from", "", "from the time `T` on (--since is the same)")
	f.StringVar(to, "to", "", "up to the time `T`"+whatTo+" (--until is the same)")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		switch name {
		case "since":
			name = "from"
		case "until":
			name = "to"
		}
		return pflag.NormalizedName(name)
	})
}

// instants are when clocks show a time: once, twice where they are set back over it, never
// where they are set forward over it.
type instants struct {
	all []time.Time // in their order
	// skipped is when clocks jump over the time, if they do.
	skipped time.Time
}

// instantsOf finds out when clocks at a place show a time, of which t has the date and the
// time of day.
func instantsOf(t time.Time, place *time.Location) (i instants) {
	year, month, day := t.Date()
	wall := time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	// Of a time that isn't one instant, Date gives what it is by either of the two offsets
	// from UTC in question: one holds where it says, the other before or after that.
	about := time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), place)
	start, end := about.ZoneBounds()
	near := []time.Time{about}
	if !start.IsZero() {
		near = append(near, start.Add(-1))
	}
	if !end.IsZero() {
		near = append(near, end)
	}
	for _, n := range near {
		_, offset := n.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(place)
		if _, is := at.Zone(); is == offset && !slices.ContainsFunc(i.all, at.Equal) {
			i.all = append(i.all, at)
		}
	}
	slices.SortFunc(i.all, time.Time.Compare)
	if len(i.all) == 0 {
		i.skipped = start
		if !showsLater(start, wall) {
			i.skipped = end
		}
	}
	return i
}

// showsLater reports whether clocks jump over a time, as in wall, at a change of theirs.
func showsLater(change, wall time.Time) bool {
	if change.IsZero() {
		return false
	}
	shown := func(t time.Time) time.Time {
		_, offset := t.Zone()
		return t.UTC().Add(time.Duration(offset) * time.Second)
	}
	return shown(change.Add(-1)).Before(wall) && shown(change).After(wall)
}

// offsetTime is how a time is written that is one instant.
const offsetTime = "2006-01-02T15:04:05-07:00"

// pick returns one of the instants, the earlier or the later of two, none after until if
// there is another, and what is to be said of that, "" for nothing. ok is false if clocks will
// show the time only after until.
func (i instants) pick(later bool, until time.Time) (t time.Time, note string, ok bool) {
	if len(i.all) == 0 {
		note = "clocks were set forward over that time: " + i.skipped.Format(offsetTime) + " is taken, when they were"
		return i.skipped, note, !i.skipped.After(until)
	}
	first, last := i.all[0], i.all[len(i.all)-1]
	if first.After(until) {
		return first, "", false
	}
	if first.Equal(last) {
		return first, "", true
	}
	t, other := first, last
	if later && !last.After(until) {
		t, other = last, first
	}
	which := map[bool]string{true: "first", false: "second"}
	note = fmt.Sprintf("it was that time twice, since clocks were set back: the %s is taken, %s; the %s is %s",
		which[t.Equal(first)], t.Format(offsetTime), which[other.Equal(first)], other.Format(offsetTime))
	return t, note, true
}

// never is later than any time that is asked for.
var never = time.Unix(1<<40, 0)

// parseTime reads T of the command line. Of two instants it takes the later for a time of
// day, which is the last time that it was so late; for a date and time the one that is asked
// for, so that a period leaves out nothing that may be meant. note is what is to be said of
// such a time, "" for nothing.
func parseTime(s string, now time.Time, later bool) (t time.Time, note string, err error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, "", nil
	}
	place := now.Location()
	for _, layout := range []string{"2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			t, note, _ := instantsOf(t, place).pick(later, never)
			return t, note, nil
		}
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return midnight(t, place), "", nil
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		t, err := time.Parse(time.DateOnly+" "+layout, now.Format(time.DateOnly)+" "+s)
		if err != nil {
			continue
		}
		taken, note, ok := instantsOf(t, place).pick(true, now)
		if !ok {
			taken, note, _ = instantsOf(t.AddDate(0, 0, -1), place).pick(true, now)
		}
		return taken, note, nil
	}
	switch s {
	case "today":
		return midnight(now, place), "", nil
	case "yesterday":
		return midnight(now.AddDate(0, 0, -1), place), "", nil
	}
	// A bare number is no duration here: 1404 is more likely a time that lost its colon.
	if _, err := strconv.ParseFloat(s, 64); err != nil {
		if d, err := parseDuration(strings.TrimSuffix(s, " ago")); err == nil {
			return now.Add(-d), "", nil
		}
	}
	return time.Time{}, "", fmt.Errorf("time %q: not understood; write it as 15:04, 2006-01-02 15:04, RFC 3339, today, yesterday, or 15m for that long ago", s)
}

// midnight is when the day of t begins: with the first midnight if there are two, or later
// where clocks are set forward over it.
func midnight(t time.Time, place *time.Location) time.Time {
	year, month, day := t.Date()
	begin, _, _ := instantsOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), place).pick(false, never)
	return begin
}

// A period is what --from and --to say; zero times are no bounds.
type period struct{ from, to time.Time }

// parsePeriod reads them. Of a time that isn't one instant it says on w which was taken.
func parsePeriod(w io.Writer, from, to string, now time.Time) (p period, err error) {
	for _, v := range []struct {
		flag, text string
		t          *time.Time
		later      bool
	}{{"--from", from, &p.from, false}, {"--to", to, &p.to, true}} {
		if v.text == "" {
			continue
		}
		var note string
		if *v.t, note, err = parseTime(v.text, now, v.later); err != nil {
			return p, usageError{fmt.Errorf("%s: %w", v.flag, err)}
		}
		if note != "" {
			fmt.Fprintf(w, "netcap: %s %s: %s\n", v.flag, v.text, note)
		}
	}
	if !p.from.IsZero() && !p.to.IsZero() && !p.from.Before(p.to) {
		const layout = "2006-01-02 15:04:05"
		return p, usageError{fmt.Errorf("--from %s is not before --to %s: that is from %s to %s", from, to, p.from.Format(layout), p.to.Format(layout))}
	}
	return p, nil
}
