package scrub

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// conn is a connection.
type conn struct {
	tcp     *tcp.Conn
	ends    [2]netip.AddrPort // by tcp.Side
	streams [2]stream         // by tcp.Side
	places  *places
	now     *multipath // of the packet at hand
	proxied bool       // it began with a proxy's header
	dicom   bool
	ended   bool
	// Of MPTCP, and not alone in its stream: what follows what can't be told.
	multipath, split bool

	passed *Passed // what it was counted as, if it is of another protocol

	counted, countedUnknown bool // in Stats
}

func newConn(c *tcp.Conn, m *memory, p *places, now *multipath) *conn {
	n := &conn{tcp: c, places: p, now: now, ends: [2]netip.AddrPort{c.Addr(tcp.Client), c.Addr(tcp.Server)}}
	for i := range n.streams {
		n.streams[i].kept.memory = m
	}
	return n
}

// waits reports whether bytes before a sequence number wait behind a hole.
func (c *conn) waits(from tcp.Side, end uint32) bool {
	return !c.ended && c.tcp.Waiting(from) && tcp.Distance(end, c.tcp.Next(from)) > 0
}

// Data implements tcp.Handler.
func (c *conn) Data(from tcp.Side, s *tcp.Segment, b []byte) {
	if s == c.now.segment {
		c.shared(from, c.now)
	}
	if c.split {
		return
	}
	seq := c.tcp.Next(from) - uint32(len(b))
	st := &c.streams[from]
	begins := !st.begun && c.tcp.Flow(from).SYN > 0 && seq == first(s)
	st.begun = true
	if begins {
		n := c.begin(from, b, seq)
		if b, seq = b[n:], seq+uint32(n); len(b) == 0 {
			st.begun = false
			return
		}
	}
	if f := st.foreign; f != nil {
		// What one connection is the way for, may be another: proxies, tunnels.
		if dicom.Detect(b) != dicom.UpperLayer || b[0] != byte(dicom.PDUAssociateRQ) && !c.dicom {
			if !f.lost {
				f.write(&st.kept, b, seq, begins, c.places.guarded(c.tcp))
			}
			return
		}
		st.foreign = nil
	}
	st.write(b, seq)
	if st.found && !c.dicom {
		c.dicom = true
		c.places.add(c.tcp)
	}
}

// first is the sequence number of a segment's first byte.
func first(s *tcp.Segment) uint32 {
	if s.Flags&tcp.SYN != 0 {
		return s.Seq + 1
	}
	return s.Seq
}

// begin looks at the first bytes of a stream, and returns how many of them are headers of
// proxies, which say whose connection it is.
func (c *conn) begin(from tcp.Side, b []byte, seq uint32) (n int) {
	st := &c.streams[from]
	for from == tcp.Client {
		size := proxyHeader(b[n:])
		if size == 0 {
			break
		}
		c.proxied = true
		proxy(&st.kept, b[n:n+size], seq+uint32(n))
		n += size
	}
	b = b[n:]
	switch kind := dicom.Detect(b); {
	case len(b) == 0:
	case mayBegin(b):
		st.join()
	case kind.Foreign():
		st.foreign = &foreign{kind: kind}
	}
	return n
}

// mayBegin reports whether a stream of DICOM may begin so.
func mayBegin(b []byte) bool {
	if dicom.Detect(b) == dicom.UpperLayer {
		return true
	}
	const enough = dicom.HeaderSize + 4 // for Detect
	return len(b) < enough && dicom.PDUType(b[0]).Known() && (len(b) == 1 || b[1] == 0)
}

// proxyHeader returns the length of the header of HAProxy's PROXY protocol, version 1 or 2,
// that b begins with; 0 where there is none, or not all of it.
func proxyHeader(b []byte) int {
	const (
		longest = 107 // of version 1
		fixed   = 16  // of version 2
	)
	if dicom.Detect(b) != dicom.ProxyProtocol {
		return 0
	}
	if b[0] == 'P' {
		return bytes.IndexByte(b[:min(len(b), longest)], '\n') + 1
	}
	if len(b) < fixed {
		return 0
	}
	if n := fixed + int(binary.BigEndian.Uint16(b[fixed-2:])); n <= len(b) {
		return n
	}
	return 0
}

// Missing implements tcp.Handler.
func (c *conn) Missing(from tcp.Side, _ int64, n int64, why tcp.Why) {
	if c.split = c.split || c.multipath && why != tcp.Cut; c.split {
		return
	}
	st := &c.streams[from]
	st.begun = true
	if st.foreign != nil {
		st.foreign.missing(n)
		return
	}
	st.missing(n)
}

// Pause implements tcp.Handler.
func (c *conn) Pause(tcp.Side, tcp.Pause) {}

// ICMP implements tcp.Handler.
func (c *conn) ICMP(tcp.Side, *tcp.Segment) {}

// End implements tcp.Handler. Packets that are held back need what was kept still.
func (c *conn) End(tcp.End) {
	c.ended, c.tcp = true, nil
	for i := range c.streams {
		k := &c.streams[i].kept
		k.memory.used -= len(k.bytes)
	}
}
