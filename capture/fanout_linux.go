package capture

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// OpenGroup starts to capture on an interface with n Handles, among which the kernel shares
// the packets out: PACKET_FANOUT of packet(7), by flow, and to another Handle where a ring is
// full. Each has a ring of cfg.RingSize, and each is read by a goroutine of its own. Between
// Handles packets have no order but their times.
//
// Errors are those of Open, and the kernel's for what it can't share out.
func OpenGroup(cfg *Config, n int) ([]*Handle, error) {
	if n < 1 || n > MaxThreads {
		return nil, fmt.Errorf("%d threads: not between 1 and %d", n, MaxThreads)
	}
	if n == 1 {
		h, err := Open(cfg)
		if err != nil {
			return nil, err
		}
		return []*Handle{h}, nil
	}
	c, ifi, program, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	group, err := openGroup(&c, ifi, program, n)
	if refused := (*FilterError)(nil); c.Unfiltered && errors.As(err, &refused) {
		h, err := open(&c, ifi, nil)
		if err != nil {
			return nil, err
		}
		h.degrade = errors.Join(h.degrade, fmt.Errorf("one thread instead of %d: none could be kept from receiving before all have joined: %w", n, refused))
		return []*Handle{h}, nil
	}
	return group, err
}

func openGroup(c *Config, ifi *net.Interface, program []bpf.RawInstruction, n int) ([]*Handle, error) {
	var group []*Handle
	fail := func(err error) ([]*Handle, error) {
		for _, h := range group {
			err = errors.Join(err, h.Close())
		}
		return nil, err
	}
	// A socket can't join a group before it receives, and until it has joined it would
	// receive all: so none accepts anything until all have joined.
	id, flags := 0, unix.PACKET_FANOUT_FLAG_UNIQUEID
	for range n {
		h, err := open(c, ifi, dropAll)
		if err != nil {
			return fail(err)
		}
		group = append(group, h)
		if id, err = h.sock.(member).join(id, unix.PACKET_FANOUT_HASH|unix.PACKET_FANOUT_FLAG_ROLLOVER|flags); err != nil {
			return fail(fmt.Errorf("%s: sharing packets out among %d threads: %w", c.Interface, n, err))
		}
		flags, c.NoPromiscuous = 0, true // one is enough
	}
	for _, h := range group {
		if err := attach(h.sock, c.Interface, program); err != nil {
			return fail(err)
		}
	}
	return group, nil
}

// member is a Socket of the kernel's.
type member interface {
	// join makes the socket one of a group, and returns its number.
	join(id, typeAndFlags int) (int, error)
}

func (s *ringSocket) join(id, typeAndFlags int) (joined int, err error) {
	ctlErr := s.raw.Control(func(fd uintptr) { joined, err = joinFanout(int(fd), id, typeAndFlags) })
	return joined, errors.Join(ctlErr, err)
}

func (s *messageSocket) join(id, typeAndFlags int) (joined int, err error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	ctlErr := raw.Control(func(fd uintptr) { joined, err = joinFanout(int(fd), id, typeAndFlags) })
	return joined, errors.Join(ctlErr, err)
}

func joinFanout(fd, id, typeAndFlags int) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, typeAndFlags<<16|id); err != nil {
		return 0, os.NewSyscallError("setsockopt PACKET_FANOUT", err)
	}
	v, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	return v & 0xffff, os.NewSyscallError("getsockopt PACKET_FANOUT", err)
}

// acceptAll is a program that accepts every packet as a whole.
var acceptAll = []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K, K: MaxSnapLen}}

// Threads is how many Handles an interface may need: one for what one was measured to
// receive without loss (docs/benchmarks.md), which is more than 10 Gbit/s, and so for an
// interface that doesn't say how fast it is; of a faster one's as many as its speed asks for,
// and half of the processors at most.
func Threads(name string) int {
	b, err := os.ReadFile("/sys/class/net/" + name + "/speed")
	if err != nil {
		return 1
	}
	megabits, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 1
	}
	return threadsFor(megabits, runtime.NumCPU())
}

// perThread is the speed that one thread is good for, in Mbit/s.
const perThread = 10_000

func threadsFor(megabits, processors int) int {
	return max(1, min((megabits+perThread-1)/perThread, processors/2))
}
