package diagnosis

import (
	"fmt"
	"strings"

	"netcap/internal/dicom"
	"netcap/internal/printable"
	"netcap/internal/tcp"
)

// operations finds operations that failed, or succeeded with a warning.
func (j *judge) operations() {
	for _, o := range j.as.operations {
		if o.Status == "" {
			continue
		}
		id, severity := "dimse-failure", Problem
		switch o.status.Category() {
		case dicom.CategoryWarning:
			id, severity = "dimse-warning", Warning
		case dicom.CategoryFailure:
		default:
			continue
		}
		what := fmt.Sprintf("%s %s", o.Kind, o.Status)
		if o.Text != "" {
			what += " (" + o.Text + ")"
		}
		if o.Destination != "" {
			what += ", to " + printable.Text(o.Destination)
		}
		if o.Comment != "" {
			what += ": " + printable.Text(o.Comment)
		}
		when := o.begun
		if o.responding != 0 {
			when = o.responding
		}
		n := 0
		if o.Suboperation != nil {
			n = o.Suboperation.Failed
		}
		j.found(occurrence{
			id: id, severity: severity, when: when, packet: o.packet, what: what, cause: j.statusCause(o), more: j.statusMore(o),
			amounts: amounts{float64(n)},
			text: func(count int64, total amounts) string {
				text := what
				if count > 1 {
					text += fmt.Sprintf(", %d times", count)
				}
				if total[0] > 0 {
					text += fmt.Sprintf("; %.0f sub-operations failed", total[0])
				}
				return text
			},
		})
	}
}

// statusCause is what is likely behind a status.
func (j *judge) statusCause(o *operation) string {
	retrieve := o.field == dicom.CMoveRQ || o.field == dicom.CGetRQ
	switch s := o.status; {
	case s == dicom.UnknownDestination && retrieve:
		return fmt.Sprintf("The server doesn't know the destination %q: add this AE title (they are case-sensitive), its address and port to the server's table.", o.Destination)
	case s == dicom.NoSuboperations && retrieve:
		return "The server can't reach the destination, or is refused there: look for its connection to it."
	case s == 0xb000 && retrieve:
		return "Some objects did not arrive at the destination: look at the associations that the server opened to it."
	case s>>8 == 0xa7 && o.field == dicom.CStoreRQ:
		return "Mostly the server's disk is full, or it may not write there."
	case s>>8 == 0xa7:
		return "The server lacks memory, disk or sessions, or the query matches too much."
	case s>>8 == 0xa9:
		return "The data set is not what its SOP class says: an object that was converted or edited wrongly, or a server stricter than the client."
	case s == 0x0122 || s == 0x0118:
		return "The server doesn't do this for objects of this kind: enable the SOP class there."
	case s == 0x0124:
		return "The server's rules forbid this caller the operation."
	case s == 0x0111:
		return "The server has this object already, and refuses another copy."
	case s == 0x0110:
		return "The server failed inside: its log says why."
	case s == 0x0112:
		return "The server hasn't got the object that is asked for."
	case s>>12 == 0xc && o.field == dicom.CStoreRQ:
		return "The server can't read the data set: a damaged object, an encoding that it doesn't know, or a value that it rejects. Its log says which."
	case s == 0xb000 && o.field == dicom.CStoreRQ:
		return "The server stored the object with changed values, as it is configured to."
	case s.Category() == dicom.CategoryWarning:
		return "The operation was done, but not quite as asked: the server's log says more."
	}
	return "The server's log says why."
}

// statusMore names the failed connection that is behind a C-MOVE that failed.
func (j *judge) statusMore(o *operation) func() string {
	if o.field != dicom.CMoveRQ || o.status == dicom.UnknownDestination {
		return nil
	}
	a, server := j.analysis, j.as.talk.tcp.Addr(tcp.Server).Addr()
	from, to := o.begun, j.as.talk.tcp.Last
	return func() string {
		for _, c := range a.report.Connections {
			began := c.Start.UnixNano()
			if c.Client.Address == server && began >= from && began <= to && (c.Outcome == refused || c.Outcome == noAnswer) {
				return fmt.Sprintf("Its connection to %s was %s.", c.Server.AddrPort(), c.Outcome)
			}
		}
		for _, as := range a.report.Associations {
			began := as.Start.UnixNano()
			if as.Client.Address == server && began >= from && began <= to && as.Result == Rejected {
				return fmt.Sprintf("It was rejected by %s: %s.", as.Server.AddrPort(), as.Reject.Text)
			}
		}
		return ""
	}
}

// lastOperation says what was done when an association ended: an operation under way, or
// else the last one.
func (as *association) lastOperation() string {
	if n := len(as.open); n > 0 {
		return "during " + as.open[n-1].Kind
	}
	if n := len(as.operations); n > 0 {
		return "after " + as.operations[n-1].Kind
	}
	return "before any operation"
}

// end finds what is wrong with how the association ended.
func (j *judge) end() {
	as := j.as
	if over := as.oversized; over != nil {
		j.found(occurrence{
			id: "pdu-too-large", severity: Problem, packet: over.packet,
			what:  fmt.Sprintf("the %s sends a P-DATA-TF of %d bytes, though the other side takes %d at most", over.by, over.length, over.most),
			cause: "The sender doesn't keep to the maximum length that was negotiated: a fault of its software. A larger maximum at the receiver may help meanwhile.",
		})
	}
	switch {
	case as.Outcome == Aborted:
		j.abort()
	case as.Result == Rejected || as.Result == Unanswered || as.Outcome == Released || as.Outcome == CutOff && !j.halfOpen():
	case as.Outcome == Reset || as.Outcome == Closed:
		j.closed()
	}
	if j.halfOpen() {
		j.stalled()
	}
}

func (j *judge) abort() {
	as := j.as
	by := as.abortedBy
	idle := float64(as.aborted-as.quietSince()) / 1e9
	what := fmt.Sprintf("aborted by the %s %s (%s)", by, as.lastOperation(), as.Abort.Text)
	cause := "The log of the side that aborts says why."
	switch {
	case as.oversized != nil && as.oversized.by != by:
		cause = "It was sent a PDU larger than it takes."
	case as.broken != nil && as.broken.by != by:
		cause = fmt.Sprintf("The other side broke the protocol: %s.", as.broken.fault)
	case timeout(idle) != 0:
		cause = fmt.Sprintf("It waited %d s for the other side: a time-out. Look why the other side was silent, or allow more time.", timeout(idle))
	case by == tcp.Client && len(as.operations) == 0 && as.Result == Accepted:
		cause = "The client can't do what it wants with what was accepted: look at the presentation contexts."
	case by == tcp.Server && as.talk.peers[tcp.Client].inMessage:
		cause = "The server gave up in the middle of the data: a full disk, a failed check, or a crash. Its log says which."
	}
	j.found(occurrence{id: "aborted", severity: Problem, when: as.aborted, packet: as.abortPacket, what: what, cause: cause})
}

// quietSince is when either side last sent data before the end.
func (as *association) quietSince() int64 {
	quiet := as.talk.lastData
	if quiet == 0 || quiet > as.talk.tcp.Last {
		return as.talk.tcp.Last
	}
	return quiet
}

// timeout is the time-out, in whole seconds, that a wait looks like, 0 for none: those that
// programs come with are multiples of 10 s.
func timeout(seconds float64) int {
	rounded := int(seconds/10+0.5) * 10
	if rounded >= 10 && rounded <= 3600 && seconds >= float64(rounded)-0.2 && seconds <= float64(rounded)*1.02+0.5 {
		return rounded
	}
	return 0
}

// closed finds an association that ended without a release.
func (j *judge) closed() {
	as := j.as
	r := &as.Association
	if j.ending.by == "" { // another association followed, or another connection
		return
	}
	how := "closes"
	if r.Outcome == Reset {
		how = "resets"
	}
	if len(as.open) > 0 || as.talk.peers[0].inMessage || as.talk.peers[1].inMessage {
		j.found(occurrence{
			id: "closed-in-transfer", severity: Problem, when: r.End.UnixNano(),
			what: fmt.Sprintf("the %s %s the connection %s", r.EndedBy, how, as.lastOperation()),
			text: func(count int64, total amounts) string {
				text := fmt.Sprintf("the %s %s the connection %s", r.EndedBy, how, as.lastOperation())
				if count > 1 {
					return fmt.Sprintf("%s, %d times", text, count)
				}
				return fmt.Sprintf("%s; %.0f bytes of what the client sent had arrived", text, total[0])
			},
			amounts: amounts{float64(r.TCP.Client.Acknowledged)},
			cause:   "The program on that side ended or was killed, or something between the two cut the connection: its log says which.",
		})
		return
	}
	cause := "Its program ended without taking leave, as some do when they can't go on. What was answered before is not affected."
	if idle := float64(r.End.UnixNano()-as.quietSince()) / 1e9; idle >= 30 {
		cause = fmt.Sprintf("Nothing had been said for %s: that side, or a firewall between the two, drops idle connections.", span(idle))
	}
	j.found(occurrence{
		id: "closed-without-release", severity: Warning, when: r.End.UnixNano(),
		what: fmt.Sprintf("the %s %s the connection without a release, %s", r.EndedBy, how, as.lastOperation()), cause: cause,
	})
}

// halfOpen reports whether a side got no answer any more when the capture ended.
func (j *judge) halfOpen() bool {
	if j.ending.How != tcp.CaptureEnd {
		return false
	}
	_, ok := j.gone()
	return ok
}

// gone tells the side that no longer answers.
func (j *judge) gone() (tcp.Side, bool) {
	c := j.as.talk.tcp
	for _, s := range []tcp.Side{tcp.Client, tcp.Server} {
		mine, other := c.Flow(s), c.Flow(s.Other())
		if mine.Unanswered >= 3 && c.Last-other.Last >= 1e9 {
			return s.Other(), true
		}
	}
	return 0, false
}

// stalled finds an association whose other side is gone.
func (j *judge) stalled() {
	silent, _ := j.gone()
	c := j.as.talk.tcp
	j.found(occurrence{
		id: "half-open", severity: Problem, when: c.Flow(silent).Last,
		what: fmt.Sprintf("the %s no longer answers", silent),
		text: func(count int64, total amounts) string {
			text := fmt.Sprintf("the %s no longer answers", silent)
			if count > 1 {
				return fmt.Sprintf("%s, %d times", text, count)
			}
			return fmt.Sprintf("%s: %.0f retransmissions in %s without a word from it", text, total[0], span(total[2]))
		},
		amounts: amounts{0: float64(c.Flow(silent.Other()).Unanswered), 2: float64(c.Last-c.Flow(silent).Last) / 1e9},
		cause:   "Its machine is down or cut off, or a firewall between the two has forgotten the connection" + idleBefore(j) + ".",
	})
}

// idleBefore says for how long a connection was idle before its end, where that may be why.
func idleBefore(j *judge) string {
	c := j.as.talk.tcp
	silent, _ := j.gone()
	const long = 60e9
	if idle := c.Flow(silent.Other()).LastData - c.Flow(silent).Last; idle >= long {
		return fmt.Sprintf(", idle for %s before", span(float64(idle)/1e9))
	}
	return ""
}

// span is a duration for people.
func span(seconds float64) string {
	switch {
	case seconds < 0.0095:
		return fmt.Sprintf("%.1f ms", seconds*1e3)
	case seconds < 0.95:
		return fmt.Sprintf("%.0f ms", seconds*1e3)
	case seconds < 9.5:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", seconds), ".0") + " s"
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 7200:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}
