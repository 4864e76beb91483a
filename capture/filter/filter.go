package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
)

// What an Error may wrap.
var (
	// ErrTooComplex: the expression is beyond a bound on length, depth or size.
	ErrTooComplex = errors.New("expression too complex")
	// ErrNotForKernel: the expression can't be a program for the kernel.
	ErrNotForKernel = errors.New("expression needs a matcher in user space")
	// ErrLinkType: the expression, or any, makes no sense on the link type.
	ErrLinkType = errors.New("not supported on the link type")
)

// DefaultSnapLen is the value of accepting programs where Config.SnapLen is 0.
const DefaultSnapLen = 262144

// MaxInstructions is how long a program the kernel takes, BPF_MAXINSNS.
const MaxInstructions = 4096

// maxNodes bounds the decision graph, and with it the time of compiling.
const maxNodes = 50_000

// A Config says what packets are like, and what a program is for. A nil *Config
// is for Ethernet frames from a file.
type Config struct {
	// LinkType is what packets begin with.
	LinkType LinkType
	// SnapLen is what an accepting program returns, in bytes: the kernel cuts
	// packets to it. Default: DefaultSnapLen.
	SnapLen int
	// Netmask is the IPv4 network mask for ip broadcast, which is an error where
	// it is the zero Addr or 255.255.255.255.
	Netmask netip.Addr
	// Live is for programs that a Linux packet socket runs: VLAN tag, packet
	// type and interface come from what the kernel keeps beside the packet, and
	// packets of LinkTypeLinuxSLL and LinkTypeLinuxSLL2 have no such header yet:
	// programs for them take any packet of a SOCK_RAW or SOCK_DGRAM socket.
	// Programs without it are for bytes as they are in files.
	Live bool
	// Mixed is for a live SOCK_RAW socket of all interfaces, with LinkTypeLinuxSLL2:
	// what only Ethernet has, such as VLAN tags and hardware addresses, is looked for in
	// packets of Ethernet interfaces, and others don't have it: not vlan accepts them.
	Mixed bool
	// UserSpace is for a live program that MatchLive may have to run: what the
	// kernel can't run for its length, or for a loop, is no error. Program.Kernel
	// says so.
	UserSpace bool
	// Resolver gives names their numbers. Default: System.
	Resolver Resolver
}

// A Program is a compiled expression. It is immutable, and safe for concurrent
// use.
type Program struct {
	raw     []bpf.RawInstruction
	kernel  error
	matcher *matcher
	chains  []headerChain
	root    nodeID
}

// Compile makes a program of an expression, which pcap-filter(7) describes. The
// empty expression accepts every packet. All errors are an *Error.
//
// With Config.Live, what the kernel can't run is an error that wraps
// ErrNotForKernel, unless Config.UserSpace is set and MatchLive can.
func Compile(expr string, cfg *Config) (*Program, error) {
	if cfg == nil {
		cfg = &Config{LinkType: LinkTypeEthernet}
	}
	whole := func(msg string, cause error) error {
		return &Error{Expr: expr, Pos: 0, Len: len(expr), Msg: msg, Err: cause}
	}
	if _, ok := linkTypeNames[cfg.LinkType]; !ok {
		return nil, whole(fmt.Sprintf("link type %s is not supported", cfg.LinkType), ErrLinkType)
	}
	t, err := parse(expr)
	if err != nil {
		return nil, err
	}
	l := newLowering(expr, cfg)
	c, err := l.whole(t)
	if err == nil && l.vs.unavailable {
		err = whole(fmt.Sprintf("the kernel doesn't show this part of the %s header to a filter", cfg.LinkType), ErrNotForKernel)
	}
	if cfg.Mixed && cfg.Live && (errors.Is(err, ErrLinkType) || errors.Is(err, ErrNotForKernel)) {
		mixed, is, mixedErr := lowerMixed(expr, cfg, t)
		if mixedErr == nil || !errors.Is(mixedErr, ErrLinkType) {
			l, c, err = mixed, is, mixedErr
		}
	}
	if err != nil {
		return nil, err
	}
	g := newGraph(l.cs)
	g.root = g.build(c, acceptNode, rejectNode)
	if len(g.nodes) > maxNodes {
		return nil, whole(fmt.Sprintf("expression has %d tests, at most %d are taken", len(g.nodes), maxNodes), ErrTooComplex)
	}
	g.optimise()
	snapLen := uint32(cfg.SnapLen)
	if cfg.SnapLen <= 0 {
		snapLen = DefaultSnapLen
	}
	first, ok := emit(g, snapLen)
	if !ok {
		return nil, whole(fmt.Sprintf("expression needs more than the %d words of scratch memory that there are", scratchWords), ErrTooComplex)
	}
	list := arrange(share(first))
	p := &Program{raw: assemble(list), root: g.root, chains: l.vs.chains}
	switch {
	case len(l.vs.chains) > 0:
		p.kernel = whole("protochain needs a loop, which the kernel's filters don't have", ErrNotForKernel)
	case len(p.raw) > MaxInstructions:
		p.kernel = whole(fmt.Sprintf("the program has %d instructions, the kernel takes %d", len(p.raw), MaxInstructions), ErrNotForKernel)
	}
	if cfg.Live && !cfg.UserSpace && p.kernel != nil {
		return nil, p.kernel
	}
	p.matcher = newMatcher(p.raw, l.vs.chains)
	return p, nil
}

func newLowering(expr string, cfg *Config) *lowering {
	vs := newValues()
	layer, ok := linkLayers[cfg.LinkType]
	if !ok {
		layer = linkLayer{proto: -1, payload: unset, network: unset, noSNAP: unset}
	}
	l := &lowering{
		expr: expr, link: cfg.LinkType, layer: layer, live: cfg.Live, resolver: cfg.Resolver,
		vs: vs, cs: newConds(vs), family: layer.family,
		header:  offset{noValue, layer.header},
		proto:   offset{noValue, uint32(layer.proto)},
		noProto: layer.proto < 0,
		payload: offset{noValue, layer.payload},
		network: layer.network, noSNAP: layer.noSNAP,
		frame: always, ready: always,
	}
	if l.resolver == nil {
		l.resolver = System{}
	}
	if m := cfg.Netmask; m.Is4() && m != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		b := m.As4()
		l.netmask, l.hasMask = binary.BigEndian.Uint32(b[:]), true
	}
	if cfg.Live {
		vs.cook(cfg.LinkType)
		l.mixed = cfg.Mixed
	}
	switch l.family {
	case familyWLAN:
		l.startWLAN()
	case familyPFLog:
		// The header tells its length, which is padded to a multiple of four.
		length := vs.alu(aluAdd, vs.load(1, noValue, 0), vs.constant(3))
		l.payload = offset{vs.alu(aluAnd, length, vs.constant(^uint32(3))), 0}
	}
	return l
}

// Instructions returns the program as the kernel takes it, in a slice of the
// caller's own. It is nil if Kernel returns an error.
func (p *Program) Instructions() []bpf.RawInstruction {
	if p.kernel != nil {
		return nil
	}
	return append([]bpf.RawInstruction(nil), p.raw...)
}

// Kernel returns nil if the kernel can run the program, and otherwise an *Error
// that says why not and wraps ErrNotForKernel. Match works in either case.
func (p *Program) Kernel() error { return p.kernel }

// Never tells that the program accepts no packet, whatever is in it.
func (p *Program) Never() bool { return p.root == rejectNode }

// Match tells whether the program accepts a packet. Data is what was captured of
// it, and length how long it was on the wire, in bytes: len, less and greater
// mean the latter. It doesn't allocate, and keeps no reference to data.
//
// What only the kernel knows of a packet is not there: a program made for a live
// capture rejects a packet where it would need that, and of LinkTypeLinuxSLL and
// LinkTypeLinuxSLL2 nearly any. MatchLive is for those.
func (p *Program) Match(data []byte, length int) bool { return p.matcher.match(data, length) }
