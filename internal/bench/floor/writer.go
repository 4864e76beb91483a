//go:build linux

package main

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writer writes a file past the page cache, several buffers at a time, by the kernel's
// own asynchronous calls: io_submit(2).
type writer struct {
	file    *os.File
	aio     uintptr  // context: aio_context_t
	free    [][]byte // the one freed last, at the end, is used first: it is warm
	pending map[uint64][]byte
	buffer  []byte // that is filled now, up to filled
	filled  int
	written int64 // bytes given to the kernel
}

func newWriter(name string) (*writer, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|unix.O_DIRECT, 0o600)
	if err != nil {
		return nil, err
	}
	// Writes that make a file longer wait for each other. It is cut at the end.
	if err := f.Truncate(1 << 40); err != nil {
		return nil, err
	}
	w := &writer{file: f, pending: map[uint64][]byte{}}
	if _, _, errno := unix.RawSyscall(unix.SYS_IO_SETUP, buffers, uintptr(unsafe.Pointer(&w.aio)), 0); errno != 0 {
		return nil, os.NewSyscallError("io_setup", errno)
	}
	// One more, so that the first can begin where a huge page does.
	memory, err := unix.Mmap(-1, 0, (buffers+1)*bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	if err := unix.Madvise(memory, unix.MADV_HUGEPAGE); err != nil {
		return nil, os.NewSyscallError("madvise", err)
	}
	memory = memory[-uintptr(unsafe.Pointer(&memory[0]))%bufferSize:]
	for i := range buffers {
		w.free = append(w.free, memory[i*bufferSize:(i+1)*bufferSize])
	}
	w.buffer = w.free[0]
	w.free = w.free[1:]

	// The header of pcap with nanoseconds, Ethernet: draft-ietf-opsawg-pcap.
	head := ne.AppendUint32(nil, 0xa1b23c4d)
	head = ne.AppendUint16(head, 2) // version 2.4
	head = ne.AppendUint16(head, 4)
	for _, field := range []uint32{0, 0, 262144, 1} {
		head = ne.AppendUint32(head, field)
	}
	return w, w.write(head)
}

// write adds bytes to the file.
func (w *writer) write(b []byte) error {
	for {
		n := copy(w.buffer[w.filled:], b)
		w.filled += n
		if n == len(b) {
			return nil
		}
		b = b[n:]
		if err := w.flush(bufferSize); err != nil {
			return err
		}
	}
}

// iocb is what io_submit(2) takes.
type iocb struct {
	data   uint64
	_      [2]uint32 // key, flags
	opcode uint16
	_      int16 // priority
	fd     uint32
	buffer uint64
	bytes  uint64
	offset int64
	_      uint64
	_, _   uint32 // flags, eventfd
}

// flush has the kernel write the first bytes of the buffer, and takes another.
func (w *writer) flush(bytes int) error {
	const pwrite = 1
	address := uint64(uintptr(unsafe.Pointer(&w.buffer[0])))
	cb := &iocb{data: address, opcode: pwrite, fd: uint32(w.file.Fd()), buffer: address, bytes: uint64(bytes), offset: w.written}
	if _, _, errno := unix.RawSyscall(unix.SYS_IO_SUBMIT, w.aio, 1, uintptr(unsafe.Pointer(&cb))); errno != 0 {
		return os.NewSyscallError("io_submit", errno)
	}
	w.pending[address] = w.buffer[:bytes]
	w.written += int64(bytes)
	if err := w.collect(0); err != nil {
		return err
	}
	for len(w.free) == 0 {
		if err := w.collect(1); err != nil {
			return err
		}
	}
	last := len(w.free) - 1
	w.buffer, w.free, w.filled = w.free[last], w.free[:last], 0
	return nil
}

// collect takes back the buffers that are written, and waits for so many.
func (w *writer) collect(least int) error {
	var events [buffers]struct {
		data, iocb uint64
		res, res2  int64
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_IO_GETEVENTS, w.aio, uintptr(least), buffers, uintptr(unsafe.Pointer(&events)), 0, 0)
	if errno == unix.EINTR {
		return nil // the caller looks at what is free or pending
	}
	if errno != 0 {
		return os.NewSyscallError("io_getevents", errno)
	}
	for _, e := range events[:n] {
		if e.res < 0 {
			return os.NewSyscallError("write", unix.Errno(-e.res))
		}
		b := w.pending[e.data]
		if int(e.res) != len(b) {
			return fmt.Errorf("of a write of %d bytes %d were written", len(b), e.res)
		}
		w.free = append(w.free, b[:bufferSize])
		delete(w.pending, e.data)
	}
	return nil
}

// close writes the rest and cuts the file to its size.
func (w *writer) close() error {
	size := w.written + int64(w.filled)
	if err := w.flush((w.filled + align - 1) / align * align); err != nil {
		return err
	}
	for len(w.pending) > 0 {
		if err := w.collect(1); err != nil {
			return err
		}
	}
	if err := w.file.Truncate(size); err != nil {
		return err
	}
	return w.file.Close()
}
