package diagnosis

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"netcap/internal/tcp"
)

// neighbors are machines that others asked for (ARP, or IPv6's neighbour discovery) and
// that haven't answered.
type neighbors struct {
	asked map[netip.Addr]*asked
	heard map[netip.Addr]bool // those that said anything since the capture began
}

// asked is an address that is asked for.
type asked struct {
	by          netip.Addr
	count       int64
	first, last int64 // nanoseconds since the epoch
	packet      int64
}

// mostNeighbors bounds how many are remembered.
const mostNeighbors = 10_000

// add takes a question or an answer.
func (n *neighbors) add(kind tcp.Kind, s *tcp.Segment) {
	if n.asked == nil {
		n.asked, n.heard = make(map[netip.Addr]*asked), make(map[netip.Addr]bool)
	}
	src, dst := s.Src.Addr(), s.Dst.Addr()
	n.hear(src)
	if kind != tcp.ARPRequest || !src.IsValid() || src.IsUnspecified() || src == dst || n.heard[dst] {
		return
	}
	q := n.asked[dst]
	if q == nil {
		if len(n.asked) == mostNeighbors {
			return
		}
		q = &asked{by: src, first: s.Time, packet: s.Packet}
		n.asked[dst] = q
	}
	q.count++
	q.last = s.Time
}

// seen notes that a machine sends, and so is there.
func (n *neighbors) seen(s *tcp.Segment) {
	if len(n.asked) > 0 {
		n.hear(s.Src.Addr())
	}
}

// hear notes that an address has answered.
func (n *neighbors) hear(addr netip.Addr) {
	delete(n.asked, addr)
	if len(n.heard) < mostNeighbors {
		n.heard[addr] = true
	}
}

// fewQuestions is how often an address is asked for in vain before that is worth telling:
// Linux asks three times before it gives up.
const fewQuestions = 3

// findNeighbors finds machines that don't answer, as far as they matter: DICOM is spoken
// with them, or by who asks, or by nobody in the capture, which may be why.
func (a *Analysis) findNeighbors() {
	dicom := make(map[netip.Addr]bool)
	for _, as := range a.report.Associations {
		dicom[as.Client.Address], dicom[as.Server.Address] = true, true
	}
	for _, addr := range slices.SortedFunc(maps.Keys(a.neighbors.asked), netip.Addr.Compare) {
		q := a.neighbors.asked[addr]
		if q.count < fewQuestions || len(dicom) > 0 && !dicom[addr] && !dicom[q.by] {
			continue
		}
		severity := Warning
		if dicom[addr] || len(a.report.Associations)+len(a.report.Connections) == 0 {
			severity = Problem
		}
		name := ""
		if a.names[addr] != "" {
			name = " (" + a.names[addr] + ")"
		}
		a.findings.add(occurrence{
			id: "arp-unanswered", severity: severity, when: q.first, packet: q.packet,
			what:  fmt.Sprintf("%s asks for %s%s %d times, and nobody answers", q.by, addr, name, q.count),
			cause: "The machine or container is stopped, or has another address now.",
		})
	}
}
