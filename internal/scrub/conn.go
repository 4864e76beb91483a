package scrub

import (
	"bytes"
	"encoding/binary"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// conn is a connection.
type conn struct {
	tcp     *tcp.Conn
	streams [2]stream // by tcp.Side
	begun   bool      // something was told of it
	proxied bool      // it began with a proxy's header
	other   bool      // it isn't DICOM's: its packets stay as they are
	dicom   bool
	ended   bool

	counted, countedUnknown bool // in Stats
}

func newConn(c *tcp.Conn, m *memory) *conn {
	n := &conn{tcp: c}
	for i := range n.streams {
		n.streams[i].kept.memory = m
	}
	return n
}

// waits reports whether bytes before a sequence number wait behind a hole.
func (c *conn) waits(from tcp.Side, end uint32) bool {
	return !c.ended && !c.other && c.tcp.Waiting(from) && tcp.Distance(end, c.tcp.Next(from)) > 0
}

// Data implements tcp.Handler.
func (c *conn) Data(from tcp.Side, s *tcp.Segment, b []byte) {
	seq := c.tcp.Next(from) - uint32(len(b))
	st := &c.streams[from]
	if !c.begun {
		if n := c.begin(from, b, seq == first(s)); n > 0 {
			st.kept.add(seq, b[:n])
			b, seq = b[n:], seq+uint32(n)
		}
	}
	if c.other {
		// What one connection is the way for, may be another: proxies, tunnels.
		if len(b) == 0 || b[0] != byte(dicom.PDUAssociateRQ) || dicom.Detect(b) != dicom.UpperLayer {
			return
		}
		c.other = false
	}
	st.write(b, seq)
	c.dicom = c.dicom || st.found
}

// first is the sequence number of a segment's first byte.
func first(s *tcp.Segment) uint32 {
	if s.Flags&tcp.SYN != 0 {
		return s.Seq + 1
	}
	return s.Seq
}

// begin looks at the first bytes of a connection, and returns how many of them are a
// proxy's, which says whose connection it is.
func (c *conn) begin(from tcp.Side, b []byte, whole bool) (proxy int) {
	c.begun = true
	if c.tcp.Flow(from).SYN == 0 || !whole {
		return 0 // they may be another connection's, or not the first
	}
	if from == tcp.Client && !c.proxied {
		if proxy = proxyHeader(b); proxy > 0 {
			c.proxied = true
			if b = b[proxy:]; len(b) == 0 {
				c.begun = false
				return proxy
			}
		}
	}
	if !mayBegin(b) {
		c.other = true
		return proxy
	}
	c.streams[from].join()
	if from == tcp.Client && c.tcp.Flow(tcp.Server).SYN > 0 {
		c.streams[tcp.Server].join()
	}
	return proxy
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
func (c *conn) Missing(from tcp.Side, _ int64, n int64, _ tcp.Why) {
	c.begun = true
	c.streams[from].missing(n)
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
