package rotate

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/priority"
	"netcap/internal/testenv"
)

// TestPace follows bursts, and a disk that stalls, recovers, and stalls again.
func TestPace(t *testing.T) {
	const mb, ms = 1_000_000, time.Millisecond
	p := pace{limit: 1000 * mb}
	yes := func() bool { return true }
	no := func() bool { return false }
	for _, tt := range []struct {
		at    time.Duration
		n     int
		inUse int
		clear func() bool
		want  way
		what  string
	}{
		{3600_000 * ms, mb, 1, no, cached, "a burst begins"},
		{3600_040 * ms, mb, 1, no, cached, "how fast it comes isn't known"},
		{3600_100 * ms, 28 * mb, 1, no, direct, "0.3 GB/s may be held up"},
		{3602_000 * ms, mb, 8, yes, direct, "a moment's delay"},
		{3602_001 * ms, mb, 9, yes, cached, "buffers wait"},
		{3602_002 * ms, mb, 17, yes, cached, "and become more"},
		{3602_500 * ms, mb, 3, yes, cached, "the page cache has taken them"},
		{3603_000 * ms, mb, 3, yes, cached, "too early to try the disk"},
		{3603_002 * ms, mb, 4, yes, cached, "some wait still"},
		{3603_003 * ms, mb, 3, no, cached, "the disk has more to do"},
		{3603_004 * ms, mb, 3, yes, cached, "it isn't looked at again so soon"},
		{3603_254 * ms, mb, 3, yes, direct, "the disk is tried"},
		{3603_503 * ms, mb, 9, yes, cached, "it stalls again at once"},
		{3604_600 * ms, mb, 2, yes, cached, "so it is left alone for longer"},
		{3605_500 * ms, mb, 2, yes, cached, "for two seconds"},
		{3605_504 * ms, mb, 2, yes, direct, "until it is tried"},
		{3607_400 * ms, mb, 2, yes, direct, "it keeps up"},
		{3609_400 * ms, mb, 2, yes, cached, "quiet, and a burst"},
		{3609_500 * ms, 200 * mb, 2, yes, cached, "of 2 GB/s: if a write were held up it wouldn't fit"},
		{3609_600 * ms, 200 * mb, 2, yes, cached, "so it goes on"},
		{3610_400 * ms, 1600 * mb, 2, no, cached, "and on"},
		{3611_300 * ms, 1800 * mb, 2, no, cached, "and on"},
		{3611_400 * ms, 200 * mb, 2, no, cached, "it lasts, and the disk doesn't keep up"},
		{3611_700 * ms, 600 * mb, 2, yes, direct, "it lasts, and the disk keeps up"},
		{3613_000 * ms, 600 * mb, 2, yes, direct, "and on"},
		{3614_000 * ms, mb, 9, yes, cached, "before it stalls"},
		{3614_900 * ms, mb, 1, yes, cached, "so it is left alone"},
		{3615_001 * ms, mb, 1, yes, direct, "for a second only"},
		{3615_100 * ms, mb, 9, yes, cached, "it stalls"},
		{3617_100 * ms, mb, 1, yes, cached, "a burst behind a stall"},
		{3617_201 * ms, mb, 1, yes, direct, "begins as any other"},
	} {
		assert.Equal(t, tt.want, p.next(tt.at, tt.n, tt.inUse, tt.clear), "%v, %d buffers: %s", tt.at, tt.inUse, tt.what)
	}
	// However often it stalls, it is tried once a minute.
	now := 2 * time.Hour
	for range 20 {
		tried := now
		for p.next(now, mb, 1, yes) != direct {
			now += burst / 2
		}
		assert.LessOrEqual(t, now-tried, mostPause+burst)
		p.next(now, mb, 9, yes)
	}
	assert.Equal(t, mostPause, p.pause)
}

// TestLeavesThePageCache sees that what went through the page cache is not kept there
// once it is on the disk.
func TestLeavesThePageCache(t *testing.T) {
	testenv.Root(t)
	mem := pattern(t)
	path := filepath.Join(t.TempDir(), "f")
	f, err := os.Create(path)
	require.NoError(t, err)
	out := newFile(f, nil)
	for i := range 4 {
		n, err := out.writeAt(mem, int64(i*bufferSize), cached)
		require.NoError(t, err)
		require.Equal(t, bufferSize, n)
	}
	assert.EqualValues(t, 4*bufferSize, out.backlog())
	assert.Equal(t, 4*bufferSize/os.Getpagesize(), residentPages(t, path))
	assert.False(t, out.clear(), "8 MiB are to be written")
	require.NoError(t, out.sync())
	assert.True(t, out.clear())
	assert.Zero(t, out.backlog())
	assert.Zero(t, residentPages(t, path))

	// Of a burst the end remains, until it is over.
	const more, keep = 3*stepSize + 2*bufferSize, stepSize
	for off := int64(4 * bufferSize); off < 4*bufferSize+more; off += bufferSize {
		_, err := out.writeAt(mem, off, cached)
		require.NoError(t, err)
	}
	require.NoError(t, out.writeBehind(keep))
	assert.EqualValues(t, stepSize+2*bufferSize, out.backlog())
	assert.Equal(t, (stepSize+2*bufferSize)/os.Getpagesize(), residentPages(t, path))
	require.NoError(t, out.sync())
	assert.Zero(t, residentPages(t, path))
	require.NoError(t, out.close())
}

// TestFileSystems has files be written as suits where they are.
func TestFileSystems(t *testing.T) {
	testenv.Root(t)
	for dir, indirect := range map[string]bool{mountTmpfs(t, "size=1m"): true, t.TempDir(): false} {
		f, err := os.Create(filepath.Join(dir, "f"))
		require.NoError(t, err)
		assert.Equal(t, indirect, newFile(f, nil).indirect, dir)
		require.NoError(t, f.Close())
	}
}

// niceSink notes at which nice value of nice(2) each write was made.
type niceSink struct {
	sink
	gate <-chan struct{}
	nice func(int)
}

func (s *niceSink) writeAt(p []byte, off int64, w way) (int, error) {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return 0, err
	}
	s.nice(20 - raw) // C library/kernel differences of getpriority(2)
	<-s.gate
	return s.sink.writeAt(p, off, w)
}

// TestPrecedence has the back go before others when it is left behind, until it has caught
// up.
func TestPrecedence(t *testing.T) {
	testenv.Root(t)
	_ = priority.AllowAhead() // root may without
	var mu sync.Mutex
	var seen []int
	gate := make(chan struct{})
	m := realMachine()
	m.sink = func(f *file, _ string) sink {
		return &niceSink{f, gate, func(n int) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, n)
		}}
	}
	c := single(t, t.TempDir())
	c.Flush = -1
	go func() { gate <- struct{}{} }() // the header
	r := newRig(t, c, m)
	for r.w.Stats().Buffers <= (strain+2)*bufferSize {
		r.add(MaxRecord)
	}
	close(gate)
	r.idle()
	for range 2 { // the second is written behind the first
		r.add(bufferSize / 8)
		r.idle()
	}
	require.NoError(t, r.w.Close())
	base := seen[0]
	assert.Equal(t, base, seen[len(seen)-1], "%v", seen)
	assert.Contains(t, seen, base-10, "%v", seen)
	changes := 0
	for i := 1; i < len(seen); i++ {
		if seen[i] != seen[i-1] {
			changes++
		}
	}
	assert.Equal(t, 2, changes, "%v", seen)
}
