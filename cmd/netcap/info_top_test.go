package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

func TestInfoTop(t *testing.T) {
	local(t)
	corpus := filepath.Join(testenv.Corpus(t), "dicom")
	mixed := filepath.Join(corpus, "mixed.pcap")
	info := func(args ...string) string {
		t.Helper()
		out, stderr, err := runCommand(newInfoCommand(), nil, args...)
		require.NoError(t, err, stderr)
		return out
	}
	// tshark -q -z io,phs has 190 frames of 688152 bytes, -z endpoints,ip what is sent and
	// received.
	text := info("--top", "2", mixed)
	assert.Contains(t, text, `
TALKER      SENT    SIZE    SHARE  RECEIVED    SIZE    SHARE
172.17.0.2    76   21 kB    3.0 %       114  667 kB   97.0 %
172.17.0.4    60  400 kB   58.1 %        40   18 kB    2.6 %
(others)      54  268 kB   38.9 %        36  3.2 kB    0.4 %
total        190  688 kB  100.0 %       190  688 kB  100.0 %

PROTOCOL  PACKETS    SIZE    SHARE
dicom         176  673 kB   97.8 %
http           14   15 kB    2.2 %
total         190  688 kB  100.0 %
`)
	// Wherever the number stands.
	for _, args := range [][]string{{"--top=2", mixed}, {mixed, "--top", "2"}, {mixed, "--top=2"}, {"--top=7", "--top", "2", mixed}, {"--top", "2", "--", mixed}} {
		assert.Equal(t, text, info(args...), args)
	}
	assert.Equal(t, info("--top=10", mixed), info("--top", mixed))
	assert.Equal(t, info("--top=10", mixed), info(mixed, "--top"))
	for _, args := range [][]string{{"--top", "0", mixed}, {"--top=0", mixed}, {"--top=x", mixed}, {"--top", "-1", mixed}, {"--top", "10"}} {
		_, _, err := runCommand(newInfoCommand(), nil, args...)
		assert.Error(t, err, args)
	}

	// Of files, a directory and a set it is of all of them together, and JSON says the same.
	dir, base := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(base, "docker0"), 0o700))
	var files []string
	for n, name := range []string{"mixed.pcap", "tls_ok.pcap", "echo_ok.pcap"} {
		b, err := os.ReadFile(filepath.Join(corpus, name))
		require.NoError(t, err)
		set := "docker0-20261123T130405Z-00000" + strconv.Itoa(n+1) + ".pcap"
		files = append(files, writeTestFile(t, filepath.Join(dir, set), b))
		writeTestFile(t, filepath.Join(base, "docker0", set), b)
	}
	_, of, _ := strings.Cut(info(append(files, "--top", "2")...), "\n\n")
	assert.Equal(t, 2, strings.Count(of, "total "))
	// Of sets it is said too that nobody knows whether they are complete.
	noLedger := regexp.MustCompile(`(?m)^.*/docker0: there is no ledger, .*\n`)
	_, ofDir, _ := strings.Cut(info("--top", "2", dir), "\n\n")
	assert.Equal(t, of, noLedger.ReplaceAllString(ofDir, ""))
	f := &finder{func() (string, error) { return base, nil }, func() ([]known, error) { return nil, nil }, io.Discard}
	sets, err := paths(f.each([]string{"docker0", "-", dir, "nothing", "./docker0"}))
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(base, "docker0"), "-", dir, "nothing", "./docker0"}, sets)
	_, ofSet, _ := strings.Cut(info("--top", "2", sets[0]), "\n\n")
	assert.Equal(t, of, noLedger.ReplaceAllString(ofSet, ""))

	type amount struct {
		Name           string
		Packets, Bytes uint64
	}
	var infos []struct {
		Packets  uint64 `json:"packets"`
		Top      struct{ Total amount }
		Together *struct {
			Total     amount
			Protocols []amount
		} `json:"top_together"`
	}
	require.NoError(t, json.Unmarshal([]byte(info("--json", "--top", "2", dir)), &infos))
	require.Len(t, infos, 3)
	var packets uint64
	for n, i := range infos {
		assert.Equal(t, i.Packets, i.Top.Total.Packets)
		packets += i.Packets
		assert.Equal(t, n == 0, i.Together != nil)
	}
	assert.Equal(t, packets, infos[0].Together.Total.Packets)
	for _, p := range infos[0].Together.Protocols {
		assert.Regexp(t, p.Name+` +`+comma(p.Packets)+" ", of)
	}
}

// TestShares holds that parts of a whole add up to 100 %, and are never off by more than 0.1.
func TestShares(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		parts := make([]uint64, 1+r.IntN(20))
		sum := 0.0
		for i := range parts {
			parts[i] = r.Uint64() >> r.IntN(60)
			sum += float64(parts[i])
		}
		tenths := 0
		for i, text := range shares(parts) {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.Replace(text, ".", "", 1), " %"))
			require.NoError(t, err)
			tenths += n
			require.InDelta(t, 1000*float64(parts[i])/sum, n, 1)
		}
		require.Equal(t, 1000, tenths)
	}
	assert.Equal(t, []string{"-", "-"}, shares([]uint64{0, 0}))
}
