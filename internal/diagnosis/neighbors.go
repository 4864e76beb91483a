package diagnosis

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"netcap/internal/printable"
	"netcap/internal/tcp"
)

// neighbors are machines that others asked for (ARP, or IPv6's neighbour discovery) again
// and again. Answers are mostly for the one who asked, and may cross no place where is
// captured: that somebody asks every now and then tells nothing. Who isn't answered asks
// again after a second.
type neighbors struct {
	asked map[netip.Addr][]*asked // by who is asked for
	over  []*answered             // what was in vain until it was answered
	kept  int64                   // when all of them were last looked through
}

// asked is how often, in a row, somebody asked for somebody.
type asked struct {
	by, target  netip.Addr
	count       int64
	first, last int64 // nanoseconds since the epoch
	packet      int64
	told        bool
}

// answered is asked, and that it was answered in the end.
type answered struct {
	asked
	until int64
}

// What makes a row of questions: not copies of the same one, and not two that were asked for
// different reasons. In nanoseconds.
const (
	soonest = 300e6
	latest  = 5e9
)

// fewQuestions is how often an address is asked for in vain before that is worth telling:
// Linux asks three times before it gives up.
const fewQuestions = 3

// mostNeighbors bounds how many machines that are asked for are remembered, and how many
// questions that are over; mostAskers who asks for one.
const (
	mostNeighbors = 10_000
	mostAskers    = 8
)

// add takes a question or an answer, and returns a question that was asked too often, nil
// for others.
func (n *neighbors) add(kind tcp.Kind, s *tcp.Segment) *asked {
	src, dst := s.Src.Addr(), s.Dst.Addr()
	n.hear(src, s.Time)
	if kind != tcp.ARPRequest || !src.IsValid() || src.IsUnspecified() || src == dst {
		return nil
	}
	q := n.question(src, dst, s.Time)
	if q == nil {
		return nil
	}
	switch gap := s.Time - q.last; {
	case q.count > 0 && gap < soonest:
		return nil
	case q.count >= fewQuestions || q.count > 0 && gap <= latest:
		q.count++
	default:
		q.count, q.first, q.packet = 1, s.Time, s.Packet
	}
	q.last = s.Time
	if q.count < fewQuestions {
		return nil
	}
	return q
}

// question is what src asks for, a new one if it didn't; nil if there are too many.
func (n *neighbors) question(src, dst netip.Addr, now int64) *asked {
	if n.asked == nil {
		n.asked = make(map[netip.Addr][]*asked)
	}
	all := n.asked[dst]
	for _, q := range all {
		if q.by == src {
			return q
		}
	}
	if len(all) == 0 && len(n.asked) >= mostNeighbors {
		n.forget(now)
	}
	if len(all) == mostAskers || len(all) == 0 && len(n.asked) >= mostNeighbors {
		return nil
	}
	q := &asked{by: src, target: dst}
	n.asked[dst] = append(all, q)
	return q
}

// seen notes that a machine sends, and so is there.
func (n *neighbors) seen(s *tcp.Segment) {
	if len(n.asked) > 0 {
		n.hear(s.Src.Addr(), s.Time)
	}
}

// hear notes that an address has answered.
func (n *neighbors) hear(addr netip.Addr, now int64) {
	all, ok := n.asked[addr]
	if !ok {
		return
	}
	delete(n.asked, addr)
	for _, q := range all {
		if q.count >= fewQuestions && !q.told && len(n.over) < mostNeighbors {
			n.over = append(n.over, &answered{*q, now})
		}
	}
}

// forget forgets those that weren't asked for again. It looks through all of them, and not
// before some of them can have become old.
func (n *neighbors) forget(now int64) {
	if n.kept != 0 && now-n.kept < latest/4 {
		return
	}
	n.kept = now
	for target, all := range n.asked {
		if !slices.ContainsFunc(all, func(q *asked) bool { return q.count >= fewQuestions || now-q.last <= latest }) {
			delete(n.asked, target)
		}
	}
}

// findNeighbors finds machines that don't answer, as far as they matter: DICOM is spoken
// with them, or by who asks, or by nobody in the capture, which may be why.
func (a *Analysis) findNeighbors() {
	n := &a.neighbors
	for _, q := range n.over {
		a.findNeighbor(&a.findings, &q.asked, q.until)
	}
	questions := make([]*asked, 0, len(n.asked))
	for _, all := range n.asked {
		questions = append(questions, all...)
	}
	slices.SortFunc(questions, func(x, y *asked) int {
		return cmp.Or(x.target.Compare(y.target), x.by.Compare(y.by))
	})
	for _, q := range questions {
		a.findNeighbor(&a.findings, q, 0)
	}
}

// tellNeighbor tells of a machine that doesn't answer, once until it does.
func (a *Analysis) tellNeighbor(q *asked) {
	if q.told {
		return
	}
	f := &findings{place: a.place}
	a.findNeighbor(f, q, 0)
	for _, found := range f.close(nil) {
		q.told = true
		a.cfg.Found(found)
	}
}

// findNeighbor finds a machine that doesn't answer, or didn't until a time.
func (a *Analysis) findNeighbor(f *findings, q *asked, until int64) {
	hosts := a.servers.hosts
	if q.count < fewQuestions || len(hosts) > 0 && !hosts[q.target] && !hosts[q.by] {
		return
	}
	if wanted := a.cfg.Hosts; len(wanted) > 0 && !slices.Contains(wanted, q.target) && !slices.Contains(wanted, q.by) {
		return
	}
	severity := Warning
	if until == 0 && (hosts[q.target] || len(hosts)+len(a.report.Connections) == 0) {
		severity = Problem
	}
	name := ""
	if known := a.names[q.target]; known != "" {
		name = " (" + printable.Text(known) + ")"
	}
	answer, cause := "nobody answers", "The machine or container is stopped, or has another address now."
	if until != 0 {
		answer = fmt.Sprintf("nobody answers for %s", span(seconds(q.first, until)))
		cause = "The machine or container was stopped, or starting."
	}
	f.add(occurrence{
		id: "arp-unanswered", severity: severity, when: q.first, last: q.last, packet: q.packet,
		what:  fmt.Sprintf("%s asks for %s%s %d times, and %s", q.by, q.target, name, q.count, answer),
		cause: cause,
	})
}
