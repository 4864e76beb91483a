package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/report"
)

// TestPlaces says what NAME, DIR and FILE mean.
func TestPlaces(t *testing.T) {
	base, here, data := t.TempDir(), t.TempDir(), t.TempDir()
	t.Chdir(here)
	for _, dir := range []string{base + "/docker0", base + "/eth0", base + "/lo", base + "/.hidden", "docker0", "cap", data + "/lo", data + "/shared"} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	for _, file := range []string{"x.pcap", "only", data + "/one.pcap"} {
		require.NoError(t, os.WriteFile(file, nil, 0o600))
	}
	at := func(path string) report.Place { return report.Place{Path: path} }
	lo := report.Place{Path: data + "/lo", Set: "lo"}
	shared := report.Place{Path: data + "/shared", Set: "x"}
	var stderr strings.Builder
	f := &finder{
		func() (string, error) { return base, nil },
		func() ([]known, error) {
			return []known{
				{"twice", at(data + "/lo"), "/a.pid", true},
				{"twice", at(data + "/shared"), "/b.pid", true},
				{"eth0", report.Place{Path: base + "/eth0", Set: "eth0"}, "/run/eth0.pid", false},
				{"lo", lo, "/run/lo.pid", false},
				{"shared", shared, "/run/shared.pid", false},
				{"one", at(data + "/one.pcap"), "/run/one.pid", false},
				{"gone", at(data + "/gone"), "/run/gone.pid", false},
				{"docker0", at(data + "/gone"), "/run/docker0.pid", false},
			}, nil
		}, &stderr,
	}
	for _, tt := range []struct {
		word, says string
		want       report.Place
	}{
		{"docker0", "", at(base + "/docker0")}, // its last place is gone
		{"./docker0", "", at("./docker0")},
		{"eth0", "", at(base + "/eth0")},
		{"lo", "netcap: lo is " + data + "/lo, where it captured last; of " + base + "/lo, give the path\n", lo},
		{"shared", "", shared},
		{"one", "", at(data + "/one.pcap")},
		{"cap", "", at("cap")},
		{".", "", at(".")},
		{"x.pcap", "", at("x.pcap")},
		{"only", "", at("only")},
		{here + "/x.pcap", "", at(here + "/x.pcap")},
	} {
		stderr.Reset()
		got, err := f.find(tt.word)
		require.NoError(t, err, tt.word)
		assert.Equal(t, tt.want, got, tt.word)
		assert.Equal(t, tt.says, stderr.String(), tt.word)
		what, places, err := f.places([]string{tt.word})
		require.NoError(t, err, tt.word)
		assert.Equal(t, tt.want.Path, what, tt.word)
		assert.Equal(t, []report.Place{tt.want}, places, tt.word)
	}
	for word, says := range map[string]string{
		"nothing": "nothing: no such capture, and no such directory or file",
		"gone":    "gone: no such capture, and no such directory or file",
		"twice":   "twice: several captures of that name are running: give the path of one, " + data + "/lo or " + data + "/shared",
		"":        "the name or directory is empty",
		"./none":  "./none: stat: no such file or directory",
	} {
		_, err := f.find(word)
		assert.EqualError(t, err, says)
	}

	what, places, err := f.places(nil)
	require.NoError(t, err)
	assert.Equal(t, base, what)
	assert.Equal(t, []report.Place{at(base + "/docker0"), at(base + "/eth0"), at(base + "/lo"), lo, shared}, places, "each set once, no single files")

	// Of a filter's words none is taken for a place.
	s, err := f.sources([]string{"docker0", "x.pcap", "-", "tcp", "port", "eth0"})
	require.NoError(t, err)
	assert.Equal(t, []report.Place{at(base + "/docker0"), at("x.pcap"), at("-")}, s.places)
	assert.Equal(t, []string{"tcp", "port", "eth0"}, s.filter)
	s, err = f.sources([]string{"tcp"})
	require.NoError(t, err)
	assert.True(t, s.all)
	assert.Len(t, s.places, 5)
	_, err = f.sources([]string{"x.pcap", "/nothing"})
	assert.EqualError(t, err, "/nothing: stat: no such file or directory")

	none := &finder{func() (string, error) { return filepath.Join(base, "none"), nil }, func() ([]known, error) { return nil, nil }, &stderr}
	_, places, err = none.places(nil)
	require.NoError(t, err)
	assert.Empty(t, places)
	_, err = none.sources([]string{"tcp"})
	assert.EqualError(t, err, "tcp: no such capture, and no such directory or file, and no captures are in "+base+"/none")
	homeless := &finder{func() (string, error) { return "", os.ErrNotExist }, func() ([]known, error) { return nil, nil }, &stderr}
	got, err := homeless.find("x.pcap")
	require.NoError(t, err, "a file needs no home")
	assert.Equal(t, at("x.pcap"), got)
}
