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
	for _, tt := range []struct {
		at    time.Duration
		inUse int
		want  way
		what  string
	}{
		{1 * time.Hour, 1, direct, "the disk keeps up"},
		{1 * time.Hour, 8, direct, "a moment's delay"},
		{1 * time.Hour, 9, passing, "buffers wait"},
		{1*time.Hour + 1, 16, passing, "and do not become many"},
		{1*time.Hour + 2, 17, cached, "the disk's queue is full too"},
		{1*time.Hour + 3, 3, cached, "the page cache has taken them"},
		{1*time.Hour + 499*time.Millisecond, 3, cached, "too early to try the disk"},
		{1*time.Hour + 501*time.Millisecond, 4, cached, "some wait still"},
		{1*time.Hour + 502*time.Millisecond, 3, direct, "the disk is tried"},
		{1*time.Hour + 600*time.Millisecond, 9, passing, "it stalls again at once"},
		{1*time.Hour + 1599*time.Millisecond, 2, passing, "so it is left alone for longer"},
		{1*time.Hour + 1601*time.Millisecond, 2, direct, "the disk is tried"},
		{2 * time.Hour, 9, passing, "it kept up for long"},
		{2*time.Hour + 251*time.Millisecond, 1, direct, "so it isn't left alone for long"},
	} {
		assert.Equal(t, tt.want, p.next(tt.at, tt.inUse), "%v, %d buffers: %s", tt.at, tt.inUse, tt.what)
	}
	// However often it stalls, it is tried once a minute.
	now := 3 * time.Hour
	for range 20 {
		p.next(now, 9)
		now += mostPause
		assert.Equal(t, direct, p.next(now, 1))
	}
}

// TestLeavesThePageCache sees that what went through the page cache is not kept there
// once it is on the disk.
func TestLeavesThePageCache(t *testing.T) {
	testenv.Root(t)
	mem := pattern(t)
	for _, w := range []way{passing, cached} {
		path := filepath.Join(t.TempDir(), "f")
		f, err := os.Create(path)
		require.NoError(t, err)
		out := newFile(f, nil)
		for i := range 4 {
			n, err := out.writeAt(mem, int64(i*bufferSize), w)
			require.NoError(t, err)
			require.Equal(t, bufferSize, n)
		}
		if w == cached {
			assert.Positive(t, residentPages(t, path))
		}
		require.NoError(t, out.sync())
		assert.Zero(t, residentPages(t, path), "way %d", w)
		require.NoError(t, out.close())
	}
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
