package record

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/fileset"
	"netcap/internal/ledger"
	"netcap/rotate"
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

// TestPromise has the ledger say what a kill and a power cut may cost: what the flags say, and
// by default what the documentation does.
func TestPromise(t *testing.T) {
	for _, tt := range []struct {
		flush, sync         time.Duration
		wantFlush, wantSync float64 // seconds
	}{
		{0, 0, 1, 5},
		{200 * time.Millisecond, 0, 0.2, 5},
		{0, time.Second, 0.5, 1}, // else the disk would have them before the operating system
		{-1, 0, 0, 5},
	} {
		dir := t.TempDir()
		rec := start(t, newNetwork(t), Config{
			Interfaces: []string{"a0"},
			Files:      rotate.Config{Dir: dir, Name: "x", Ext: ".pcapng", KeepFree: rotate.Amount{Bytes: 1}, Flush: tt.flush, Sync: tt.sync},
		})
		b, err := os.ReadFile(filepath.Join(dir, fileset.Ledger("x")))
		require.NoError(t, err)
		first, _, _ := bytes.Cut(b, []byte("\n"))
		var head struct {
			Flush float64 `json:"flush_seconds"`
			Sync  float64 `json:"fsync_seconds"`
		}
		require.NoError(t, json.Unmarshal(first, &head))
		assert.InDelta(t, tt.wantFlush, head.Flush, 1e-9, "%v", tt)
		assert.InDelta(t, tt.wantSync, head.Sync, 1e-9, "%v", tt)
		rec.finish()
	}
}

// TestAbandon ends a recording before all packets are written: the ledger has as many as are
// lost.
func TestAbandon(t *testing.T) {
	n, dir := newNetwork(t), t.TempDir()
	rec := start(t, n, Config{
		Interfaces: []string{"a0"},
		Files:      rotate.Config{Dir: dir, Name: "x", Ext: ".pcapng", KeepFree: rotate.Amount{Bytes: 1}, Flush: time.Hour, Sync: 3 * time.Hour},
	})
	n.link("a0").Send(frame(0, 100))
	require.Eventually(t, func() bool { return rec.Status().Written == 1 }, time.Minute, time.Millisecond)
	rec.seen.Add(7) // as if they had been taken out of the ring, and the disk didn't answer
	s, lost := rec.Abandon()
	assert.EqualValues(t, 7, lost)
	assert.EqualValues(t, 8, s.Received)
	known, err := ledger.Read(dir, "x", false, time.Now())
	require.NoError(t, err)
	var causes []ledger.Cause
	for _, g := range known.Gaps {
		causes = append(causes, g.Cause)
	}
	require.Equal(t, []ledger.Cause{ledger.Killed, ledger.NotRunning}, causes)
	assert.Equal(t, lost, known.Gaps[0].Lost)
	assert.True(t, known.Gaps[0].Known)
	rec.seen.Add(-7)
	rec.finish()
}
