package capture

import (
	"fmt"
	"net"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// maxProgram is BPF_MAXINSNS, the longest program the kernel takes.
const maxProgram = 4096

// compose makes the program that the kernel runs: what direction and loopback
// call for, then the filter, then the snap length. Jumps are relative, so a
// filter can stand behind other instructions unchanged.
func compose(c *Config, ifi *net.Interface) ([]bpf.RawInstruction, error) {
	prefix, err := bpf.Assemble(prefilter(c.Direction, ifi))
	if err != nil {
		return nil, err
	}
	rest := c.Filter
	switch {
	case c.Unfiltered:
		rest = acceptAll
	case rest == nil:
		// The value returned is how many bytes of the frame the kernel copies.
		rest = []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K, K: uint32(c.SnapLen)}}
	}
	program := append(prefix, rest...)
	if len(program) > maxProgram {
		return nil, &FilterError{Interface: c.Interface, Instructions: len(program), Err: fmt.Errorf("it takes %d at most", maxProgram)}
	}
	return program, nil
}

// prefilter drops what isn't wanted by direction. Each packet on the loopback
// interface is seen twice, going out and coming in: it is taken coming in,
// unless only outgoing ones are wanted.
func prefilter(d Direction, ifi *net.Interface) []bpf.Instruction {
	const (
		drop     = 0
		outgoing = uint32(Outgoing)
	)
	loadType := bpf.LoadExtension{Num: bpf.ExtType}
	ret := bpf.RetConstant{Val: drop}
	switch {
	case d == Out:
		return []bpf.Instruction{loadType, bpf.JumpIf{Cond: bpf.JumpEqual, Val: outgoing, SkipTrue: 1}, ret}
	case d == In, ifi.Flags&net.FlagLoopback != 0:
		return []bpf.Instruction{loadType, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: outgoing, SkipTrue: 1}, ret}
	case ifi.Index == 0:
		return []bpf.Instruction{
			loadType,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: outgoing, SkipTrue: 3},
			bpf.LoadExtension{Num: bpf.ExtInterfaceIndex},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: loopbackIndex, SkipTrue: 1},
			ret,
		}
	}
	return nil
}

// wants is what prefilter's program decides, for a packet that it has not seen.
func (h *Handle) wants(r *Raw) bool {
	switch {
	case h.direction == Out:
		return r.Type == Outgoing
	case h.direction == In || h.loopback:
		return r.Type != Outgoing
	case h.all:
		return r.Type != Outgoing || r.Interface != loopbackIndex
	}
	return true
}

// loopbackIndex is LOOPBACK_IFINDEX of the kernel's net/flow.h: the loopback
// interface is the first of every network namespace.
const loopbackIndex = 1
