package scrub

import (
	"encoding/binary"

	"netcap/internal/tcp"
)

// multipath is what a segment says of MPTCP, RFC 8684: its connection may be one of several
// that carry one stream by turns, so that what follows in it needn't follow in the stream.
type multipath struct {
	segment *tcp.Segment
	seen    bool
	joins   bool   // it joins a stream that has begun in another connection
	maps    bool   // it says where its bytes are in the stream
	shift   uint32 // that place less the one in the connection
}

// read reads options of a packet.
func (m *multipath) read(s *tcp.Segment, data []byte, options []tcp.Range) {
	*m = multipath{segment: s, seen: len(options) > 0}
	for _, o := range options {
		m.option(data[o.From:o.To])
	}
}

// option reads an option: kind, length, and in the upper half of a byte the subtype.
func (m *multipath) option(b []byte) {
	const join, mapping = 1, 2 // MP_JOIN, DSS
	const ack, longACK, mapped, long = 1, 2, 4, 8
	if len(b) < 4 {
		return
	}
	switch b[2] >> 4 {
	case join:
		m.joins = true
	case mapping:
		flags := b[3]
		if flags&mapped == 0 {
			return
		}
		at := 4
		for _, bit := range [...]byte{ack, longACK} {
			if flags&ack != 0 && flags&bit != 0 {
				at += 4
			}
		}
		if flags&long != 0 {
			at += 4
		}
		if at+8 > len(b) { // it can't be told, and so may be anywhere
			m.joins = true
			return
		}
		m.maps, m.shift = true, binary.BigEndian.Uint32(b[at:])-binary.BigEndian.Uint32(b[at+4:])
	}
}

// shared takes note of what a segment of a side says: a connection that isn't all of its
// stream, or may not be, is split.
func (c *conn) shared(from tcp.Side, m *multipath) {
	if !m.seen {
		return
	}
	st := &c.streams[from]
	c.multipath = true
	c.split = c.split || m.joins || m.maps && st.mapped && st.shift != m.shift
	if m.maps {
		st.mapped, st.shift = true, m.shift
	}
}
