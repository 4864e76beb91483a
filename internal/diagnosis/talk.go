package diagnosis

import (
	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// talk is what is said in a connection that turned out to speak DICOM.
type talk struct {
	*conn
	peers       [2]peer
	now, packet int64 // of the segment that is being read
	clock       clock
	current     *association // nil before the first
	lastData    int64        // when either side last sent data, but for the current segment
	finished    int          // associations before the current one
	opened      bool         // the current one counts among those that the server has open
	holders     string       // who had associations open when the current one was requested
}

// peer is one side of a talk: a dicom.Handler of what it says.
type peer struct {
	talk    *talk
	side    tcp.Side
	decoder *dicom.Decoder

	begun       int64 // the first byte of the current PDU, and where it is
	begunPacket int64

	inMessage     bool  // a command set or data set of it is under way
	message       int64 // its first byte, and where it is
	messagePacket int64
	operation     *operation // which it is about, nil where that isn't known
	response      bool       // it answers that
	final         bool       // and nothing more will
}

func newTalk(c *conn) *talk {
	t := &talk{conn: c}
	for s := range t.peers {
		p := &t.peers[s]
		p.talk, p.side = t, tcp.Side(s)
		p.decoder = dicom.New(p)
		if !c.tcp.Certain || c.missed[s] {
			p.decoder.Join()
		}
	}
	return t
}

// data takes the next bytes of a side.
func (t *talk) data(from tcp.Side, s *tcp.Segment, b []byte) {
	t.lastData = t.now
	t.now, t.packet = s.Time, s.Packet
	t.peers[from].decoder.Write(b)
}

func (t *talk) missing(from tcp.Side, at, n int64) {
	t.now = at
	t.peers[from].decoder.Missing(n)
}

// pause notes that a side waited.
func (t *talk) pause(p tcp.Pause) {
	t.clock.pause(p)
}

// begin has the association at hand, a new one if there is none: its beginning isn't in
// the capture.
func (t *talk) begin() *association {
	if t.current == nil {
		t.current = newAssociation(t, t.packet)
		t.current.Result = Unknown
		t.current.joined = true
		t.clock.begin(t.now, idle)
	}
	return t.current
}

// turn is called when whose turn it is may have changed.
func (t *talk) turn() {
	as := t.current
	client, server := &t.peers[tcp.Client], &t.peers[tcp.Server]
	switch {
	case as == nil:
	case as.Result == Unanswered:
		t.clock.turn(t.now, negotiating)
	case client.inMessage && !client.response:
		t.clock.turn(t.now, sending)
	case as.awaits(tcp.Client) || server.inMessage:
		t.clock.turn(t.now, serving)
	default:
		t.clock.turn(t.now, idle)
	}
}

// Begin implements dicom.Handler, as do the following.
func (p *peer) Begin() { p.begun, p.begunPacket = p.talk.now, p.talk.packet }

func (p *peer) Associate(a *dicom.Associate) {
	t := p.talk
	if !a.Response {
		if p.side == tcp.Server && !t.tcp.Certain {
			t.swap()
		}
		if t.current != nil {
			t.finish(ending{})
		}
		t.current = newAssociation(t, p.begunPacket)
		t.clock.begin(p.begun, negotiating)
		t.current.request(a)
		t.current.asked = t.now
		server := t.analysis.servers.at(t.tcp.Addr(tcp.Server))
		t.holders = server.holders()
		t.opened = true
		server.opened(t.current.caller())
		return
	}
	as := t.begin()
	if as.Result == Unanswered || as.Result == Unknown {
		as.Result = Accepted
		as.accept(a)
		as.answered = t.now
		t.analysis.servers.at(t.tcp.Addr(tcp.Server)).accepted(as.CalledAE)
	}
	t.turn()
}

// swap exchanges the sides, since who requests an association is the client. Nothing has
// been kept of either by then.
func (t *talk) swap() {
	t.tcp.Swap()
	t.waits[0], t.waits[1] = t.waits[1], t.waits[0]
	t.spoken[0], t.spoken[1] = t.spoken[1], t.spoken[0]
	t.missed[0], t.missed[1] = t.missed[1], t.missed[0]
	t.peers[0].side, t.peers[1].side = tcp.Server, tcp.Client
	t.peers[0], t.peers[1] = t.peers[1], t.peers[0]
}

func (p *peer) Reject(r dicom.Reject) {
	t := p.talk
	as := t.begin()
	as.Result = Rejected
	as.answered = t.now
	as.Reject = &Reject{int(r.Result), int(r.Source), int(r.Reason), r.Result.String() + ", " + r.Source.String() + ", " + r.ReasonText()}
	t.turn()
}

func (p *peer) ReleaseRQ() { p.talk.begin().releasing = true }

func (p *peer) ReleaseRP() {
	as := p.talk.begin()
	as.releasing, as.released = true, true
}

func (p *peer) Abort(a dicom.Abort) {
	as := p.talk.begin()
	if as.Abort != nil {
		return
	}
	text := a.Source.String()
	if a.Source == dicom.AbortByProvider {
		text += ", " + a.Reason.String()
	}
	as.Abort = &Abort{int(a.Source), int(a.Reason), text}
	as.abortedBy, as.aborted, as.abortPacket = p.side, p.talk.now, p.begunPacket
}

func (p *peer) PData(length uint32) {
	t := p.talk
	as := t.begin()
	if most := as.applications[p.side.Other()].MaxPDU; most != nil && *most != 0 && length > *most && as.oversized == nil {
		as.oversized = &oversized{p.side, length, *most, p.begunPacket}
	}
	if !p.inMessage {
		p.inMessage, p.message, p.messagePacket = true, p.begun, p.begunPacket
		p.operation, p.response = nil, false
	}
}

func (p *peer) Command(c *dicom.Command) {
	t := p.talk
	as := t.begin()
	if c.Truncated {
		as.Incomplete = true
	}
	switch {
	case c.Field == dicom.CCancelRQ:
		if o := as.find(p.side, c.RespondedTo); o != nil {
			o.Canceled = true
		}
	case c.Has&dicom.HasField == 0:
	case c.Field.IsResponse():
		p.respond(as, c)
	default:
		p.request(as, c)
	}
	if !c.HasDataSet() {
		p.endMessage()
	}
	t.turn()
}

func (p *peer) DataSet(part dicom.Part) {
	if p.talk.current == nil { // its end, at the beginning of a capture
		return
	}
	as := p.talk.current
	as.Bytes += part.Bytes
	switch o := p.operation; {
	case o == nil:
	case p.response:
		o.ResponseBytes += part.Bytes
	default:
		o.Bytes += part.Bytes
	}
	if part.Last {
		p.endMessage()
		p.talk.turn()
	}
}

// Lost notes that the decoder lost its place: what was under way may be more than it
// seems.
func (p *peer) Lost(int64) {
	as := p.talk.current
	if as == nil {
		return
	}
	as.Incomplete = true
	if p.operation != nil && p.inMessage && !p.response {
		p.operation.Cut = true
	}
}

func (p *peer) Broken(f dicom.Fault, _ int64) {
	as := p.talk.begin()
	if as.broken == nil {
		as.broken = &broken{p.side, f, p.talk.packet}
	}
}

// endMessage comes behind the last byte of a message.
func (p *peer) endMessage() {
	t := p.talk
	p.inMessage = false
	o := p.operation
	p.operation = nil
	switch {
	case o == nil:
	case !p.response:
		o.sent = t.now
		if !o.Cut {
			o.Send = since(o.begun, t.now)
		}
	default:
		p.answered(o)
	}
}
