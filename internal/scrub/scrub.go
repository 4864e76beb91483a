package scrub

import (
	"bytes"
	"net/netip"
	"slices"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
	"netcap/pcapfile"
)

// A Scrubber takes packets in the order of time, and hands them out in the same order. T is
// what a caller wants to have back with a packet. It is for one goroutine.
type Scrubber[T any] struct {
	out     func(*pcapfile.Packet, T) error
	tracker *tcp.Tracker
	segment tcp.Segment
	layout  tcp.Layout
	memory  memory
	places  places
	held    queue[T]
	now     int64     // the latest time so far
	shared  multipath // what the packet at hand says of that
	stats   Stats

	packet pcapfile.Packet // the one that is handed out, if it had to be changed
	data   []byte          // its
}

// Stats say what was overwritten in the packets that were handed out.
type Stats struct {
	// DICOM is what was overwritten in connections that are DICOM's: data sets, and what
	// couldn't be told from them.
	DICOM Overwritten
	// Unknown is that of connections of which it isn't known what they are, or wasn't
	// then. Their Connections may be DICOM's, and counted there too.
	Unknown Overwritten
	// Unread is what can't be said to be of any connection: fragments of IP, tunnels,
	// UDP and other protocols, what ICMP errors quote, what came after a connection's end,
	// options of IP and TCP, padding. Its Bytes are those that weren't zeros.
	Unread Overwritten
	// Passed are connections of other protocols, of which something was left as it was, in
	// the order of the first packets; Passed has MaxPassed of them at most, and Others the
	// rest, by protocol.
	Passed []*Passed
	Others map[string]Overwritten
}

// MaxPassed bounds how many connections are named.
const MaxPassed = 1000

// Passed is what was left as it was in a connection of another protocol.
type Passed struct {
	Protocol       string
	Client, Server netip.AddrPort
	Packets, Bytes int64

	named bool // it is in Stats.Passed
}

// Overwritten counts payload, zeros or not before.
type Overwritten struct{ Connections, Packets, Bytes int64 }

// New returns a Scrubber that hands packets to out, with what came with them. They are
// valid until it returns. An error of out ends the call that it came from, and is its
// error.
func New[T any](out func(*pcapfile.Packet, T) error) *Scrubber[T] {
	s := &Scrubber[T]{out: out}
	s.tracker = tcp.New(&tcp.Config{Service: dicom.IsPort, Open: func(c *tcp.Conn) tcp.Handler { return newConn(c, &s.memory, &s.places, &s.shared) }})
	return s
}

// Add takes the next packet, which it changes nothing of, and keeps a copy of if it has to.
func (s *Scrubber[T]) Add(p *pcapfile.Packet, tag T) error {
	at := s.follow(p)
	if s.held.empty() && !at.waits() {
		return s.hand(p, &at, tag)
	}
	h := held[T]{packet: *p, place: at, tag: tag, since: s.now}
	h.packet.Data = bytes.Clone(p.Data)
	h.packet.Comments = slices.Clone(p.Comments)
	h.packet.Options = slices.Clone(p.Options)
	for i := range h.packet.Options {
		h.packet.Options[i].Value = bytes.Clone(h.packet.Options[i].Value)
	}
	h.place.checksums, h.place.options = slices.Clone(at.checksums), slices.Clone(at.options)
	s.held.push(h)
	return s.release()
}

// Follow takes the next packet, that nobody wants to have: the streams of others can't be
// understood without it.
func (s *Scrubber[T]) Follow(p *pcapfile.Packet) error {
	s.follow(p)
	return s.release()
}

// After calls f when all packets that were added are handed out.
func (s *Scrubber[T]) After(f func()) {
	if s.held.empty() {
		f()
		return
	}
	s.held.push(held[T]{after: f, since: s.now})
}

// Close hands out what is held back. Nothing may be added any more.
func (s *Scrubber[T]) Close() error {
	s.tracker.Close()
	return s.release()
}

// Stats are of what was handed out by now.
func (s *Scrubber[T]) Stats() Stats { return s.stats }

// place is what is known of a packet's payload.
type place struct {
	conn      *conn // nil where it can't be told
	from      tcp.Side
	seq       uint32      // of its first byte
	payload   int         // where it begins in the packet
	size      int         // how much of it was captured; padding may be behind it
	options   []tcp.Range // of its headers, that may be anything
	checksums []tcp.Checksum
}

// follow finds out where the payload is, and lets its stream go on.
func (s *Scrubber[T]) follow(p *pcapfile.Packet) place {
	kind := s.segment.Locate(p, &s.layout)
	s.now = max(s.now, s.segment.Time)
	at := place{payload: s.layout.Payload, size: len(p.Data) - s.layout.Payload, options: s.layout.Options, checksums: s.layout.Checksums}
	if kind != tcp.TCP {
		return at
	}
	at.size, at.seq = len(s.segment.Payload), first(&s.segment)
	s.shared.read(&s.segment, p.Data, s.layout.Multipath)
	if c, from := s.tracker.Segment(&s.segment); c != nil {
		at.conn, at.from = c.Handler().(*conn), from
		at.conn.shared(from, &s.shared)
	}
	return at
}

// waits reports whether what is to be kept of it isn't known yet.
func (p *place) waits() bool {
	return p.conn != nil && p.conn.waits(p.from, p.seq+uint32(p.size))
}

// hand hands out a packet, changed if it has to be.
func (s *Scrubber[T]) hand(p *pcapfile.Packet, at *place, tag T) error {
	if at.payload < len(p.Data) || len(at.options) > 0 {
		p = s.scrub(p, at)
	}
	return s.out(p, tag)
}

// scrub returns a packet in which everything is overwritten that isn't known to be kept.
func (s *Scrubber[T]) scrub(p *pcapfile.Packet, at *place) *pcapfile.Packet {
	s.data = append(s.data[:0], p.Data...)
	payload := s.data[at.payload:]
	clear(payload)
	kept := 0
	if at.conn != nil {
		kept = at.conn.streams[at.from].kept.restore(at.seq, payload[:at.size], p.Data[at.payload:])
	}
	for _, o := range at.options {
		clear(s.data[o.From:o.To])
	}
	s.count(at, p.Data, kept)
	if bytes.Equal(s.data, p.Data) {
		return p
	}
	mend(at.checksums, at.payload, p.Data, s.data)
	s.packet = *p
	s.packet.Data = s.data
	return &s.packet
}

// count adds a packet up, of whose payload so many bytes were kept.
func (s *Scrubber[T]) count(at *place, old []byte, kept int) {
	from := at.payload
	if c := at.conn; c != nil {
		from += at.size
		if n := int64(at.size - kept); n > 0 {
			s.overwrite(c, n)
		}
		if kept > 0 && !c.dicom && (c.proxied || c.streams[at.from].foreign != nil) {
			s.pass(c, at.from, int64(kept))
		}
	}
	// What is no connection's payload.
	n := int64(0)
	changed := func(from, to int) {
		for i := from; i < to; i++ {
			if old[i] != s.data[i] {
				n++
			}
		}
	}
	changed(from, len(old))
	for _, o := range at.options {
		changed(o.From, min(o.To, from))
	}
	if n > 0 {
		s.stats.Unread.Packets++
		s.stats.Unread.Bytes += n
	}
}

// overwrite counts what is overwritten of a packet of a connection.
func (s *Scrubber[T]) overwrite(c *conn, n int64) {
	o, counted := &s.stats.Unknown, &c.countedUnknown
	if c.dicom {
		o, counted = &s.stats.DICOM, &c.counted
	}
	if !*counted {
		*counted = true
		o.Connections++
	}
	o.Packets++
	o.Bytes += n
}

// pass counts what is left as it is of a connection of another protocol.
func (s *Scrubber[T]) pass(c *conn, from tcp.Side, n int64) {
	protocol := dicom.ProxyProtocol.String()
	if f := c.streams[from].foreign; f != nil {
		protocol = f.kind.String()
	}
	connections := int64(0)
	if c.passed == nil {
		c.passed = &Passed{Protocol: protocol, named: len(s.stats.Passed) < MaxPassed}
		if connections = 1; c.passed.named {
			s.stats.Passed = append(s.stats.Passed, c.passed)
		}
	}
	p := c.passed
	if protocol != dicom.ProxyProtocol.String() { // which only precedes another
		p.Protocol = protocol
	}
	p.Client, p.Server = c.ends[tcp.Client], c.ends[tcp.Server]
	if !p.named {
		if s.stats.Others == nil {
			s.stats.Others = make(map[string]Overwritten)
		}
		o := s.stats.Others[p.Protocol]
		s.stats.Others[p.Protocol] = Overwritten{o.Connections + connections, o.Packets + 1, o.Bytes + n}
		return
	}
	p.Packets++
	p.Bytes += n
}
