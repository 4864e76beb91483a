package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
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
		got, note, err := parseTime(tt.text, tt.now, false)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, got.Format(time.RFC3339), tt.text)
		assert.Empty(t, note)
	}
	for _, text := range []string{"", "soon", "25:00", "1404", "ago", " ago", "15"} {
		_, _, err := parseTime(text, afternoon, false)
		assert.Error(t, err, "%q", text)
	}
	_, err = parsePeriod(io.Discard, "14:00", "18:00", afternoon)
	assert.ErrorContains(t, err, "that is from 2026-11-29 14:00:00 to 2026-11-28 18:00:00")
}

// TestParseTimeTwiceOrNever asks for times of days on which clocks are set.
func TestParseTimeTwiceOrNever(t *testing.T) {
	const (
		back   = "it was that time twice, since clocks were set back: the "
		over   = "clocks were set forward over that time: "
		first  = "2026-10-25T02:30:00+02:00"
		second = "2026-10-25T02:30:00+01:00"
	)
	tookFirst := back + "first is taken, " + first + "; the second is " + second
	tookSecond := back + "second is taken, " + second + "; the first is " + first
	for _, tt := range []struct {
		place, now, text string
		later            bool
		want, note       string
	}{
		// A time of day is the last time that it was so late.
		{"Europe/Berlin", "2026-10-25T12:00:00+01:00", "02:30", false, second, tookSecond},
		{"Europe/Berlin", "2026-10-25T12:00:00+01:00", "02:30", true, second, tookSecond},
		{"Europe/Berlin", "2026-10-25T02:45:00+01:00", "02:30", false, second, tookSecond},
		{"Europe/Berlin", "2026-10-25T02:15:00+01:00", "02:30", true, first, tookFirst},
		{"Europe/Berlin", "2026-10-25T02:45:00+02:00", "02:30", true, first, tookFirst},
		{"Europe/Berlin", "2026-10-25T02:15:00+02:00", "02:30", true, "2026-10-24T02:30:00+02:00", ""},
		{"Europe/Berlin", "2026-10-26T02:15:00+01:00", "02:30", true, second, tookSecond},
		{"Europe/Berlin", "2026-10-25T12:00:00+01:00", "03:00", true, "2026-10-25T03:00:00+01:00", ""},
		{"Europe/Berlin", "2026-10-25T12:00:00+01:00", "01:59:59", true, "2026-10-25T01:59:59+02:00", ""},
		// With a date a period leaves out nothing that may be meant.
		{"Europe/Berlin", "2026-11-29T12:00:00+01:00", "2026-10-25 02:30", false, first, tookFirst},
		{"Europe/Berlin", "2026-11-29T12:00:00+01:00", "2026-10-25T02:30:00", true, second, tookSecond},
		{"Europe/Berlin", "2026-11-29T12:00:00+01:00", second, false, second, ""},
		// Times that never were.
		{"Europe/Berlin", "2026-03-29T12:00:00+02:00", "02:30", false, "2026-03-29T03:00:00+02:00", over + "2026-03-29T03:00:00+02:00 is taken, when they were"},
		{"Europe/Berlin", "2026-03-29T01:45:00+01:00", "02:30", false, "2026-03-28T02:30:00+01:00", ""},
		{"Europe/Berlin", "2026-11-29T12:00:00+01:00", "2026-03-29 02:00", true, "2026-03-29T03:00:00+02:00", over + "2026-03-29T03:00:00+02:00 is taken, when they were"},
		{"America/New_York", "2026-11-01T12:00:00-05:00", "01:30", false, "2026-11-01T01:30:00-05:00", back + "second is taken, 2026-11-01T01:30:00-05:00; the first is 2026-11-01T01:30:00-04:00"},
		{"Australia/Lord_Howe", "2026-04-05T12:00:00+10:30", "01:45", false, "2026-04-05T01:45:00+10:30", back + "second is taken, 2026-04-05T01:45:00+10:30; the first is 2026-04-05T01:45:00+11:00"},
		{"Pacific/Apia", "2026-11-29T12:00:00+13:00", "2011-12-30 12:00", false, "2011-12-31T00:00:00+14:00", over + "2011-12-31T00:00:00+14:00 is taken, when they were"},
		// Days that don't begin at midnight, or have two.
		{"America/Santiago", "2026-09-06T12:00:00-03:00", "today", false, "2026-09-06T01:00:00-03:00", ""},
		{"America/Santiago", "2026-09-07T12:00:00-03:00", "2026-09-06", false, "2026-09-06T01:00:00-03:00", ""},
		{"America/Havana", "2026-11-02T12:00:00-05:00", "yesterday", false, "2026-11-01T00:00:00-04:00", ""},
		{"UTC", "2026-10-25T12:00:00Z", "02:30", false, "2026-10-25T02:30:00Z", ""},
	} {
		place, err := time.LoadLocation(tt.place)
		require.NoError(t, err)
		now, err := time.Parse(time.RFC3339, tt.now)
		require.NoError(t, err)
		got, note, err := parseTime(tt.text, now.In(place), tt.later)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, got.Format(time.RFC3339), "%s at %s in %s", tt.text, tt.now, tt.place)
		assert.Equal(t, tt.note, note, "%s at %s in %s", tt.text, tt.now, tt.place)
	}
	var said bytes.Buffer
	place, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	p, err := parsePeriod(&said, "2026-10-25 02:15", "2026-10-25 02:30", time.Date(2026, 11, 29, 12, 0, 0, 0, place))
	require.NoError(t, err)
	assert.Equal(t, 75*time.Minute, p.to.Sub(p.from))
	assert.Equal(t, 2, strings.Count(said.String(), "\n"))
	assert.Contains(t, said.String(), "netcap: --to 2026-10-25 02:30: "+tookSecond+"\n")
}

// instantsByPython prints, of each quarter past and to an hour of a year, those that clocks at a
// place show never or twice, with the instants
// at which they do, by datetime's fold.
const instantsByPython = `
import datetime, json, sys, zoneinfo
utc = datetime.timezone.utc
out = {}
for place in sys.argv[1:]:
    zone, of = zoneinfo.ZoneInfo(place), []
    wall = datetime.datetime(2026, 1, 1, 0, 15)
    while wall.year < 2027:
        instants = set()
        for fold in 0, 1:
            at = wall.replace(tzinfo=zone, fold=fold).astimezone(utc)
            if at.astimezone(zone).replace(tzinfo=None) == wall:
                instants.add(int(at.timestamp()))
        if len(instants) != 1:
            of.append([wall.isoformat(), *sorted(instants)])
        wall += datetime.timedelta(minutes=30)
    out[place] = of
print(json.dumps(out))
`

// TestInstantsAgainstPython compares which times of a year are none or two with Python's.
func TestInstantsAgainstPython(t *testing.T) {
	places := []string{"Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "America/Havana", "America/Santiago", "America/St_Johns", "Africa/Casablanca", "Africa/Cairo", "Asia/Beirut", "Asia/Kolkata", "Australia/Lord_Howe", "Antarctica/Troll", "Atlantic/Azores", "Pacific/Chatham"}
	out, err := exec.Command(testenv.Program(t, "python3"), append([]string{"-c", instantsByPython}, places...)...).Output()
	require.NoError(t, err)
	theirs := map[string][][]any{}
	require.NoError(t, json.Unmarshal(out, &theirs))
	odd := 0
	for _, place := range places {
		zone, err := time.LoadLocation(place)
		require.NoError(t, err)
		want := map[string][]any{}
		for _, o := range theirs[place] {
			want[o[0].(string)] = o[1:]
		}
		odd += len(want)
		for wall := time.Date(2026, 1, 1, 0, 15, 0, 0, time.UTC); wall.Year() < 2027; wall = wall.Add(30 * time.Minute) {
			i := instantsOf(wall, zone)
			text := wall.Format("2006-01-02T15:04:05")
			expected, isOdd := want[text]
			if !isOdd {
				require.Len(t, i.all, 1, "%s in %s", text, place)
				require.Equal(t, text, i.all[0].Format("2006-01-02T15:04:05"))
				continue
			}
			require.Len(t, i.all, len(expected), "%s in %s", text, place)
			for n, at := range i.all {
				require.EqualValues(t, expected[n], at.Unix(), "%s in %s", text, place)
			}
			if len(i.all) == 0 {
				before, after := i.skipped.Add(-1).Format("2006-01-02T15:04:05"), i.skipped.Format("2006-01-02T15:04:05")
				require.True(t, before < text && text < after, "%s in %s: from %s to %s", text, place, before, after)
			}
		}
	}
	assert.Greater(t, odd, 40)
}
