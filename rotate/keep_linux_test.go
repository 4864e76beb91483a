package rotate

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// logged has a set's log in a buffer, which is to be read once the Writer is closed.
func logged(c *Config) *bytes.Buffer {
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	return &log
}

// TestKeepAtLeast has others fill the disk: the set gives way down to its floor and no further.
// Then packets are counted as dropped, until there is room.
func TestKeepAtLeast(t *testing.T) {
	testenv.Root(t)
	noLeaksInAll(t)
	const mib = 1 << 20
	for _, tt := range []struct {
		name string
		keep AtLeast
		free int64 // keep-free
		want int64 // bytes that must stay
	}{
		{"size, keep-free", AtLeast{Size: Amount{Bytes: 6 * mib}}, 2 * mib, 6 * mib},
		{"size, full disk", AtLeast{Size: Amount{Bytes: 6 * mib}}, 1, 6 * mib},
		{"default, keep-free", AtLeast{}, 2 * mib, 5 * mib},
		{"percentage", AtLeast{Size: Amount{Percent: 25}}, 2 * mib, 8 * mib},
		{"none", AtLeast{None: true}, 2 * mib, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // it waits, mostly
			dir := mountTmpfs(t, "size=32m")
			c := config(t, dir)
			c.Budget, c.KeepFree, c.KeepAtLeast = Amount{Bytes: 20 * mib}, Amount{Bytes: tt.free}, tt.keep
			log := logged(c)
			r := newRig(t, c, realMachine())
			for range 160 { // 16 MB
				r.batch(1, 100_000)
				r.idle()
			}
			assert.Equal(t, tt.want, r.w.Stats().KeepAtLeast)
			least := sizeOf(t, setFiles(t, dir)...)
			for i := 0; !r.w.Stats().Paused; i++ { // others take 100 kB with each packet
				require.Less(t, i, 10_000)
				fill(t, dir, max(0, freeBytes(t, dir)-100_000))
				r.batch(1, 10_000)
				r.idle()
				least = min(least, sizeOf(t, setFiles(t, dir)...))
			}
			r.stopped()
			fill(t, dir, 0)
			time.Sleep(1200 * time.Millisecond) // it looks again
			least = min(least, sizeOf(t, setFiles(t, dir)...))
			r.batch(5, 10_000)
			s := r.w.Stats()
			assert.True(t, s.Paused)
			assert.True(t, s.Full)
			assert.Equal(t, tt.want > 0, s.Kept)
			assert.GreaterOrEqual(t, least, tt.want)
			assert.Less(t, least, tt.want+3*mib, "and not much more")
			before := packetsOf(t, setFiles(t, dir)...)
			for i := range before {
				require.Equal(t, before[0]+uint64(i), before[i], "the last of it, without a hole")
			}

			require.NoError(t, os.Remove(filepath.Join(dir, "filler")))
			r.goesOn()
			r.idle()
			assert.False(t, r.w.Stats().Kept)
			require.NoError(t, r.w.Close())
			assert.Equal(t, int64(r.next), r.w.Stats().Written+r.w.Stats().Dropped)
			assert.Equal(t, tt.want > 0, strings.Contains(log.String(), "what is left of the set is kept by --keep-at-least: packets are dropped"))
			assert.Contains(t, log.String(), "writing again")
			assert.Regexp(t, `level=WARN msg="deleted the oldest file" .*because="?(keep-free|the disk is full)"? .*taken by others since the start"="[1-9][0-9.]* MB"`, log.String())
		})
	}
}

// TestKeepLast keeps what was written in the last hour, though the budget be full: it pauses, and
// goes on as time passes. So it is after a restart.
func TestKeepLast(t *testing.T) {
	c := config(t, t.TempDir())
	c.Budget, c.KeepAtLeast = Amount{Bytes: 3 << 20}, AtLeast{Time: time.Hour}
	clock := newClock()
	c.Now = clock.now
	m := realMachine()
	m.boot = clock.boot
	r := newRig(t, c, m)
	first := r.w.Stats().Current
	for i := 0; !r.w.Stats().Paused; i++ {
		require.Less(t, i, 100)
		r.batch(1, 100_000)
		r.idle()
		clock.pass(time.Minute)
	}
	r.stopped()
	assert.True(t, r.w.Stats().Kept)
	assert.FileExists(t, first)
	r.batch(3, 100_000)
	assert.EqualValues(t, 3, r.discarded)
	files := setFiles(t, c.Dir)
	assert.LessOrEqual(t, sizeOf(t, files...), int64(3<<20))
	clock.pass(time.Hour)
	r.goesOn()
	assert.NoFileExists(t, first)
	r.idle()
	require.NoError(t, r.w.Close())
	w, err := Open(c)
	require.NoError(t, err)
	require.NoError(t, w.Close())
}

// TestKeptOfLargeFile has a file of an earlier run that the budget can't hold beside what is
// kept: it stays until the newer ones are enough.
func TestKeptOfLargeFile(t *testing.T) {
	c := config(t, t.TempDir())
	old := filepath.Join(c.Dir, "docker0-20261122T130005Z-000007.rec")
	require.NoError(t, os.WriteFile(old, make([]byte, 5<<20), 0o600))
	c.Budget, c.KeepAtLeast = Amount{Bytes: 4 << 20}, AtLeast{Size: Amount{Bytes: 2 << 20}}
	log := logged(c)
	r := newRig(t, c, realMachine())
	for range 30 {
		r.batch(1, 100_000)
		r.idle()
		if sizeOf(t, setFiles(t, c.Dir)...)-sizeOf(t, old) < 2<<20 {
			require.FileExists(t, old)
		}
	}
	assert.NoFileExists(t, old)
	require.NoError(t, r.w.Close())
	assert.Zero(t, r.w.Stats().Dropped)
	assert.Equal(t, 1, strings.Count(log.String(), "beyond its budget"))
}

// TestRefusedThoughFree has the file system refuse to write though it has room, as for want of
// inodes or by a quota of a project: nothing is deleted for that.
func TestRefusedThoughFree(t *testing.T) {
	f := newFaults()
	c := config(t, t.TempDir())
	r := newRig(t, c, f.machine())
	for range 30 {
		r.batch(1, 100_000)
	}
	r.idle()
	before := setFiles(t, c.Dir)
	require.Len(t, before, 3)
	f.set(func(f *faults) { f.room, f.err = 0, unix.ENOSPC })
	for !r.w.Stats().Paused {
		r.batch(1, 100_000)
		time.Sleep(time.Millisecond)
	}
	r.stopped()
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r.batch(1, 1000)
	}
	for _, file := range before {
		assert.FileExists(t, file)
	}
	f.set(func(f *faults) { f.room = -1 })
	r.goesOn()
	r.idle()
	require.NoError(t, r.w.Close())
	r.sums(setFiles(t, c.Dir)...)
}
