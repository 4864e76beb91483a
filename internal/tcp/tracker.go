package tcp

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"time"
)

// Config says what a Tracker does with connections, and what it keeps at most.
type Config struct {
	// Open is called with the first segment of each connection, and returns who follows
	// it. Nil for nobody: counters are kept all the same.
	Open func(*Conn) Handler

	// MaxConnections is how many connections are known at once, 20,000 if it is 0: of
	// more, the one that was idle for longest is ended as Evicted. An eighth of them at most
	// are not answered, as many not yet open, and as many closed, so that floods of those
	// cost no other. One takes 1 to 3 KiB.
	MaxConnections int
	// MaxIdle is after how long, in nanoseconds of the capture's time, a connection that
	// nothing is heard of ends as Expired: never if it is 0. One that was never answered
	// does so after three minutes in any case: programs have given up by then.
	MaxIdle int64
	// MaxParked is how many bytes wait behind holes, of all connections together: 32 MiB
	// if it is 0, with 512 bytes for each segment. Beyond, holes are given up as they
	// come. Of one direction there is never more than 1 MiB.
	MaxParked int

	// Service reports whether a port is one that servers have, beside those below 1024, for
	// connections whose SYN and SYN-ACK weren't captured. Nil for no others.
	Service func(port uint16) bool
}

const (
	defaultConnections = 20_000
	defaultParked      = 32 << 20
)

// A Tracker follows TCP connections. It is for one goroutine.
type Tracker struct {
	// Connections is how many there were, Evicted how many ended so, and Strays how many
	// segments came after the end of theirs, late or copied: they are passed over.
	Connections, Evicted, Strays int64

	cfg     Config
	now     int64 // the latest time so far
	conns   map[key]*Conn
	last    *Conn // of the segment before
	dialed  list  // connections of which there is nothing but one side's SYN
	greeted list  // those that were answered, of which there is no more than that
	leaving list  // those that have closed
	heard   list  // the others
	parked  int   // bytes behind holes

	closing queue[*closing] // in the order in which they closed
	gone    map[key]ghost   // connections that ended
	ghosts  queue[departed] // the same in order
}

// key is the addresses of a connection, in an order that doesn't depend on the direction.
type key struct {
	low, high [2]uint64
	ports     uint32
}

// ghost is what is left of a connection that ended, for some time.
type ghost struct {
	at     int64  // when it ended
	syn    uint32 // the sequence number of its SYN
	hasSYN bool
	data   uint8 // segments with payload that came since
}

type departed struct {
	key key
	at  int64
}

// grace is how long after its end, in nanoseconds of the capture's time, a connection still
// takes what comes late: copies, retransmissions, and what answers them, belong to its
// counters.
const grace = int64(2 * time.Second)

// dialTime is how long, in nanoseconds, a connection may take to be answered from its last
// SYN on: Linux sends the last of those 63 s after the one before, and waits 64 s more.
const dialTime = int64(3 * time.Minute)

// haunt is for how long a pair of ports is known to have had a connection, so that late
// segments don't count as one that began before the capture; revive is how many segments
// with payload nevertheless make it one: it went on, and what ended it was somebody else's.
const (
	haunt  = int64(2 * time.Minute)
	revive = 16
)

// New returns a Tracker. A nil Config works.
func New(cfg *Config) *Tracker {
	t := &Tracker{conns: make(map[key]*Conn), gone: make(map[key]ghost)}
	if cfg != nil {
		t.cfg = *cfg
	}
	if t.cfg.MaxConnections <= 0 {
		t.cfg.MaxConnections = defaultConnections
	}
	if t.cfg.MaxParked <= 0 {
		t.cfg.MaxParked = defaultParked
	}
	return t
}

// service reports whether a port is a server's.
func (t *Tracker) service(port uint16) bool {
	return port < 1024 || t.cfg.Service != nil && t.cfg.Service(port)
}

// Segment takes the next segment of the capture, of the Kind TCP. It is not kept. It
// returns the connection and who sent it: nil for a stray.
func (t *Tracker) Segment(s *Segment) (*Conn, Side) {
	t.Advance(s.Time)
	c := t.last
	switch {
	case c == nil:
	case s.Src == c.ends[0] && s.Dst == c.ends[1]:
		if t.segment(c, 0, s) {
			return c, c.side(0)
		}
	case s.Src == c.ends[1] && s.Dst == c.ends[0]:
		if t.segment(c, 1, s) {
			return c, c.side(1)
		}
	}
	k := keyOf(s.Src, s.Dst)
	if c = t.conns[k]; c != nil {
		if d := c.from(s); t.segment(c, d, s) {
			return c, c.side(d)
		}
	}
	if t.stray(k, s) {
		return nil, Client
	}
	c = t.open(k, s)
	t.segment(c, 0, s)
	return c, c.side(0)
}

// ICMP takes an error, of the Kind ICMP, and reports whether it was about a connection that
// is known.
func (t *Tracker) ICMP(s *Segment) bool {
	t.Advance(s.Time)
	c := t.conns[keyOf(s.Src, s.Dst)]
	if c == nil {
		return false
	}
	c.handler.ICMP(c.side(c.from(s)), s)
	return true
}

// Close ends all connections: the capture ended.
func (t *Tracker) Close() {
	for _, l := range t.lists() {
		for l.oldest != nil {
			t.end(l.oldest, CaptureEnd)
		}
	}
}

// segment gives c a segment in a direction, and returns false if it is another
// connection's: c is over then.
func (t *Tracker) segment(c *Conn, direction int, s *Segment) bool {
	if s.Flags&(SYN|FIN|RST) == SYN && c.replacedBy(direction, s) {
		t.end(c, Replaced)
		return false
	}
	t.last = c
	c.take(t, direction, s)
	t.touch(c)
	return true
}

// replacedBy reports whether a SYN, with ACK or without, begins another connection: its
// sequence number is not that of this one's.
func (c *Conn) replacedBy(direction int, s *Segment) bool {
	h, other := &c.half[direction], &c.half[1-direction]
	if h.known && s.Seq+1 == h.start {
		return false
	}
	if s.Flags&ACK != 0 {
		// A server may answer the same SYN anew. Where nothing is known of it, this is its
		// first answer.
		return h.known && !(h.untouched() && other.SYN > 0 && s.Ack == other.start)
	}
	// Of SYNs that cross (RFC 9293, section 3.5) the second is the other side's first.
	return h.known || other.known && other.SYN == 0
}

// Advance lets time pass, up to now in nanoseconds since the epoch: what is due is ended and
// forgotten. Segments do that themselves; it is for a capture that goes on and has none.
func (t *Tracker) Advance(now int64) {
	if now <= t.now {
		return
	}
	t.now = now
	for len(t.closing.items) > 0 && t.closing.first().due <= now {
		t.closed()
	}
	for c := t.dialed.oldest; c != nil && c.Last+dialTime <= now; c = t.dialed.oldest {
		t.end(c, Expired)
	}
	for _, l := range t.answered() {
		for c := l.oldest; c != nil && t.cfg.MaxIdle > 0 && c.Last+t.cfg.MaxIdle <= now; c = l.oldest {
			t.end(c, Expired)
		}
	}
	for len(t.ghosts.items) > 0 && t.ghosts.first().at+haunt <= now {
		t.forget()
	}
}

// forget forgets the oldest ghost.
func (t *Tracker) forget() {
	d := t.ghosts.pop()
	if t.gone[d.key].at == d.at {
		delete(t.gone, d.key)
	}
}

// open begins a connection with its first segment.
func (t *Tracker) open(k key, s *Segment) *Conn {
	for _, l := range []*list{&t.dialed, &t.greeted, &t.leaving} {
		for l.n > t.cfg.MaxConnections/8 {
			t.evict(l.oldest)
		}
	}
	for len(t.conns) >= t.cfg.MaxConnections {
		var oldest *Conn
		for _, l := range t.lists() {
			if c := l.oldest; c != nil && (oldest == nil || c.Last < oldest.Last) {
				oldest = c
			}
		}
		t.evict(oldest)
	}
	c := &Conn{ends: [2]netip.AddrPort{s.Src, s.Dst}, First: s.Time, Last: s.Time}
	switch {
	case s.Flags&(SYN|ACK) == SYN:
		c.Certain = true
	case s.Flags&(SYN|ACK) == SYN|ACK:
		c.Certain, c.client = true, 1
	default:
		c.client = t.guess(s.Src.Port(), s.Dst.Port())
	}
	t.Connections++
	t.conns[k] = c
	t.dialed.link(c)
	c.handler = discard{}
	if t.cfg.Open != nil {
		if h := t.cfg.Open(c); h != nil {
			c.handler = h
		}
	}
	return c
}

// closing is a connection that has closed, nil once it has ended, and when that is due.
type closing struct {
	conn *Conn
	due  int64
}

// await has a connection that closed end after a time.
func (t *Tracker) await(c *Conn) {
	for len(t.closing.items) >= t.cfg.MaxConnections {
		t.closed()
	}
	c.due = &closing{c, t.now + grace}
	t.closing.push(c.due)
}

// closed ends the connection that closed first.
func (t *Tracker) closed() {
	if c := t.closing.pop().conn; c != nil {
		t.end(c, c.closing.How)
	}
}

// evict ends a connection for want of room.
func (t *Tracker) evict(c *Conn) {
	if c.closing.How == 0 {
		t.Evicted++
	}
	t.end(c, Evicted)
}

// guess returns the direction in which the client sends, by the ports in direction 0.
func (t *Tracker) guess(src, dst uint16) uint8 {
	service, known := t.service(src), t.service(dst)
	if service == known {
		service = src < dst
	}
	if service {
		return 1
	}
	return 0
}

// end ends a connection and leaves a ghost.
func (t *Tracker) end(c *Conn, how How) {
	k := keyOf(c.ends[0], c.ends[1])
	delete(t.conns, k)
	c.list.unlink(c)
	if t.last == c {
		t.last = nil
	}
	c.ended = true
	if c.due != nil {
		c.due.conn = nil
	}
	c.finish(t, how)
	if c.closing.How == 0 {
		return // it may go on
	}
	g := ghost{at: t.now}
	client := &c.half[c.direction(Client)]
	g.syn, g.hasSYN = client.start-1, client.SYN > 0
	if len(t.ghosts.items) >= t.cfg.MaxConnections {
		t.forget()
	}
	t.gone[k] = g
	t.ghosts.push(departed{k, g.at})
}

// stray reports whether a segment belongs to a connection that ended.
func (t *Tracker) stray(k key, s *Segment) bool {
	g, ok := t.gone[k]
	if !ok {
		return false
	}
	if s.Flags&(SYN|ACK) == SYN && !(g.hasSYN && g.syn == s.Seq) {
		delete(t.gone, k)
		return false
	}
	if s.Length > 0 && s.Flags&(SYN|RST) == 0 {
		g.data++
		t.gone[k] = g
		if g.data >= revive {
			delete(t.gone, k)
			return false
		}
	}
	t.Strays++
	return true
}

// from is the direction in which a segment of c goes.
func (c *Conn) from(s *Segment) int {
	if s.Src == c.ends[0] && s.Dst == c.ends[1] {
		return 0
	}
	return 1
}

func keyOf(src, dst netip.AddrPort) key {
	a, b := src.Addr().As16(), dst.Addr().As16()
	low := [2]uint64{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
	high := [2]uint64{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	p, q := src.Port(), dst.Port()
	if cmp.Or(cmp.Compare(p, q), cmp.Compare(low[0], high[0]), cmp.Compare(low[1], high[1])) > 0 {
		low, high, p, q = high, low, q, p
	}
	return key{low, high, uint32(p)<<16 | uint32(q)}
}

// queue is first in, first out. What it held is let go of as it moves on.
type queue[T any] struct {
	items []T
}

func (q *queue[T]) first() T { return q.items[0] }

func (q *queue[T]) push(v T) { q.items = append(q.items, v) }

func (q *queue[T]) pop() T {
	var none T
	v := q.items[0]
	q.items[0] = none
	q.items = q.items[1:]
	return v
}

// discard is the Handler of connections that nobody follows.
type discard struct{}

func (discard) Data(Side, *Segment, []byte)     {}
func (discard) Missing(Side, int64, int64, Why) {}
func (discard) Pause(Side, Pause)               {}
func (discard) ICMP(Side, *Segment)             {}
func (discard) End(End)                         {}
