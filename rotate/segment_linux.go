package rotate

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// segment is one file, or the part of it between two gaps, or a stream. The
// front makes it; but for dead, which both read, the rest is the back's.
type segment struct {
	start time.Time
	dead  atomic.Bool // the back takes no more of it

	sink sink  // nil until it is opened
	base int64 // where it begins in its file
	end  int64 // bytes written, from base
	name string
	// packets are those written, less those cut off again.
	packets int64
	wrote   bool // something since the last sync
}

// sink is where a segment's bytes go.
type sink interface {
	// writeAt writes p at off; n bytes of it where err isn't nil. whole says
	// that p is a full buffer.
	writeAt(p []byte, off int64, whole bool) (n int, err error)
	truncate(size int64) error
	sync() error
	close() error
}

// file is a sink with two descriptors of one file: an ordinary one, and one
// that goes past the page cache.
type file struct {
	plain  *os.File
	direct *os.File // nil where the file system has no O_DIRECT
}

// newFile opens the second descriptor of a file that was just created.
func newFile(d *directory, plain *os.File, name string) *file {
	f := &file{plain: plain}
	direct, err := d.root.OpenFile(name, os.O_WRONLY|unix.O_DIRECT|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return f
	}
	if !sameFile(plain, direct) { // somebody put another in its place
		_ = direct.Close()
		return f
	}
	f.direct = direct
	return f
}

func sameFile(a, b *os.File) bool {
	sa, errA := a.Stat()
	sb, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(sa, sb)
}

func (f *file) writeAt(p []byte, off int64, whole bool) (int, error) {
	if whole && f.direct != nil && off%bufferSize == 0 {
		n, err := f.direct.WriteAt(p, off)
		if !errors.Is(err, unix.EINVAL) {
			return n, err
		}
		// Opened with O_DIRECT and refused when written: stay with the other.
		err = f.direct.Close()
		f.direct = nil
		if err != nil {
			return 0, err
		}
	}
	return f.plain.WriteAt(p, off)
}

func (f *file) truncate(size int64) error { return f.plain.Truncate(size) }

// sync makes the data last through a power cut.
func (f *file) sync() error {
	return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.plain.Fd())))
}

func (f *file) close() error {
	// What went through the page cache won't be read again by us.
	_ = unix.Fadvise(int(f.plain.Fd()), 0, 0, unix.FADV_DONTNEED)
	err := f.plain.Close()
	if f.direct != nil {
		err = errors.Join(err, f.direct.Close())
	}
	return err
}

// stream is a sink that only goes forward.
type stream struct {
	w   io.Writer
	pos int64
}

func (s *stream) writeAt(p []byte, off int64, _ bool) (int, error) {
	if skip := s.pos - off; skip > 0 { // flushed before
		p = p[min(skip, int64(len(p))):]
	}
	n, err := s.w.Write(p)
	s.pos += int64(n)
	return n, err
}

func (s *stream) truncate(int64) error { return nil }
func (s *stream) sync() error          { return nil }
func (s *stream) close() error         { return nil }

// create makes the next file of the set. A name that is taken, by whatever, is
// passed over.
func (s *set) create(start time.Time, ext string) (*file, string, error) {
	for tries := 0; ; tries++ {
		name := fileName{set: s.name, start: start, seq: s.last + 1, ext: ext}
		s.last++
		plain, err := s.dir.create(name.String())
		if errors.Is(err, os.ErrExist) && tries < maxTaken {
			s.log.Warn("the next file's name is taken; using another", "file", filepath.Join(s.dir.path, name.String()))
			continue
		}
		if err != nil {
			s.last-- // it wasn't used
			return nil, "", explainDir(s.dir.path, err)
		}
		s.files = append(s.files, entry{name: name, born: bootClock()})
		return newFile(s.dir, plain, name.String()), name.String(), s.dir.sync()
	}
}

// maxTaken is how many taken names are passed over before giving up.
const maxTaken = 1000
