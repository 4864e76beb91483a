package diagnosis

import (
	"math"
	"slices"
)

// mostExact is how many durations are kept as they are.
const mostExact = 512

// Steps of the histogram that more of them become: from a microsecond on, each 2 % above
// the one before, to 1.6 million seconds.
const (
	stepFirst = 1e-6
	stepRatio = 1.02
	steps     = 1420
)

// durations are seconds of which percentiles are wanted, however many there are: exact ones
// for a few, and up to 2 % too much for many. The greatest is exact always.
type durations struct {
	exact []float64
	steps []int64 // nil as long as exact has all
	count int64
	most  float64
}

func (d *durations) add(seconds float64) {
	d.count++
	d.most = max(d.most, seconds)
	if d.steps == nil {
		if len(d.exact) < mostExact {
			d.exact = append(d.exact, seconds)
			return
		}
		d.steps = make([]int64, steps)
		for _, s := range d.exact {
			d.steps[step(s)]++
		}
		d.exact = nil
	}
	d.steps[step(seconds)]++
}

// step is the first one that isn't less.
func step(seconds float64) int {
	if seconds <= stepFirst {
		return 0
	}
	return min(steps-1, int(math.Ceil(math.Log(seconds/stepFirst)/math.Log(stepRatio))))
}

// percentiles are nil without durations.
func (d *durations) percentiles() *Percentiles {
	if d.count == 0 {
		return nil
	}
	slices.Sort(d.exact)
	return &Percentiles{P50: d.rank((d.count + 1) / 2), P95: d.rank((d.count*95 + 99) / 100), Max: d.most}
}

// rank is the nth smallest duration, from 1.
func (d *durations) rank(n int64) float64 {
	if d.steps == nil {
		return d.exact[n-1]
	}
	for i, count := range d.steps {
		if n -= count; n <= 0 {
			return min(d.most, stepFirst*math.Pow(stepRatio, float64(i)))
		}
	}
	return d.most
}
