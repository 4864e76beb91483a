package rotate

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestRecords lays down records of all sizes over many buffers, and finds each
// once, in order, in files that are no larger than they may be.
func TestRecords(t *testing.T) {
	for _, tt := range []struct {
		name    string
		segment int64
		most    int // size of a record
	}{
		{"small files, small records", MinSegmentSize, 3000},
		{"files of less than a buffer", 3_000_000, 100_000},
		{"files of a buffer", bufferSize, 100_000},
		{"files of several buffers", 3*bufferSize + 12345, MaxRecord},
		{"files of many buffers", 10 * bufferSize, MaxRecord},
	} {
		for _, flush := range []time.Duration{-1, 10 * time.Millisecond, time.Hour} {
			t.Run(tt.name+", flush "+flush.String(), func(t *testing.T) {
				dir := t.TempDir()
				c := config(t, dir)
				c.SegmentSize, c.Budget, c.Flush = Amount{Bytes: tt.segment}, Amount{Bytes: 1e9}, flush
				r := newRig(t, c, realMachine())
				random := rand.New(rand.NewPCG(1, uint64(tt.segment)))
				for total := int64(0); total < 25<<20; {
					size := recordHead + random.IntN(tt.most-recordHead)
					if random.IntN(2) == 0 {
						size = recordHead + random.IntN(100)
					}
					r.add(size)
					total += int64(size)
					if random.IntN(3) == 0 {
						r.w.Publish(0)
					}
				}
				require.NoError(t, r.w.Close())

				files := setFiles(t, dir)
				r.sums(files...)
				assert.Zero(t, r.w.Stats().Dropped)
				assert.Equal(t, int64(len(files)), r.w.Stats().Files)
				assert.Equal(t, sizeOf(t, files...), r.w.Stats().Bytes)
				for _, f := range files {
					assert.Equal(t, "HPT", kinds(t, f))
					assert.LessOrEqual(t, sizeOf(t, f), tt.segment)
				}
			})
		}
	}
}

// TestRecordsAtTheSeam puts the end of a record on each place around the end of
// a buffer.
func TestRecordsAtTheSeam(t *testing.T) {
	for d := -recordHead - 2; d <= recordHead+2; d++ {
		c := single(t, t.TempDir())
		r := newRig(t, c, realMachine())
		for fillTo := bufferSize + d - headerSize; fillTo > 0; {
			size := min(fillTo, MaxRecord)
			if rest := fillTo - size; rest > 0 && rest < recordHead {
				size -= recordHead
			}
			r.add(size)
			fillTo -= size
		}
		for range 10 {
			r.add(recordHead)
			r.w.Publish(0)
		}
		require.NoError(t, r.w.Close())
		path := filepath.Join(c.Dir, c.File)
		r.sums(path)
		assert.Equal(t, "HPT", kinds(t, path))
	}
}

func TestRecordTooLong(t *testing.T) {
	c := single(t, t.TempDir())
	r := newRig(t, c, realMachine())
	for range 39 {
		r.add(100_000)
	}
	r.add(bufferSize) // begins behind 3.9 MB
	_, err := r.w.Ready()
	assert.ErrorContains(t, err, "longer than")
	assert.Error(t, r.w.Close())
	r.sums(filepath.Join(c.Dir, c.File))
	assert.Equal(t, int64(1), r.w.Stats().Dropped)
	assert.Equal(t, "HPT", kinds(t, filepath.Join(c.Dir, c.File)))
}

// TestFlush sees a record in the file without another that pushes it.
func TestFlush(t *testing.T) {
	for _, flush := range []time.Duration{-1, 50 * time.Millisecond} {
		c := config(t, t.TempDir())
		c.Flush = flush
		r := newRig(t, c, realMachine())
		for range 20 {
			r.add(1000)
			r.w.Publish(0)
			file := setFiles(t, c.Dir)[0]
			r.eventually(func() bool {
				return sizeOf(t, file) == int64(headerSize+1000*r.next) // bytes, by hand
			}, "the record is in the file")
		}
		// And after a rotation, in the next file.
		require.NoError(t, r.w.Rotate(0))
		r.eventually(func() bool {
			files := setFiles(t, c.Dir)
			return len(files) == 2 && sizeOf(t, files[1]) == headerSize
		}, "the next file has its header")
		require.NoError(t, r.w.Close())
		r.sums(setFiles(t, c.Dir)...)
	}
}

// TestFlushBehindASlowDisk asks for a flush while whole buffers still wait to be
// written: it comes after them.
func TestFlushBehindASlowDisk(t *testing.T) {
	for range 5 {
		f := newFaults()
		c := single(t, t.TempDir())
		c.Flush = -1
		r := newRig(t, c, f.machine())
		gate := make(chan struct{})
		f.set(func(f *faults) { f.gate = gate })
		for range 8 * 12 { // twenty-four buffers, and the header in a thirteenth
			r.add(MaxRecord)
			r.w.Publish(0)
		}
		close(gate)
		r.eventually(func() bool {
			return sizeOf(t, filepath.Join(c.Dir, c.File)) == 96*MaxRecord+headerSize
		}, "all is in the file")
		require.NoError(t, r.w.Close())
	}
}

// TestStream passes several buffers through a pipe, flushed in between.
func TestStream(t *testing.T) {
	noLeaks(t)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	var got atomic.Int64
	var all []byte
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := read.Read(buf)
			all = append(all, buf[:n]...)
			got.Add(int64(n))
			if err != nil {
				done <- err
				return
			}
		}
	}()
	c := config(t, "")
	c.Name, c.Ext, c.Stream, c.Flush = "", "", write, time.Millisecond
	r := newRig(t, c, realMachine())
	sent := int64(headerSize)
	for range 1000 {
		r.add(13_000)
		r.w.Publish(0)
		sent += 13_000
		if sent%7 == 0 { // a reader sees all there is, in each of the buffers
			r.eventually(func() bool { return got.Load() == sent }, "flushed")
		}
	}
	r.eventually(func() bool { return got.Load() == sent }, "flushed")
	require.NoError(t, r.w.Close())
	require.NoError(t, write.Close())
	require.ErrorIs(t, <-done, io.EOF)
	require.NoError(t, read.Close())
	records, rest := parse(all)
	assert.Zero(t, rest)
	require.Len(t, records, 1002)
	for i, r := range records[1:1001] {
		assert.Equal(t, record{kindPacket, uint64(i), 13_000}, r)
	}
	assert.Equal(t, int64(1000), r.w.Stats().Written)
}

func TestStreamBreaks(t *testing.T) {
	noLeaks(t)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	c := config(t, "")
	c.Name, c.Ext, c.Stream, c.Flush = "", "", write, -1
	r := newRig(t, c, realMachine())
	r.add(1000)
	r.idle()
	require.NoError(t, read.Close())
	r.add(1000)
	r.w.Publish(0)
	r.eventually(func() bool { _, err := r.w.Ready(); return errors.Is(err, unix.EPIPE) }, "EPIPE")
	r.add(1000)
	assert.ErrorIs(t, r.w.Close(), unix.EPIPE)
	assert.Equal(t, int64(1), r.w.Stats().Written)
	assert.Equal(t, int64(2), r.w.Stats().Dropped)
}

// TestStreamHeaderBreaks has Open fail.
func TestStreamHeaderBreaks(t *testing.T) {
	noLeaks(t)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, read.Close())
	defer write.Close()
	c := config(t, "")
	c.Name, c.Ext, c.Stream = "", "", write
	_, err = Open(c)
	assert.ErrorIs(t, err, unix.EPIPE)
}

// TestSlowDisk stops the disk: the front goes on until the memory for it is
// full, waits, and goes on.
func TestSlowDisk(t *testing.T) {
	f := newFaults()
	c := single(t, t.TempDir())
	const buffers = 8
	c.WriteBuffer = buffers * bufferSize
	r := newRig(t, c, f.machine())
	gate := make(chan struct{})
	f.set(func(f *faults) { f.gate = gate })
	var committed atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			r.add(1 << 19) // a quarter of a buffer, MaxRecord
			committed.Add(1)
		}
	}()
	r.eventually(func() bool { return r.w.Stats().Buffers == buffers*bufferSize }, "all memory used")
	// Eight buffers take 32 records less a header. The one that ends behind the
	// last is not taken until there is a buffer for its end. The first three are
	// for the page cache, and small: they may take as little as a record.
	r.eventually(func() bool {
		before := committed.Load()
		time.Sleep(50 * time.Millisecond)
		return committed.Load() == before
	}, "the front waits")
	assert.GreaterOrEqual(t, committed.Load(), int64(5*4+3-1))
	assert.LessOrEqual(t, committed.Load(), int64(31))
	assert.Equal(t, int64(buffers*bufferSize), r.w.Stats().Buffers)
	close(gate)
	<-done
	r.idle()
	r.eventually(func() bool { return r.w.Stats().Buffers == bufferSize }, "memory given back but for the front's")
	require.NoError(t, r.w.Close())
	r.sums(filepath.Join(c.Dir, c.File))
	assert.Zero(t, r.w.Stats().Dropped)
}

// TestManyRotationsAgainstASlowDisk has more to do for the back than ever
// waits for it, with files of next to nothing.
func TestManyRotationsAgainstASlowDisk(t *testing.T) {
	f := newFaults()
	c := config(t, t.TempDir())
	c.WriteBuffer = 16 * bufferSize
	r := newRig(t, c, f.machine())
	gate := make(chan struct{})
	f.set(func(f *faults) { f.gate = gate })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			r.add(100)
			assert.NoError(t, r.w.Rotate(0))
		}
	}()
	time.Sleep(20 * time.Millisecond)
	close(gate)
	<-done
	require.NoError(t, r.w.Close())
	files := setFiles(t, c.Dir)
	assert.Len(t, files, 201)
	r.sums(files...)
}

func TestNoAllocations(t *testing.T) {
	c := single(t, t.TempDir())
	c.Flush = time.Hour
	c.Sync = 3 * time.Hour
	r := newRig(t, c, realMachine())
	p := appendRecord(nil, kindPacket, 0, 100)
	n := testing.AllocsPerRun(10_000, func() { // less than a buffer
		if r.w.Fits(len(p), 1) {
			r.w.Commit(append(r.w.Tail(), p...), 1)
		}
	})
	assert.Zero(t, n)
}

// TestDirect sees that what a disk may be given goes past the page cache, where there is a
// way: nothing is left in there.
func TestDirect(t *testing.T) {
	c := single(t, t.TempDir())
	c.Flush = time.Hour
	c.Sync = 200 * time.Millisecond
	path := filepath.Join(c.Dir, c.File)
	m := realMachine()
	var fd uintptr
	m.sink = func(f *file, _ string) sink { fd = f.f.Fd(); return f }
	r := newRig(t, c, m)
	if _, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0); err != nil {
		t.Skip("not run: needs a file system with O_DIRECT")
	}
	isDirect := func() bool {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		require.NoError(t, err)
		return flags&unix.O_DIRECT != 0
	}
	r.eventually(func() bool {
		r.add(MaxRecord)
		time.Sleep(5 * time.Millisecond)
		return isDirect()
	}, "the disk is tried")
	for range 40 {
		r.add(MaxRecord)
		time.Sleep(5 * time.Millisecond)
	}
	r.eventually(func() bool { return residentPages(t, path) == 0 }, "the page cache holds nothing of it")
	assert.True(t, isDirect())
	require.NoError(t, r.w.Close())
	r.sums(path)
}

// residentPages counts the pages of a file that are in the page cache.
func residentPages(t *testing.T, path string) (n int) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	st, err := f.Stat()
	require.NoError(t, err)
	mem, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(mem)) }()
	vec := make([]byte, (len(mem)+os.Getpagesize()-1)/os.Getpagesize())
	require.NoError(t, mincore(mem, vec))
	for _, v := range vec {
		n += int(v & 1)
	}
	return n
}

// discard is a sink for benchmarks.
type discard struct{}

func (discard) writeAt(p []byte, _ int64, _ way) (int, error) { return len(p), nil }
func (discard) truncate(int64) error                          { return nil }
func (discard) sync() error                                   { return nil }
func (discard) writeBehind(int64) error                       { return nil }
func (discard) close() error                                  { return nil }

func BenchmarkFront(b *testing.B) {
	for name, size := range map[string]int{"64": 64 + 32, "1514": 1514 + 32} {
		b.Run(name, func(b *testing.B) {
			c := single(b, b.TempDir())
			c.Log, c.Flush, c.Sync = nil, time.Second, 5*time.Second
			m := realMachine()
			var files []*os.File
			m.sink = func(f *file, _ string) sink { files = append(files, f.f); return discard{} }
			w, err := open(c, m)
			require.NoError(b, err)
			p := appendRecord(nil, kindPacket, 0, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if w.Fits(len(p), 1) {
					w.Commit(append(w.Tail(), p...), 1)
				}
				if i%256 == 0 {
					w.Publish(0)
				}
			}
			require.NoError(b, w.Close())
			for _, f := range files {
				require.NoError(b, f.Close())
			}
		})
	}
}
