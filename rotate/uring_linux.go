package rotate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uring is an io_uring with one write under way at most: io_uring(7). Who waits
// for it waits in Go's poller. A goroutine that waits in pwrite(2) instead keeps
// its processor, as Go counts them, and Go's monitor thread looking at that
// every 20 µs: a fifth of the CPU time of a capture at full rate.
//
// What a ring does no filter of system calls sees. So it can write, and nothing else: it
// is made disabled, restricted, and then enabled (Linux 5.10).
type uring struct {
	file *os.File
	raw  syscall.RawConn

	queues []byte // both, shared with the kernel
	sqes   []byte

	sqTail, cqHead, cqTail *uint32
	slot                   *uint32   // of the submission queue, which has one
	sqe                    *uringSQE // the same's entry
	cqes                   []uringCQE
}

// uringParams is struct io_uring_params.
type uringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq, cq                                                                 uringOffsets
}

// uringOffsets is struct io_sqring_offsets and struct io_cqring_offsets, which
// differ in names.
type uringOffsets struct {
	head, tail, ringMask, ringEntries uint32
	_                                 uint32 // sq: flags, cq: overflow
	cqes                              uint32 // sq: dropped
	array                             uint32 // cq: flags
	_                                 uint32
	_                                 uint64
}

// uringSQE is struct io_uring_sqe of a write.
type uringSQE struct {
	opcode, flags uint8
	_             uint16
	fd            int32
	off, addr     uint64
	len           uint32
	_             [36]byte
}

// uringCQE is struct io_uring_cqe.
type uringCQE struct {
	userData uint64
	res      int32 // bytes written, or -errno
	flags    uint32
}

// From linux/io_uring.h.
const (
	uringFeatSingleMmap        = 1 << 0
	uringOffSQEs               = 0x1000_0000
	uringOpWrite               = 23
	uringSQEAsync              = 1 << 4
	uringSetupDisabled         = 1 << 6
	uringRegisterRestrictions  = 11
	uringRegisterEnable        = 12
	uringRegisterIOWQAff       = 17
	uringRegisterIOWQMaxWorker = 19
	uringRestrictionOp         = 1
	uringRestrictionFlags      = 2
)

// uringRestriction is struct io_uring_restriction.
type uringRestriction struct {
	opcode uint16
	value  uint8 // an operation, or flags of entries
	_      [13]byte
}

// newURing makes a ring. Its errors say that the kernel has none, or doesn't
// want this process to use it.
func newURing() (*uring, error) {
	p := uringParams{flags: uringSetupDisabled}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	u := &uring{}
	// Go's poller takes only what is non-blocking.
	err := unix.SetNonblock(int(fd), true)
	u.file = os.NewFile(fd, "io_uring")
	if err == nil {
		err = u.setUp(int(fd), &p)
	}
	if err != nil {
		return nil, errors.Join(err, u.close())
	}
	return u, nil
}

func (u *uring) setUp(fd int, p *uringParams) (err error) {
	if p.features&uringFeatSingleMmap == 0 || p.sqEntries != 1 {
		return fmt.Errorf("io_uring: %w: older than Linux 5.4", errors.ErrUnsupported)
	}
	if err := u.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("io_uring: the poller doesn't take it: %w", err)
	}
	if u.raw, err = u.file.SyscallConn(); err != nil {
		return err
	}
	const word = int(unsafe.Sizeof(uint32(0)))
	size := max(int(p.sq.array)+word, int(p.cq.cqes)+int(p.cqEntries)*int(unsafe.Sizeof(uringCQE{})))
	if u.queues, err = mapURing(fd, 0, size); err != nil {
		return err
	}
	if u.sqes, err = mapURing(fd, uringOffSQEs, int(unsafe.Sizeof(uringSQE{}))); err != nil {
		return err
	}
	at := func(off uint32) unsafe.Pointer { return unsafe.Pointer(&u.queues[off]) }
	u.sqTail, u.slot = (*uint32)(at(p.sq.tail)), (*uint32)(at(p.sq.array))
	u.cqHead, u.cqTail = (*uint32)(at(p.cq.head)), (*uint32)(at(p.cq.tail))
	u.cqes = unsafe.Slice((*uringCQE)(at(p.cq.cqes)), p.cqEntries)
	u.sqe = (*uringSQE)(unsafe.Pointer(&u.sqes[0]))
	u.confine(fd)
	return u.enable(fd)
}

// enable has the ring begin, for writes alone: no other operation is taken from then on, and
// nothing registered.
func (u *uring) enable(fd int) error {
	allowed := [2]uringRestriction{
		{opcode: uringRestrictionOp, value: uringOpWrite},
		{opcode: uringRestrictionFlags, value: uringSQEAsync},
	}
	if err := u.register(fd, uringRegisterRestrictions, unsafe.Pointer(&allowed), uintptr(len(allowed))); err != nil {
		return fmt.Errorf("io_uring: restricting it to writes: %w", err)
	}
	return os.NewSyscallError("io_uring_register", u.register(fd, uringRegisterEnable, nil, 0))
}

func mapURing(fd int, off int64, size int) ([]byte, error) {
	mem, err := unix.Mmap(fd, off, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return mem, os.NewSyscallError("mmap", err)
}

// confine has the kernel's worker, which writes for us, be one thread, and run
// where this process may. Kernels older than 5.15 don't know how: it may then
// run anywhere, which harms nothing.
func (u *uring) confine(fd int) {
	workers := [2]uint32{1, 1} // for files, for the rest
	_ = u.register(fd, uringRegisterIOWQMaxWorker, unsafe.Pointer(&workers), uintptr(len(workers)))
	var cpus unix.CPUSet
	if unix.SchedGetaffinity(0, &cpus) == nil {
		_ = u.register(fd, uringRegisterIOWQAff, unsafe.Pointer(&cpus), unsafe.Sizeof(cpus))
	}
}

func (u *uring) register(fd int, op uintptr, arg unsafe.Pointer, n uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(fd), op, uintptr(arg), n, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// pwrite is pwrite(2) once. p is memory that Go doesn't manage, and isn't
// empty.
func (u *uring) pwrite(fd int, p []byte, off int64) (int, error) {
	*u.sqe = uringSQE{
		// To a worker at once: a file that grows has the kernel wait somewhere.
		opcode: uringOpWrite, flags: uringSQEAsync,
		fd: int32(fd), off: uint64(off), addr: uint64(uintptr(unsafe.Pointer(&p[0]))), len: uint32(len(p)),
	}
	*u.slot = 0
	var (
		submitted bool
		res       int32
		failed    error
	)
	err := u.raw.Read(func(ring uintptr) bool {
		if !submitted {
			submitted = true
			if failed = u.submit(ring); failed != nil {
				return true
			}
		}
		var done bool
		res, done = u.completion()
		return done
	})
	switch {
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, err
	case res < 0:
		return 0, os.NewSyscallError("io_uring write", unix.Errno(-res))
	case res == 0:
		return 0, io.ErrShortWrite
	}
	return int(res), nil
}

// submit hands the entry over. It doesn't wait, so it needs no help of Go's.
func (u *uring) submit(ring uintptr) error {
	tail := atomic.LoadUint32(u.sqTail)
	atomic.StoreUint32(u.sqTail, tail+1)
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, ring, 1, 0, 0, 0, 0)
	if errno != 0 {
		atomic.StoreUint32(u.sqTail, tail) // nothing was taken
		return os.NewSyscallError("io_uring_enter", errno)
	}
	return nil
}

// completion returns what became of the write, once it is done.
func (u *uring) completion() (res int32, done bool) {
	head := atomic.LoadUint32(u.cqHead)
	if head == atomic.LoadUint32(u.cqTail) {
		return 0, false
	}
	res = u.cqes[head%uint32(len(u.cqes))].res
	atomic.StoreUint32(u.cqHead, head+1)
	return res, true
}

// close gives the ring back. Nothing is under way.
func (u *uring) close() error {
	var err error
	if u.sqes != nil {
		err = os.NewSyscallError("munmap", unix.Munmap(u.sqes))
	}
	if u.queues != nil {
		err = errors.Join(err, os.NewSyscallError("munmap", unix.Munmap(u.queues)))
	}
	return errors.Join(err, u.file.Close())
}
