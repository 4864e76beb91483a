package report

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

// Amount is a number of packets and their bytes, as they were on the wire.
type Amount struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

func (a *Amount) add(b Amount) {
	a.Packets += b.Packets
	a.Bytes += b.Bytes
}

func (a *Amount) take(b Amount) {
	a.Packets -= b.Packets
	a.Bytes -= b.Bytes
}

// Share is the part of a capture that is one protocol's.
type Share struct {
	Name string `json:"name"`
	Amount
}

// Talker is the part of a capture that an address has sent or received.
type Talker struct {
	Name string `json:"name"`
	// Amount is of all its packets. One from an address to itself is one.
	Amount
	SentPackets     uint64 `json:"sent_packets"`
	SentBytes       uint64 `json:"sent_bytes"`
	ReceivedPackets uint64 `json:"received_packets"`
	ReceivedBytes   uint64 `json:"received_bytes"`
}

// Traffic is what addresses have sent and received together.
type Traffic struct {
	Sent     Amount `json:"sent"`
	Received Amount `json:"received"`
}

// Top are those that have most bytes, and what is left for the others. All packets are counted,
// copies and retransmissions too, with their bytes as they were on the wire.
//
// Each packet counts for one sender and one receiver, by its outermost IP header: what Talkers
// and OtherTalkers have sent, and NoAddress, is Total, and so is what they have received. Each
// counts for one protocol as well, so that Protocols and OtherProtocols are Total: the deepest
// one that was recognised, tunnels passed through. All segments of a connection count for the
// first that was recognised in it, in either direction, and fragments for that of their
// datagram. Where the beginning of a connection, or some of its payload, wasn't captured and
// nothing of it was recognised, its port tells, and the name ends in " (by port)".
type Top struct {
	Total Amount `json:"total"`

	Talkers      []Talker `json:"talkers"`
	OtherTalkers Traffic  `json:"other_talkers"`
	NoAddress    Amount   `json:"no_address"` // what isn't IP

	Protocols      []Share `json:"protocols"`
	OtherProtocols Amount  `json:"other_protocols"`
}

// topCounter counts who talks how much.
type topCounter struct {
	most      int // that are wanted of each
	total     Amount
	noAddress Amount
	summary   decode.Summary
	talkers   map[netip.Addr]*Talker
	called    map[netip.Addr]string
	protocols map[string]*Amount // of what is over, and of what is part of no flow

	// Flows that may go on: recent ones, and those that were heard of before these.
	flows, older map[flowKey]*flow
	lastKey      flowKey
	last         *flow
	// heads are the first flows between ports that other connections between the same ports
	// have followed: their beginning may be in the file before.
	heads     map[flowKey]*flow
	datagrams map[fragmentKey]*datagram
}

// Bounds of what is kept.
const (
	mostCounted   = 1 << 17 // addresses that are counted each by itself: the first that come
	mostFlows     = 1 << 16 // twice as many at most, then those idle for longest are over
	mostHeads     = 1 << 12
	mostDatagrams = 1 << 14
)

func newTopCounter(most int) *topCounter {
	return &topCounter{
		most: most, talkers: make(map[netip.Addr]*Talker), called: make(map[netip.Addr]string), protocols: make(map[string]*Amount),
		flows: make(map[flowKey]*flow), heads: make(map[flowKey]*flow), datagrams: make(map[fragmentKey]*datagram),
	}
}

func (c *topCounter) add(p *pcapfile.Packet) {
	s := &c.summary
	s.Read(p)
	one := Amount{1, uint64(p.Length)}
	c.total.add(one)
	c.talk(one)
	f := &s.Flow
	switch {
	case f.Later && (f.Protocol == protocolTCP || f.Protocol == protocolUDP):
		d := c.datagram(fragmentOf(f))
		if d.of == nil {
			d.packets, d.protocol = d.packets+1, s.Protocol
			d.bytes += one.Bytes
			return
		}
		c.more(d.of, one)
	case f.HasPorts && (f.Protocol == protocolTCP || f.Protocol == protocolUDP):
		k, direction := keyOf(f)
		of := c.flow(k, f, direction)
		of.add(one.Bytes, s.Protocol, f, direction)
		if !f.Fragmented {
			return
		}
		d := c.datagram(fragmentOf(f))
		c.more(of, Amount{d.packets, d.bytes}) // that came before it
		*d = datagram{of: of}
	default:
		c.count(s.Protocol, one)
	}
}

// talk counts a packet for its sender and its receiver.
func (c *topCounter) talk(one Amount) {
	if !c.summary.Source.IsValid() {
		c.noAddress.add(one)
		return
	}
	from, to := c.talker(c.summary.Source), c.talker(c.summary.Destination)
	if from != nil {
		from.add(one)
		from.SentPackets++
		from.SentBytes += one.Bytes
	}
	if to != nil {
		if to != from {
			to.add(one)
		}
		to.ReceivedPackets++
		to.ReceivedBytes += one.Bytes
	}
}

// talker is what is counted for an address, nil if it is one too many.
func (c *topCounter) talker(addr netip.Addr) *Talker {
	t := c.talkers[addr]
	if t == nil && len(c.talkers) < mostCounted {
		t = &Talker{}
		c.talkers[addr] = t
	}
	return t
}

func (c *topCounter) count(protocol string, a Amount) {
	s := c.protocols[protocol]
	if s == nil {
		s = &Amount{}
		c.protocols[protocol] = s
	}
	s.add(a)
}

// flow returns the flow that a packet is part of.
func (c *topCounter) flow(k flowKey, p *decode.Flow, direction int) *flow {
	f := c.last
	if f == nil || k != c.lastKey {
		f = c.find(k)
	}
	if f != nil && f.again(p, direction) {
		if c.heads[k] == nil && len(c.heads) < mostHeads {
			c.heads[k] = f
		} else {
			c.settle(&k, f)
		}
		f = nil
	}
	if f == nil {
		f = &flow{}
		c.keep(k, f)
	}
	c.lastKey, c.last = k, f
	return f
}

// find returns a flow that may go on.
func (c *topCounter) find(k flowKey) *flow {
	if f := c.flows[k]; f != nil {
		return f
	}
	f := c.older[k]
	if f != nil {
		delete(c.older, k)
		c.keep(k, f)
	}
	return f
}

func (c *topCounter) keep(k flowKey, f *flow) {
	if len(c.flows) >= mostFlows && c.flows[k] == nil {
		for k, f := range c.older {
			c.settle(&k, f)
		}
		c.older, c.flows = c.flows, make(map[flowKey]*flow)
	}
	c.flows[k] = f
}

// settle counts a flow that is over.
func (c *topCounter) settle(k *flowKey, f *flow) {
	f.protocol, f.over = f.name(k), true
	c.count(f.protocol, Amount{f.packets, f.bytes})
}

// more adds fragments to the flow that their datagram is of.
func (c *topCounter) more(f *flow, a Amount) {
	for f.into != nil {
		f = f.into
	}
	if f.over {
		c.count(f.protocol, a)
		return
	}
	f.packets += a.Packets
	f.bytes += a.Bytes
}

// datagram returns what is known of a datagram in fragments.
func (c *topCounter) datagram(k fragmentKey) *datagram {
	d := c.datagrams[k]
	if d == nil {
		if len(c.datagrams) == mostDatagrams {
			c.dropDatagrams()
		}
		d = &datagram{}
		c.datagrams[k] = d
	}
	return d
}

// dropDatagrams counts the fragments whose first one isn't known, and knows of none any more.
func (c *topCounter) dropDatagrams() {
	for _, d := range c.datagrams {
		if d.packets > 0 {
			c.count(d.protocol, Amount{d.packets, d.bytes})
		}
	}
	clear(c.datagrams)
}

// name takes the names that a file has for addresses.
func (c *topCounter) name(names []pcapfile.Name) {
	for _, n := range names {
		if _, ok := c.called[n.Addr]; ok || len(c.called) < mostCounted {
			c.called[n.Addr] = n.Names[0]
		}
	}
}

// join adds what was counted of another file, which is the next one.
func (c *topCounter) join(o *topCounter) {
	c.total.add(o.total)
	c.noAddress.add(o.noAddress)
	for addr, t := range o.talkers {
		if to := c.talker(addr); to != nil {
			to.Amount.add(t.Amount)
			to.SentPackets += t.SentPackets
			to.SentBytes += t.SentBytes
			to.ReceivedPackets += t.ReceivedPackets
			to.ReceivedBytes += t.ReceivedBytes
		}
	}
	for addr, name := range o.called {
		if _, ok := c.called[addr]; ok || len(c.called) < mostCounted {
			c.called[addr] = name
		}
	}
	c.last = nil
	for name, a := range o.protocols {
		c.count(name, *a)
	}
	for k, f := range o.heads {
		c.joinFlow(k, f)
	}
	for _, flows := range []map[flowKey]*flow{o.older, o.flows} {
		for k, f := range flows {
			c.joinFlow(k, f)
		}
	}
	for k, d := range o.datagrams {
		of := c.datagram(k)
		switch {
		case d.of != nil:
			c.more(d.of, Amount{of.packets, of.bytes})
			*of = *d
		case of.of != nil:
			c.more(of.of, Amount{d.packets, d.bytes})
		default:
			of.packets, of.bytes, of.protocol = of.packets+d.packets, of.bytes+d.bytes, d.protocol
		}
	}
}

func (c *topCounter) joinFlow(k flowKey, g *flow) {
	f := c.find(k)
	switch {
	case f != nil && f.continues(g):
		f.join(g)
		return
	case f != nil:
		c.settle(&k, f)
	}
	c.keep(k, g)
}

// top returns the most, by the names that files have for addresses. What may go on is left
// to do so.
func (c *topCounter) top() *Top {
	t := &Top{Total: c.total, NoAddress: c.noAddress, Talkers: []Talker{}, Protocols: []Share{}}
	for addr, s := range c.talkers {
		talker := *s
		talker.Name = addr.String()
		if name, ok := c.called[addr]; ok {
			talker.Name += " " + name
		}
		t.Talkers = append(t.Talkers, talker)
	}
	slices.SortFunc(t.Talkers, func(a, b Talker) int { return most(a.Name, b.Name, a.Amount, b.Amount) })
	t.Talkers = t.Talkers[:min(len(t.Talkers), c.most)]
	rest := c.total
	rest.take(c.noAddress)
	t.OtherTalkers = Traffic{Sent: rest, Received: rest}
	for _, s := range t.Talkers {
		t.OtherTalkers.Sent.take(Amount{s.SentPackets, s.SentBytes})
		t.OtherTalkers.Received.take(Amount{s.ReceivedPackets, s.ReceivedBytes})
	}

	t.Protocols = append(t.Protocols, c.amounts()...)
	slices.SortFunc(t.Protocols, func(a, b Share) int { return most(a.Name, b.Name, a.Amount, b.Amount) })
	t.Protocols = t.Protocols[:min(len(t.Protocols), c.most)]
	t.OtherProtocols = c.total
	for _, s := range t.Protocols {
		t.OtherProtocols.take(s.Amount)
	}
	return t
}

// amounts are what protocols have by now.
func (c *topCounter) amounts() []Share {
	sums := make(map[string]Amount)
	count := func(name string, a Amount) {
		s := sums[name]
		s.add(a)
		sums[name] = s
	}
	for name, a := range c.protocols {
		count(name, *a)
	}
	for _, flows := range []map[flowKey]*flow{c.heads, c.older, c.flows} {
		for k, f := range flows {
			count(f.name(&k), Amount{f.packets, f.bytes})
		}
	}
	for _, d := range c.datagrams {
		if d.packets > 0 {
			count(d.protocol, Amount{d.packets, d.bytes})
		}
	}
	var shares []Share
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		shares = append(shares, Share{name, sums[name]})
	}
	return shares
}

// most orders by bytes, packets and names.
func most(a, b string, x, y Amount) int {
	return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(y.Packets, x.Packets), cmp.Compare(a, b))
}

// Together sums up who had most in several files, as if they were one capture: what goes on
// in the next file is the same connection.
type Together struct{ counter *topCounter }

// Add adds a file that Info has read with InfoConfig.Top, the next in the order of time. It can
// be added once.
func (t *Together) Add(f *FileInfo) {
	switch {
	case f.counter == nil:
	case t.counter == nil:
		t.counter = f.counter
	default:
		t.counter.join(f.counter)
	}
	f.counter = nil
}

// Top is what was added, nil if nothing was.
func (t *Together) Top() *Top {
	if t.counter == nil {
		return nil
	}
	return t.counter.top()
}
