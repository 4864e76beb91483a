package report

import "time"

// rateColumns is how many intervals a rate is kept for at most.
const rateColumns = 128

// finest is the shortest interval.
const finest = time.Millisecond

// Rate is how many packets came in each of equal intervals.
type Rate struct {
	Start   time.Time `json:"start"` // UTC
	Seconds float64   `json:"seconds"`
	Packets []uint64  `json:"packets"`
}

// rateCounter counts packets over a time whose length isn't known before.
type rateCounter struct {
	start time.Time
	width time.Duration
	bins  [rateColumns]uint64
}

// longest is where intervals don't grow any more: what is farther away, by times that
// make no sense, is counted at the edge.
const longest = time.Duration(1) << 55

func (c *rateCounter) add(t time.Time) {
	if c.width == 0 {
		c.start, c.width = t, finest
	}
	for c.width < longest {
		d := t.Sub(c.start)
		switch {
		case d < 0:
			c.coarsen()
			// What was there moves to the later half.
			copy(c.bins[rateColumns/2:], c.bins[:rateColumns/2])
			clear(c.bins[:rateColumns/2])
			c.start = c.start.Add(-c.width * rateColumns / 2)
		case d >= c.width*rateColumns:
			c.coarsen()
		default:
			c.bins[d/c.width]++
			return
		}
	}
	c.bins[min(max(t.Sub(c.start)/c.width, 0), rateColumns-1)]++
}

// coarsen makes one interval of two.
func (c *rateCounter) coarsen() {
	for i := range rateColumns / 2 {
		c.bins[i] = c.bins[2*i] + c.bins[2*i+1]
	}
	clear(c.bins[rateColumns/2:])
	c.width *= 2
}

// rate returns what was counted, without the empty intervals at both ends.
func (c *rateCounter) rate() *Rate {
	first, last := 0, rateColumns-1
	for first < rateColumns && c.bins[first] == 0 {
		first++
	}
	for last >= first && c.bins[last] == 0 {
		last--
	}
	if first > last {
		return nil
	}
	return &Rate{
		Start: c.start.Add(time.Duration(first) * c.width).UTC(), Seconds: c.width.Seconds(),
		Packets: append([]uint64{}, c.bins[first:last+1]...),
	}
}
