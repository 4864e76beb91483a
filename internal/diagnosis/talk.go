package diagnosis

import (
	"strings"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// talk is what is said in a connection that turned out to speak DICOM.
type talk struct {
	*conn
	peers       [2]*peer
	now, packet int64 // of the segment that is being read; the time doesn't go back
	clock       clock
	current     *association // nil before the first
	lastData    int64        // when either side last sent data, but for the current segment
	rest        rest         // the last long one
	finished    int          // associations before the current one
	opened      bool         // the current one counts among those that the server has open
	holders     string       // who had associations open when the current one was rejected
}

// peer is one side of a talk: a dicom.Handler of what it says.
type peer struct {
	talk    *talk
	side    tcp.Side
	decoder *dicom.Decoder

	begun       int64 // the first byte of the current PDU, and where it is
	begunPacket int64

	inMessage     bool  // a command set or data set of it is under way
	commanded     bool  // its command set is complete
	lost          bool  // some of it is, so that what comes may be of another one
	message       int64 // its first byte, and where it is
	messagePacket int64
	operation     *operation // which it is about, nil where that isn't known
	response      bool       // it answers that
	final         bool       // and nothing more will
}

func newTalk(c *conn) *talk {
	t := &talk{conn: c}
	for s := range t.peers {
		p := &peer{talk: t, side: tcp.Side(s)}
		t.peers[s], p.decoder = p, dicom.New(p)
		if !c.tcp.Certain || c.missed[s] {
			p.decoder.Join()
		}
	}
	return t
}

// longQuiet is from when on a silence, in nanoseconds, is worth telling.
const longQuiet = 30e9

// rest is a long time without data, and what of both sides had been acknowledged by then.
type rest struct{ ns, acknowledged int64 }

// acknowledged are the bytes of both sides that the other one has.
func (t *talk) acknowledged() int64 {
	return t.tcp.Flow(tcp.Client).Acknowledged + t.tcp.Flow(tcp.Server).Acknowledged
}

// quiet is for how long, in nanoseconds, nothing had been said when the connection ended;
// what was said then and never arrived, for the connection was gone, isn't counted.
func (t *talk) quiet() int64 {
	if t.rest.ns > 0 && t.acknowledged() == t.rest.acknowledged {
		return t.rest.ns
	}
	return t.tcp.Last - t.now
}

// data takes the next bytes of a side.
func (t *talk) data(from tcp.Side, s *tcp.Segment, b []byte) {
	if t.now != 0 && s.Time-t.now >= longQuiet {
		t.rest = rest{s.Time - t.now, t.acknowledged()}
	}
	t.lastData = t.now
	t.now, t.packet = max(t.now, s.Time), s.Packet
	t.peers[from].decoder.Write(b)
}

func (t *talk) missing(from tcp.Side, at, n int64) {
	t.now = max(t.now, at)
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
		t.current = newAssociation(t, t.conn.packet)
		t.current.Result = Unknown
		t.current.joined = true
		t.clock.begin(t.connected(), idle)
	}
	return t.current
}

// connected is when the connection was there, or else its first segment.
func (t *talk) connected() int64 { return max(t.tcp.First, t.tcp.Established) }

// turn is called when whose turn it is may have changed.
func (t *talk) turn() {
	as := t.current
	client, server := t.peers[tcp.Client], t.peers[tcp.Server]
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
		if t.finished == 0 {
			t.current = newAssociation(t, t.conn.packet)
			t.clock.begin(t.connected(), idle)
			t.clock.turn(p.begun, negotiating)
		} else {
			t.current = newAssociation(t, p.begunPacket)
			t.clock.begin(p.begun, negotiating)
		}
		t.current.request(a)
		t.current.asked = t.now
		return
	}
	as := t.begin()
	if end := t.tcp.Flow(tcp.Client).FINAt; as.Result == Unanswered && end != 0 && end < t.now {
		as.late = t.now // nobody waits for it any more
		t.serves().accepted(as.CalledAE)
		return
	}
	if as.Result == Unanswered || as.Result == Unknown {
		as.Result = Accepted
		as.accept(a)
		as.answered = t.now
		server := t.serves()
		server.accepted(as.CalledAE)
		server.opened(as.caller())
		t.opened = true
	}
	t.turn()
}

// serves notes that the server speaks DICOM.
func (t *talk) serves() *server {
	place := t.tcp.Addr(tcp.Server)
	t.analysis.servers.heard(t.tcp.Addr(tcp.Client).Addr(), place.Addr())
	return t.analysis.speaks(place)
}

// swap exchanges the sides, since who requests an association is the client. Nothing has
// been kept of either by then.
func (t *talk) swap() {
	t.tcp.Swap()
	t.waits[0], t.waits[1] = t.waits[1], t.waits[0]
	t.spoken[0], t.spoken[1] = t.spoken[1], t.spoken[0]
	t.heard[0], t.heard[1] = t.heard[1], t.heard[0]
	t.missed[0], t.missed[1] = t.missed[1], t.missed[0]
	t.lacks[0], t.lacks[1] = t.lacks[1], t.lacks[0]
	t.peers[0].side, t.peers[1].side = tcp.Server, tcp.Client
	t.peers[0], t.peers[1] = t.peers[1], t.peers[0]
}

func (p *peer) Reject(r dicom.Reject) {
	t := p.talk
	as := t.begin()
	as.Result = Rejected
	as.answered = t.now
	t.holders = t.serves().holders()
	as.Reject = &Reject{int(r.Result), int(r.Source), int(r.Reason), inWords(strings.TrimPrefix(r.Result.String(), "rejected-") + ", " + r.Source.String() + ", " + r.ReasonText())}
	t.turn()
}

// inWords is a name of the standard's, such as no-reason-given, as it stands in a sentence.
func inWords(name string) string { return strings.ReplaceAll(name, "-", " ") }

func (p *peer) ReleaseRQ() { p.talk.begin().releasing = true }

func (p *peer) ReleaseRP() {
	as := p.talk.begin()
	as.releasing, as.released = true, true
	p.talk.leave()
}

// leave has the current association no longer count among those that the server has open.
func (t *talk) leave() {
	if t.opened {
		t.opened = false
		t.analysis.servers.at(t.tcp.Addr(tcp.Server)).closed(t.current.caller())
	}
}

func (p *peer) Abort(a dicom.Abort) {
	as := p.talk.begin()
	if as.Abort != nil || as.released || as.Result == Rejected { // it had ended before
		return
	}
	text := a.Source.String()
	if a.Source == dicom.AbortByProvider {
		text += ", " + a.Reason.String()
	}
	as.Abort = &Abort{int(a.Source), int(a.Reason), inWords(text)}
	as.abortedBy, as.aborted, as.abortPacket = p.side, p.talk.now, p.begunPacket
	p.talk.leave()
	if p.talk.lastData != 0 {
		as.abortedAfter = p.talk.now - p.talk.lastData
	}
}

func (p *peer) PData(length uint32) {
	t := p.talk
	as := t.begin()
	if as.Result == Unanswered && p.side == tcp.Client { // it has an answer
		as.Result, as.Incomplete = Unknown, true
	}
	if most := as.application(p.side.Other()).MaxPDU; most != nil && *most != 0 && length > *most && as.oversized == nil {
		as.oversized = &oversized{p.side, length, *most, p.begunPacket}
	}
	if !p.inMessage {
		p.beginMessage()
	}
}

// beginMessage comes with the PDU that a message begins in.
func (p *peer) beginMessage() {
	p.inMessage, p.message, p.messagePacket = true, p.begun, p.begunPacket
	p.commanded, p.lost, p.operation, p.response = false, false, nil, false
}

func (p *peer) Command(c *dicom.Command) {
	t := p.talk
	as := t.begin()
	if c.Truncated {
		as.Incomplete = true
	}
	if !p.inMessage || p.commanded || p.lost { // the second one of a PDU, or the first one's end is missing
		p.beginMessage()
	}
	p.commanded = true
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
	// Where a side broke the rules, it isn't the capture that lacks something.
	as.Incomplete = as.Incomplete || as.broken == nil || p.talk.lacks[p.side] || !p.talk.tcp.Certain
	p.lost = p.inMessage
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
		o.sent, o.hindered = t.now, t.clock.hindered()
		if !o.Cut {
			o.Send = since(o.begun, t.now)
		}
		if o.answered {
			t.current.endOperation(o)
		}
	default:
		p.answered(o)
	}
}
