package tcp

// A Flow is what one side of a connection sent and met. Segments are counted once however
// often the capture holds them: a copy has the same IP identification (or timestamp, where
// there is none) as the segment itself, and changes nothing but SeenBefore,
// BytesSeenBefore, Copies and BareCopies. Bytes are of payload, on the wire.
type Flow struct {
	Segments int64
	SYN      int64 // with ACK or without, retransmitted ones included
	FIN      int64
	RST      int64

	// Bytes is how long the stream is, whatever of it is missing: of it Cut bytes are
	// beyond the snap length, Lost and Open are missing as Why explains. Retransmissions
	// are not in it.
	Bytes           int64
	Cut, Lost, Open int64
	// TooLate are bytes of Lost and Open that came after they had been given up.
	TooLate int64
	// Acknowledged are bytes that the other side acknowledged, from where the capture of
	// this side's begins.
	Acknowledged int64

	// SeenBefore counts segments with bytes that the capture held already, all in all
	// BytesSeenBefore of them, and nothing that filled a hole. Each is one of the Copies,
	// made by the capture, or Resent: a retransmission, of what was lost behind the capture
	// point or not lost.
	SeenBefore      int64
	BytesSeenBefore int64
	Copies          int64
	Resent          int64
	// Of Resent, Needless are those whose bytes had been acknowledged, and ResentClosed
	// those sent while the other side's window was closed: neither tells of a loss.
	Needless     int64
	ResentClosed int64
	// BareCopies are copies of segments without payload.
	BareCopies int64
	// KeepAlives are keep-alives and probes of a closed window: none or one byte, of those
	// that were sent already. They are neither data nor retransmissions.
	KeepAlives int64

	// HolesOpened counts segments that left a hole before them, FillsHole those that
	// filled all or part of one: LateResent are sent after the one that opened it, so the
	// first was lost before the capture point, LateReordered before it. BeforeStart are
	// segments with bytes from before the beginning of a capture that holds no SYN.
	HolesOpened   int64
	FillsHole     int64
	LateResent    int64
	LateReordered int64
	BeforeStart   int64

	// ZeroWindows counts segments in which this side says that its window is closed, and
	// ZeroWindow the nanoseconds until it opened it again, or the last segment.
	ZeroWindows int64
	ZeroWindow  int64

	// DelayedACKs and DelayedACK are the pauses of that kind, and their nanoseconds.
	DelayedACKs int64
	DelayedACK  int64

	// Unanswered counts retransmissions, of SYN and FIN too, since the other side's
	// acknowledgements made progress: where they are many at the end, it is gone.
	Unanswered int64

	// First, Last and LastData are times of segments, in nanoseconds since the epoch, 0
	// for none: LastData that of the last one with payload or FIN. FINAt and RSTAt are those
	// of the first.
	First, Last, LastData int64
	FINAt, RSTAt          int64

	// MSS, Scale and HasScale are those of the SYN; without it, they are not known.
	MSS      uint16
	Scale    uint8
	HasScale bool
	// Window is the last one announced, as in the header: shifted by Scale it is in
	// bytes, if both SYNs have one and the segment wasn't a SYN itself.
	Window uint16
}

// half is one direction of a connection: what its sender sends. Sequence numbers are
// compared as RFC 9293, section 3.4, has it.
type half struct {
	Flow

	known bool   // that what follows is
	start uint32 // the first sequence number
	next  uint32 // what is handed to the Handler next
	high  uint32 // behind everything that was captured
	acked uint32 // what the other side waits for

	hasFIN bool
	fin    uint32 // its sequence number

	holes       []hole   // in the order in which they were opened
	holesAt     int64    // Bytes when the last one was
	parked      []parked // in the order of the stream, without overlaps
	parkedBytes int

	unseen      bool  // the other side acknowledged bytes at next that aren't there
	unseenFrom  int64 // since then
	unseenCount int   // segments of the connection since then
	jumps       int   // segments in a row that are far away; see jump

	zero     bool  // this side's window is closed
	zeroFrom int64 // since then

	trip     int64 // from a segment of the other side to this side's answer, in the handshake
	progress int64 // when the other side's acknowledgements last advanced
	released int64 // when a late bare acknowledgement let this side go on; 0: none
	paused   int64 // the end of its last pause

	recent recent
}

// window is the most that can be under way, in bytes: RFC 7323, section 2.3. What is farther
// from what was seen than that is of another connection, or the capture paused.
const window = 1 << 30

// Distance is how far sequence number a is behind b in the stream, below 0 if it is before
// it (RFC 9293, section 3.4).
func Distance(a, b uint32) int { return int(int32(a - b)) }
