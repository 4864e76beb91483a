package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A call is a system call that a process may make, where all of its tests hold. Another of
// the same number is another case in which it may.
type call struct {
	number uint32
	when   []test
}

// A test looks at half of an argument, as a rule at the lower 32 bits: what the kernel reads
// of flags, numbers of processes and of requests is there.
type test struct {
	arg    int
	mask   uint32
	values []uint32 // one of them is what is left by the mask
	upper  bool     // the upper half is meant
}

const all = ^uint32(0)

// is has an argument be one of some values.
func is(arg int, values ...uint32) test { return test{arg: arg, mask: all, values: values} }

// without has an argument have none of some bits.
func without(arg int, bits uint32) test { return test{arg: arg, mask: bits, values: []uint32{0}} }

// null has an argument be no pointer.
func null(arg int) []test {
	return []test{is(arg, 0), {arg: arg, mask: all, values: []uint32{0}, upper: true}}
}

// Offsets in struct seccomp_data: seccomp(2).
const (
	numberOffset = 0
	archOffset   = 4
	argsOffset   = 16
)

// unified is the first number that all processors have for the same call. What is not
// allowed of these fails as in a kernel that doesn't know it, so that whoever tries it does
// without.
const unified = 424

// program is what decides about each system call: those of another processor's tables, which
// int 0x80 on amd64 makes, end the process.
func program(arch uint32, allowed []call) []bpf.Instruction {
	errno := func(e unix.Errno) bpf.Instruction {
		return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(e)}
	}
	number := bpf.LoadAbsolute{Off: numberOffset, Size: 4}
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		number,
	}
	if arch == unix.AUDIT_ARCH_X86_64 {
		const x32 = 0x4000_0000 // __X32_SYSCALL_BIT
		p = append(
			p,
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: x32, SkipFalse: 3},
			// A tracer has a call left out by this number, which no call has: ptrace(2).
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: all, SkipFalse: 1},
			errno(unix.ENOSYS),
			bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		)
	}
	for _, c := range allowed {
		body := c.body()
		if len(c.when) > 0 {
			body = append(body, number) // for the calls that follow
		}
		p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: c.number, SkipFalse: uint8(len(body))})
		p = append(p, body...)
	}
	return append(p, bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: unified, SkipFalse: 1}, errno(unix.ENOSYS), errno(unix.EPERM))
}

// body allows a call, or goes on behind itself.
func (c call) body() []bpf.Instruction {
	var body []bpf.Instruction
	var failed []int // where a test jumps to the end
	for _, t := range c.when {
		half := lower
		if t.upper {
			half = 4 - lower
		}
		body = append(body, bpf.LoadAbsolute{Off: uint32(argsOffset + 8*t.arg + half), Size: 4})
		if t.mask != all {
			body = append(body, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: t.mask})
		}
		for n, v := range t.values {
			body = append(body, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(t.values) - n)})
		}
		failed = append(failed, len(body))
		body = append(body, bpf.Jump{})
	}
	body = append(body, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	for _, at := range failed {
		body[at] = bpf.Jump{Skip: uint32(len(body) - at - 1)}
	}
	return body
}

// lower is where the lower half of an argument is.
var lower = func() int {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return 0
	}
	return 4
}()

// allowCalls has seccomp refuse all other system calls, on all threads.
func allowCalls(allowed []call) (lack string, err error) {
	if auditArch == 0 {
		return "the system calls of this processor are not known (" + runtime.GOARCH + "): they are not filtered", nil
	}
	raw, err := bpf.Assemble(program(auditArch, allowed))
	if err != nil {
		return "", fmt.Errorf("filtering system calls by seccomp: %w", err)
	}
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	thread, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	switch {
	case e == unix.ENOSYS || e == unix.EINVAL:
		return fmt.Sprintf("seccomp isn't there (%v): system calls are not filtered", e), nil
	case e != 0:
		return "", fmt.Errorf("filtering system calls: %w", os.NewSyscallError("seccomp", e))
	case thread != 0:
		return "", fmt.Errorf("filtering system calls: thread %d has another filter", thread)
	}
	return "", nil
}
