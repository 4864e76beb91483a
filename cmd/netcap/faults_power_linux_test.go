//go:build amd64 || arm64

package main

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/internal/testenv/powercut"
)

// TestLostCaches cuts the power of a disk that forgets what wasn't synced, or keeps any sectors of
// it: at most --fsync is missing at the end, nothing older is touched, what is left tells so,
// and the set goes on.
func TestLostCaches(t *testing.T) {
	const promise = time.Second // --fsync
	h := newOperated(t)
	d := powercut.New(t)
	set := []string{"-i", "c0", "--name", "cut", "--fsync", "1s", "--flush", "100ms", "-C", "1", "--disk-budget", "60MB", "--keep-free", "1", "-G", "8760h", "-B", "65536", "udp"}
	p := h.capture(append([]string{"--dir", d.Dir + "/set"}, set...)...)
	stop, dripped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(dripped)
		h.sendUntil(stop)
	}()
	require.Eventually(t, func() bool { return len(filepathGlob(t, d.Dir+"/set/*.pcapng")) > 2 }, patience, 10*time.Millisecond)
	cuts := rounds(5)
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var at []time.Time
	dirs := make([]string, cuts)
	for n := range dirs {
		time.Sleep(300*time.Millisecond + rand.N(time.Second))
		dirs[n] = fmt.Sprintf("%s/cut%d", h.dir, n)
		at = append(at, time.Now())
		d.Cut(t, dirs[n], rnd)
	}
	close(stop)
	<-dripped
	_, _, dropped := summary(t, p.stop())
	require.Zero(t, dropped)

	late := 0
	for n, dir := range dirs {
		files := filepathGlob(t, dir+"/set/*.pcapng")
		require.NotEmpty(t, files)
		var last seen
		var latest time.Time
		var next uint32
		for i, f := range files {
			if b := content(t, f); len(b) < 4 || b[:4] == "\x00\x00\x00\x00" { // it was begun, and not yet synced
				assert.GreaterOrEqual(t, i, len(files)-2, "cut %d: %s has no beginning", n, f)
				continue
			}
			frames, whole := framesOf(t, f)
			times := tsharkTimes(t, f)
			if len(times) > 0 {
				latest = times[len(times)-1]
			}
			frames = frames[:min(len(times), len(frames))] // gopacket reads torn ones too
			for _, frame := range frames {
				if frame.seq != next {
					assert.GreaterOrEqual(t, i, len(files)-2, "cut %d: %s isn't as it was", n, f)
					break // the sector that says which frame it is wasn't written
				}
				last, next = frame, next+1
			}
			if i < len(files)-2 {
				assert.True(t, whole, "cut %d: %s", n, f)
				assert.Equal(t, content(t, d.Dir+"/set/"+filepath.Base(f)), content(t, f), "cut %d: %s is as it was", n, f)
			}
		}
		lost := at[n].Sub(last.at)
		t.Logf("cut %d: %d files, %d frames, the last of %v before", n, len(files), next, lost.Round(time.Millisecond))
		if lost > promise {
			late++
		}
		// A frame of which sectors are missing may still be taken for one.
		h.knowsCut(dir+"/set", last.at, latest)
	}
	assert.Less(t, late, cuts, "every cut lost more than --fsync")

	// The last of them goes on.
	dir := dirs[cuts-1] + "/set"
	old := map[string]string{}
	for _, f := range filepathGlob(t, dir+"/*.pcapng") {
		old[f] = content(t, f)
	}
	p = h.capture(append([]string{"--dir", dir}, set...)...)
	h.peer.Flood(t, "g0", 100, 10)
	captured, _, _ := summary(t, p.stop())
	assert.Equal(t, 10, captured)
	for f, was := range old {
		assert.Equal(t, was, content(t, f), f)
	}
	assert.Len(t, filepathGlob(t, dir+"/*.pcapng"), len(old)+1)
}

// tsharkTimes are the times of the frames that tshark finds in a file that may be torn.
func tsharkTimes(t *testing.T, path string) (all []time.Time) {
	t.Helper()
	out, _ := exec.Command(testenv.Program(t, "tshark"), "-r", path, "-T", "fields", "-e", "frame.time_epoch").Output()
	for line := range strings.FieldsSeq(string(out)) {
		seconds, nanoseconds, _ := strings.Cut(line, ".")
		sec, err := strconv.ParseInt(seconds, 10, 64)
		require.NoError(t, err)
		ns, err := strconv.ParseInt(nanoseconds, 10, 64)
		require.NoError(t, err)
		all = append(all, time.Unix(sec, ns))
	}
	return all
}
