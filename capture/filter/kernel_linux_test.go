package filter

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A kernelFilter is a pair of sockets of which the second has a filter: the
// kernel's own interpreter or compiler, for which nobody needs to be root.
type kernelFilter struct {
	t        testing.TB
	in, out  int
	received []byte
}

func newKernelFilter(t testing.TB) *kernelFilter {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	k := &kernelFilter{t: t, in: fds[0], out: fds[1], received: make([]byte, 1<<18)}
	t.Cleanup(func() { _ = unix.Close(k.in); _ = unix.Close(k.out) })
	return k
}

// attach gives the kernel a program, which it checks.
func (k *kernelFilter) attach(prog []bpf.RawInstruction) error {
	return attachFilter(k.out, prog)
}

func attachFilter(fd int, prog []bpf.RawInstruction) error {
	list := make([]unix.SockFilter, len(prog))
	for i, r := range prog {
		list[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]})
}

// match tells whether the program accepts a packet.
func (k *kernelFilter) match(data []byte) bool {
	k.t.Helper()
	require.NoError(k.t, unix.Sendto(k.in, data, 0, nil))
	_, _, err := unix.Recvfrom(k.out, k.received, 0)
	if errors.Is(err, unix.EAGAIN) {
		return false
	}
	require.NoError(k.t, err)
	return true
}

// TestKernel loads the programs of all of libpcap's cases into the kernel, and
// compares its verdicts with the matcher's.
func TestKernel(t *testing.T) {
	resolver := corpusResolver(t)
	packets := corpusPackets(t)
	k := newKernelFilter(t)
	var programs, compared, accepted int
	for n, c := range readCases(t, "filter-cases.jsonl", "accept") {
		if !c.applies() {
			continue
		}
		cfg := c.config(t, resolver)
		p, err := Compile(c.Expr, cfg)
		require.NoError(t, err)
		if p.Kernel() != nil {
			assert.Nil(t, p.Instructions())
			continue
		}
		programs++
		name := c.DLT + " " + c.Expr
		require.NoError(t, k.attach(p.Instructions()), name)
		if c.LinuxExt {
			continue // the kernel keeps nothing beside these packets; TestLive sends others
		}
		r := rand.New(rand.NewPCG(3, uint64(n)))
		for range 20 {
			pk := steer(r, p.Instructions(), randomPacket(r, packets[cfg.LinkType]))
			want := k.match(pk.data)
			compared++
			if want {
				accepted++
			}
			assert.Equal(t, want, p.Match(pk.data, len(pk.data)), "%s: %x", name, pk.data)
		}
	}
	t.Logf("%d programs loaded; %d verdicts compared, %d of them accept", programs, compared, accepted)
	require.Positive(t, accepted)
	require.Less(t, accepted, compared)
}

// TestKernelLimit compiles what is too long for a kernel, and what is just not.
func TestKernelLimit(t *testing.T) {
	k := newKernelFilter(t)
	long := hosts(1100)
	p, err := Compile(long, nil)
	require.NoError(t, err)
	require.NoError(t, p.Kernel())
	require.NoError(t, k.attach(p.Instructions()))

	long = hosts(9000)
	p, err = Compile(long, nil)
	require.NoError(t, err)
	require.ErrorIs(t, p.Kernel(), ErrNotForKernel)
	assert.Nil(t, p.Instructions())
	assert.Empty(t, p.Dump(Text))
	frame := make([]byte, 34)
	frame[12], frame[14] = 0x08, 0x45
	copy(frame[26:], []byte{10, 0, 1, 3})
	assert.True(t, p.Match(frame, len(frame)))
	frame[29]++
	assert.False(t, p.Match(frame, len(frame)))

	_, err = Compile(long, &Config{LinkType: LinkTypeEthernet, Live: true})
	require.ErrorIs(t, err, ErrNotForKernel)
	assert.Contains(t, err.Error(), "the kernel takes 4096")
}
