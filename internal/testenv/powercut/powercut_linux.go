//go:build amd64 || arm64

// Package powercut is a file system for tests that forgets what wasn't synced: FUSE over a
// directory, as LazyFS (Ramos and others, VLDB 2024) is.
//
// What a file system's metadata has (names, and that they are gone) is on its disk at once.
// What is written is on the disk once the file was synced; before that any of its pages may
// be, or parts of them, in any order.
package powercut

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	gofuse "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// A Disk is such a file system, mounted.
type Disk struct {
	// Dir is where it is mounted.
	Dir string

	under string // what is written, synced or not

	mu    sync.Mutex // held while anything is written, synced or cut
	files map[uint64]*state
}

// state is what of a file is on the disk.
type state struct {
	synced  []byte
	written []span // since it was synced, in order
}

// span is what was written at once, in bytes from the start of the file.
type span struct{ from, to int64 }

// New mounts a file system that is there until the test ends.
func New(t testing.TB) *Disk {
	t.Helper()
	testenv.Root(t)
	testenv.FUSE(t)
	d := &Disk{Dir: t.TempDir(), under: t.TempDir(), files: make(map[uint64]*state)}
	var st syscall.Stat_t
	require.NoError(t, syscall.Stat(d.under, &st))
	root := &gofuse.LoopbackRoot{Path: d.under, Dev: uint64(st.Dev)}
	top := &node{&gofuse.LoopbackNode{RootData: root}, d}
	root.RootNode = top
	server, err := gofuse.Mount(d.Dir, top, &gofuse.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, AllowOther: true, FsName: "powercut"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Unmount()) })
	return d
}

// Cut copies to a directory what the disk has, as if the power were cut now. Of what wasn't
// synced rnd decides what is there. The file system goes on.
func (d *Disk) Cut(t testing.TB, to string, rnd *rand.Rand) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	require.NoError(t, filepath.WalkDir(d.under, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(d.under, path)
		if err != nil {
			return err
		}
		copied := filepath.Join(to, name)
		if e.IsDir() {
			return os.MkdirAll(copied, 0o755)
		}
		if !e.Type().IsRegular() {
			return nil
		}
		content, err := d.left(path, rnd)
		if err != nil {
			return err
		}
		return os.WriteFile(copied, content, 0o600)
	}))
}

// left is what a cut leaves of a file.
func (d *Disk) left(path string, rnd *rand.Rand) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := d.files[st.Sys().(*syscall.Stat_t).Ino]
	if s == nil {
		return nil, nil
	}
	content := append([]byte(nil), s.synced...)
	if rnd.IntN(3) > 0 { // else the disk's cache was never written back
		for _, w := range s.written {
			for _, piece := range pieces(w) {
				if rnd.IntN(2) == 0 {
					continue
				}
				if content, err = put(content, f, piece); err != nil {
					return nil, err
				}
			}
		}
	}
	// The length is on the disk, or that of what is.
	switch more := st.Size() - int64(len(content)); {
	case more < 0:
		content = content[:st.Size()]
	case rnd.IntN(2) == 0:
		content = append(content, make([]byte, more)...)
	}
	return content, nil
}

// pieces are the sectors' worth that a disk takes whole.
func pieces(w span) (all []span) {
	const sector = 512
	for w.from < w.to {
		to := min(w.to, (w.from/sector+1)*sector)
		all = append(all, span{w.from, to})
		w.from = to
	}
	return all
}

// put takes a piece of a file over.
func put(content []byte, f io.ReaderAt, w span) ([]byte, error) {
	if more := w.to - int64(len(content)); more > 0 {
		content = append(content, make([]byte, more)...)
	}
	if _, err := f.ReadAt(content[w.from:w.to], w.from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return content, nil
}

// node is a file or directory.
type node struct {
	*gofuse.LoopbackNode
	disk *Disk
}

// WrapChild makes a node of what is in a directory.
func (n *node) WrapChild(_ context.Context, child gofuse.InodeEmbedder) gofuse.InodeEmbedder {
	return &node{child.(*gofuse.LoopbackNode), n.disk}
}

// The files beneath are read and written through the page cache of their own.
const notBeneath = syscall.O_APPEND | syscall.O_DIRECT | fuse.FMODE_EXEC

func (n *node) Open(ctx context.Context, flags uint32) (gofuse.FileHandle, uint32, syscall.Errno) {
	access := flags &^ (notBeneath | syscall.O_ACCMODE)
	fh, fuseFlags, errno := n.LoopbackNode.Open(ctx, access|readable(flags))
	if errno != 0 {
		return nil, 0, errno
	}
	return n.disk.file(fh), fuseFlags, 0
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*gofuse.Inode, gofuse.FileHandle, uint32, syscall.Errno) {
	access := flags &^ (notBeneath | syscall.O_ACCMODE)
	inode, fh, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, access|readable(flags), mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	f := n.disk.file(fh)
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return inode, f, fuseFlags, f.beneath(func(beneath *os.File, s *state) error {
		st, err := beneath.Stat()
		if err == nil && st.Size() == 0 { // its number was perhaps another's
			*s = state{}
		}
		return err
	})
}

// readable has a file that is written be readable too, to keep what is synced.
func readable(flags uint32) uint32 {
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		return syscall.O_RDONLY
	}
	return syscall.O_RDWR
}

// file is an open file.
type file struct {
	*gofuse.LoopbackFile
	disk *Disk
}

func (d *Disk) file(fh gofuse.FileHandle) *file { return &file{fh.(*gofuse.LoopbackFile), d} }

// PassthroughFd keeps the kernel from writing by itself.
func (f *file) PassthroughFd() (int, bool) { return 0, false }

// beneath has something done with the file beneath and what is known of it.
func (f *file) beneath(do func(beneath *os.File, s *state) error) syscall.Errno {
	var attr fuse.AttrOut
	if errno := f.Getattr(context.Background(), &attr); errno != 0 {
		return errno
	}
	fd, _ := f.LoopbackFile.PassthroughFd()
	again, err := syscall.Dup(fd)
	if err != nil {
		return gofuse.ToErrno(err)
	}
	beneath := os.NewFile(uintptr(again), "")
	defer beneath.Close()
	s := f.disk.files[attr.Ino]
	if s == nil {
		s = &state{}
		f.disk.files[attr.Ino] = s
	}
	return gofuse.ToErrno(do(beneath, s))
}

func (f *file) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n, errno := f.LoopbackFile.Write(ctx, data, off)
	if errno != 0 {
		return n, errno
	}
	return n, f.beneath(func(_ *os.File, s *state) error {
		s.written = append(s.written, span{off, off + int64(n)})
		return nil
	})
}

func (f *file) Writev(ctx context.Context, data [][]byte, off int64) (sum uint32, errno syscall.Errno) {
	for _, b := range data {
		n, errno := f.Write(ctx, b, off)
		sum, off = sum+n, off+int64(n)
		if errno != 0 {
			return sum, errno
		}
	}
	return sum, 0
}

func (f *file) Fsync(context.Context, uint32) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.beneath(func(beneath *os.File, s *state) error {
		st, err := beneath.Stat()
		if err != nil {
			return err
		}
		for _, w := range s.written {
			if s.synced, err = put(s.synced, beneath, w); err != nil {
				return err
			}
		}
		s.written = nil
		if n := st.Size(); n < int64(len(s.synced)) {
			s.synced = s.synced[:n]
		} else {
			s.synced = append(s.synced, make([]byte, n-int64(len(s.synced)))...)
		}
		return nil
	})
}
