package rotate

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/testenv"
)

// TestNextCantBegin refuses the next file for a time: all goes into the one before, it is said
// once, tried again less and less often, and said when it works again.
func TestNextCantBegin(t *testing.T) {
	for _, failure := range []error{unix.EIO, unix.EMFILE} {
		for _, joins := range []bool{true, false} {
			c := config(t, t.TempDir())
			var log bytes.Buffer
			c.Log, c.Joins = slog.New(slog.NewTextHandler(&log, nil)), joins
			var began, finished []FileInfo
			c.Began = func(f FileInfo) { began = append(began, f) }
			c.Finished = func(f FileInfo) { finished = append(finished, f) }
			m := realMachine()
			var refuses atomic.Bool
			var tries atomic.Int64
			m.create = func(d *directory, name string) (*os.File, error) {
				if tries.Add(1); refuses.Load() {
					return nil, &fs.PathError{Op: "openat", Path: name, Err: failure}
				}
				return d.create(name)
			}
			r := newRig(t, c, m)
			r.batch(10, 100_000)
			first := r.w.Stats().Current
			refuses.Store(true)
			tries.Store(0)
			ending := r.w.Ending()
			require.NoError(t, r.w.Rotate(0))
			<-ending.Done()
			require.ErrorIs(t, ending.Err(), failure)
			assert.Empty(t, ending.Path())
			for range 3 { // files' worth
				r.batch(10, 100_000)
				r.idle()
			}
			r.eventually(func() bool { return tries.Load() >= 2*4+3 }, "tried again, by itself")
			// Twice for each rotation, and after 10, 20, 40 ms and so on.
			assert.Less(t, tries.Load(), int64(2*5+14))
			assert.Equal(t, first, r.w.Stats().Current)
			assert.False(t, r.w.Stats().Paused)
			refuses.Store(false)
			r.changes(first)
			r.batch(10, 1000)
			r.idle()
			require.NoError(t, r.w.Close(), "nothing was lost, and no disk failed")

			files := setFiles(t, c.Dir)
			require.Len(t, files, 2)
			r.sums(files...)
			assert.Zero(t, r.w.Stats().Dropped)
			pattern := "^H(PT)+$"
			if joins {
				pattern = "^(HPT)+(HT)?$"
			}
			assert.Regexp(t, pattern, kinds(t, files[0]))
			assert.Equal(t, "HPT", kinds(t, files[1]))
			assert.Equal(t, sizeOf(t, files...), r.w.Stats().Bytes)
			assert.Equal(t, sizeOf(t, files...), r.w.Stats().Set)
			require.Len(t, began, 2)
			require.Len(t, finished, 2)
			for i, f := range finished {
				assert.Equal(t, files[i], f.Path)
				assert.Equal(t, began[i].Start, f.Start)
				assert.EqualValues(t, len(packetsOf(t, f.Path)), f.Packets)
				assert.Equal(t, sizeOf(t, f.Path), f.Bytes)
			}
			assert.Equal(t, 1, strings.Count(log.String(), "the next file can't be begun"))
			assert.Equal(t, 1, strings.Count(log.String(), "the next file is begun"))
		}
	}
}

// TestNextCantBeginToTheEnd closes, and has the disk fail, while the next file can't be begun.
func TestNextCantBeginToTheEnd(t *testing.T) {
	for _, joins := range []bool{true, false} {
		for _, failure := range []error{nil, unix.EIO, unix.ENOSPC} {
			f := newFaults()
			c := config(t, t.TempDir())
			c.Joins = joins
			m := f.machine()
			var refuses atomic.Bool
			m.create = func(d *directory, name string) (*os.File, error) {
				if refuses.Load() {
					return nil, unix.EIO
				}
				return d.create(name)
			}
			r := newRig(t, c, m)
			r.batch(10, 1000)
			refuses.Store(true)
			require.NoError(t, r.w.Rotate(0))
			r.batch(3, 1000)
			r.idle()
			if failure != nil {
				f.set(func(f *faults) { f.room, f.err = 1500, failure })
				r.batch(10, 1000)
				r.stopped()
				f.set(func(f *faults) { f.room = -1 })
				refuses.Store(false)
				r.goesOn()
			}
			err := r.w.Close()
			assert.Equal(t, failure == unix.EIO, errors.Is(err, unix.EIO), err)
			files := setFiles(t, c.Dir)
			r.sums(files...)
			want := map[bool]string{true: "HPTHP", false: "HPTP"}[joins]
			if failure == nil {
				assert.Equal(t, want+"T", kinds(t, files[0]))
				continue
			}
			require.Len(t, files, 2)
			assert.Equal(t, want+"C", kinds(t, files[0]))
		}
	}
}

// TestLookTakesLong has the directory not be listed to its end: files are begun and deleted all
// the same. Once it is, the list of files is right.
func TestLookTakesLong(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "docker0-20261122T130005Z-000001.rec")
	require.NoError(t, os.WriteFile(old, make([]byte, 1000), 0o600))
	c := config(t, dir)
	c.SegmentCount = 3
	m := realMachine()
	var opened atomic.Bool
	gate, waits := make(chan struct{}), make(chan struct{}, 1)
	m.lstat = func(d *directory, name string) (fs.FileInfo, error) {
		st, err := d.root.Lstat(name)
		if opened.Load() && name == filepath.Base(old) {
			waits <- struct{}{}
			<-gate // what it says is of before
		}
		return st, err
	}
	r := newRig(t, c, m)
	opened.Store(true)
	removed := r.w.Stats().Current
	r.batch(10, 1000)
	require.NoError(t, r.w.Rotate(0))
	<-waits
	opened.Store(false) // deleting it asks too
	require.NoError(t, os.Remove(removed))
	for range 3 {
		r.batch(10, 1000)
		require.NoError(t, r.w.Rotate(0))
		r.idle()
	}
	assert.NoFileExists(t, old)
	assert.Len(t, setFiles(t, dir), 3)
	close(gate)
	r.w.back.house.Reset(0)
	r.eventually(func() bool { return r.w.Stats().SetLen == len(setFiles(t, dir)) }, "the list is right")
	require.NoError(t, r.w.Close())
	assert.Zero(t, r.w.Stats().Dropped)
}

// TestClosedWhileFrozen closes while whoever looks at the directory waits for a disk.
func TestClosedWhileFrozen(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker0-20261122T130005Z-000001.rec"), nil, 0o600))
	m := realMachine()
	var frozen atomic.Bool
	thaw, waits := make(chan struct{}), make(chan struct{}, 1)
	m.lstat = func(d *directory, name string) (fs.FileInfo, error) {
		if frozen.Load() {
			waits <- struct{}{}
			<-thaw
		}
		return d.root.Lstat(name)
	}
	c := config(t, dir)
	w, err := open(c, m)
	require.NoError(t, err)
	frozen.Store(true)
	require.NoError(t, w.Rotate(0))
	<-waits
	require.NoError(t, w.Close())
	frozen.Store(false)
	noLeaks(t)
	close(thaw)
}

// TestDamagedFiles has a file system whose inodes of old files, and of the lock, are damaged:
// what can't be examined is passed over, at the start and later, and said once.
func TestDamagedFiles(t *testing.T) {
	testenv.Root(t)
	debugfs := testenv.Program(t, "debugfs")
	image := filepath.Join(t.TempDir(), "image")
	dir := mountImage(t, image, 16<<20)
	c := config(t, dir)
	c.SegmentCount = 4
	r := newRig(t, c, realMachine())
	for range 3 {
		r.batch(10, 1000)
		require.NoError(t, r.w.Rotate(0))
	}
	require.NoError(t, r.w.Close())
	files := setFiles(t, dir)
	require.Len(t, files, 4)
	require.NoError(t, unix.Unmount(dir, 0))
	for _, file := range []string{filepath.Base(files[0]), filepath.Base(files[2]), ".docker0.lock"} {
		out, err := exec.Command(debugfs, "-w", "-R", "clri "+file, image).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	out, err := exec.Command(testenv.Program(t, "mount"), "-o", "loop,errors=continue", image, dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, err = os.Lstat(files[0])
	require.True(t, damaged(err), "the test is about that: %v", err)

	_, err = Open(c)
	require.ErrorContains(t, err, "the lock file is damaged")
	assert.ErrorContains(t, err, "fsck")
	var log bytes.Buffer
	c.OwnDir, c.Log = true, slog.New(slog.NewTextHandler(&log, nil))
	p, err := Look(c)
	require.NoError(t, err)
	assert.Equal(t, 2, p.SetLen)
	r = newRig(t, c, realMachine())
	assert.True(t, fileset.Running(dir, c.Name))
	_, err = Open(c)
	assert.ErrorIs(t, err, ErrLocked, "the directory's lock holds")
	assert.Equal(t, 3, r.w.Stats().SetLen)
	log.Reset()
	for range 5 {
		r.batch(10, 1000)
		require.NoError(t, r.w.Rotate(0))
		r.idle()
	}
	require.NoError(t, r.w.Close())
	assert.False(t, fileset.Running(dir, c.Name))
	assert.Zero(t, r.w.Stats().Dropped)
	assert.Equal(t, 4, r.w.Stats().SetLen)
	assert.NotContains(t, log.String(), "examined", "said before")
	assert.NoFileExists(t, files[1])
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := ""
	for _, e := range entries {
		names += e.Name() + "\n"
	}
	assert.Contains(t, names, filepath.Base(files[0]), "not deleted")
	assert.Contains(t, names, filepath.Base(files[2]))
}

// TestDamagedMeanwhile has the oldest file become one that can't be examined: the next one is
// deleted in its place.
func TestDamagedMeanwhile(t *testing.T) {
	c := config(t, t.TempDir())
	c.SegmentCount = 3
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	m := realMachine()
	var damaged atomic.Pointer[string]
	m.lstat = func(d *directory, name string) (fs.FileInfo, error) {
		if bad := damaged.Load(); bad != nil && *bad == name {
			return nil, unix.EBADMSG
		}
		return d.root.Lstat(name)
	}
	r := newRig(t, c, m)
	bad := filepath.Base(r.w.Stats().Current)
	for range 5 {
		r.batch(10, 1000)
		require.NoError(t, r.w.Rotate(0))
		r.idle()
		damaged.CompareAndSwap(nil, &bad)
	}
	require.NoError(t, r.w.Close())
	assert.Zero(t, r.w.Stats().Dropped)
	files := setFiles(t, c.Dir)
	require.Len(t, files, 4, "three, and the damaged one")
	assert.Equal(t, bad, filepath.Base(files[0]))
	assert.Equal(t, 1, strings.Count(log.String(), "can't be examined"), log.String())
	assert.Contains(t, log.String(), bad)
}
