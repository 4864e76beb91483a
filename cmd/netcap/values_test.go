package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestParseTime reads times as they are asked for at four in the afternoon, and at night.
func TestParseTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	afternoon := time.Date(2026, 11, 29, 16, 4, 30, 0, berlin)
	night := time.Date(2026, 3, 29, 0, 30, 0, 0, berlin) // the clock goes from 2 to 3 in two hours
	for _, tt := range []struct {
		now        time.Time
		text, want string
	}{
		{afternoon, "14:00", "2026-11-29T14:00:00+01:00"},
		{afternoon, "16:04", "2026-11-29T16:04:00+01:00"},
		{afternoon, "16:05", "2026-11-28T16:05:00+01:00"},
		{afternoon, "23:00", "2026-11-28T23:00:00+01:00"},
		{afternoon, "16:04:30", "2026-11-29T16:04:30+01:00"},
		{afternoon, "16:04:31", "2026-11-28T16:04:31+01:00"},
		{night, "23:59", "2026-03-28T23:59:00+01:00"},
		{night, "00:30", "2026-03-29T00:30:00+01:00"},
		{afternoon, "today", "2026-11-29T00:00:00+01:00"},
		{afternoon, "yesterday", "2026-11-28T00:00:00+01:00"},
		{afternoon, "2026-12-24 20:00", "2026-12-24T20:00:00+01:00"}, // a date says which
		{afternoon, "15m", "2026-11-29T15:49:30+01:00"},
		{afternoon, "2h ago", "2026-11-29T14:04:30+01:00"},
		{afternoon, "2026-11-29T13:00:00Z", "2026-11-29T13:00:00Z"},
	} {
		got, err := parseTime(tt.text, tt.now)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, got.Format(time.RFC3339), tt.text)
	}
	for _, text := range []string{"", "soon", "25:00", "1404", "ago", " ago", "15"} {
		_, err := parseTime(text, afternoon)
		assert.Error(t, err, "%q", text)
	}
	_, err = parsePeriod("14:00", "18:00", afternoon)
	assert.ErrorContains(t, err, "that is from 2026-11-29 14:00:00 to 2026-11-28 18:00:00")
}
