package rotate

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// TestPace follows bursts, and a disk that stalls, recovers, and stalls again.
func TestPace(t *testing.T) {
	var p pace
	yes := func() bool { return true }
	no := func() bool { return false }
	const ms = time.Millisecond
	for _, tt := range []struct {
		at    time.Duration
		inUse int
		clear func() bool
		want  way
		what  string
	}{
		{3600_000 * ms, 1, yes, cached, "a burst begins"},
		{3601_900 * ms, 1, yes, cached, "and goes on"},
		{3602_100 * ms, 4, yes, cached, "it lasts, but buffers wait"},
		{3602_200 * ms, 1, no, cached, "it lasts, but the disk doesn't keep up"},
		{3602_300 * ms, 1, yes, cached, "it isn't looked at again so soon"},
		{3602_451 * ms, 1, yes, direct, "it keeps up"},
		{3604_000 * ms, 8, yes, direct, "a moment's delay"},
		{3604_001 * ms, 9, yes, cached, "buffers wait"},
		{3604_002 * ms, 17, yes, cached, "and become more"},
		{3604_500 * ms, 3, yes, cached, "the page cache has taken them"},
		{3605_000 * ms, 3, yes, cached, "too early to try the disk"},
		{3605_002 * ms, 4, yes, cached, "some wait still"},
		{3605_003 * ms, 3, yes, direct, "the disk is tried"},
		{3605_503 * ms, 9, yes, cached, "it stalls again at once"},
		{3606_600 * ms, 2, yes, cached, "so it is left alone for longer"},
		{3607_500 * ms, 2, yes, cached, "for two seconds"},
		{3607_504 * ms, 2, yes, direct, "until it is tried"},
		{3609_400 * ms, 2, yes, direct, "it keeps up"},
		{3611_400 * ms, 2, yes, cached, "quiet, and a burst"},
		{3613_300 * ms, 2, yes, cached, "which goes on"},
		{3613_401 * ms, 2, yes, direct, "and lasts"},
		{3615_300 * ms, 2, yes, direct, "the disk keeps up for longer than it was left alone"},
		{3616_000 * ms, 9, yes, cached, "before it stalls"},
		{3616_900 * ms, 1, yes, cached, "so it is left alone"},
		{3617_001 * ms, 1, yes, direct, "for a second only"},
	} {
		assert.Equal(t, tt.want, p.next(tt.at, tt.inUse, tt.clear), "%v, %d buffers: %s", tt.at, tt.inUse, tt.what)
	}
	// However often it stalls, it is tried once a minute.
	now := 2 * time.Hour
	for range 20 {
		tried := now
		for p.next(now, 1, yes) != direct {
			now += burst / 2
		}
		assert.LessOrEqual(t, now-tried, mostPause+burst)
		p.next(now, 9, yes)
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
	require.NoError(t, out.recede(keep))
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
