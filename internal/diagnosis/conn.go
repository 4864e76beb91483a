package diagnosis

import (
	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// conn is a connection. Of most nothing is kept but this: they aren't DICOM.
type conn struct {
	analysis *Analysis
	tcp      *tcp.Conn
	packet   int64         // the first one
	heard    [2]bool       // of each side, that there was anything
	spoken   [2]dicom.Kind // what it began with
	missed   [2]bool       // data of it that no decoder was given
	lacks    [2]bool       // data of it that isn't in the capture
	looked   int           // segments that were no DICOM
	talk     *talk         // nil while it isn't DICOM
	hello    string        // server name that a TLS client asks for
	icmp     *icmpError    // the last one
	gaps     int64         // places that the capture lacks
	cut      int64         // segments that the snap length has cut
	waits    [2]pauses     // delayed acknowledgements within messages
}

// pauses are counted, and their nanoseconds.
type pauses struct{ count, ns int64 }

// icmpError is what ICMP said of a connection.
type icmpError struct {
	from       tcp.Side // whose segment it was about
	kind, code uint8
	six        bool
	reporter   string
	packet     int64
}

// mostLooks is how many segments of a connection are looked at whether they begin as DICOM
// does, where the beginning of the connection isn't in the capture or said nothing.
const mostLooks = 10_000

func (a *Analysis) open(c *tcp.Conn) tcp.Handler {
	return &conn{analysis: a, tcp: c, packet: a.segment.Packet}
}

// Data implements tcp.Handler.
func (c *conn) Data(from tcp.Side, s *tcp.Segment, b []byte) {
	first := !c.heard[from]
	if first {
		c.heard[from] = true
		c.spoken[from] = dicom.Detect(b)
		if c.spoken[from] == dicom.TLS && from == tcp.Client {
			c.hello = serverName(b)
		}
		if rest := dicom.BehindProxyProtocol(b); len(rest) > 0 {
			b = rest
			c.spoken[from] = dicom.Detect(b)
		}
	}
	if c.talk == nil && !c.detect(from, b, first) {
		c.missed[from] = true
		return
	}
	c.talk.data(from, s, b)
}

// detect reports whether a connection turns out to be DICOM with these bytes.
func (c *conn) detect(from tcp.Side, b []byte, first bool) bool {
	begins := first && c.tcp.Certain
	if other := from.Other(); c.spoken[other].Foreign() || c.heard[other] && begins && !c.lacks[other] && c.spoken[other] == dicom.Unknown {
		return false // an answer in DICOM to something else, which is an A-ABORT
	}
	if !first && c.tcp.Certain && !c.lacks[from] && c.spoken[from] != dicom.ProxyProtocol || c.looked > mostLooks {
		return false
	}
	c.looked++
	// A request may be in several small segments.
	if dicom.Detect(b) != dicom.UpperLayer && !(begins && mayBegin(b)) {
		return false
	}
	c.talk = newTalk(c)
	return true
}

// mayBegin reports whether bytes too short to tell may be the first ones of an
// A-ASSOCIATE-RQ.
func mayBegin(b []byte) bool {
	return len(b) < dicom.HeaderSize+dicom.AssociateSize && b[0] == byte(dicom.PDUAssociateRQ) && (len(b) == 1 || b[1] == 0)
}

// Missing implements tcp.Handler.
func (c *conn) Missing(from tcp.Side, at int64, n int64, why tcp.Why) {
	switch why {
	case tcp.Lost:
		c.gaps++
	case tcp.Cut:
		c.cut++
	}
	c.heard[from], c.lacks[from] = true, true
	if c.talk == nil {
		c.missed[from] = true
		return
	}
	c.talk.missing(from, at, n)
}

// Pause implements tcp.Handler.
func (c *conn) Pause(of tcp.Side, p tcp.Pause) {
	if c.talk == nil {
		return
	}
	if p.Kind == tcp.DelayedACK {
		if !c.talk.peers[of].decoder.InMessage() {
			return // it had nothing more to send, for all that can be told
		}
		c.waits[of].count++
		c.waits[of].ns += p.To - p.From
	}
	c.talk.pause(p)
}

// ICMP implements tcp.Handler.
func (c *conn) ICMP(about tcp.Side, s *tcp.Segment) {
	c.icmp = &icmpError{about, s.ICMPType, s.ICMPCode, s.Src.Addr().Is6(), s.Reporter.String(), s.Packet}
}

// End implements tcp.Handler.
func (c *conn) End(e tcp.End) {
	a := c.analysis
	capture := &a.report.Capture
	for _, s := range []tcp.Side{tcp.Client, tcp.Server} {
		f := c.tcp.Flow(s)
		if copies := f.Copies + f.BareCopies; copies > 0 {
			if capture.Duplicates == 0 {
				a.duplicate = c.packet
			}
			capture.Duplicates += copies
		}
	}
	if c.talk == nil {
		a.endConnection(c, e)
		return
	}
	c.talk.end(e)
}

// flows says what TCP did.
func (c *conn) flows() TCP { return TCP{c.flow(tcp.Client), c.flow(tcp.Server)} }

func (c *conn) flow(s tcp.Side) Flow {
	f := c.tcp.Flow(s)
	return Flow{
		Segments: f.Segments, Bytes: f.Bytes, Acknowledged: f.Acknowledged,
		RetransmittedAfter: f.Resent, RetransmittedBefore: f.LateResent, Reordered: f.LateReordered, Copies: f.Copies + f.BareCopies,
		ZeroWindows: f.ZeroWindows, ZeroWindowSeconds: seconds(0, f.ZeroWindow),
		NagleWaits: c.waits[s].count, NagleSeconds: seconds(0, c.waits[s].ns),
		Lost: f.Lost, Cut: f.Cut, Missing: f.Open,
	}
}

// endedBy says who ended a connection, and whether TCP reset it without more. Who has
// closed it before is who ended it.
func (c *conn) endedBy(e tcp.End) (by string, reset bool) {
	switch e.How {
	case tcp.Finished:
		return e.By.String(), false
	case tcp.Reset:
		for _, s := range []tcp.Side{tcp.Client, tcp.Server} {
			mine, other := c.tcp.Flow(s).FINAt, c.tcp.Flow(s.Other()).FINAt
			if mine != 0 && mine <= e.At && (other == 0 || mine <= other) {
				return s.String(), false
			}
		}
		return e.By.String(), true
	}
	return "", false
}
