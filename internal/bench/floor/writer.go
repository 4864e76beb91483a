//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writer writes a file past the page cache, two buffers at a time.
type writer struct {
	file   *os.File
	memory []byte      // no buffer yet
	free   chan []byte // buffers that are written
	full   chan piece  // room for all buffers: handing one over never waits
	ended  chan error  // one from each thread
	buffer []byte      // that is filled now, up to filled
	filled int
	size   int64 // bytes handed over
}

// A piece is what is written at once.
type piece struct {
	bytes  []byte
	offset int64
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
	// One more, so that the first can begin where a huge page does.
	memory, err := unix.Mmap(-1, 0, (buffers+1)*bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	if err := unix.Madvise(memory, unix.MADV_HUGEPAGE); err != nil {
		return nil, os.NewSyscallError("madvise", err)
	}
	start := int(-uintptr(unsafe.Pointer(&memory[0])) % bufferSize)
	w := &writer{
		file: f, memory: memory[start : start+buffers*bufferSize],
		free: make(chan []byte, buffers), full: make(chan piece, buffers), ended: make(chan error, writers),
	}
	for range writers {
		go func() { w.ended <- w.writePieces(int(f.Fd())) }()
	}
	w.take()

	// The header of pcap with nanoseconds, Ethernet: draft-ietf-opsawg-pcap.
	head := ne.AppendUint32(nil, 0xa1b23c4d)
	head = ne.AppendUint16(head, 2) // version 2.4
	head = ne.AppendUint16(head, 4)
	for _, field := range []uint32{0, 0, 262144, 1} {
		head = ne.AppendUint32(head, field)
	}
	w.write(head)
	return w, nil
}

// take takes another buffer to fill: one that is written, else new memory, else it
// waits.
func (w *writer) take() {
	w.filled = 0
	select {
	case w.buffer = <-w.free:
		return
	default:
	}
	if len(w.memory) > 0 {
		w.buffer, w.memory = w.memory[:bufferSize], w.memory[bufferSize:]
		return
	}
	w.buffer = <-w.free
}

// write adds bytes to the file.
func (w *writer) write(b []byte) {
	for {
		n := copy(w.buffer[w.filled:], b)
		w.filled += n
		if n == len(b) {
			return
		}
		b = b[n:]
		w.handOver(bufferSize)
		w.take()
	}
}

// handOver has the first bytes of the buffer written.
func (w *writer) handOver(bytes int) {
	w.full <- piece{w.buffer[:bytes], w.size}
	w.size += int64(bytes)
}

// writePieces writes pieces until there are no more. After an error it only takes
// them back, so that nobody waits for it.
func (w *writer) writePieces(fd int) (err error) {
	for p := range w.full {
		if err == nil {
			err = write(fd, p)
		}
		w.free <- p.bytes[:bufferSize]
	}
	return err
}

// write is a raw system call, which doesn't wake Go's monitor thread. pwritev(2) takes
// its offset in halves where words have 32 bits, and ignores the upper one elsewhere.
func write(fd int, p piece) error {
	v := unix.Iovec{Base: &p.bytes[0]}
	v.SetLen(len(p.bytes))
	n, _, errno := unix.RawSyscall6(unix.SYS_PWRITEV, uintptr(fd), uintptr(unsafe.Pointer(&v)), 1, uintptr(p.offset), uintptr(p.offset>>32), 0)
	switch {
	case errno != 0:
		return os.NewSyscallError("pwritev", errno)
	case int(n) != len(p.bytes):
		return fmt.Errorf("of a write of %d bytes %d were written", len(p.bytes), n)
	}
	return nil
}

// close writes the rest and cuts the file to its size.
func (w *writer) close() error {
	size := w.size + int64(w.filled)
	w.handOver((w.filled + align - 1) / align * align)
	close(w.full)
	var err error
	for range writers {
		err = errors.Join(err, <-w.ended)
	}
	return errors.Join(err, w.file.Truncate(size), w.file.Close())
}
