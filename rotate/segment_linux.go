package rotate

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// segment is one file, or the part of it between two gaps, or a stream. The
// front makes it; but for the flags, which both read, the rest is the back's.
type segment struct {
	start time.Time
	ended chan struct{} // closed once its file is closed
	dead  atomic.Bool   // the back takes no more of it
	renew atomic.Bool   // its file lost something: the front begins another

	out  *output   // nil until it is opened
	stop time.Time // when the front ended it: the back's once that is handed over
	path string    // of its file, once that is closed
	err  error     // why its file goes on
	base int64     // where it begins in its file
	// head is what it begins with, in bytes; skip how much of that its file doesn't get. joined
	// says that the file was begun for the segment before.
	head, skip int
	joined     bool
	end        int64 // bytes written, from base
	// packets are those written, less those cut off again.
	packets int64
}

// Ending is the end of a file of a set, which lies ahead or is past.
type Ending struct{ seg *segment }

// Done is closed once the file is on the disk, and closed, or goes on.
func (e Ending) Done() <-chan struct{} { return e.seg.ended }

// Path is that of the file, once Done is closed.
func (e Ending) Path() string { return e.seg.path }

// Err is why the file goes on, once Done is closed: the next one couldn't be begun. nil if it
// ended.
func (e Ending) Err() error { return e.seg.err }

// output is the file that is being written, or the stream.
type output struct {
	sink
	name    string
	start   time.Time   // when it was begun
	packets int64       // in it
	wrote   bool        // something since the last sync
	suspect atomic.Bool // the disk lost something of it
	lost    bool        // the syncer's: a sync failed
}

// sink is where an output's bytes go.
type sink interface {
	// writeAt writes p at off; n bytes of it where err isn't nil. Past the page cache
	// goes only what is a full buffer. Its start may have been written before.
	writeAt(p []byte, off int64, w way) (n int, err error)
	truncate(size int64) error
	sync() error
	// writeBehind brings to the disk what was written, but for some bytes at the end, so that
	// the page cache need not hold it.
	writeBehind(keep int64) error
	close() error
}

// file is a sink that writes whole buffers past the page cache, and the rest
// through it.
type file struct {
	f        *os.File
	ring     *uring       // nil: there is none
	direct   bool         // O_DIRECT is set
	indirect bool         // the file system has no O_DIRECT, or nothing is gained by it
	cached   atomic.Int64 // up to where the page cache may hold what was written
	dropped  atomic.Int64 // up to where it holds nothing any more
}

// newFile returns a sink that writes as suits the file system.
func newFile(f *os.File, ring *uring) *file {
	out := &file{f: f, ring: ring}
	var st unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &st) == nil {
		out.indirect = slices.Contains(indirectTypes, uint32(st.Type))
	}
	return out
}

// indirectTypes are file systems, by statfs(2)'s numbers, that are nothing but page
// cache, or whose direct writes each wait for a server.
var indirectTypes = []uint32{
	unix.TMPFS_MAGIC, unix.RAMFS_MAGIC,
	unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
	unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC,
}

func (f *file) writeAt(p []byte, off int64, w way) (int, error) {
	f.setDirect(w == direct && off%bufferSize == 0)
	n := 0
	if f.direct && f.ring != nil {
		// Whatever goes wrong, pwrite(2) goes on from there, and says what is.
		n, _ = f.ring.pwrite(int(f.f.Fd()), p, off)
	}
	m, err := f.pwrite(p[n:], off+int64(n))
	n += m
	if f.direct && errors.Is(err, unix.EINVAL) {
		// Accepted before, and refused when it comes to writing.
		f.indirect = true
		f.setDirect(false)
		m, err = f.pwrite(p[n:], off+int64(n))
		n += m
	}
	return n, err
}

// pwrite is os.File.WriteAt, which doesn't tell how much of a piece was written
// before an error (it returns 0 where pwrite(2) was short and then failed).
func (f *file) pwrite(p []byte, off int64) (n int, err error) {
	most := cachedSize
	if f.direct {
		most = len(p)
	}
	for n < len(p) {
		m, err := unix.Pwrite(int(f.f.Fd()), p[n:min(len(p), n+most)], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, os.NewSyscallError("pwrite", err)
		case m == 0:
			return n, io.ErrShortWrite
		}
		n += max(m, 0)
		if !f.direct {
			f.cached.Store(max(f.cached.Load(), off+int64(n)))
		}
	}
	return n, nil
}

// cachedSize is what one system call hands to the page cache at most, in bytes. The
// kernel finds memory for it in folios as large as that, and large ones are what a
// hypervisor has taken back and has to find first: with 2 MiB at once a write took three
// times as long.
const cachedSize = 128 << 10

// setDirect sets O_DIRECT for the writes that follow. One descriptor for both
// ways can't end up at two files, whatever others do to its name meanwhile.
func (f *file) setDirect(on bool) {
	on = on && !f.indirect
	if on == f.direct {
		return
	}
	flags := 0
	if on {
		flags = unix.O_DIRECT
	}
	if _, err := unix.FcntlInt(f.f.Fd(), unix.F_SETFL, flags); err != nil {
		f.indirect = true
		return
	}
	f.direct = on
}

// clear reports whether next to nothing of what the page cache was given is still to reach
// the disk: two buffers at most. Kernels older than 6.5 don't tell.
func (f *file) clear() bool {
	var all unix.CachestatRange
	var st unix.Cachestat_t
	if unix.Cachestat(uint(f.f.Fd()), &all, &st, 0) != nil {
		return true
	}
	return (st.Dirty+st.Writeback)*uint64(os.Getpagesize()) <= 2*bufferSize
}

func (f *file) truncate(size int64) error { return f.f.Truncate(size) }

// sync makes the data last through a power cut, and has the page cache hold no more of
// it: it won't be read again by us, and the room is the server's.
func (f *file) sync() error {
	// What comes meanwhile is for the next time: in a burst that lasts this would never end.
	end := f.cached.Load()
	if err := f.step(end); err != nil {
		return err
	}
	if err := unix.Fdatasync(int(f.f.Fd())); err != nil {
		return os.NewSyscallError("fdatasync", err)
	}
	f.drop(end)
	return nil
}

// stepSize is how much is brought to the disk at once, in bytes. Of a gigabyte at once the
// file system found the blocks while writes into the page cache waited.
const stepSize = 64 << 20

// writeBehind has the page cache hold no more than some bytes of what is written by now, and a
// step.
func (f *file) writeBehind(keep int64) error { return f.step(f.cached.Load() - keep) }

// step brings to the disk what stands before end, but for less than a step, and has the page
// cache drop it.
func (f *file) step(end int64) error {
	for f.dropped.Load()+stepSize <= end {
		from := f.dropped.Load()
		const flags = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
		err := unix.SyncFileRange(int(f.f.Fd()), from, stepSize, flags)
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // it isn't there, or is refused
			err = unix.Fdatasync(int(f.f.Fd()))
		}
		if err != nil {
			return os.NewSyscallError("sync_file_range", err)
		}
		f.drop(from + stepSize)
	}
	return nil
}

// backlog is how many bytes the page cache may hold of the file.
func (f *file) backlog() int64 { return f.cached.Load() - f.dropped.Load() }

// drop has the page cache forget what is on the disk, up to end. It would begin to write
// what isn't, so no more than that is named. The last page is written again.
func (f *file) drop(end int64) {
	end -= end % int64(os.Getpagesize())
	if from := f.dropped.Load(); end > from {
		_ = unix.Fadvise(int(f.f.Fd()), from, end-from, unix.FADV_DONTNEED)
		f.dropped.Store(end)
	}
}

func (f *file) close() error {
	_ = unix.Fadvise(int(f.f.Fd()), 0, 0, unix.FADV_DONTNEED)
	return f.f.Close()
}

// stream is a sink that only goes forward.
type stream struct {
	w   io.Writer
	pos int64
}

func (s *stream) writeAt(p []byte, off int64, _ way) (int, error) {
	before := min(max(s.pos-off, 0), int64(len(p)))
	n, err := s.w.Write(p[before:])
	s.pos += int64(n)
	return int(before) + n, err
}

func (s *stream) truncate(int64) error    { return nil }
func (s *stream) sync() error             { return nil }
func (s *stream) writeBehind(int64) error { return nil }
func (s *stream) close() error            { return nil }
