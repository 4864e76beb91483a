package rotate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// needURing makes a ring, which a kernel may forbid and a container usually does.
func needURing(t *testing.T) *uring {
	t.Helper()
	testenv.Root(t)
	if b, err := os.ReadFile("/proc/sys/kernel/io_uring_disabled"); err != nil || string(b) == "2\n" {
		t.Skip("not run: needs io_uring")
	}
	u, err := newURing()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, u.close()) })
	return u
}

// pattern is a buffer's memory, each page of it different.
func pattern(t *testing.T) []byte {
	t.Helper()
	b, err := newBuffer(true)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, unix.Munmap(b.mapped)) })
	for i := range bufferSize {
		b.mem[i] = byte(i>>12 ^ i)
	}
	return b.mem[:bufferSize]
}

// TestURing holds what the ring writes and refuses to what the kernel says of
// the file.
func TestURing(t *testing.T) {
	u, mem := needURing(t), pattern(t)
	for _, flags := range []int{0, unix.O_DIRECT} {
		path := filepath.Join(t.TempDir(), "f")
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|flags, 0o600)
		require.NoError(t, err)
		for i := range 3 {
			n, err := u.pwrite(int(f.Fd()), mem, int64(i*bufferSize))
			require.NoError(t, err)
			require.Equal(t, bufferSize, n)
		}
		n, err := u.pwrite(int(f.Fd()), mem[4096:8192], 0)
		require.NoError(t, err)
		require.Equal(t, 4096, n)
		require.NoError(t, f.Close())
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(bytes.Join([][]byte{mem[4096:8192], mem[4096:], mem, mem}, nil), got))

		_, err = u.pwrite(-1, mem, 0)
		require.ErrorIs(t, err, unix.EBADF)
		f, err = os.Open(path)
		require.NoError(t, err)
		_, err = u.pwrite(int(f.Fd()), mem, 0)
		require.ErrorIs(t, err, unix.EBADF)
		require.NoError(t, f.Close())
	}

	full, err := os.Create(filepath.Join(mountTmpfs(t, "size=1m"), "f"))
	require.NoError(t, err)
	defer full.Close()
	n, err := u.pwrite(int(full.Fd()), mem, 0)
	require.NoError(t, err)
	assert.Equal(t, 1<<20, n)
	_, err = u.pwrite(int(full.Fd()), mem, 1<<20)
	assert.ErrorIs(t, err, unix.ENOSPC)
}

// TestURingRestricted asks the ring for what is no write: the kernel refuses it.
func TestURingRestricted(t *testing.T) {
	u := needURing(t)
	require.EqualValues(t, 16, unsafe.Sizeof(uringRestriction{}))
	submit := func(e uringSQE) unix.Errno {
		*u.sqe, *u.slot = e, 0
		require.NoError(t, u.submit(u.file.Fd()))
		var res int32
		require.Eventually(t, func() (done bool) { res, done = u.completion(); return done }, 30*time.Second, time.Millisecond)
		return unix.Errno(-min(res, 0))
	}
	const nop, fsync, connect, openAt, socket, uringCmd = 0, 3, 16, 18, 45, 46 // of enum io_uring_op
	for _, op := range []uint8{nop, fsync, connect, openAt, socket, uringCmd} {
		assert.Equal(t, unix.EACCES, submit(uringSQE{opcode: op, fd: unix.AF_INET, off: unix.SOCK_STREAM}), op)
	}
	const fixedFile = 1 << 0 // IOSQE_FIXED_FILE
	assert.Equal(t, unix.EACCES, submit(uringSQE{opcode: uringOpWrite, flags: fixedFile, fd: -1}))
	assert.Equal(t, unix.EBADF, submit(uringSQE{opcode: uringOpWrite, flags: uringSQEAsync, fd: -1}))
	workers := [2]uint32{}
	assert.ErrorIs(t, u.register(int(u.file.Fd()), uringRegisterIOWQMaxWorker, unsafe.Pointer(&workers), 2), unix.EACCES)
}

// TestWithoutURing has a set written by pwrite(2) where there is no ring, byte
// for byte as with it.
func TestWithoutURing(t *testing.T) {
	needURing(t)
	var sets [2][]byte
	for i := range sets {
		m := realMachine()
		asked := 0
		m.ring = func() (*uring, error) {
			asked++
			if i == 0 {
				return nil, errors.ErrUnsupported
			}
			return newURing()
		}
		dir := t.TempDir()
		r := newRig(t, single(t, dir), m)
		for range 40 {
			r.batch(20, 20_000)
		}
		require.NoError(t, r.w.Close())
		require.Equal(t, 1, asked)
		r.sums(filepath.Join(dir, "out.rec"))
		var err error
		sets[i], err = os.ReadFile(filepath.Join(dir, "out.rec"))
		require.NoError(t, err)
		require.Greater(t, len(sets[i]), 3*bufferSize)
	}
	assert.True(t, bytes.Equal(sets[0], sets[1]))
}
