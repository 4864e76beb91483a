package scrub

import (
	"bytes"
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
	held    queue[T]
	now     int64 // the latest time so far
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
	// Unread is what can't be said to be of any connection: fragments of IP, unknown
	// tunnels, what ICMP errors quote, what came after a connection's end.
	Unread Overwritten
}

// Overwritten counts payload, zeros or not before.
type Overwritten struct{ Connections, Packets, Bytes int64 }

// New returns a Scrubber that hands packets to out, with what came with them. They are
// valid until it returns. An error of out ends the call that it came from, and is its
// error.
func New[T any](out func(*pcapfile.Packet, T) error) *Scrubber[T] {
	s := &Scrubber[T]{out: out}
	s.tracker = tcp.New(&tcp.Config{Service: dicom.IsPort, Open: func(c *tcp.Conn) tcp.Handler { return newConn(c, &s.memory) }})
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
	h.place.checksums = slices.Clone(at.checksums)
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
	seq       uint32 // of its first byte
	payload   int    // where it begins in the packet
	size      int    // how much of it was captured; padding may be behind it
	checksums []tcp.Checksum
}

// follow finds out where the payload is, and lets its stream go on.
func (s *Scrubber[T]) follow(p *pcapfile.Packet) place {
	kind := s.segment.Locate(p, &s.layout)
	s.now = max(s.now, s.segment.Time)
	at := place{payload: s.layout.Payload, size: len(p.Data) - s.layout.Payload, checksums: s.layout.Checksums}
	if kind != tcp.TCP {
		return at
	}
	at.size, at.seq = len(s.segment.Payload), first(&s.segment)
	if c, from := s.tracker.Segment(&s.segment); c != nil {
		at.conn, at.from = c.Handler().(*conn), from
	}
	return at
}

// waits reports whether what is to be kept of it isn't known yet.
func (p *place) waits() bool {
	return p.conn != nil && p.conn.waits(p.from, p.seq+uint32(p.size))
}

// hand hands out a packet, changed if it has to be.
func (s *Scrubber[T]) hand(p *pcapfile.Packet, at *place, tag T) error {
	if at.payload < len(p.Data) && (at.conn == nil || !at.conn.other) {
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
	s.count(at, int64(at.size-kept))
	if bytes.Equal(payload, p.Data[at.payload:]) {
		return p
	}
	mend(at.checksums, p.Data, s.data)
	s.packet = *p
	s.packet.Data = s.data
	return &s.packet
}

func (s *Scrubber[T]) count(at *place, n int64) {
	if n == 0 {
		return
	}
	o := &s.stats.Unread
	if c := at.conn; c != nil {
		counted := &c.countedUnknown
		if o = &s.stats.Unknown; c.dicom {
			o, counted = &s.stats.DICOM, &c.counted
		}
		if !*counted {
			*counted = true
			o.Connections++
		}
	}
	o.Packets++
	o.Bytes += n
}
