package tcp

// A sent is what tells a segment from a retransmission of the same bytes.
type sent struct {
	seq, ack uint32
	length   uint32
	stamp    uint32 // TSval; without timestamps and ID, the time in microseconds
	id       uint16 // 0: none
	flags    Flags  // SYN, FIN and RST
	by       identity
}

// identity says what of a sent is to be compared.
type identity uint8

const (
	byID         identity = 1 << iota // the IP identification
	byTimestamps                      // TSval
	byTime                            // nothing of these: the time of capture
)

// copyTime is within how many microseconds a segment without IP identification and
// timestamps counts as a copy: any of its copies is made by the same packet on its way
// through one machine.
const copyTime = 1000

// recent has the last segments of a half. A bridge, or a capture on all interfaces, shows
// a packet again before many others have come.
type recent struct {
	ring []sent // as long as there are segments for, up to mostRecent: most connections are short
	n    uint32
	same bool // the IP identification is the same in different segments, and tells nothing
}

func (r *recent) identify(s *Segment) sent {
	e := sent{seq: s.Seq, ack: s.Ack, length: uint32(s.Length), flags: s.Flags & (SYN | FIN | RST)}
	if s.ID != 0 && !r.same {
		e.id, e.by = s.ID, byID
	}
	if s.HasTimestamps {
		e.stamp = s.TSval
		e.by |= byTimestamps
	}
	if e.by == 0 {
		e.stamp, e.by = uint32(s.Time/1000), byTime
	}
	return e
}

// How many segments there is room for at first, and at most.
const (
	fewRecent  = 2
	mostRecent = 32
)

func (r *recent) last() *sent {
	if r.n == 0 {
		return &sent{}
	}
	return &r.ring[(r.n-1)%uint32(len(r.ring))]
}

func (r *recent) add(s *Segment) {
	e := r.identify(s)
	if n := len(r.ring); int(r.n) == n && n < mostRecent {
		longer := make([]sent, max(2*n, fewRecent))
		copy(longer, r.ring)
		r.ring = longer
	}
	if l := r.last(); e.by&l.by&byID != 0 && e.id == l.id && e.seq != l.seq && e.length > 0 && l.length > 0 {
		r.same = true
	}
	r.ring[r.n%uint32(len(r.ring))] = e
	r.n++
}

// has reports whether a segment is a copy of one of these. Of one without payload that is
// later than the last, by its IP identification, that is not even looked for.
func (r *recent) has(s *Segment) bool {
	e := r.identify(s)
	if l := r.last(); s.bare() && e.by&l.by&byID != 0 && int16(e.id-l.id) > 0 {
		return false
	}
	for i := range r.ring[:min(r.n, uint32(len(r.ring)))] {
		if e.copies(&r.ring[i]) {
			return true
		}
	}
	return false
}

func (e *sent) copies(o *sent) bool {
	if e.by != o.by && e.by|o.by != byID|byTimestamps || e.ack != o.ack || (e.length == 0) != (o.length == 0) {
		return false
	}
	both := e.by & o.by
	if both == 0 || both&byTimestamps != 0 && e.stamp != o.stamp {
		return false
	}
	if both&byTime != 0 && (e.length != o.length || e.stamp-o.stamp+copyTime > 2*copyTime) {
		return false
	}
	if e.seq == o.seq {
		return e.id == o.id && (e.length > 0 || e.flags == o.flags)
	}
	return both&byID != 0 && (e.pieceOf(o) || o.pieceOf(e))
}

// minSegment is the smallest maximum segment size that Linux believes in.
const minSegment = 48

// pieceOf reports whether e is one of the segments that o was cut into by the kernel, on its
// way to a network card that can't: their identifications are consecutive.
func (e *sent) pieceOf(o *sent) bool {
	offset, n := e.seq-o.seq, uint32(e.id-o.id)
	if offset >= o.length || n == 0 || offset%n != 0 {
		return false
	}
	size := offset / n
	return size >= minSegment && e.length <= size
}

// later reports whether a segment was sent after the one that opened a hole, as far as
// timestamps and IP identification tell; if they don't, it was.
func (e *sent) later(opener *sent) bool {
	both := e.by & opener.by
	if both&byTimestamps != 0 && e.stamp != opener.stamp {
		return int32(e.stamp-opener.stamp) > 0
	}
	if both&byID != 0 && e.id != opener.id {
		return int16(e.id-opener.id) > 0
	}
	return true
}
