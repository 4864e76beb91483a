package filter

// The hardware types of interfaces whose packets begin with an Ethernet header: ARPHRD_ETHER
// and ARPHRD_LOOPBACK of linux/if_arp.h.
const (
	hardwareEther    = 1
	hardwareLoopback = 772
)

// lowerMixed lowers an expression twice, for a socket of all interfaces: for Ethernet, and
// for what the kernel tells of any packet. The hardware type of a packet's interface says
// which of the two is meant.
func lowerMixed(expr string, cfg *Config, t term) (*lowering, condID, error) {
	ethernet := *cfg
	ethernet.LinkType, ethernet.Mixed = LinkTypeEthernet, false
	l := newLowering(expr, &ethernet)
	is, err := l.whole(t)
	if err != nil {
		return nil, never, err
	}
	others := newLowering(expr, cfg)
	others.vs, others.cs, others.variables, others.lenient = l.vs, l.cs, l.variables, true
	others.vs.cook(cfg.LinkType)
	isNot, err := others.whole(t)
	if err != nil {
		return nil, never, err
	}
	cs := l.cs
	kind := cs.test(l.vs.extra(2, extraHardwareType), only(hardwareEther).union(only(hardwareLoopback)))
	return l, cs.or(cs.and(kind, is), cs.and(cs.not(kind), isNot)), nil
}

// overLLC reports whether Ethernet carries a protocol behind an LLC header, too or only. The
// kernel tells of such packets that they have one, and no more.
func overLLC(p uint32) bool { return p <= maxLength || p == etherATalk || p == etherAARP }

// headerless reports whether nothing is known of the link-layer header that is looked at: the
// cooked one isn't there, and the kernel counts from the network layer.
func (l *lowering) headerless() bool { return l.mixed && l.header == (offset{noValue, 0}) }
