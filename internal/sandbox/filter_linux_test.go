package sandbox

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestProgram runs a program in Go's machine, which reads words in network order, with the
// answers of seccomp(2). The kernel's are in TestAbilities.
func TestProgram(t *testing.T) {
	const refused, unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	const allow, kill = uint32(unix.SECCOMP_RET_ALLOW), uint32(unix.SECCOMP_RET_KILL_PROCESS)
	const pointer, zeroAbove = 4, 5 // with an upper half of ones, of zeros
	vm, err := bpf.NewVM(program(unix.AUDIT_ARCH_X86_64, []call{
		{number: 1},
		{2, []test{is(0, 10, 11, 12), without(5, 0o6000)}},
		{2, []test{is(0, 20)}},
		{3, []test{{arg: 1, mask: ^uint32(0xf0), values: []uint32{0x101}}}},
		{zeroAbove, null(2)},
		{pointer, null(2)},
		{number: 430},
	}))
	require.NoError(t, err)
	for _, c := range []struct {
		arch, number uint32
		args         [6]uint32
		want         uint32
	}{
		{unix.AUDIT_ARCH_X86_64, 1, [6]uint32{}, allow},
		{unix.AUDIT_ARCH_I386, 1, [6]uint32{}, kill},
		{unix.AUDIT_ARCH_AARCH64, 1, [6]uint32{}, kill},
		{unix.AUDIT_ARCH_X86_64, 0x4000_0001, [6]uint32{}, kill},
		{unix.AUDIT_ARCH_X86_64, 0xffff_fffe, [6]uint32{}, kill},
		{unix.AUDIT_ARCH_X86_64, ^uint32(0), [6]uint32{}, unknown}, // a tracer's
		{unix.AUDIT_ARCH_X86_64, 0, [6]uint32{}, refused},
		{unix.AUDIT_ARCH_X86_64, 423, [6]uint32{}, refused},
		{unix.AUDIT_ARCH_X86_64, 424, [6]uint32{}, unknown},
		{unix.AUDIT_ARCH_X86_64, 430, [6]uint32{}, allow},
		{unix.AUDIT_ARCH_X86_64, 2, [6]uint32{10, 5: 0o1755}, allow},
		{unix.AUDIT_ARCH_X86_64, 2, [6]uint32{12}, allow},
		{unix.AUDIT_ARCH_X86_64, 2, [6]uint32{13}, refused},
		{unix.AUDIT_ARCH_X86_64, 2, [6]uint32{11, 5: 0o4755}, refused},
		{unix.AUDIT_ARCH_X86_64, 2, [6]uint32{20, 5: 0o4755}, allow},
		{unix.AUDIT_ARCH_X86_64, 3, [6]uint32{0, 0x1a1}, allow},
		{unix.AUDIT_ARCH_X86_64, 3, [6]uint32{0, 0x100}, refused},
		{unix.AUDIT_ARCH_X86_64, 3, [6]uint32{0, 0x10000101}, refused},
		{unix.AUDIT_ARCH_X86_64, zeroAbove, [6]uint32{}, allow},
		{unix.AUDIT_ARCH_X86_64, zeroAbove, [6]uint32{2: 1}, refused},
		{unix.AUDIT_ARCH_X86_64, pointer, [6]uint32{}, refused}, // its upper half isn't 0
	} {
		data := make([]byte, 64)
		binary.BigEndian.PutUint32(data[numberOffset:], c.number)
		binary.BigEndian.PutUint32(data[archOffset:], c.arch)
		for n, a := range c.args {
			binary.BigEndian.PutUint32(data[argsOffset+8*n+lower:], a)
			if c.number != zeroAbove || n != 2 { // the other half means nothing
				binary.BigEndian.PutUint32(data[argsOffset+8*n+4-lower:], ^a)
			}
		}
		got, err := vm.Run(data)
		require.NoError(t, err)
		assert.Equal(t, c.want, uint32(got), "%+v", c)
	}
}
