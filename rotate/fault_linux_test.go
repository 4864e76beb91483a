package rotate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// TestCut ends the disk after each number of bytes: the file ends in a whole
// record and, where there is room for one, in a trailer, and the sums are right.
func TestCut(t *testing.T) {
	noLeaksInAll(t)
	// A file of a header and packets of 200 bytes, published one by one or all
	// at once, and one of which the end of the first buffer is near.
	type layout struct {
		name    string
		big     int // bytes of packets before those of 200
		from    int
		to      int
		publish bool
	}
	for _, l := range []layout{
		{"start, at once", 0, headerSize, headerSize + 700, false},
		{"start, one by one", 0, headerSize, headerSize + 700, true},
		{"seam, at once", bufferSize - 900, bufferSize - 500, bufferSize + 500, false},
		{"seam, one by one", bufferSize - 900, bufferSize - 500, bufferSize + 500, true},
		// The record before ends where the buffer does: it isn't the next one's
		// to give up.
		{"seam, exactly", bufferSize, bufferSize, bufferSize + 37, true},
	} {
		for _, err := range []error{unix.ENOSPC, unix.EIO} {
			t.Run(fmt.Sprint(l.name, ", ", err), func(t *testing.T) {
				t.Parallel()
				step := 1
				switch {
				case l.big > 0:
					step = 37
				case testing.Short():
					step = 7
				}
				for room := l.from; room <= l.to; room += step {
					cutAt(t, l.big, room, l.publish, err)
				}
			})
		}
	}
}

func cutAt(t *testing.T, big, room int, publish bool, failure error) {
	f := newFaults()
	f.room, f.err = int64(room), failure
	c := single(t, t.TempDir())
	c.Log = nil
	c.Flush = -1
	r := newRig(t, c, f.machine())
	for left := big - headerSize; left > 0; left -= min(left, MaxRecord) {
		r.add(min(left, MaxRecord))
	}
	for range 8 {
		r.add(200)
		if publish {
			r.idle()
		}
	}
	r.w.Publish(0)
	r.eventually(func() bool { return r.w.seg.dead.Load() || r.w.Stats().Written == int64(r.next) }, "done or dead")
	dead := r.w.seg.dead.Load()
	closing := r.w.Close()
	path := filepath.Join(c.Dir, c.File)
	r.sums(path)
	size, written := sizeOf(t, path), r.w.Stats().Written
	assert.LessOrEqual(t, size, int64(room))
	if !dead {
		// Close may be what fails: only the trailer was missing then.
		assert.Equal(t, int64(r.next), written+r.w.Stats().Dropped)
	}
	if failure == unix.EIO {
		assert.ErrorIs(t, closing, unix.EIO)
		assert.Equal(t, int64(1), r.w.Stats().Suspect)
	} else {
		assert.NoError(t, closing)
		assert.Zero(t, r.w.Stats().Suspect)
	}
	got := contents(t, path)
	last := got[len(got)-1]
	// A trailer is missing only where less than it was written behind the
	// header, or behind the last record that was in an earlier write.
	if written > 1 && !publish || written > 0 && big == 0 {
		assert.Equal(t, byte(kindCut), last.kind, "room %d: %v", room, got)
	}
	assert.Equal(t, byte(kindHeader), got[0].kind)
	// No more than what the trailer takes, and a broken record, is given up.
	assert.GreaterOrEqual(t, size+200+200, int64(min(room, big+headerSize+8*200)), "room %d", room)
}

// TestDiskFull fills a disk under a set and under one file. The file ends in
// whole records and a trailer; once there is room it goes on, in the next file
// or in the same; and every packet is accounted for.
func TestDiskFull(t *testing.T) {
	testenv.Root(t)
	noLeaksInAll(t)
	for _, disk := range []struct {
		name  string
		mount func(t *testing.T) string
	}{
		{"tmpfs", func(t *testing.T) string { return mountTmpfs(t, "size=6m") }},
		{"ext4", mountExt4},
	} {
		for _, set := range []bool{true, false} {
			for _, keep := range []int64{1, 1 << 20} {
				t.Run(fmt.Sprintf("%s, set %v, keep %d", disk.name, set, keep), func(t *testing.T) {
					t.Parallel() // it waits, mostly
					dir := disk.mount(t)
					c := config(t, dir)
					if !set {
						c = single(t, dir)
					}
					c.KeepFree = Amount{Bytes: keep}
					r := newRig(t, c, realMachine())
					r.batch(10, 10_000)
					r.idle()
					filler := fill(t, dir, keep+100_000)
					for !r.w.Stats().Paused {
						r.batch(1, 10_000)
						time.Sleep(time.Millisecond)
					}
					r.stopped()
					// Others take what is left, and more than may be.
					fill(t, dir, 0)
					files := []string{filepath.Join(dir, "out.rec")}
					if set {
						files = setFiles(t, dir)
						require.Len(t, files, 1)
					}
					assert.Equal(t, "HPC", kinds(t, files[0]))
					r.batch(5, 10_000)
					assert.Positive(t, r.discarded)
					time.Sleep(1500 * time.Millisecond) // it tries once, and can't
					r.batch(5, 10_000)
					require.True(t, r.w.Stats().Paused)

					require.NoError(t, os.Remove(filler))
					r.eventually(func() bool { ok, err := r.w.Ready(); return ok && err == nil }, "goes on")
					r.batch(10, 10_000)
					r.idle()
					require.NoError(t, r.w.Close())
					s := r.w.Stats()
					if set {
						files = setFiles(t, dir)
						require.Len(t, files, 2)
						assert.Equal(t, "HPC", kinds(t, files[0]))
						assert.Equal(t, "HPT", kinds(t, files[1]))
					} else {
						assert.Equal(t, "HPChPT", kinds(t, files[0]))
					}
					r.sums(files...)
					assert.Equal(t, s.Bytes, sizeOf(t, files...))
					assert.GreaterOrEqual(t, s.Dropped, r.discarded)
					assert.Equal(t, r.next-1, last(packetsOf(t, files...)))
					assert.Zero(t, s.Suspect)
				})
			}
		}
	}
}

func last[T any](s []T) T { return s[len(s)-1] }

// TestDiskFullSetGivesWay deletes its own oldest files and drops nothing.
func TestDiskFullSetGivesWay(t *testing.T) {
	testenv.Root(t)
	for name, dir := range map[string]string{"tmpfs": mountTmpfs(t, "size=8m"), "ext4": mountExt4(t)} {
		t.Run(name, func(t *testing.T) {
			c := config(t, dir)
			r := newRig(t, c, realMachine())
			for range 300 { // 30 MB
				r.batch(1, 100_000)
				r.idle()
			}
			require.NoError(t, r.w.Close())
			assert.Zero(t, r.w.Stats().Dropped)
			got := packetsOf(t, setFiles(t, dir)...)
			assert.GreaterOrEqual(t, len(got), 40, "most of the disk is used")
			assert.Equal(t, uint64(299), last(got))
			assert.Equal(t, uint64(300-len(got)), got[0], "without a hole")
		})
	}
}

// mountExt4 mounts a file system of 16 MiB in a file until the test ends.
func mountExt4(t *testing.T) string {
	t.Helper()
	return mountImage(t, filepath.Join(t.TempDir(), "image"), 16<<20)
}

// mountImage makes an ext4 in a sparse file and mounts it until the test ends.
func mountImage(t *testing.T, image string, size int64, options ...string) string {
	t.Helper()
	mkfs, mount := testenv.Program(t, "mkfs.ext4"), testenv.Program(t, "mount")
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("not run: needs loop devices")
	}
	f, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
	run := func(name string, args ...string) {
		t.Helper()
		output, err := exec.Command(name, args...).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	run(mkfs, append(options, "-q", "-F", "-m", "0", "-b", "4096", "-E", "nodiscard", image)...)
	dir := t.TempDir()
	run(mount, "-o", "loop", image, dir) // the loop device goes with the mount
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, 0)) })
	return dir
}

// TestDiskLies has a disk that says it has 200 MB and takes less than 24: no
// fake, the kernel's own errors. The capture lives, and says so at the end.
func TestDiskLies(t *testing.T) {
	testenv.Root(t)
	for _, set := range []bool{true, false} {
		under := mountTmpfs(t, "size=24m")
		dir := mountImage(t, filepath.Join(under, "image"), 200<<20)
		c := config(t, dir)
		if !set {
			c = single(t, dir)
		}
		r := newRig(t, c, realMachine())
		for i := 0; i < 400; i++ {
			r.batch(1, 100_000)
			time.Sleep(2 * time.Millisecond)
		}
		require.Error(t, r.w.Close())
		s := r.w.Stats()
		assert.Positive(t, s.Suspect)
		assert.Equal(t, int64(r.next), s.Written+s.Dropped)
	}
}

// TestNamesUsedUp has no room for another file's name: nothing is deleted for that, and the file
// that is written takes more until there is one again.
func TestNamesUsedUp(t *testing.T) {
	testenv.Root(t)
	for name, disk := range map[string]string{
		"tmpfs": mountTmpfs(t, "size=16m,nr_inodes=7"),                                  // the root, the lock, and five
		"ext4":  mountImage(t, filepath.Join(t.TempDir(), "image"), 16<<20, "-N", "16"), // ten are the file system's, and lost+found's
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, disk)
			other := filepath.Join(disk, "other")
			err := os.WriteFile(other, []byte("other"), 0o600)
			require.NoError(t, err)
			r := newRig(t, c, realMachine())
			for range 10 {
				r.batch(2, 1000)
				require.NoError(t, r.w.Rotate(0))
				r.idle()
			}
			before := setFiles(t, disk)
			assert.GreaterOrEqual(t, len(before), 2)
			assert.Less(t, len(before), 10)
			assert.Zero(t, r.w.Stats().Dropped)
			assert.Len(t, packetsOf(t, before...), 20, "nothing is deleted")

			// Others take all names but that of the file that is written.
			written := last(before)
			kept := len(packetsOf(t, written))
			for _, f := range before[:len(before)-1] {
				require.NoError(t, os.Remove(f))
			}
			taken := 0
			for ; err == nil; taken++ {
				err = os.WriteFile(fmt.Sprintf("%s-%d", other, taken), nil, 0o600)
			}
			require.ErrorIs(t, err, unix.ENOSPC)
			require.Positive(t, taken)
			for range 3 {
				r.batch(5, 1000)
				require.NoError(t, r.w.Rotate(0))
				r.batch(5, 1000)
				r.idle()
			}
			assert.Equal(t, written, r.w.Stats().Current)
			assert.Zero(t, r.w.Stats().Dropped)
			require.NoError(t, os.Remove(other+"-0"))
			r.changes(written)
			r.batch(5, 1000)
			r.idle()
			require.NoError(t, r.w.Close())
			assert.Zero(t, r.w.Stats().Dropped)
			p, err := os.ReadFile(other)
			require.NoError(t, err)
			assert.Equal(t, "other", string(p))
			files := setFiles(t, disk)
			require.Len(t, files, 2)
			assert.Regexp(t, "^H(PT)+$", kinds(t, files[0]))
			assert.Equal(t, "HPT", kinds(t, files[1]))
			assert.Len(t, packetsOf(t, files...), kept+35)
		})
	}
}

// TestDescriptorsUsedUp runs itself in a process that may open no more files: what was
// open goes on, the next file comes once it may, and no descriptor is lost.
func TestDescriptorsUsedUp(t *testing.T) {
	const env = "NETCAP_ROTATE_NOFILE"
	dir := os.Getenv(env)
	if dir == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDescriptorsUsedUp$", "-test.v")
		cmd.Env = append(os.Environ(), env+"="+t.TempDir())
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", output)
		require.Contains(t, string(output), "--- PASS")
		return
	}
	r := newRig(t, config(t, dir), realMachine())
	r.batch(10, 1000)
	r.idle()
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	// Not the syscall package's, which has the limit of children in mind.
	require.NoError(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}, nil))
	r.batch(10, 1000)
	r.idle()
	assert.Zero(t, r.w.Stats().Dropped, "the file that is open takes more")
	written := r.w.Stats().Current
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); { // it tries again, and can't
		require.NoError(t, r.w.Rotate(0))
		r.batch(1, 1000)
		r.idle()
	}
	require.NoError(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &was, nil))
	assert.Equal(t, written, r.w.Stats().Current)
	r.changes(written)
	r.batch(10, 1000)
	r.idle()
	require.NoError(t, r.w.Close(), "the disk didn't fail")
	files := setFiles(t, dir)
	require.Len(t, files, 2)
	r.sums(files...)
	assert.Zero(t, r.w.Stats().Dropped)
	assert.Regexp(t, "^H(PT)+$", kinds(t, files[0]))
	assert.Equal(t, "HPT", kinds(t, files[1]))
}

// TestReadOnly remounts the file system read-only and back.
func TestReadOnly(t *testing.T) {
	testenv.Root(t)
	for _, set := range []bool{true, false} {
		dir := mountExt4(t)
		c := config(t, dir)
		if !set {
			c = single(t, dir)
		}
		f := newFaults()
		r := newRig(t, c, f.machine())
		r.batch(10, 10_000)
		r.idle()
		// The kernel refuses a remount while a file is open for writing, unless
		// it is an emergency: so do the writes here.
		f.set(func(f *faults) { f.room, f.err = 0, unix.EROFS })
		for !r.w.Stats().Paused {
			r.batch(1, 10_000)
			time.Sleep(time.Millisecond)
		}
		r.stopped()
		r.batch(1, 10_000)
		f.set(func(f *faults) { f.room = -1 })
		r.goesOn()
		r.batch(10, 10_000)
		r.idle()
		assert.ErrorIs(t, r.w.Close(), unix.EROFS, "told at the end")
		assert.Equal(t, int64(1), r.w.Stats().Suspect)
		files := []string{filepath.Join(dir, "out.rec")}
		if set {
			files = setFiles(t, dir)
			assert.Len(t, files, 2)
		}
		r.sums(files...)
		assert.Equal(t, r.next-1, last(packetsOf(t, files...)))
	}
}

// TestWriteFails has the disk fail once: another file is begun, nothing else.
func TestWriteFails(t *testing.T) {
	f := newFaults()
	c := config(t, t.TempDir())
	r := newRig(t, c, f.machine())
	r.batch(10, 1000)
	r.idle()
	f.set(func(f *faults) { f.room, f.err = 1500, unix.EIO })
	r.batch(10, 1000)
	r.stopped()
	assert.Equal(t, int64(1), r.w.Stats().Suspect)
	f.set(func(f *faults) { f.room = -1 })
	r.eventually(func() bool { ok, err := r.w.Ready(); return ok && err == nil }, "goes on")
	assert.False(t, r.w.Stats().Paused)
	r.batch(10, 1000)
	r.idle()
	assert.ErrorIs(t, r.w.Close(), unix.EIO)
	files := setFiles(t, c.Dir)
	require.Len(t, files, 2)
	assert.Equal(t, "HPC", kinds(t, files[0]))
	assert.Equal(t, "HPT", kinds(t, files[1]))
	r.sums(files...)
	assert.Equal(t, int64(1), r.w.Stats().Suspect)
}

// TestWritesGoOnFailing leaves no heap of empty files.
func TestWritesGoOnFailing(t *testing.T) {
	for _, failure := range []error{unix.EIO, unix.EFBIG} {
		f := newFaults()
		c := config(t, t.TempDir())
		r := newRig(t, c, f.machine())
		r.batch(10, 1000)
		r.idle()
		f.set(func(f *faults) { f.room, f.err = 10, failure })
		for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); {
			r.batch(1, 1000)
			time.Sleep(time.Millisecond)
		}
		assert.Len(t, setFiles(t, c.Dir), 1)
		assert.LessOrEqual(t, r.w.Stats().Files, int64(5), "a try a second")
		f.set(func(f *faults) { f.room = -1 })
		r.goesOn()
		r.batch(10, 1000)
		r.idle()
		err := r.w.Close()
		if failure == unix.EIO {
			assert.ErrorIs(t, err, unix.EIO)
		} else {
			assert.NoError(t, err)
		}
		files := setFiles(t, c.Dir)
		assert.Len(t, files, 2)
		r.sums(files...)
	}
}

// TestSyncFails has one sync fail: the file is suspect once, never synced
// again, and the next one begun.
func TestSyncFails(t *testing.T) {
	for _, set := range []bool{true, false} {
		f := newFaults()
		c := config(t, t.TempDir())
		if !set {
			c = single(t, c.Dir)
		}
		f.sync = unix.EIO
		r := newRig(t, c, f.machine())
		first := filepath.Base(r.w.Stats().Current)
		r.batch(1, 1000)
		r.eventually(func() bool { return r.w.Stats().Suspect == 1 }, "suspect")
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
			r.batch(1, 1000)
			time.Sleep(time.Millisecond)
		}
		assert.ErrorIs(t, r.w.Close(), unix.EIO)
		assert.Equal(t, int64(1), r.w.Stats().Suspect)
		assert.Equal(t, 1, f.syncs[first], "never tried again")
		assert.Zero(t, r.w.Stats().Dropped)
		files := []string{filepath.Join(c.Dir, c.File)}
		if set {
			files = setFiles(t, c.Dir)
			require.Len(t, files, 2)
			assert.Positive(t, f.syncs[filepath.Base(files[1])])
		}
		r.sums(files...)
	}
}

// TestSyncAfterRotation must not sync a file that is closed.
func TestSyncAfterRotation(t *testing.T) {
	c := config(t, t.TempDir())
	r := newRig(t, c, realMachine())
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		r.batch(1, 1000)
		require.NoError(t, r.w.Rotate(0))
	}
	require.NoError(t, r.w.Close())
	assert.Zero(t, r.w.Stats().Suspect)
	r.sums(setFiles(t, c.Dir)...)
}

// TestSyncInTime is what a power cut may cost: data is synced at latest so
// long after it was published.
func TestSyncInTime(t *testing.T) {
	f := newFaults()
	c := single(t, t.TempDir())
	c.Flush, c.Sync = 100*time.Millisecond, 300*time.Millisecond
	r := newRig(t, c, f.machine())
	r.batch(1, 1000)
	r.eventually(func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.syncs[c.File] > 0
	}, "synced with no more packets, and no rotation")
	require.NoError(t, r.w.Close())
}

func TestUndeletable(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	old := filepath.Join(dir, "docker0-20261122T130005Z-000001.rec")
	require.NoError(t, os.WriteFile(old, make([]byte, 1<<20), 0o600))
	c := config(t, dir)
	c.Budget = Amount{Bytes: 3 << 20}
	r := newRig(t, c, realMachine())
	t.Cleanup(func() { immutable(t, old, false) })
	if !immutable(t, old, true) {
		t.Skip("not run: needs a file system with immutable files")
	}
	for i := 0; !r.w.Stats().Paused; i++ {
		require.Less(t, i, 10_000)
		r.batch(1, 100_000)
		r.idle()
	}
	r.stopped()
	r.batch(1, 100_000)
	assert.Zero(t, r.w.Stats().Suspect, "nothing is wrong with the file that is written")
	assert.LessOrEqual(t, sizeOf(t, setFiles(t, dir)...), int64(3<<20))
	immutable(t, old, false)
	r.eventually(func() bool { ok, err := r.w.Ready(); return ok && err == nil }, "goes on")
	r.batch(1, 100_000)
	r.idle()
	require.NoError(t, r.w.Close())
	assert.NoFileExists(t, old)
}

func immutable(t *testing.T, path string, on bool) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return false
	}
	flags &^= unix.STATX_ATTR_IMMUTABLE // the same bit as FS_IMMUTABLE_FL
	if on {
		flags |= unix.STATX_ATTR_IMMUTABLE
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags) == nil
}

// TestCloseWhilePaused ends what has stopped.
func TestCloseWhilePaused(t *testing.T) {
	for _, set := range []bool{true, false} {
		f := newFaults()
		c := config(t, t.TempDir())
		if !set {
			c = single(t, c.Dir)
		}
		r := newRig(t, c, f.machine())
		r.batch(3, 1000)
		r.idle()
		f.set(func(f *faults) { f.room, f.err = 0, unix.ENOSPC })
		for !r.w.Stats().Paused {
			r.batch(1, 1000)
			time.Sleep(time.Millisecond)
		}
		r.stopped()
		r.batch(3, 1000)
		require.NoError(t, r.w.Close())
		files := []string{filepath.Join(c.Dir, c.File)}
		if set {
			files = setFiles(t, c.Dir)
		}
		r.sums(files...)
		assert.Equal(t, r.w.Stats().Bytes, sizeOf(t, files...))
	}
}

// TestFileSizeLimit runs itself in a process that may write files of 300 kB.
func TestFileSizeLimit(t *testing.T) {
	const env = "NETCAP_ROTATE_FSIZE"
	dir := os.Getenv(env)
	if dir == "" {
		for _, test := range []string{"set", "single"} {
			dir := filepath.Join(t.TempDir(), test)
			require.NoError(t, os.Mkdir(dir, 0o700))
			cmd := exec.Command(os.Args[0], "-test.run=^TestFileSizeLimit$", "-test.v")
			cmd.Env = append(os.Environ(), env+"="+dir)
			output, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", output)
			require.Contains(t, string(output), "--- PASS")
		}
		return
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 300_000, Max: 300_000}))
	if filepath.Base(dir) == "single" {
		c := single(t, dir)
		r := newRig(t, c, realMachine())
		for range 100 {
			r.add(10_000)
			r.idle()
		}
		_, err := r.w.Ready()
		assert.ErrorIs(t, err, unix.EFBIG)
		assert.ErrorContains(t, err, "ulimit -f")
		assert.ErrorIs(t, r.w.Close(), unix.EFBIG)
		path := filepath.Join(dir, c.File)
		r.sums(path)
		assert.Equal(t, "HPC", kinds(t, path))
		return
	}
	r := newRig(t, config(t, dir), realMachine())
	for range 100 {
		r.batch(1, 10_000)
		r.idle()
	}
	require.NoError(t, r.w.Close())
	files := setFiles(t, dir)
	// 29 packets and the end fit; the packet that finds it so is lost.
	assert.Equal(t, int64(100-3), r.w.Stats().Written)
	assert.Len(t, files, 4)
	r.sums(files...)
	for _, f := range files[:3] {
		assert.Equal(t, "HPC", kinds(t, f))
		assert.LessOrEqual(t, sizeOf(t, f), int64(300_000))
	}
	assert.Equal(t, "HPT", kinds(t, files[3]))
	assert.Zero(t, r.w.Stats().Suspect)
}
