package tcp

import "slices"

// maxHoles bounds the holes of a direction that are remembered, open ones and those that
// were given up, so that what fills them late is known for it.
const maxHoles = 64

// A hole is a part of a stream that was passed over.
type hole struct {
	from, to  uint32
	opener    sent // what came behind it; by is 0 if it was an acknowledgement
	abandoned bool // its bytes were given up, as Open
}

// has reports whether the capture holds all bytes from and to, which are before high.
func (h *half) has(from, to uint32) bool {
	if h.before(from) {
		return false
	}
	h.forget()
	for i := range h.holes {
		if o := &h.holes[i]; Distance(to, o.from) > 0 && Distance(o.to, from) > 0 {
			return false
		}
	}
	return true
}

// before reports whether a sequence number is from before the beginning.
func (h *half) before(seq uint32) bool { return h.Bytes < window && Distance(seq, h.start) < 0 }

// forget forgets holes when the stream has gone on by more than a window: their numbers may
// soon come again.
func (h *half) forget() {
	if len(h.holes) > 0 && h.Bytes-h.holesAt > window {
		h.holes = nil
	}
}

// open notes the hole before a segment at seq.
func (c *Conn) open(t *Tracker, d int, s *Segment, seq uint32) {
	h := &c.half[d]
	h.HolesOpened++
	h.forget()
	h.holesAt = h.Bytes
	h.holes = append(h.holes, hole{from: h.high, to: seq, opener: h.recent.identify(s)})
	h.high = seq
	for len(h.holes) > maxHoles {
		if oldest := h.holes[0]; Distance(oldest.to, h.next) > 0 {
			c.giveUp(t, d, s.Time, oldest.to)
		}
		h.holes = slices.Delete(h.holes, 0, 1)
	}
}

// behind takes a segment that begins before the highest byte: it fills holes, has bytes
// again, has some from before the capture, or some that are new too. It returns false if
// there is nothing in it for the Handler.
func (c *Conn) behind(d int, s *Segment, seq uint32, data int) bool {
	h := &c.half[d]
	end := seq + uint32(data)
	h.forget()
	if h.before(seq) {
		h.BeforeStart++
		if Distance(end, h.start) <= 0 {
			return false
		}
		seq = h.start
	}
	known := end
	if Distance(known, h.high) > 0 {
		known = h.high
	}
	late := 0
	if Distance(h.next, seq) > 0 {
		late = h.overlap(seq, h.next)
	}
	filled, opener := h.fill(seq, known)
	if late > 0 {
		h.TooLate += int64(late - h.overlap(seq, h.next))
	}
	h.BytesSeenBefore += max(0, int64(Distance(known, seq)-filled))
	switch e := h.recent.identify(s); {
	case filled == 0 && known == seq:
	case filled == 0: // again, with new bytes behind
		h.SeenBefore++
		h.Resent++
		c.resent(d, s.Time)
	case opener.by != 0 && e.later(&opener):
		h.FillsHole++
		h.LateResent++
		c.resent(d, s.Time)
	default:
		h.FillsHole++
		h.LateReordered++
	}
	return true
}

// overlap is how many bytes of the holes are between from and to.
func (h *half) overlap(from, to uint32) int {
	n := 0
	for i := range h.holes {
		a, b := h.holes[i].from, h.holes[i].to
		if Distance(a, from) < 0 {
			a = from
		}
		if Distance(b, to) > 0 {
			b = to
		}
		n += max(0, Distance(b, a))
	}
	return n
}

// fill takes the bytes between from and to out of the holes, and returns how many there
// were, and what opened the first hole of them.
func (h *half) fill(from, to uint32) (n int, opener sent) {
	for i := 0; i < len(h.holes); i++ {
		o := &h.holes[i]
		a, b := o.from, o.to
		if Distance(a, from) < 0 {
			a = from
		}
		if Distance(b, to) > 0 {
			b = to
		}
		if Distance(b, a) <= 0 {
			continue
		}
		if n == 0 {
			opener = o.opener
		}
		n += Distance(b, a)
		switch {
		case a == o.from && b == o.to:
			h.holes = slices.Delete(h.holes, i, i+1)
			i--
		case a == o.from:
			o.from = b
		case b == o.to:
			o.to = a
		default:
			rest := *o
			o.to, rest.from = a, b
			h.holes = slices.Insert(h.holes, i+1, rest)
			i++
		}
	}
	return n, opener
}

// lose makes bytes that were given up as Open those that the capture lost, once they are
// acknowledged.
func (h *half) lose() {
	h.forget()
	for i := range h.holes {
		if o := &h.holes[i]; o.abandoned && Distance(h.acked, o.to) >= 0 {
			n := int64(Distance(o.to, o.from))
			h.Open -= n
			h.Lost += n
			o.abandoned = false
		}
	}
}

// jumpAfter is how many segments in a row have to be far from where a stream was: a single
// one is somebody else's.
const jumpAfter = 3

// jump takes a segment that can't be of what is under way. It returns whether the stream
// goes on with it: the capture paused, for 1 GiB or more.
func (c *Conn) jump(t *Tracker, d int, at int64, seq uint32) bool {
	h := &c.half[d]
	if h.jumps++; h.jumps < jumpAfter {
		return false
	}
	c.flush(t, d, at)
	c.missing(d, at, int64(seq-h.next), Lost)
	h.holes = h.holes[:0]
	h.next, h.high, h.acked = seq, seq, seq
	h.hasFIN, h.unseen = false, false
	return true
}
