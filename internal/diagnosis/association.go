package diagnosis

import (
	"cmp"
	"slices"
	"strings"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// association is one that is under way.
type association struct {
	Association
	talk   *talk
	packet int64 // the first one
	joined bool  // its beginning isn't in the capture

	asked, answered int64 // when its request, and the answer to that, were complete; 0 for never
	applications    [2]Application
	operations      []*operation
	open            []*operation // not answered yet
	responses       []float64    // seconds

	releasing, released bool
	abortedBy           tcp.Side
	aborted             int64 // when
	abortPacket         int64
	oversized           *oversized // the first PDU that was too large
	broken              *broken    // the first rule of the protocol that was
}

// oversized is a P-DATA-TF that is longer than the other side takes.
type oversized struct {
	by           tcp.Side
	length, most uint32
	packet       int64
}

// broken is a rule of the protocol that a side broke.
type broken struct {
	by     tcp.Side
	fault  dicom.Fault
	packet int64
}

func newAssociation(t *talk, packet int64) *association {
	as := &association{talk: t, packet: packet}
	as.Result = Unanswered
	as.Contexts = []Context{}
	return as
}

func (as *association) intern(s string) string { return as.talk.analysis.strings.intern(s) }

// request notes an A-ASSOCIATE-RQ.
func (as *association) request(a *dicom.Associate) {
	as.CallingAE, as.CalledAE = a.Calling, a.Called
	as.introduce(tcp.Client, a)
	if a.Identity.Type != 0 {
		as.Identity = a.Identity.Type.String()
	}
	for _, c := range a.Contexts {
		proposed := Context{ID: int(c.ID), AbstractSyntax: as.intern(c.AbstractSyntax), TransferSyntaxes: []string{}}
		proposed.Name = dicom.UIDName(proposed.AbstractSyntax)
		for _, uid := range c.TransferSyntaxes {
			proposed.TransferSyntaxes = append(proposed.TransferSyntaxes, as.intern(uid))
		}
		as.Contexts = append(as.Contexts, proposed)
	}
	as.Incomplete = as.Incomplete || a.Truncated
}

// accept notes an A-ASSOCIATE-AC.
func (as *association) accept(a *dicom.Associate) {
	as.introduce(tcp.Server, a)
	as.Incomplete = as.Incomplete || a.Truncated
	for _, c := range a.Contexts {
		n := slices.IndexFunc(as.Contexts, func(x Context) bool { return x.ID == int(c.ID) })
		if n < 0 {
			n = len(as.Contexts)
			as.Contexts = append(as.Contexts, Context{ID: int(c.ID), TransferSyntaxes: []string{}})
		}
		as.Contexts[n].Result = c.Result.String()
		if c.Result == dicom.ContextAccepted && len(c.TransferSyntaxes) > 0 {
			as.Contexts[n].Accepted = as.intern(c.TransferSyntaxes[0])
		}
	}
	as.Contexts = as.talk.analysis.strings.contexts(as.Contexts)
}

// introduce notes what a side says of itself.
func (as *association) introduce(s tcp.Side, a *dicom.Associate) {
	app := &as.applications[s]
	app.Class, app.Version = as.intern(a.ImplementationClass), as.intern(a.ImplementationVersion)
	if a.HasMaxLength {
		most := a.MaxLength
		app.MaxPDU = &most
	}
	if a.HasAsync {
		app.AsyncInvoked, app.AsyncPerformed = int(a.AsyncInvoked), int(a.AsyncPerformed)
	}
}

// ending is how the connection of an association ended; of one after which another came in
// the same connection, it is zero.
type ending struct {
	tcp.End
	by    string // client, server or ""
	reset bool
}

// end ends the talk with its connection.
func (t *talk) end(e tcp.End) {
	for s := range t.peers {
		t.peers[s].decoder.Close()
	}
	if t.current == nil { // it only looked like DICOM
		t.analysis.endConnection(t.conn, e)
		return
	}
	by, reset := t.endedBy(e)
	t.now = e.At
	t.finish(ending{e, by, reset})
}

// finish makes an Association of what is known.
func (t *talk) finish(e ending) {
	as, a := t.current, t.analysis
	t.current = nil
	end := t.tcp.Last
	if e.How == 0 {
		end = t.now
	}
	t.clock.stop(end)
	start := t.tcp.First
	if as.packet != t.conn.packet && t.finished > 0 {
		start = as.asked
	}
	t.finished++
	r := &as.Association
	r.Start, r.End, r.Duration = at(start), at(end), seconds(start, end)
	r.Client, r.Server = a.endpoint(t.tcp.Addr(tcp.Client)), a.endpoint(t.tcp.Addr(tcp.Server))
	r.ClientApplication, r.ServerApplication = as.applications[tcp.Client], as.applications[tcp.Server]
	r.TCP, r.Packet = t.flows(), a.place(t.conn.packet)
	r.Time = t.clock.times()
	if t.tcp.SYN != 0 && t.tcp.Established != 0 {
		r.Time.Connect = seconds(t.tcp.SYN, t.tcp.Established)
	}
	r.Incomplete = r.Incomplete || as.joined || r.TCP.Client.Lost+r.TCP.Server.Lost > 0
	as.endOperations()
	as.outcome(e)
	as.sum()
	a.report.Capture.Gaps += t.gaps
	a.report.Capture.Truncated += t.conn.cut
	a.ended(as, e)
}

// outcome says how the association ended.
func (as *association) outcome(e ending) {
	r := &as.Association
	r.EndedBy = e.by
	busy := len(as.open) > 0 || as.talk.peers[0].inMessage || as.talk.peers[1].inMessage
	switch {
	case as.Abort != nil:
		r.Outcome, r.EndedBy = Aborted, as.abortedBy.String()
	case as.released:
		r.Outcome, r.EndedBy = Released, ""
	case as.releasing && (e.How == tcp.Finished || e.How == tcp.Reset):
		r.Outcome, r.EndedBy = Released, ""
	case e.reset:
		r.Outcome = Reset
	case e.by != "":
		r.Outcome = Closed
	case e.How == 0: // the connection went on
		r.Outcome = Closed
	case busy || as.Result == Unanswered:
		r.Outcome = CutOff
	default:
		r.Outcome = Open
	}
}

// endOperations makes the report's operations.
func (as *association) endOperations() {
	as.Operations = make([]*Operation, 0, len(as.operations))
	for _, o := range as.operations {
		if o.sent == 0 && !o.RequestMissing {
			o.Cut = true // not all of it was sent, or captured
		}
		as.Operations = append(as.Operations, &o.Operation)
	}
}

// sum makes the numbers of an association out of those of its operations.
func (as *association) sum() {
	if len(as.responses) > 0 {
		slices.Sort(as.responses)
		n := len(as.responses)
		as.Response = &Percentiles{P50: as.responses[(n-1)/2], P95: as.responses[(n*95+99)/100-1], Max: as.responses[n-1]}
	}
	var bytes int64
	var busy float64
	for _, o := range as.Operations {
		if o.By == tcp.Client.String() && o.Send != nil && o.Response != nil {
			bytes += o.Bytes
			busy += *o.Send + *o.Response
		}
	}
	if busy > 0 {
		as.Rate = float64(bytes) / busy
	}
}

// pool keeps each of the texts that come again and again once.
type pool struct {
	texts map[string]string
	lists map[string][]Context
}

// mostPooled bounds each kind of what is pooled.
const mostPooled = 10_000

func (p *pool) intern(s string) string {
	if s == "" {
		return ""
	}
	if known, ok := p.texts[s]; ok {
		return known
	}
	if p.texts == nil {
		p.texts = make(map[string]string)
	}
	if len(p.texts) < mostPooled {
		p.texts[s] = s
	}
	return s
}

// contexts returns an equal list that others may have too: an application proposes the
// same ones each time.
func (p *pool) contexts(list []Context) []Context {
	var b strings.Builder
	for _, c := range list {
		b.WriteByte(byte(c.ID))
		for _, s := range append([]string{c.AbstractSyntax, c.Result, c.Accepted}, c.TransferSyntaxes...) {
			b.WriteString(s)
			b.WriteByte(0)
		}
		b.WriteByte(1)
	}
	key := b.String()
	if known, ok := p.lists[key]; ok {
		return known
	}
	if p.lists == nil {
		p.lists = make(map[string][]Context)
	}
	if len(p.lists) < mostPooled/10 {
		p.lists[key] = slices.Clip(list)
	}
	return list
}

// worst orders severities.
func worst(x, y Severity) int {
	rank := map[Severity]int{Problem: 0, Warning: 1, Info: 2}
	return cmp.Compare(rank[x], rank[y])
}
