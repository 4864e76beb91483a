package diagnosis

import (
	"fmt"

	"netcap/internal/tcp"
)

// capture finds what the capture lacks of an association.
func (j *judge) capture() {
	as := j.as
	r := as.Association
	if as.joined && !as.talk.tcp.Certain {
		j.found(occurrence{
			id: "capture-starts-in-association", severity: Info, what: "the capture begins in the middle of the association",
			cause: "AE titles and presentation contexts are not known, and numbers are the least. A capture that runs all the time has the beginning too.",
		})
	}
	if _, gone := j.gone(); (r.Outcome == CutOff || r.Outcome == Open) && !gone {
		what := "the association is open at the end of the capture"
		switch how := j.ending.How; {
		case how == tcp.Replaced:
			what = "the end of the association isn't in the capture"
		case how == tcp.Expired || how == tcp.Evicted:
			what = "nothing is heard of the association any more"
		case r.Outcome == CutOff:
			what = "the capture ends in the middle of the association"
		}
		j.found(occurrence{id: "capture-ends-in-association", severity: Info, when: r.End.UnixNano(), what: what, cause: "Numbers are those until then."})
	}
	if lost := r.TCP.Client.Lost + r.TCP.Server.Lost; lost > 0 {
		j.found(occurrence{
			id: "capture-gap", severity: Warning, what: "the capture lacks bytes that arrived", amounts: amounts{float64(lost)},
			text: func(_ int64, total amounts) string {
				return fmt.Sprintf("the capture lacks %.0f bytes that arrived: numbers are the least", total[0])
			},
			cause: "The capturing program lost packets, not the network: netcap gaps says when; a larger buffer (-B) or a filter helps.",
		})
	}
	if as.talk.cut > 0 {
		cut := r.TCP.Client.Cut + r.TCP.Server.Cut
		j.found(occurrence{
			id: "capture-truncated", severity: Info, what: "packets are cut off by the snapshot length", amounts: amounts{float64(cut)},
			text: func(_ int64, total amounts) string {
				return fmt.Sprintf("packets are cut off by the snapshot length, %.0f bytes in all: statuses and more may be missing", total[0])
			},
			cause: "Capture whole packets: leave out -s.",
		})
	}
}

// findCapture finds what concerns the capture as a whole.
func (a *Analysis) findCapture() {
	c := &a.report.Capture
	const few, share = 3, 0.01
	if c.Duplicates < few || float64(c.Duplicates) < share*float64(c.Packets) {
		return
	}
	a.findings.add(occurrence{
		id: "capture-duplicates", severity: Info, when: a.first, packet: a.duplicate,
		what:  fmt.Sprintf("the capture holds %d segments more than once", c.Duplicates),
		cause: "It was made on several interfaces that the same packets cross, as -i any does. They are counted once.",
	})
}
