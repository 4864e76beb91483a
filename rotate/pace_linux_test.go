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

// TestPace follows a disk that stalls, recovers, and stalls again.
func TestPace(t *testing.T) {
	var p pace
	yes := func() bool { return true }
	for _, tt := range []struct {
		at    time.Duration
		inUse int
		want  way
		what  string
	}{
		{1 * time.Hour, 1, direct, "the disk keeps up"},
		{1 * time.Hour, 8, direct, "a moment's delay"},
		{1 * time.Hour, 9, cached, "buffers wait"},
		{1*time.Hour + 2, 17, cached, "and become more"},
		{1*time.Hour + 3, 3, cached, "the page cache has taken them"},
		{1*time.Hour + 999*time.Millisecond, 3, cached, "too early to try the disk"},
		{1*time.Hour + 1001*time.Millisecond, 4, cached, "some wait still"},
		{1*time.Hour + 1002*time.Millisecond, 3, direct, "the disk is tried"},
		{1*time.Hour + 1100*time.Millisecond, 9, cached, "it stalls again at once"},
		{1*time.Hour + 3099*time.Millisecond, 2, cached, "so it is left alone for longer"},
		{1*time.Hour + 3101*time.Millisecond, 2, direct, "the disk is tried"},
		{2 * time.Hour, 9, cached, "it kept up for long"},
		{2*time.Hour + 1001*time.Millisecond, 1, direct, "so it isn't left alone for long"},
	} {
		assert.Equal(t, tt.want, p.next(tt.at, tt.inUse, yes), "%v, %d buffers: %s", tt.at, tt.inUse, tt.what)
	}
	// Not while the disk is busy with what the page cache was given.
	p.next(150*time.Minute, 9, yes)
	no := func() bool { return false }
	assert.Equal(t, cached, p.next(151*time.Minute, 1, no))
	assert.Equal(t, direct, p.next(151*time.Minute, 1, yes))
	// However often it stalls, it is tried once a minute.
	now := 3 * time.Hour
	for range 20 {
		p.next(now, 9, yes)
		now += mostPause
		assert.Equal(t, direct, p.next(now, 1, yes))
	}
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
	assert.Positive(t, residentPages(t, path))
	assert.False(t, out.clear(), "8 MiB are to be written")
	require.NoError(t, out.sync())
	assert.True(t, out.clear())
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
