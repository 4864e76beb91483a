package tcp

import (
	"bytes"
	"slices"
	"time"
)

// maxParked is how many bytes wait behind the holes of a direction at most, and overhead how
// many are counted for each segment of them beside its payload. What a sender has under way
// when one of its segments was lost is no more than that, on all but the longest lines.
const (
	maxParked = 1 << 20
	overhead  = 512
)

// An acknowledgement of bytes that the capture doesn't hold may be before them in it, where
// packets were taken from several queues: they are waited for so long, in nanoseconds, and
// so many segments of the connection. The other side's data isn't kept waiting for them.
const (
	unseenTime     = int64(10 * time.Millisecond)
	unseenSegments = 64
)

// parked is a segment, or what is new of it, that waits behind a hole.
type parked struct {
	segment Segment // its Payload is what was captured of it from seq on
	seq     uint32
	length  int // from seq on, on the wire
}

func (p *parked) end() uint32 { return p.seq + uint32(p.length) }

// insert hands out the bytes of a segment if it is their turn, and keeps them otherwise.
func (c *Conn) insert(t *Tracker, d int, s *Segment, seq uint32, length int) {
	h := &c.half[d]
	payload := s.Payload
	if done := Distance(h.next, seq); done >= 0 {
		if done < length {
			c.deliver(d, s, payload[min(done, len(payload)):], length-done)
		}
	} else {
		c.park(t, d, s, seq, length)
	}
	h.finish()
	if len(h.parked) > 0 {
		c.drain(t, d)
		for len(h.parked) > 0 && (h.parkedBytes > maxParked || t.parked > t.cfg.MaxParked) {
			c.giveUp(t, d, s.Time, h.parked[0].seq)
		}
	}
}

// finish passes over the FIN.
func (h *half) finish() {
	if h.hasFIN && h.next == h.fin {
		h.next++
	}
}

// pass goes on by n bytes. What was acknowledged is never left behind so far that it would
// seem to be ahead.
func (h *half) pass(n int64) {
	h.next += uint32(n)
	h.Bytes += n
	if Distance(h.next, h.acked) > window {
		h.acked = h.next - window
	}
}

// deliver hands out what comes next.
func (c *Conn) deliver(d int, s *Segment, payload []byte, length int) {
	h := &c.half[d]
	payload = payload[:min(len(payload), length)]
	cut := int64(length - len(payload))
	if len(payload) > 0 {
		h.pass(int64(len(payload)))
		c.handler.Data(c.side(d), s, payload)
	}
	if cut > 0 {
		h.pass(cut)
		h.Cut += cut
		c.handler.Missing(c.side(d), s.Time, cut, Cut)
	}
}

// missing says that the next n bytes won't come.
func (c *Conn) missing(d int, at int64, n int64, why Why) {
	h := &c.half[d]
	if n <= 0 {
		return
	}
	h.pass(n)
	if why == Lost {
		h.Lost += n
	} else {
		h.Open += n
	}
	c.handler.Missing(c.side(d), at, n, why)
}

// park keeps a segment that is behind a hole: what isn't kept already.
func (c *Conn) park(t *Tracker, d int, s *Segment, seq uint32, length int) {
	h := &c.half[d]
	from, to := seq, seq+uint32(length)
	first := len(h.parked) // of those that don't end before it
	for first > 0 && Distance(h.parked[first-1].end(), from) > 0 {
		first--
	}
	for i := first; i < len(h.parked) && Distance(to, from) > 0; i++ {
		p := &h.parked[i]
		if Distance(p.seq, from) > 0 {
			before := p.seq
			if Distance(before, to) > 0 {
				before = to
			}
			h.parked = slices.Insert(h.parked, i, h.piece(t, s, seq, from, before))
			i++
			p = &h.parked[i]
		}
		if Distance(p.end(), from) > 0 {
			from = p.end()
		}
	}
	if Distance(to, from) > 0 {
		h.parked = append(h.parked, h.piece(t, s, seq, from, to))
	}
}

// piece copies a part of a segment whose payload begins at seq.
func (h *half) piece(t *Tracker, s *Segment, seq, from, to uint32) parked {
	b := s.Payload[min(len(s.Payload), Distance(from, seq)):]
	b = b[:min(len(b), Distance(to, from))]
	p := parked{*s, from, Distance(to, from)}
	p.segment.Payload = bytes.Clone(b)
	h.parkedBytes += overhead + len(b)
	t.parked += overhead + len(b)
	return p
}

// drain hands out what no hole is before any more.
func (c *Conn) drain(t *Tracker, d int) {
	h := &c.half[d]
	n := 0
	for ; n < len(h.parked); n++ {
		p := &h.parked[n]
		done := Distance(h.next, p.seq)
		if done < 0 {
			break
		}
		b := p.segment.Payload
		h.parkedBytes -= overhead + len(b)
		t.parked -= overhead + len(b)
		if done < p.length {
			c.deliver(d, &p.segment, b[min(done, len(b)):], p.length-done)
		}
		h.finish()
	}
	if n == len(h.parked) {
		h.parked = nil // an idle connection has no use for the room
	} else if n > 0 {
		h.parked = slices.Delete(h.parked, 0, n)
	}
}

// giveUp gives up what is missing up to a sequence number, and hands out what is behind it.
func (c *Conn) giveUp(t *Tracker, d int, at int64, to uint32) {
	h := &c.half[d]
	for Distance(to, h.next) > 0 {
		stop := to
		if len(h.parked) > 0 && Distance(stop, h.parked[0].seq) > 0 {
			stop = h.parked[0].seq
		}
		if acked := h.acked; Distance(acked, h.next) > 0 {
			if Distance(acked, stop) > 0 {
				acked = stop
			}
			c.missing(d, at, int64(Distance(acked, h.next)), Lost)
		}
		from := h.next
		for i := range h.holes {
			if o := &h.holes[i]; Distance(o.to, from) > 0 && Distance(stop, o.from) > 0 {
				o.abandoned = Distance(o.to, stop) <= 0 && Distance(o.from, from) >= 0
			}
		}
		c.missing(d, at, int64(Distance(stop, h.next)), Open)
		h.finish()
		c.drain(t, d)
	}
}

// lost gives up what the other side has acknowledged and the capture doesn't hold.
func (c *Conn) lost(t *Tracker, d int, at int64) {
	h := &c.half[d]
	high := h.high
	to := h.acked
	if h.hasFIN && Distance(to, h.fin) > 0 {
		to = h.fin
	}
	c.giveUp(t, d, at, to)
	if Distance(h.next, high) > 0 {
		h.holes = append(h.holes, hole{from: high, to: h.next})
		h.holesAt = h.Bytes
		if len(h.holes) > maxHoles {
			h.holes = slices.Delete(h.holes, 0, 1)
		}
		h.high = h.next
	}
	h.unseen = false
}

// await gives up what was waited for long enough after its acknowledgement.
func (c *Conn) await(t *Tracker, now int64) {
	c.pending = false
	for d := range c.half {
		h := &c.half[d]
		if !h.unseen {
			continue
		}
		h.unseenCount++
		switch {
		case Distance(h.acked, h.next) <= 0:
			h.unseen = false
		case now-h.unseenFrom >= unseenTime || h.unseenCount >= unseenSegments:
			c.lost(t, d, now)
		default:
			c.pending = true
		}
	}
}

// flush gives up all holes of a direction, and hands out what is behind them.
func (c *Conn) flush(t *Tracker, d int, at int64) {
	h := &c.half[d]
	for len(h.parked) > 0 {
		p := &h.parked[0]
		c.giveUp(t, d, p.segment.Time, p.seq)
	}
	if tail := Distance(h.acked, h.next); tail > 1 || tail == 1 && h.acked != h.high+1 {
		c.lost(t, d, at)
	}
}

// finish ends the connection: closing it was before, or how it ends now.
func (c *Conn) finish(t *Tracker, how How) {
	for _, side := range [...]Side{Client, Server} {
		c.flush(t, c.direction(side), c.Last)
	}
	for d := range c.half {
		if c.half[d].zero {
			c.opened(d, c.Last)
		}
	}
	e := c.closing
	if e.How == 0 {
		e = End{How: how, At: c.Last}
	}
	c.handler.End(e)
}
