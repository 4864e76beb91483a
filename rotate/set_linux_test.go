package rotate

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// TestBoundsObeyed writes on and on under one bound after the other, and under
// all at once, and looks at the directory after each rotation.
func TestBoundsObeyed(t *testing.T) {
	testenv.Root(t)
	const mib = 1 << 20
	for _, tt := range []struct {
		name   string
		change func(*Config)
		files  int // that are there in the end, by hand
	}{
		// Each file holds ten packets of 100,000 bytes. 5.5 MB of budget: five
		// whole files and half a one; the sixth is begun when there are five.
		{"budget", func(c *Config) { c.Budget = Amount{Bytes: 5_500_000} }, 6},
		{"count", func(c *Config) { c.SegmentCount = 4 }, 4},
		// The disk has 24 MiB; 14 MiB are to be free, so that 10 MiB are left:
		// ten files of 245 pages, and one that is begun.
		{"keep-free", func(c *Config) { c.KeepFree = Amount{Bytes: 14 * mib} }, 11},
		// A minute a file: those whose successor is older than 5:30 go.
		{"age", func(c *Config) { c.MaxAge = 5*time.Minute + 30*time.Second }, 7},
		{"all, the count binds", func(c *Config) {
			c.Budget, c.KeepFree, c.SegmentCount, c.MaxAge = Amount{Bytes: 5_500_000}, Amount{Bytes: 14 * mib}, 3, time.Hour
		}, 3},
		{"all, the budget binds", func(c *Config) {
			c.Budget, c.KeepFree, c.SegmentCount, c.MaxAge = Amount{Bytes: 3_500_000}, Amount{Bytes: 14 * mib}, 9, time.Hour
		}, 4},
		{"all, the age binds", func(c *Config) {
			c.Budget, c.KeepFree, c.SegmentCount, c.MaxAge = Amount{Bytes: 5_500_000}, Amount{Bytes: 14 * mib}, 9, 90*time.Second
		}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := mountTmpfs(t, "size=24m")
			c := config(t, dir)
			c.SegmentSize, c.Budget = Amount{Bytes: mib}, Amount{Bytes: 23 * mib}
			tt.change(c)
			clock := newClock()
			c.Now = clock.now
			m := realMachine()
			m.boot = clock.boot
			r := newRig(t, c, m)
			born := map[string]time.Time{}
			for i := range 30 {
				for range 10 {
					r.add(100_000)
					r.w.Publish(0)
				}
				clock.pass(time.Minute)
				require.NoError(t, r.w.Rotate(0))
				r.idle()
				r.eventually(func() bool {
					s := r.w.Stats()
					files := setFiles(t, dir)
					return s.Files == int64(i+2) && s.Current == files[len(files)-1] && sizeOf(t, s.Current) > 0 && s.Set == sizeOf(t, files...)
				}, "begun, and the sizes told are those that are")

				files := setFiles(t, dir)
				for _, f := range files {
					if _, ok := born[f]; !ok {
						born[f] = clock.now()
					}
					assert.LessOrEqual(t, sizeOf(t, f), int64(mib))
				}
				bounds, err := c.bounds(24 * mib)
				require.NoError(t, err)
				assert.LessOrEqual(t, sizeOf(t, files...), bounds.budget)
				assert.GreaterOrEqual(t, freeBytes(t, dir), bounds.keepFree)
				if c.SegmentCount > 0 {
					assert.LessOrEqual(t, len(files), c.SegmentCount)
				}
				if c.MaxAge > 0 && len(files) > 1 {
					assert.LessOrEqual(t, clock.now().Sub(born[files[1]]), c.MaxAge)
				}
				assert.Len(t, files, r.w.Stats().SetLen)
			}
			require.NoError(t, r.w.Close())
			files := setFiles(t, dir)
			assert.Len(t, files, tt.files)
			assert.Zero(t, r.w.Stats().Dropped)
			// What is left is the newest, without a hole.
			got := packetsOf(t, files...)
			assert.Equal(t, r.next-1, got[len(got)-1])
			assert.Equal(t, r.next-uint64(len(got)), got[0])
		})
	}
}

// TestKeepFreeWhileOthersWrite lets another file grow: the set gives way.
func TestKeepFreeWhileOthersWrite(t *testing.T) {
	testenv.Root(t)
	const mib = 1 << 20
	dir := mountTmpfs(t, "size=24m")
	c := config(t, dir)
	c.KeepFree, c.Budget = Amount{Bytes: 4 * mib}, Amount{Bytes: 20 * mib}
	r := newRig(t, c, realMachine())
	other, err := os.Create(filepath.Join(dir, "other"))
	require.NoError(t, err)
	defer other.Close()
	for i := range 20 {
		for range 10 {
			r.add(100_000)
			r.w.Publish(0)
		}
		r.idle()
		assert.GreaterOrEqual(t, freeBytes(t, dir), int64(4*mib), "after %d MB", i)
		// Half of what is written, by somebody who has no regard for it.
		require.NoError(t, unix.Fallocate(int(other.Fd()), 0, int64(i)*mib/2, mib/2))
	}
	require.NoError(t, r.w.Close())
	assert.Zero(t, r.w.Stats().Dropped)
	assert.LessOrEqual(t, sizeOf(t, setFiles(t, dir)...), int64(10*mib))
	assert.GreaterOrEqual(t, sizeOf(t, setFiles(t, dir)...), int64(8*mib), "no more is deleted than needed")
}

// TestCredit has deletions that become free late, at once, or never.
func TestCredit(t *testing.T) {
	var c credit
	const s = time.Second
	assert.Zero(t, c.left(0, 1000))
	c.add(0, 1000, 500) // 1500 will be free
	assert.Equal(t, int64(500), c.left(1*s, 1000))
	assert.Equal(t, int64(200), c.left(1*s, 1300), "some of it shows")
	assert.Zero(t, c.left(1*s, 1500), "all of it")
	c.spend(100) // free: 1500-100
	assert.Zero(t, c.left(1*s, 1400), "what was written isn't pending")
	c.add(2*s, 1400, 300) // 1700
	assert.Equal(t, int64(300), c.left(2*s, 1400))
	assert.Equal(t, int64(300), c.left(3*s, 0), "others took it all: no more than was deleted since")
	c.add(3*s, 1400, 200) // 1900
	assert.Equal(t, int64(500), c.left(6*s, 1400))
	assert.Equal(t, int64(200), c.left(7*s, 1400), "the first is forgotten")
	assert.Zero(t, c.left(8*s, 1400), "both are")
	assert.Empty(t, c.deleted)
	// A steady stream of deletions that show at once, as on tmpfs.
	free := int64(1000)
	for i := range 100 {
		now := 10*s + time.Duration(i)*s/10
		c.add(now, free, 400)
		free += 400
		assert.Zero(t, c.left(now, free))
		c.spend(400)
		free -= 400
		assert.Zero(t, c.left(now, free))
	}
}

// TestOpenDeletedFile has somebody read what is deleted: it stays on the disk,
// and no more may go for that in the time of the credit.
func TestOpenDeletedFile(t *testing.T) {
	testenv.Root(t)
	const mib = 1 << 20
	dir := mountTmpfs(t, "size=24m")
	c := config(t, dir)
	c.KeepFree, c.Budget = Amount{Bytes: 12 * mib}, Amount{Bytes: 20 * mib}
	clock := newClock()
	m := realMachine()
	m.boot = clock.boot
	r := newRig(t, c, m)
	for range 100 { // 10 MB: no more than may be
		r.add(100_000)
		r.w.Publish(0)
	}
	r.idle()
	files := setFiles(t, dir)
	reader, err := os.Open(files[0])
	require.NoError(t, err)
	defer reader.Close()
	fill(t, dir, 12*mib+200_000)
	for range 3 {
		r.add(100_000)
		r.w.Publish(0)
		r.idle()
	}
	left := setFiles(t, dir)
	assert.NotContains(t, left, files[0])
	assert.GreaterOrEqual(t, len(left), len(files)-2)
	require.NoError(t, r.w.Close())
}

// TestRestart goes on inside the same budget, and counts on.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	c := config(t, dir)
	c.SegmentCount = 5
	clock := newClock()
	c.Now = clock.now
	var next uint64
	for run := range 4 {
		r := newRig(t, c, realMachine())
		r.next = next
		r.add(1000)
		require.NoError(t, r.w.Rotate(0))
		r.add(1000)
		require.NoError(t, r.w.Close())
		next = r.next
		files := setFiles(t, dir)
		assert.Len(t, files, min(5, 2*(run+1)))
		assert.Equal(t, fmt.Sprintf("docker0-20261123T130005Z-%06d.rec", 2*(run+1)), filepath.Base(files[len(files)-1]))
		assert.Equal(t, int64(2), r.w.Stats().Files)
		assert.Equal(t, len(files), r.w.Stats().SetLen)
	}
	got := packetsOf(t, setFiles(t, dir)...)
	assert.Equal(t, []uint64{3, 4, 5, 6, 7}, got, "those of earlier runs go first")
}

// TestSmallerBudget has a file of an earlier run that is larger than all that
// may be there now.
func TestSmallerBudget(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "docker0-20261122T130005Z-000007.rec")
	require.NoError(t, os.WriteFile(old, make([]byte, 5<<20), 0o600))
	c := config(t, dir)
	c.Budget = Amount{Bytes: 2 << 20}
	r := newRig(t, c, realMachine())
	r.add(1000)
	require.NoError(t, r.w.Close())
	assert.NoFileExists(t, old)
	files := setFiles(t, dir)
	require.Len(t, files, 1)
	assert.Contains(t, files[0], "-000008.rec")
}

// TestCompressedAndOtherFormats counts what earlier runs, and compression, left.
func TestCompressedAndOtherFormats(t *testing.T) {
	dir := t.TempDir()
	counted := []string{
		"docker0-20261122T130005Z-000001.rec", "docker0-20261122T130005Z-000002.rec.zst",
		"docker0-20261122T130005Z-000003.pcapng.gz", "docker0-20261122T130005Z-000004.pcap",
	}
	others := []string{
		"docker0-20261122T130005Z-000001.pcapng.txt", "docker0-20261122T130005Z-000001.json", "docker0-20261122T130005Z-000009.rec.bak",
		"docker00-20261122T130005Z-000001.rec", "docker0-x-20261122T130005Z-000001.rec", "docker0.rec", "notes",
	}
	for _, name := range append(counted, others...) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("precious"), 0o600))
	}
	c := config(t, dir)
	c.SegmentCount = 2
	r := newRig(t, c, realMachine())
	assert.Equal(t, 2, r.w.Stats().SetLen)
	require.NoError(t, r.w.Rotate(0))
	require.NoError(t, r.w.Rotate(0))
	require.NoError(t, r.w.Close())
	for _, name := range counted {
		assert.NoFileExists(t, filepath.Join(dir, name))
	}
	for _, name := range others {
		assert.FileExists(t, filepath.Join(dir, name))
	}
	assert.FileExists(t, filepath.Join(dir, "docker0-"+r.w.seg.start.UTC().Format("20060102T150405Z")+"-000007.rec"))
}

func TestNoDelete(t *testing.T) {
	t.Run("budget", func(t *testing.T) {
		c := config(t, t.TempDir())
		c.NoDelete, c.Budget = true, Amount{Bytes: 2 << 20}
		r := newRig(t, c, realMachine())
		for range 30 {
			r.add(100_000)
		}
		r.w.Publish(0)
		r.eventually(func() bool { _, err := r.w.Ready(); return err != nil }, "full")
		_, err := r.w.Ready()
		assert.ErrorIs(t, err, ErrFull)
		assert.ErrorIs(t, r.w.Close(), ErrFull)
		files := setFiles(t, c.Dir)
		r.sums(files...)
		assert.LessOrEqual(t, sizeOf(t, files...), int64(2<<20))
		assert.Equal(t, uint64(0), packetsOf(t, files...)[0], "nothing deleted")
		_, err = Open(c) // what is there fills it
		assert.ErrorIs(t, err, ErrFull)
	})
	t.Run("count", func(t *testing.T) {
		c := config(t, t.TempDir())
		c.NoDelete, c.SegmentCount = true, 2
		r := newRig(t, c, realMachine())
		for range 3 {
			r.add(1000)
			require.NoError(t, r.w.Rotate(0))
		}
		r.eventually(func() bool { _, err := r.w.Ready(); return err != nil }, "full")
		assert.ErrorIs(t, r.w.Close(), ErrFull)
		assert.Len(t, setFiles(t, c.Dir), 2)
		r.sums(setFiles(t, c.Dir)...)
	})
	t.Run("disk", func(t *testing.T) {
		testenv.Root(t)
		c := config(t, mountTmpfs(t, "size=4m"))
		c.NoDelete, c.KeepFree = true, Amount{Bytes: 600_000} // room for 3.6 MB
		r := newRig(t, c, realMachine())
		for range 40 {
			r.add(100_000)
			r.idle()
		}
		r.eventually(func() bool { _, err := r.w.Ready(); return err != nil }, "full")
		assert.ErrorIs(t, r.w.Close(), ErrFull)
		files := setFiles(t, c.Dir)
		r.sums(files...)
		assert.GreaterOrEqual(t, freeBytes(t, c.Dir), int64(600_000))
		assert.Equal(t, "HPC", kinds(t, files[len(files)-1]))
	})
}

// TestTime begins files on the multiples of the duration, by the clock of the
// packets and by that of the machine.
func TestTime(t *testing.T) {
	c := config(t, t.TempDir())
	c.SegmentDuration = 7 * time.Hour // whose multiples since the epoch are not those since year 1
	clock := newClock()               // Monday, 23 November 2026, 13:00:05 UTC: 1,795,438,805 s
	c.Now = clock.now
	m := realMachine()
	m.boot = clock.boot
	r := newRig(t, c, m)
	// 1,795,438,805 s are 71,247 times 25,200 s and 14,405 s more; the next
	// multiple comes after 10,795 s.
	const next = 10_795 * time.Second
	assert.Equal(t, next, r.w.Due())
	ns := clock.now().UnixNano()
	assert.True(t, r.w.Fits(100, ns+int64(next)-1))
	assert.False(t, r.w.Fits(100, ns+int64(next)))

	clock.pass(next - 1)
	assert.Equal(t, time.Duration(1), r.w.Due())
	clock.pass(10 * time.Second) // late
	assert.Zero(t, r.w.Due())
	require.NoError(t, r.w.Rotate(0))
	assert.Equal(t, 7*time.Hour-10*time.Second+1, r.w.Due())

	// The clock is set a day back: time goes on as before.
	clock.step(-24*time.Hour, 0)
	assert.Equal(t, 7*time.Hour-10*time.Second+1, r.w.Due())
	assert.True(t, r.w.Fits(100, clock.now().UnixNano()))
	// Packets are still ahead, by more than a file's time: one file for them.
	ahead := clock.now().Add(24 * time.Hour).UnixNano()
	rotations := 0
	for i := range 100 {
		if ns := ahead + int64(i)*int64(6*time.Hour)/100 + int64(7*time.Hour); !r.w.Fits(100, ns) {
			rotations++
			require.NoError(t, r.w.Rotate(ns))
		}
	}
	assert.LessOrEqual(t, rotations, 2)
	// And a day ahead: one more.
	clock.step(48*time.Hour, 0)
	rotations = 0
	for i := range 100 {
		if ns := clock.now().UnixNano() + int64(i); !r.w.Fits(100, ns) {
			rotations++
			require.NoError(t, r.w.Rotate(ns))
		}
	}
	assert.Equal(t, 1, rotations)
	// Suspend for a day, by both clocks: due.
	clock.pass(24 * time.Hour)
	assert.Zero(t, r.w.Due())
	require.NoError(t, r.w.Close())
}

// TestAgeAndClockSteps deletes nothing because the wall clock was set.
func TestAgeAndClockSteps(t *testing.T) {
	c := config(t, t.TempDir())
	c.MaxAge = time.Hour
	clock := newClock()
	c.Now = clock.now
	m := realMachine()
	m.boot = clock.boot
	r := newRig(t, c, m)
	for i, step := range []time.Duration{24 * time.Hour, -48 * time.Hour, 24 * 365 * time.Hour, 0} {
		clock.step(step, 10*time.Minute)
		require.NoError(t, r.w.Rotate(0))
		// Files counts one when the set knows it, and with it the time.
		r.eventually(func() bool { return r.w.Stats().Files == int64(i+2) }, "another file")
		require.Len(t, setFiles(t, c.Dir), i+2)
	}
	// The numbers tell the order, whatever the names' times are.
	files := setFiles(t, c.Dir)
	clock.step(0, 50*time.Minute) // the successors of the first two are 80 and 70 minutes old
	require.NoError(t, r.w.Rotate(0))
	r.eventually(func() bool { return r.w.Stats().Files == 6 }, "another file")
	require.Len(t, setFiles(t, c.Dir), 4, "two went, one came")
	assert.Equal(t, files[2:], setFiles(t, c.Dir)[:3])
	require.NoError(t, r.w.Close())
}

// TestForeignFiles puts what isn't ours where ours is, or will be.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	outside := t.TempDir()
	victim := filepath.Join(outside, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("victim"), 0o600))
	clock := newClock()
	name := func(n int) string { return filepath.Join(dir, fmt.Sprintf("docker0-20261123T130005Z-%06d.rec", n)) }

	foreign := map[string]func(path string) error{
		"symlink out":  func(path string) error { return os.Symlink(victim, path) },
		"symlink in":   func(path string) error { return os.Symlink("plain", path) },
		"dangling":     func(path string) error { return os.Symlink("nowhere", path) },
		"fifo":         func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory":    func(path string) error { return os.Mkdir(path, 0o700) },
		"hard link":    func(path string) error { return os.Link(filepath.Join(dir, "plain"), path) },
		"hard link II": func(path string) error { return os.Link(victim, path) },
	}
	if os.Geteuid() == 0 {
		foreign["other's"] = func(path string) error {
			if err := os.WriteFile(path, []byte("other's"), 0o600); err != nil {
				return err
			}
			return os.Chown(path, 65534, 65534)
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain"), []byte("plain"), 0o600))
	n := 0
	for what, create := range foreign {
		n++
		require.NoError(t, create(name(n)), what)
	}
	// One file of the right name and more, all of them older than any of ours.
	for _, odd := range []string{
		"docker0-20261123T130005Z-000001.rec\n", "docker0\n-20261123T130005Z-000001.rec", "docker0-20261123T130005Z-00001.rec",
		"docker0-20261123T130005Z-000001.rec.txt", "." + "docker0-20261123T130005Z-000001.rec", strings.Repeat("d", 255),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, odd), []byte("odd"), 0o600))
	}
	// The highest number there is, in a name of somebody else's.
	high := filepath.Join(dir, fmt.Sprintf("docker0-20261123T130005Z-%d.rec", uint64(math.MaxUint64)))
	require.NoError(t, unix.Mkfifo(high, 0o600))

	before := listing(t, dir)
	c := config(t, dir)
	c.SegmentCount, c.Now = 2, clock.now
	r := newRig(t, c, realMachine())
	assert.Equal(t, 1, r.w.Stats().SetLen, "none of them counts")
	assert.Equal(t, name(n+1), r.w.Stats().Current, "all taken names are passed over")
	for range 4 {
		r.add(1000)
		require.NoError(t, r.w.Rotate(0))
	}
	r.add(1000)
	require.NoError(t, r.w.Close())
	after := listing(t, dir)
	assert.Equal(t, 2, len(after)-len(before)-1, "two files and the lock came")
	for file, was := range before {
		assert.Equal(t, was, after[file], "%q", file)
	}
	p, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "victim", string(p))
}

// listing tells of each name what it is, whose, how large, and when changed.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	list := map[string]string{}
	for _, e := range entries {
		var st unix.Stat_t
		require.NoError(t, unix.Lstat(filepath.Join(dir, e.Name()), &st))
		list[e.Name()] = fmt.Sprint(st.Ino, st.Mode, st.Uid, st.Nlink, st.Size, st.Mtim, st.Ctim)
	}
	return list
}

// TestDirectoryReplaced has the directory's path lead elsewhere: what is done
// stays in the directory that was opened.
func TestDirectoryReplaced(t *testing.T) {
	parent, elsewhere := t.TempDir(), t.TempDir()
	dir := filepath.Join(parent, "dir")
	require.NoError(t, os.Mkdir(dir, 0o700))
	c := config(t, dir)
	c.SegmentCount = 2
	precious := filepath.Join(elsewhere, "docker0-20261122T130005Z-000001.rec")
	require.NoError(t, os.WriteFile(precious, []byte("precious"), 0o600))
	r := newRig(t, c, realMachine())
	require.NoError(t, os.Rename(dir, dir+".moved"))
	require.NoError(t, os.Symlink(elsewhere, dir))
	for range 5 {
		r.add(1000)
		require.NoError(t, r.w.Rotate(0))
	}
	require.NoError(t, r.w.Close())
	assert.Len(t, setFiles(t, dir+".moved"), 2)
	assert.Equal(t, []string{precious}, setFiles(t, elsewhere))
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	c := config(t, dir)
	r := newRig(t, c, realMachine())
	_, err := Open(c)
	assert.ErrorIs(t, err, ErrLocked)
	other := *c
	other.Name = "eth0"
	w, err := Open(&other)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Len(t, setFiles(t, dir), 1, "the one that was locked out made nothing")
	require.NoError(t, r.w.Close())
	w, err = Open(c)
	require.NoError(t, err, "free again")
	require.NoError(t, w.Close())
	assert.FileExists(t, filepath.Join(dir, ".docker0.lock"))
}

func TestLockIsNoLockFile(t *testing.T) {
	for what, create := range map[string]func(path string) error{
		"symlink":   func(path string) error { return os.Symlink("elsewhere", path) },
		"fifo":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		noLeaks(t)
		dir := t.TempDir()
		lock := filepath.Join(dir, ".docker0.lock")
		require.NoError(t, create(lock), what)
		before := listing(t, dir)
		_, err := Open(config(t, dir))
		assert.ErrorContains(t, err, "not a lock file", what)
		assert.Equal(t, before, listing(t, dir), what)
	}
}

// TestLockRace lets many open one set at once, again and again. Where some of
// them fail after they made the lock file, and remove it, there are still never
// two.
func TestLockRace(t *testing.T) {
	for _, failing := range []bool{false, true} {
		noLeaks(t)
		dir := t.TempDir()
		for range 20 {
			c := config(t, dir)
			c.Log = nil
			full := *c
			full.KeepFree = Amount{Percent: 100}
			var mu sync.Mutex
			var open []*Writer
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					if failing && i%2 == 1 {
						_, err := Open(&full)
						assert.Error(t, err)
						return
					}
					w, err := Open(c)
					if err != nil {
						assert.ErrorIs(t, err, ErrLocked)
						return
					}
					mu.Lock()
					open = append(open, w)
					mu.Unlock()
				})
			}
			wg.Wait()
			if !failing {
				assert.Len(t, open, 1)
			}
			assert.LessOrEqual(t, len(open), 1)
			for _, w := range open {
				_, err := Open(c)
				assert.ErrorIs(t, err, ErrLocked)
				assert.NoError(t, w.Close())
			}
			if failing {
				require.NoError(t, os.RemoveAll(filepath.Join(dir, ".docker0.lock")))
			}
		}
	}
}

// TestLockRemoved has the lock file removed by whoever holds it: even then only
// one holds it at a time.
func TestLockRemoved(t *testing.T) {
	noLeaks(t)
	dir, err := openDirectory(t.TempDir(), false, 0o700)
	require.NoError(t, err)
	var holders, taken atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				m := realMachine()
				s := &set{dir: dir, name: "docker0", lstat: m.lstat, newFile: m.create}
				if err := s.takeLock(); err != nil {
					assert.ErrorIs(t, err, ErrLocked)
					continue
				}
				taken.Add(1)
				assert.Equal(t, int32(1), holders.Add(1))
				s.made = true // by the one before perhaps
				runtime.Gosched()
				holders.Add(-1)
				assert.NoError(t, s.undo())
				assert.NoError(t, s.close())
			}
		})
	}
	wg.Wait()
	assert.Positive(t, taken.Load())
	require.NoError(t, dir.close())
}

// TestDeleted tells of each file that the set deletes, once it is gone: its time, its packets if
// it is of this run, and by which bound. What others took away isn't told of.
func TestDeleted(t *testing.T) {
	testenv.Root(t)
	const mib = 1 << 20
	for _, tt := range []struct {
		why    Bound
		change func(*Config)
	}{
		{ByBudget, func(c *Config) { c.Budget = Amount{Bytes: 3_500_000} }},
		{ByCount, func(c *Config) { c.SegmentCount = 3 }},
		{ByKeepFree, func(c *Config) { c.KeepFree = Amount{Bytes: 20 * mib} }},
		{ByAge, func(c *Config) { c.MaxAge = 150 * time.Second }},
	} {
		t.Run(string(tt.why), func(t *testing.T) {
			dir := mountTmpfs(t, "size=24m")
			earlier := filepath.Join(dir, "docker0-20261123T120005Z-000001.rec")
			require.NoError(t, os.WriteFile(earlier, make([]byte, mib), 0o600))
			c := config(t, dir)
			c.SegmentSize, c.Budget = Amount{Bytes: mib}, Amount{Bytes: 23 * mib}
			tt.change(c)
			clock := newClock()
			c.Now = clock.now
			var mu sync.Mutex
			finished, deleted := map[string]FileInfo{}, map[string]FileInfo{}
			c.Finished = func(f FileInfo) {
				mu.Lock()
				defer mu.Unlock()
				finished[f.Path] = f
			}
			c.Deleted = func(f FileInfo, why Bound) {
				mu.Lock()
				defer mu.Unlock()
				assert.Equal(t, tt.why, why)
				assert.NoFileExists(t, f.Path)
				assert.NotContains(t, deleted, f.Path)
				deleted[f.Path] = f
			}
			m := realMachine()
			m.boot = clock.boot
			r := newRig(t, c, m)
			var all []string
			for n := range 12 {
				for range 10 {
					r.add(100_000)
					r.w.Publish(0)
				}
				r.idle()
				all = append(all, r.w.Stats().Current)
				if n == 6 { // somebody tidies up
					files := setFiles(t, dir)
					require.NoError(t, os.Remove(files[len(files)-2]))
					all = slices.DeleteFunc(all, func(f string) bool { return f == files[len(files)-2] })
				}
				clock.pass(time.Minute)
				require.NoError(t, r.w.Rotate(0))
				r.idle()
			}
			require.NoError(t, r.w.Close())
			left := setFiles(t, dir)
			for _, f := range all {
				assert.NotEqual(t, slices.Contains(left, f), deleted[f].Path == f, f)
			}
			require.Contains(t, deleted, earlier)
			assert.EqualValues(t, -1, deleted[earlier].Packets)
			assert.EqualValues(t, mib, deleted[earlier].Bytes)
			delete(deleted, earlier)
			require.NotEmpty(t, deleted)
			for path, f := range deleted {
				assert.Equal(t, finished[path], f, "as it was when it was finished")
				assert.EqualValues(t, 10, f.Packets)
				assert.Equal(t, time.Minute, f.End.Sub(f.Start))
			}
		})
	}
}

// TestRemovedWhileWritten begins another file once the one being written has no name any more.
func TestRemovedWhileWritten(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, config(t, dir), realMachine())
	r.add(1000)
	r.w.Publish(0)
	r.idle()
	removed := r.w.Stats().Current
	require.NoError(t, os.Remove(removed))
	r.w.back.house.Reset(0)
	r.eventually(func() bool {
		_, err := r.w.Ready()
		require.NoError(t, err)
		return r.w.Stats().Current != removed
	}, "another file is begun")
	r.add(1000)
	require.NoError(t, r.w.Close())
	files := setFiles(t, dir)
	require.Len(t, files, 1)
	assert.Equal(t, []uint64{1}, packetsOf(t, files...))
}
