package tcp

import "net/netip"

// Side is one of the two ends of a connection.
type Side uint8

const (
	Client Side = iota // who sent the SYN
	Server
)

// Other is the side at the other end.
func (s Side) Other() Side { return 1 - s }

// String is "client" or "server".
func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "server"
}

// A Handler is told what happens in a connection. It may call any method of the Conn, and
// none of the Tracker.
//
// What one side sent comes in its order, each byte once: as Data, or as Missing. What both
// sent comes in the order in which it was captured, but for what waits behind a hole; it
// waits no longer than until the other side answers it.
type Handler interface {
	// Data is called with the next bytes of a stream, once a segment: b is what is new of
	// its payload. Both are valid until Data returns. Those that waited behind a hole come
	// with the segment that they were captured in: its Packet and Time are earlier than the
	// call before may have had.
	Data(from Side, s *Segment, b []byte)
	// Missing says that the next n bytes of a stream, at least one, won't come. The time,
	// in nanoseconds since the epoch, is that of their segment if it was cut; otherwise
	// that of what was captured next of the stream, or of the segment that acknowledged
	// them: they were sent before.
	Missing(from Side, at int64, n int64, why Why)
	// Pause tells that a side waited, when the wait is over.
	Pause(of Side, p Pause)
	// ICMP is called with an error about a segment that a side sent.
	ICMP(about Side, s *Segment)
	// End is called once, last. The Conn's counters are final.
	End(e End)
}

// Why says for what reason bytes are missing.
type Why uint8

const (
	_    Why = iota
	Cut      // beyond the snap length
	Lost     // the other side acknowledged them: the capture lost them
	Open     // not acknowledged when they were given up: lost on the way, or by the capture
)

// PauseKind says what a side waited for.
type PauseKind uint8

const (
	_ PauseKind = iota
	// DelayedACK is a wait of 25 to 250 ms for a delayed acknowledgement, by a sender that
	// doesn't send small segments before all that it sent is acknowledged (Nagle's
	// algorithm, RFC 1122, section 4.2.3.4). From is its last data, To its next. In
	// between was nothing of its own but acknowledgements, then the other side's bare one,
	// of everything, so late; the sender went on at once, which is within 5 ms. Of
	// both times the round trip that the handshake showed is taken off first.
	//
	// A sender that has nothing to send until its program gives it more looks the same if
	// that happens at the same moment: whether it is in the middle of a message is for the
	// Handler to say.
	DelayedACK
	// ZeroWindow is from where the other side closed its window until it opened it again,
	// or the connection ended.
	ZeroWindow
	// Retransmission is the silence before a side sends again what it had sent: From is
	// its last data or the last progress of the other's acknowledgements, whichever was
	// later. A retransmission in the midst of other data makes hardly a pause. None are
	// told of while the window is closed, nor of a SYN: connecting has times of its own.
	Retransmission
)

// String is "delayed ACK", "zero window" or "retransmission".
func (k PauseKind) String() string {
	switch k {
	case DelayedACK:
		return "delayed ACK"
	case ZeroWindow:
		return "zero window"
	case Retransmission:
		return "retransmission"
	}
	return "none"
}

// A Pause is a time in which a side waited, in nanoseconds since the epoch. Pauses of a
// side don't overlap: where two would, the later one begins where the earlier one ends.
type Pause struct {
	Kind     PauseKind
	From, To int64 // From < To
}

// How says how a connection ended.
type How uint8

const (
	_          How = iota
	Finished       // both sides' FIN were acknowledged
	Reset          // by a RST
	Replaced       // another began between the same ports, and the end wasn't captured
	Evicted        // too many are open, and it was idle for longest
	Expired        // nothing was heard of it for too long
	CaptureEnd     // it was open, or waited for an answer, when the capture ended
)

// String is "finished", "reset", "replaced", "evicted", "expired" or "capture end".
func (h How) String() string {
	switch h {
	case Finished:
		return "finished"
	case Reset:
		return "reset"
	case Replaced:
		return "replaced"
	case Evicted:
		return "evicted"
	case Expired:
		return "expired"
	case CaptureEnd:
		return "capture end"
	}
	return "none"
}

// End is how a connection ended.
type End struct {
	How How
	By  Side  // whose FIN was first, or whose RST; nothing otherwise
	At  int64 // when that was so, of Finished the last acknowledgement; otherwise the last segment's time
}

// A Conn is a TCP connection. It is the Tracker's: a Handler may look at it until End
// returns, and may change it by Swap alone.
type Conn struct {
	// Certain says that a SYN or SYN-ACK told who the client is. Otherwise it is guessed;
	// until the first Data, Missing or Pause, such a segment may still correct it.
	Certain bool

	// Times of the handshake, in nanoseconds since the epoch, 0 for what wasn't captured:
	// of the first SYN, the first SYN-ACK, and the client's first acknowledgement of it.
	SYN, SYNACK, Established int64
	// First and Last are the first and last segment's.
	First, Last int64

	handler Handler
	ends    [2]netip.AddrPort // who sends in each direction
	client  uint8             // the client's direction
	half    [2]half

	pending bool // a half waits for bytes that were acknowledged

	closing End      // How is 0 while the connection is open
	due     *closing // when a closing one ends
	ended   bool

	list         *list // that it is in
	newer, older *Conn // in that
}

// Addr is where a side is.
func (c *Conn) Addr(s Side) netip.AddrPort { return c.ends[c.direction(s)] }

// Flow is what a side sent and met: its counters as they are now.
func (c *Conn) Flow(s Side) *Flow { return &c.half[c.direction(s)].Flow }

// Handler is who follows the connection: what Config.Open returned for it, if it did.
func (c *Conn) Handler() Handler { return c.handler }

// Next is the sequence number behind what the Handler was told of a side's stream; while it
// is told, behind that.
func (c *Conn) Next(s Side) uint32 { return c.half[c.direction(s)].next }

// Waiting reports whether something that was captured of a side waits behind a hole.
func (c *Conn) Waiting(s Side) bool { return len(c.half[c.direction(s)].parked) > 0 }

// Swap makes the server the client, for a Handler that knows better from what they say: it
// is of use where not Certain. Whatever is asked or told afterwards has the sides
// exchanged; what the Handler was told before isn't told again.
func (c *Conn) Swap() { c.client = 1 - c.client }

func (c *Conn) side(direction int) Side { return Side(uint8(direction) ^ c.client) }

func (c *Conn) direction(s Side) int { return int(uint8(s) ^ c.client) }
