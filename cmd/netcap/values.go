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

// atLeastValue is a flag that is a size or a duration.
type atLeastValue struct{ a rotate.AtLeast }

// Set implements pflag.Value.
func (v *atLeastValue) Set(s string) error {
	n, notNumber := strconv.ParseFloat(s, 64)
	switch {
	case notNumber == nil && n == 0:
		v.a = rotate.AtLeast{None: true}
		return nil
	case notNumber == nil:
		return fmt.Errorf("%q: a size or a time? write it as 500MB, 10%%, 12h or 7d; 0 is nothing", s)
	}
	if d, err := parseDuration(s); err == nil {
		v.a = rotate.AtLeast{Time: d, None: d == 0}
		return nil
	}
	size, err := rotate.ParseAmount(s, 1)
	if err != nil {
		return fmt.Errorf("%q: neither a size nor a duration; write it as 500MB, 10%%, 12h or 7d", s)
	}
	v.a = rotate.AtLeast{Size: size}
	return nil
}

// String implements pflag.Value.
func (v *atLeastValue) String() string {
	if v.a.IsZero() {
		return ""
	}
	return v.a.String()
}

// Type implements pflag.Value.
func (v *atLeastValue) Type() string { return "DUR|SIZE" }

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
