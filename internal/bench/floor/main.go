//go:build linux

// Floor shows how little CPU time a capture can take: it copies packets out of a
// TPACKET_V3 ring into buffers in huge pages, and two other threads write these past
// the page cache. It writes pcap with nanoseconds, and does nothing
// else that a capture has to do: no filter, no VLAN tags, no account, no disk that
// fails or is full.
//
//	floor INTERFACE FILE
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Sizes in bytes.
const (
	blockSize  = 1 << 20
	ringSize   = 16 << 20
	bufferSize = 4 << 20
	buffers    = 64   // as much memory as netcap has for a disk that stalls
	align      = 4096 // of direct writes
	writers    = 2    // threads that write
)

// ne is the order of the ring and, so that nothing is turned around, of the file.
var ne = binary.NativeEndian

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: floor INTERFACE FILE")
		os.Exit(2)
	}
	if err := capture(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func capture(iface, file string) error {
	// The threads never let another have what Go calls a processor, as if this
	// weren't Go; one is left for the signal.
	runtime.GOMAXPROCS(1 + writers + 1)
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	var stop atomic.Bool
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	go func() {
		<-interrupted
		stop.Store(true)
	}()

	w, err := newWriter(file)
	if err != nil {
		return err
	}
	conn, ring, err := openRing(iface)
	if err != nil {
		return err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Control(func(fd uintptr) { w.copyFrom(int(fd), ring, &stop) })
	if err := errors.Join(err, w.close()); err != nil {
		return err
	}
	stats, err := conn.Stats()
	if err == nil {
		fmt.Fprintf(os.Stderr, "%d packets dropped by kernel\n", stats.Drops)
	}
	return err
}

// openRing opens a socket with a ring, and lets packets in.
func openRing(iface string) (*packet.Conn, []byte, error) {
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, nil, err
	}
	conn, err := packet.Listen(ifi, packet.Raw, 0, nil)
	if err != nil {
		return nil, nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var ring []byte
	var ringErr error
	err = raw.Control(func(fd uintptr) { ring, ringErr = mapRing(int(fd), ifi.Index) })
	return conn, ring, errors.Join(err, ringErr)
}

func mapRing(fd, ifindex int) ([]byte, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, os.NewSyscallError("setsockopt PACKET_VERSION", err)
	}
	const frameSize = 2048 // not used by TPACKET_V3 but checked
	req := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: ringSize / blockSize,
		Frame_size: frameSize, Frame_nr: ringSize / frameSize,
		Retire_blk_tov: 100, // milliseconds
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, os.NewSyscallError("setsockopt PACKET_RX_RING", err)
	}
	ring, err := unix.Mmap(fd, 0, ringSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	all := ne.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return ring, os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex}))
}

// copyFrom writes the packets of a ring until it is stopped and the ring has no block
// for us.
func (w *writer) copyFrom(fd int, ring []byte, stop *atomic.Bool) {
	var head [16]byte
	for i := 0; ; i = (i + blockSize) % len(ring) {
		block := ring[i : i+blockSize]
		// struct tpacket_block_desc: packet_mmap.rst.
		status := (*uint32)(unsafe.Pointer(&block[8]))
		for atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
			if stop.Load() {
				return
			}
			wait(fd)
		}
		packets, at := ne.Uint32(block[12:]), ne.Uint32(block[16:])
		for range packets {
			h := block[at : at+28] // struct tpacket3_hdr
			length := ne.Uint32(h[12:])
			data := at + uint32(ne.Uint16(h[24:]))
			ne.PutUint32(head[0:], ne.Uint32(h[4:]))   // seconds
			ne.PutUint32(head[4:], ne.Uint32(h[8:]))   // nanoseconds
			ne.PutUint32(head[8:], length)             // captured
			ne.PutUint32(head[12:], ne.Uint32(h[16:])) // on the wire
			w.write(head[:])
			w.write(block[data : data+length])
			at += ne.Uint32(h)
		}
		atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
	}
}

// wait waits for a block, for 200 ms at most. As a raw system call it doesn't wake
// Go's monitor thread.
func wait(fd int) {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLERR}
	t := unix.NsecToTimespec(200e6)
	_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&t)), 0, 0, 0)
}
