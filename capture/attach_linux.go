package capture

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// CheckFilter has the kernel take the program that Open would give it, on a socket
// that receives nothing. Its errors are those of Open.
func CheckFilter(cfg *Config) error {
	c, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	ifi, err := lookup(c.Interface)
	if err != nil {
		return err
	}
	program, err := compose(&c, ifi)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return explain(c.Interface, os.NewSyscallError("socket", err))
	}
	defer unix.Close(fd)
	return attach(descriptor(fd), c.Interface, program)
}

// A descriptor is a socket.
type descriptor int

// SetBPF attaches a program.
func (fd descriptor) SetBPF(program []bpf.RawInstruction) error {
	p := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}
	return os.NewSyscallError("setsockopt", unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p))
}

// attach gives a socket that receives nothing yet its program, nil for none. What drops
// all stands before: so the kernel is known to have memory for both at once, as Stop
// needs, which replaces the one by the other. Its error is a FilterError.
func attach(s interface {
	SetBPF(program []bpf.RawInstruction) error
}, name string, program []bpf.RawInstruction,
) error {
	if program == nil {
		return nil
	}
	err := s.SetBPF(dropAll)
	if err == nil {
		err = s.SetBPF(program)
	}
	if err == nil {
		return nil
	}
	refused := &FilterError{Interface: name, Instructions: len(program), Err: err}
	var errno unix.Errno
	if errors.As(err, &errno) {
		refused.Err = errno
	}
	if errno == unix.ENOMEM {
		refused.Has = optmemMax()
		if needs := optmemFor(program); needs > refused.Has { // else it is memory itself that is missing
			refused.Needs = needs
		}
	}
	return refused
}

// optmemMax is net.core.optmem_max in bytes, 0 where it can't be read.
func optmemMax() int64 {
	b, err := os.ReadFile("/proc/sys/net/core/optmem_max")
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// optmemFor is a net.core.optmem_max, in bytes, with which the kernel takes a program,
// and that of Stop beside it.
//
// The kernel charges a socket for the eBPF program into which it turns a classic one,
// some 15 instructions of 8 bytes for each load, and takes it if the sum of its charges
// stays below optmem_max (__sk_filter_charge in net/core/filter.c).
func optmemFor(program []bpf.RawInstruction) int64 {
	sum, err := chargeOf(program)
	if err != nil {
		// No instruction becomes more than 21 (bpf_convert_filter, Linux 6.18), and
		// each of the two programs has a head.
		const most, head = 24 * 8, 1024
		sum = int64(len(program))*most + 2*head
	}
	const page = 4096
	return (sum/page + 1) * page
}

// chargeOf is what the kernel charges for a program, and that of Stop, in bytes. That
// depends on the kernel. So it is asked, for pieces that are short enough to be taken:
// SO_MEMINFO tells what is charged for each.
func chargeOf(program []bpf.RawInstruction) (sum int64, err error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	load := bpf.RawInstruction{Op: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}
	var ends [3]int64 // with so many loads
	for n := range ends {
		if ends[n], err = charge(fd, piece([]bpf.RawInstruction{load, load}[:n])); err != nil {
			return 0, err
		}
	}
	// A program that loads anything of the packet begins with some instructions for that.
	empty, preparing := ends[0], 2*ends[1]-ends[0]-ends[2]
	sum = 2*empty + preparing // as if Stop's were as long
	for size := 64; len(program) > 0; {
		n := min(size, len(program))
		charged, err := charge(fd, piece(program[:n]))
		if errors.Is(err, unix.ENOMEM) && size > 1 {
			size /= 2
			continue
		}
		if err != nil {
			return 0, err
		}
		if sum += charged - empty; slices.ContainsFunc(program[:n], loadsPacket) {
			sum -= preparing
		}
		program = program[n:]
	}
	return sum, nil
}

// loadsPacket reports whether an instruction loads something of the packet itself.
func loadsPacket(i bpf.RawInstruction) bool {
	const class, mode, beside = 0x07, 0xe0, 0xfffff000 // SKF_AD_OFF of linux/filter.h
	switch {
	case i.Op&class > unix.BPF_LDX:
		return false
	case i.Op&mode == unix.BPF_ABS:
		return i.K < beside
	}
	return i.Op&mode == unix.BPF_IND || i.Op&mode == unix.BPF_MSH
}

// piece makes a program of some instructions of another, which the kernel turns into as
// many as it would there. What would jump out of it ends.
func piece(part []bpf.RawInstruction) []bpf.RawInstruction {
	out := append([]bpf.RawInstruction(nil), part...)
	for at := range out {
		i, last := &out[at], len(out)-at // the second of the two returns
		switch {
		case i.Op == unix.BPF_JMP|unix.BPF_JA:
			i.K = min(i.K, uint32(last))
		case i.Op&0x07 == unix.BPF_JMP:
			i.Jt, i.Jf = uint8(min(int(i.Jt), last)), uint8(min(int(i.Jf), last))
		case i.Op == unix.BPF_LD|unix.BPF_MEM, i.Op == unix.BPF_LDX|unix.BPF_MEM:
			// What stores there may be in another piece.
			i.Op = i.Op&0x07 | unix.BPF_IMM
		}
	}
	return append(out, dropAll[0], dropAll[0])
}

// charge is what the kernel charges a socket for a program, in bytes.
func charge(fd int, program []bpf.RawInstruction) (int64, error) {
	// What is replaced is charged until the other stands. Without one it is an error.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	if err := descriptor(fd).SetBPF(program); err != nil {
		return 0, err
	}
	const optmem = 6 // SK_MEMINFO_OPTMEM of linux/sock_diag.h
	var info [16]uint32
	size := uint32(unsafe.Sizeof(info))
	if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return 0, os.NewSyscallError("getsockopt SO_MEMINFO", errno)
	}
	if size < 4*(optmem+1) {
		return 0, fmt.Errorf("getsockopt SO_MEMINFO: %d bytes", size)
	}
	return int64(info[optmem]), nil
}
