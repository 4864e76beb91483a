package diagnosis

import (
	"fmt"

	"netcap/internal/tcp"
)

// lastOperation says what was done when an association ended: an operation under way, or
// else the last one.
func (as *association) lastOperation() string {
	switch {
	case as.unanswered != "":
		return "during " + as.unanswered
	case as.tally.last != "":
		return "after " + as.tally.last
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
	_, gone := j.gone()
	switch {
	case as.Outcome == Aborted:
		j.abort()
	case gone || as.Result == Rejected || as.Result == Unanswered:
	case as.Outcome == Reset || as.Outcome == Closed:
		j.closed()
	}
	if gone {
		j.halfOpen()
	}
}

func (j *judge) abort() {
	as := j.as
	by := as.abortedBy
	idle := float64(as.abortedAfter) / 1e9
	what := fmt.Sprintf("aborted by the %s %s (%s)", by, as.lastOperation(), as.Abort.Text)
	cause := "The log of the side that aborts says why."
	switch {
	case as.oversized != nil && as.oversized.by != by:
		cause = "It was sent a PDU larger than it takes."
	case as.broken != nil && as.broken.by != by:
		cause = fmt.Sprintf("The other side broke the protocol: %s.", as.broken.fault)
	case timeout(idle) != 0:
		cause = fmt.Sprintf("It waited %d s for the other side: a time-out. Look why the other side was silent, or allow more time.", timeout(idle))
	case by == tcp.Client && as.tally.last == "" && as.Result == Accepted:
		cause = "The client can't do what it wants with what was accepted: look at the presentation contexts."
	case by == tcp.Server && as.talk.peers[tcp.Client].inMessage:
		cause = "The server gave up in the middle of the data: a full disk, a failed check, or a crash. Its log says which."
	}
	j.found(occurrence{id: "aborted", severity: Problem, when: as.aborted, packet: as.abortPacket, what: what, cause: cause})
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
	r := as.Association
	if j.ending.by == "" { // another association followed, or another connection
		return
	}
	verb := "closes"
	if r.Outcome == Reset {
		verb = "resets"
	}
	how := fmt.Sprintf("the %s %s the connection", r.EndedBy, verb)
	dropped := ""
	if idle := as.talk.quiet(); idle >= longQuiet {
		dropped = fmt.Sprintf("Nothing had been said for %s: that side, or a firewall between the two, drops idle connections.", span(float64(idle)/1e9))
	}
	if !as.busy() {
		cause := "Its program ended without taking leave, as some do when they can't go on. What was answered before is not affected."
		if dropped != "" {
			cause = dropped
		}
		j.found(occurrence{
			id: "closed-without-release", severity: Warning, when: r.End.UnixNano(),
			what: how + " without a release, " + as.lastOperation(), cause: cause,
		})
		return
	}
	how += " " + as.lastOperation()
	cause := "The program on that side ended or was killed, or something between the two cut the connection: its log says which."
	if dropped != "" {
		cause = dropped
	}
	j.found(occurrence{
		id: "closed-in-transfer", severity: Problem, when: r.End.UnixNano(), what: how, cause: cause,
		text: func(count int64, total amounts) string {
			if count > 1 {
				return how
			}
			return fmt.Sprintf("%s; %.0f bytes of what the client sent had arrived", how, total[0])
		},
		amounts: amounts{float64(r.TCP.Client.Acknowledged)},
	})
}

// gone tells the side that no longer answered when the association ended, if there is one.
// Of one that had ended before it doesn't matter.
func (j *judge) gone() (tcp.Side, bool) {
	if j.as.Outcome == Released || j.as.Result == Rejected {
		return 0, false
	}
	c := j.as.talk.tcp
	for _, s := range []tcp.Side{tcp.Client, tcp.Server} {
		mine, other := c.Flow(s), c.Flow(s.Other())
		if mine.Unanswered >= fewUnanswered && mine.Last-other.Last >= 1e9 {
			return s.Other(), true
		}
	}
	return 0, false
}

// fewUnanswered is how many retransmissions without an answer tell that a side is gone.
const fewUnanswered = 3

// halfOpen finds an association whose other side is gone.
func (j *judge) halfOpen() {
	silent, _ := j.gone()
	c := j.as.talk.tcp
	idle := ""
	if quiet := j.as.talk.quiet(); quiet >= longQuiet {
		idle = fmt.Sprintf(", idle for %s before", span(float64(quiet)/1e9))
	}
	j.found(occurrence{
		id: "half-open", severity: Problem, when: c.Flow(silent).Last,
		what: fmt.Sprintf("the %s no longer answers", silent),
		text: func(count int64, total amounts) string {
			text := fmt.Sprintf("the %s no longer answers", silent)
			if count > 1 {
				return text
			}
			return fmt.Sprintf("%s: %.0f retransmissions in %s without a word from it", text, total[0], span(total[2]))
		},
		amounts: amounts{0: float64(c.Flow(silent.Other()).Unanswered), 2: float64(c.Last-c.Flow(silent).Last) / 1e9},
		cause:   "Its machine is down or cut off, or a firewall between the two has forgotten the connection" + idle + ".",
	})
}
