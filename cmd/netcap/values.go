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
