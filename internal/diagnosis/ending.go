package diagnosis

import "netcap/internal/tcp"

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
	capture := &t.analysis.report.Capture
	capture.Gaps += t.gaps
	capture.Truncated += t.cut
	by, reset := t.endedBy(e)
	t.finish(ending{e, by, reset})
}

// finish makes an Association of what is known.
func (t *talk) finish(e ending) {
	as, a := t.current, t.analysis
	t.leave()
	t.current = nil
	if e.How == 0 {
		t.clock.advance(t.now)
	} else {
		t.clock.advance(t.tcp.Last)
	}
	for len(as.open) > 0 {
		as.unanswered = as.open[len(as.open)-1].Kind
		as.endOperation(as.open[0])
	}
	r := as.Association
	r.Time = t.clock.times()
	start, end := t.clock.start, t.clock.counts
	if t.finished == 0 && t.tcp.First < start {
		r.Time.Connect = seconds(t.tcp.First, start)
		start = t.tcp.First
	}
	t.finished++
	r.Start, r.End, r.Duration = at(start), at(end), seconds(start, end)
	r.Client, r.Server = a.endpoint(t.tcp.Addr(tcp.Client)), a.endpoint(t.tcp.Addr(tcp.Server))
	r.TCP, r.Packet = t.flows(), a.place(as.packet)
	r.Incomplete = r.Incomplete || as.joined || r.TCP.Client.Lost+r.TCP.Server.Lost > 0
	r.Summary = append(r.Summary, as.tally.sorted()...)
	r.Response, r.Rate = as.tally.responses.percentiles(), as.tally.rate()
	as.outcome(e)
	a.ended(as, e)
	t.waits = [2]pauses{}
}

// outcome says how the association ended.
func (as *association) outcome(e ending) {
	r := as.Association
	r.EndedBy = e.by
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
	case as.busy() || as.Result == Unanswered:
		r.Outcome = CutOff
	default:
		r.Outcome = Open
	}
}

// busy reports whether something was under way when the association ended.
func (as *association) busy() bool {
	return as.unanswered != "" || as.talk.peers[0].inMessage || as.talk.peers[1].inMessage
}
