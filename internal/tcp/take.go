package tcp

// take gives the connection a segment in a direction.
func (c *Conn) take(t *Tracker, d int, s *Segment) {
	h, other := &c.half[d], &c.half[1-d]
	seq, fin := s.Seq, s.Flags&(FIN|RST) == FIN
	if s.Flags&SYN != 0 {
		seq++
	}
	data := s.Length
	if s.Flags&RST != 0 {
		data = 0 // the payload of a RST is a message (RFC 1122, section 4.2.2.12)
	}
	end := seq + uint32(data)
	if fin {
		end++
	}

	// What was there already: a copy changes nothing.
	seen := end != seq && h.known && Distance(end, h.high) <= 0 && h.has(seq, end)
	if (seen || end == seq) && h.recent.has(s) {
		c.copied(h, data)
		return
	}
	h.Segments++
	if h.First == 0 {
		h.First = s.Time
	}
	h.Last = s.Time
	c.Last = max(c.Last, s.Time)

	if s.Flags&RST != 0 {
		h.recent.add(s)
		c.reset(t, d, s.Time)
		return
	}
	if s.Flags&SYN != 0 {
		c.synchronize(d, s)
	} else if !h.known {
		h.begin(seq)
	}
	if s.Flags&ACK != 0 {
		c.establish(d, s)
		c.acknowledge(t, 1-d, s)
	}
	c.window(d, s)
	switch {
	case end == seq:
		h.alive(s)
	case seen:
		c.again(d, s, end)
	default:
		c.fresh(t, d, s, seq, data, fin)
	}
	h.recent.add(s)
	if c.pending {
		c.await(t, s.Time)
	}
	if h.hasFIN && other.hasFIN && h.acked == h.fin+1 && other.acked == other.fin+1 {
		by := c.side(d)
		if other.FINAt < h.FINAt {
			by = by.Other()
		}
		t.close(c, End{Finished, by, s.Time})
	}
}

// copied counts a copy.
func (c *Conn) copied(h *half, data int) {
	if data == 0 {
		h.BareCopies++
		return
	}
	h.SeenBefore++
	h.Copies++
	h.BytesSeenBefore += int64(data)
}

// reset ends the connection by a RST. Those that follow are counted.
func (c *Conn) reset(t *Tracker, d int, at int64) {
	h := &c.half[d]
	if h.RST == 0 {
		h.RSTAt = at
	}
	h.RST++
	c.half[1-d].Unanswered = 0
	t.close(c, End{Reset, c.side(d), at})
}

// close lets a connection end, some time after it did.
func (t *Tracker) close(c *Conn, e End) {
	if c.closing.How == 0 {
		c.closing = e
		t.await(c)
	}
}

// synchronize takes a SYN, with ACK or without.
func (c *Conn) synchronize(d int, s *Segment) {
	h, other := &c.half[d], &c.half[1-d]
	h.SYN++
	if !h.known || h.untouched() && h.start != s.Seq+1 {
		h.begin(s.Seq + 1)
	}
	h.MSS, h.Scale, h.HasScale = s.MSS, s.Scale, s.HasScale
	if h.SYN > 1 {
		h.Unanswered++
	}
	answer := s.Flags&ACK != 0
	client := uint8(d)
	if answer {
		client = uint8(1 - d)
	}
	if !c.Certain && h.Bytes+other.Bytes+h.paused+other.paused == 0 { // the Handler knows of nothing yet
		c.client = client
	}
	c.Certain = c.Certain || c.client == client
	switch {
	case !answer && c.SYN == 0:
		c.SYN = s.Time
	case answer && c.SYNACK == 0:
		c.SYNACK = s.Time
		if other.SYN == 1 {
			h.trip = max(0, s.Time-c.SYN)
		}
	}
}

// establish notes when the client acknowledges the SYN-ACK.
func (c *Conn) establish(d int, s *Segment) {
	if c.Established != 0 || c.SYNACK == 0 || d != int(c.client) || s.Flags&SYN != 0 {
		return
	}
	c.Established = s.Time
	if c.half[1-d].SYN == 1 {
		c.half[d].trip = max(0, s.Time-c.SYNACK)
	}
}

// untouched reports whether nothing was captured of what h sends but its SYN.
func (h *half) untouched() bool { return h.Bytes == 0 && h.high == h.start && !h.hasFIN }

// begin sets the sequence number of the first byte.
func (h *half) begin(seq uint32) {
	h.known = true
	h.start, h.next, h.high, h.acked = seq, seq, seq, seq
}

// acknowledge takes what a segment of the other side says of direction d.
func (c *Conn) acknowledge(t *Tracker, d int, s *Segment) {
	h, other := &c.half[d], &c.half[1-d]
	if !h.known {
		if other.SYN > 0 && s.Flags&SYN == 0 || s.Flags&SYN != 0 {
			h.begin(s.Ack)
		}
		return
	}
	n := Distance(s.Ack, h.acked)
	if n > window || Distance(h.acked, h.next)+n > window {
		return
	}
	if n > 0 {
		if s.Ack == h.high && s.Window != 0 && s.bare() {
			c.release(d, s.Time)
		}
		h.acked = s.Ack
		h.progress = s.Time
		h.Unanswered = 0
		h.Acknowledged += int64(n)
		if h.hasFIN && s.Ack == h.fin+1 {
			h.Acknowledged--
		}
		if len(h.holes) > 0 {
			h.lose()
		}
	}
	if Distance(h.acked, h.next) <= 0 {
		return
	}
	// The FIN has a number too, and may not be in the capture.
	if h.acked == h.high+1 && h.next == h.high {
		return
	}
	if s.Length > 0 {
		c.lost(t, d, s.Time) // an answer comes after what it answers
	} else if !h.unseen {
		h.unseen, h.unseenFrom, h.unseenCount = true, s.Time, 0
		c.pending = true
	}
}

// alive counts keep-alives and probes of a closed window that are empty. (The pure
// acknowledgements of this side have the next sequence number.)
func (h *half) alive(s *Segment) {
	if s.bare() && s.Seq == h.high-1 && s.Seq+1 != h.start {
		h.KeepAlives++
	}
}

// again takes a segment whose bytes, up to end, the capture holds: no copy.
func (c *Conn) again(d int, s *Segment, end uint32) {
	h, other := &c.half[d], &c.half[1-d]
	needless := Distance(end, h.acked) <= 0
	if s.Length == 1 && s.Flags&FIN == 0 && end == h.high && (needless || other.zero) {
		h.KeepAlives++
		return
	}
	if s.Flags&FIN != 0 {
		h.FIN++
	}
	c.resent(d, s.Time)
	h.LastData = s.Time
	if s.Length == 0 {
		return
	}
	h.SeenBefore++
	h.BytesSeenBefore += int64(s.Length)
	h.Resent++
	if needless {
		h.Needless++
	}
	if other.zero {
		h.ResentClosed++
	}
}

// resent notes a retransmission, and what was waited for it.
func (c *Conn) resent(d int, at int64) {
	h, other := &c.half[d], &c.half[1-d]
	h.Unanswered++
	if !other.zero {
		c.pause(d, Retransmission, max(h.LastData, h.progress), at)
	}
}

// fresh takes a segment with bytes, or a FIN, that are new.
func (c *Conn) fresh(t *Tracker, d int, s *Segment, seq uint32, data int, fin bool) {
	h := &c.half[d]
	end := seq + uint32(data)
	past := end // behind the FIN
	if fin {
		past++
	}
	n := Distance(seq, h.high)
	if n != 0 {
		if h.untouched() && n == 1 && h.SYN == 0 {
			h.begin(seq) // a keep-alive was the first segment of the capture
			n = 0
		} else if n > window || n < -window || Distance(h.high, h.next)+n > window {
			if !c.jump(t, d, s.Time, seq) {
				return
			}
			n = 0
		}
	}
	if h.jumps != 0 {
		h.jumps = 0
	}
	switch {
	case n == 0:
	case n > 0:
		c.open(t, d, s, seq)
	default:
		if !c.behind(d, s, seq, data) {
			return
		}
	}
	if Distance(past, h.high) > 0 {
		h.high = past
		if h.released != 0 {
			c.released(d, s.Time)
		}
	}
	h.LastData = s.Time
	if fin {
		if !h.hasFIN {
			h.hasFIN, h.fin, h.FINAt = true, end, s.Time
		}
		h.FIN++
	}
	c.insert(t, d, s, seq, data)
}
