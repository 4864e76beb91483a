package finish

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/label"
	"netcap/internal/ownfile"
)

// Method is how files are compressed.
type Method string

// Methods.
const (
	None Method = ""
	Gzip Method = "gzip"
	Zstd Method = "zstd"
)

// Ext is what a method adds to a file's name.
func (m Method) Ext() string { return methods[m].ext }

// method makes a compressor. Both have the level that their own programs have, and use
// one thread: the other processors are the capture's.
type method struct {
	ext string
	to  func(w io.Writer) (io.WriteCloser, error)
}

var methods = map[Method]method{
	Gzip: {fileset.Gzip, func(w io.Writer) (io.WriteCloser, error) {
		c, err := gzip.NewWriterLevel(w, gzip.DefaultCompression)
		if err == nil {
			c.Extra = label.GzipExtra()
		}
		return c, err
	}},
	Zstd: {fileset.Zstd, func(w io.Writer) (io.WriteCloser, error) {
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	}},
}

// part is the end of a temporary file's name; it begins with a dot.
const part = ".part"

func (m Method) temporary(name string) string { return "." + name + m.Ext() + part }

// errGone says that a file was deleted meanwhile, as the set's bounds demand.
var errGone = errors.New("it was deleted meanwhile")

// tidy removes what a run left that was killed while it compressed.
func (f *Finisher) tidy() error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return err
	}
	for _, name := range names {
		original, isOurs := strings.CutPrefix(name, ".")
		original, hasPart := strings.CutSuffix(original, part)
		if !isOurs || !hasPart {
			continue
		}
		for m := range methods {
			// Only beside the file that it was made of.
			whole, ok := strings.CutSuffix(original, m.Ext())
			if !ok {
				continue
			}
			st, err := f.root.Lstat(name)
			if _, beside := f.root.Lstat(whole); err != nil || beside != nil || !ours(st) {
				continue
			}
			if err := f.root.Remove(name); err != nil {
				return err
			}
			f.cfg.Log.Info("removed a file that was half compressed when the capture was killed", "file", name)
		}
	}
	return nil
}

// compress puts a compressed file in the place of a file, and returns its name. If it
// fails, the file is as it was.
func (f *Finisher) compress(name string) (compressed string, err error) {
	in, err := f.root.OpenFile(name, os.O_RDONLY|unix.O_LARGEFILE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errGone
	}
	if err != nil {
		return "", err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return "", err
	}
	if st.Sys().(*syscall.Stat_t).Nlink == 0 { // deleted after it was opened
		return "", errGone
	}
	if !ours(st) {
		return "", fmt.Errorf("%s: it is no regular file of this user alone", name)
	}
	temporary := f.cfg.Compress.temporary(name)
	out, err := f.root.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW|unix.O_LARGEFILE, 0o600|st.Mode()&0o040)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			if removeErr := f.root.Remove(temporary); removeErr != nil {
				err = errors.Join(err, removeErr)
			}
		}
	}()
	err = f.copy(out, in)
	if err == nil {
		err = setTime(out, st.ModTime())
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", err
	}
	if !f.same(name, st) {
		return "", errGone
	}
	compressed = name + f.cfg.Compress.Ext()
	if err := f.rename(temporary, compressed); err != nil {
		return "", err
	}
	// What is deleted after it was looked at doesn't come back by another name.
	removed := error(fs.ErrNotExist)
	if f.same(name, st) {
		removed = f.root.Remove(name)
	}
	if errors.Is(removed, fs.ErrNotExist) {
		if err := f.root.Remove(compressed); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return "", errGone
	}
	if removed != nil {
		f.cfg.Log.Error("a file is there twice: it was compressed, and can't be deleted", "file", name, "error", removed)
	}
	return compressed, nil
}

// chunk is read at once, in bytes.
const chunk = 1 << 20

// copy compresses a file and has the result, with a label, on the disk.
func (f *Finisher) copy(out, in *os.File) error {
	buffered := bufio.NewWriterSize(out, chunk)
	c, err := methods[f.cfg.Compress].to(buffered)
	if err != nil {
		return err
	}
	s := &supply{in: in, to: c, check: func() error { return errors.Join(f.ctx.Err(), f.room(out)) }}
	var l *label.Label
	if f.cfg.Describe != nil {
		l = f.cfg.Describe(s)
	}
	// What it has left, if the file is damaged, or no capture.
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, s, make([]byte, chunk)); err != nil {
		return errors.Join(err, c.Close())
	}
	// What was read won't be read again soon.
	_ = unix.Fadvise(int(in.Fd()), 0, 0, unix.FADV_DONTNEED)
	if err := errors.Join(c.Close(), buffered.Flush()); err != nil {
		return err
	}
	if l != nil {
		l.Plain = s.n
		st, err := out.Stat()
		if err == nil {
			_, err = l.Put(out, st.Size())
		}
		if err != nil {
			return err
		}
	}
	return out.Sync()
}

// supply hands out a file, and all that it hands out to the compressor too.
type supply struct {
	in    io.Reader
	to    io.Writer
	check func() error // whether to go on, asked once a chunk
	n     int64
	due   int64 // when it is asked next
	err   error // for good
}

func (s *supply) Read(b []byte) (int, error) {
	if s.err == nil && s.n >= s.due {
		s.due += chunk
		s.err = s.check()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.in.Read(b[:min(len(b), chunk)])
	s.n += int64(n)
	if _, writeErr := s.to.Write(b[:n]); writeErr != nil {
		err = writeErr
	}
	s.err = err
	return n, err
}

// setTime sets the time of the open file: a confined process may not do so by a path. See
// utimensat(2), C library/kernel ABI differences.
func setTime(f *os.File, t time.Time) error {
	modified, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, modified}
	if _, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, f.Fd(), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0); e != 0 {
		return os.NewSyscallError("utimensat", e)
	}
	return nil
}

// room sees that compressing leaves free what is to be kept free.
func (f *Finisher) room(out *os.File) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(out.Fd()), &st); err != nil {
		return os.NewSyscallError("statfs", err)
	}
	if free := int64(st.Bavail) * int64(st.Bsize); free < f.cfg.KeepFree()+2*chunk {
		return fmt.Errorf("compressing: %w: no more is free than is to be kept free", unix.ENOSPC)
	}
	return nil
}

// rename gives a file a name that nothing has, and has that on the disk.
func (f *Finisher) rename(from, to string) error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	fd := int(dir.Fd())
	err = unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not every file system can
		if err = f.root.Link(from, to); err == nil {
			err = f.root.Remove(from)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	if err := dir.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// same reports whether a name still is of the file that was compressed.
func (f *Finisher) same(name string, st fs.FileInfo) bool {
	now, err := f.root.Lstat(name)
	return err == nil && os.SameFile(now, st) && now.Size() == st.Size()
}

// ours reports whether a file is a regular one of this user with one name.
func ours(st fs.FileInfo) bool { return ownfile.Plain(st, os.Geteuid()) }
