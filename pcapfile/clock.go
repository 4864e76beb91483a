package pcapfile

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Resolution is the unit of an interface's timestamps, as the if_tsresol
// option has it: with the top bit clear the unit is 10 to the minus
// Resolution seconds, with it set 2 to the minus of the other 7 bits.
type Resolution uint8

// The resolutions that are common: Microseconds holds where a file says
// nothing.
const (
	Microseconds Resolution = 6
	Nanoseconds  Resolution = 9
)

// String returns the unit in seconds, for example "10^-9".
func (r Resolution) String() string {
	if r&0x80 != 0 {
		return fmt.Sprintf("2^-%d", r&0x7f)
	}
	return fmt.Sprintf("10^-%d", uint8(r))
}

// clock turns the timestamps of an interface into times. Units finer than a
// nanosecond are cut off.
type clock struct {
	offset int64  // seconds to add
	units  uint64 // a second, where it fits; for 2^-n always 0
	mul    uint64 // fraction to nanoseconds, for units of a nanosecond and coarser
	div    uint64 // the same for finer ones
	shift  uint8  // n of 2^-n
}

func newClock(r Resolution, offset int64) clock {
	c := clock{offset: offset}
	n := uint8(r & 0x7f)
	if r&0x80 != 0 {
		c.shift = n
		return c
	}
	switch {
	case n <= 9:
		c.units, c.mul, c.div = pow10(n), pow10(9-n), 1
	case n <= 19:
		c.units, c.mul, c.div = pow10(n), 1, pow10(n-9)
	case n <= 28:
		// 64 bits of a unit this small are less than a second.
		c.units, c.mul, c.div = math.MaxUint64, 1, pow10(n-9)
	default:
		c.units, c.mul, c.div = math.MaxUint64, 0, 1
	}
	return c
}

func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// time converts a timestamp. Seconds outside of the years 0 to 9999 are moved to the nearest
// within: RFC 3339, and so JSON, has no others.
func (c *clock) time(ts uint64) time.Time {
	sec, ns := c.split(ts)
	if c.offset != 0 || sec > lastSecond {
		const most = 1 << 61 // the sum of two such numbers fits
		sum := int64(min(sec, most)) + min(max(c.offset, -most), most)
		return time.Unix(min(max(sum, firstSecond), lastSecond), int64(ns)).UTC()
	}
	return time.Unix(int64(sec), int64(ns)).UTC()
}

// The first and the last second of those years, since the epoch.
const (
	firstSecond = -62_167_219_200
	lastSecond  = 253_402_300_799
)

func (c *clock) split(ts uint64) (sec, ns uint64) {
	if c.units != 0 {
		if c.units == math.MaxUint64 {
			return 0, ts / c.div * c.mul
		}
		sec = ts / c.units
		return sec, (ts - sec*c.units) * c.mul / c.div
	}
	if c.shift < 64 {
		sec = ts >> c.shift
		hi, lo := bits.Mul64(ts-sec<<c.shift, 1e9)
		return sec, hi<<(64-c.shift) | lo>>c.shift
	}
	hi, _ := bits.Mul64(ts, 1e9)
	return 0, hi >> (c.shift - 64)
}

// FinerThan reports whether the unit of a Resolution is less than that of another.
func (r Resolution) FinerThan(other Resolution) bool { return r.digits() > other.digits() }

// digits is the negative logarithm of the unit to the base 10, for comparison.
func (r Resolution) digits() float64 {
	if r&0x80 != 0 {
		return float64(r&0x7f) * math.Log10(2)
	}
	return float64(r)
}

// UnixNano returns t in nanoseconds since the epoch, or the nearest that 64 bits
// hold, where time.Time's own result would be undefined.
func UnixNano(t time.Time) int64 {
	const farthest = math.MaxInt64/1_000_000_000 - 1
	switch {
	case t.Unix() > farthest:
		return math.MaxInt64
	case t.Unix() < -farthest:
		return math.MinInt64
	}
	return t.UnixNano()
}
