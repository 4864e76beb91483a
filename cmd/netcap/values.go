package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"netcap/rotate"
)

// amountValue is a flag that is a size. unit is what a bare number counts.
type amountValue struct {
	a    rotate.Amount
	unit int64
}

func (v *amountValue) set() bool { return !v.a.IsZero() }

// Set implements pflag.Value.
func (v *amountValue) Set(s string) (err error) {
	v.a, err = rotate.ParseAmount(s, v.unit)
	return err
}

// String implements pflag.Value: the default, which is none, shows as nothing.
func (v *amountValue) String() string {
	if v.a.IsZero() {
		return ""
	}
	return v.a.String()
}

// Type implements pflag.Value.
func (v *amountValue) Type() string { return "SIZE" }

// durationValue is a flag that is a duration. A bare number is seconds.
type durationValue struct {
	d   time.Duration
	set bool
}

// Set implements pflag.Value.
func (v *durationValue) Set(s string) error {
	d, err := parseDuration(s)
	if err != nil {
		return err
	}
	v.d, v.set = d, true
	return nil
}

// String implements pflag.Value.
func (v *durationValue) String() string {
	if !v.set {
		return ""
	}
	return v.d.String()
}

// Type implements pflag.Value.
func (v *durationValue) Type() string { return "DUR" }

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// parseDuration reads 90 (seconds), 90s, 1h30m, 7d and 2w.
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("duration %q: not understood; write it as 90s, 1h30m or 7d", s)
	scale, number := time.Second, s
	if n, ok := strings.CutSuffix(s, "d"); ok {
		scale, number = day, n
	} else if n, ok := strings.CutSuffix(s, "w"); ok {
		scale, number = week, n
	}
	d, err := time.ParseDuration(s)
	if f, ferr := strconv.ParseFloat(number, 64); ferr == nil {
		if !(f*float64(scale) < 1<<62) {
			return 0, bad
		}
		d, err = time.Duration(f*float64(scale)), nil
	}
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

// parseTime reads T of the command line: RFC 3339, 15:04 (the last time that it was so late),
// 2006-01-02 15:04, today and yesterday, which begin at midnight, or a duration back from now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if t, err := time.ParseInLocation(time.DateOnly+" "+layout, now.Format(time.DateOnly)+" "+s, now.Location()); err == nil {
			if t.After(now) { // the last time that it was so late
				t = t.AddDate(0, 0, -1)
			}
			return t, nil
		}
	}
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch s {
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	// A bare number is no duration here: 1404 is more likely a time that lost its colon.
	if _, err := strconv.ParseFloat(s, 64); err != nil {
		if d, err := parseDuration(strings.TrimSuffix(s, " ago")); err == nil {
			return now.Add(-d), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q: not understood; write it as 15:04, 2006-01-02 15:04, RFC 3339, or 15m for that long ago", s)
}

// A period is what --from and --to say; zero times are no bounds.
type period struct{ from, to time.Time }

func parsePeriod(from, to string, now time.Time) (p period, err error) {
	for flag, v := range map[string]struct {
		text string
		t    *time.Time
	}{"--from": {from, &p.from}, "--to": {to, &p.to}} {
		if v.text == "" {
			continue
		}
		if *v.t, err = parseTime(v.text, now); err != nil {
			return p, usageError{fmt.Errorf("%s: %w", flag, err)}
		}
	}
	if !p.from.IsZero() && !p.to.IsZero() && !p.from.Before(p.to) {
		const layout = "2006-01-02 15:04:05"
		return p, usageError{fmt.Errorf("--from %s is not before --to %s: that is from %s to %s", from, to, p.from.Format(layout), p.to.Format(layout))}
	}
	return p, nil
}
