package record

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/ledger"
)

// A machine that slept, and a clock that was set, are told apart, and from time that
// only passes.
func TestClocks(t *testing.T) {
	wall := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var boot, monotonic time.Duration
	r := &Recorder{log: slog.New(slog.DiscardHandler), cfg: Config{
		Now:    func() time.Time { return wall },
		Clocks: func() (time.Duration, time.Duration) { return boot, monotonic },
	}}
	r.books.wall = wall
	pass := func(onWall, onBoot, onMonotonic time.Duration) []ledger.Gap {
		r.ledger = ledger.InMemory()
		wall, boot, monotonic = wall.Add(onWall), boot+onBoot, monotonic+onMonotonic
		r.checkClocks()
		return r.ledger.Since(time.Time{})
	}
	assert.Empty(t, pass(time.Minute, time.Minute, time.Minute))
	assert.Empty(t, pass(time.Minute+time.Millisecond, time.Minute, time.Minute), "adjtime")
	start := wall
	assert.Equal(t, []ledger.Gap{{From: start, To: start.Add(time.Hour), Cause: ledger.Suspended}},
		pass(time.Hour, time.Hour, time.Minute))
	start = wall
	assert.Equal(t, []ledger.Gap{{From: start.Add(time.Minute), To: start.Add(time.Hour), Cause: ledger.ClockStep, Known: true}},
		pass(time.Hour, time.Minute, time.Minute), "forward")
	start = wall
	assert.Equal(t, []ledger.Gap{{From: start.Add(-time.Hour), To: start.Add(time.Minute), Cause: ledger.ClockStep, Known: true}},
		pass(-time.Hour, time.Minute, time.Minute), "back")
	assert.Empty(t, pass(time.Minute, time.Minute, time.Minute))
}
