package diagnosis

import (
	"fmt"

	"netcap/internal/tcp"
)

// Bounds from which on something is worth a finding.
const (
	slowResponse   = 1.0     // seconds, of the 95th percentile
	smallPDU       = 16384   // bytes: less costs speed
	muchData       = 100_000 // bytes, for which PDUs may be small
	stalledWindow  = 100e6   // nanoseconds with a closed window
	fewNagle       = 3       // waits that are worth telling
	nagleShare     = 0.2     // of the time, from which on even one is
	fewResent      = 3       // retransmissions that are worth telling
	resentShare    = 0.001   // of the segments
	slowTransfer   = 250_000 // bytes a second
	longTransfer   = 5.0     // seconds, so that a slow one matters
	longTransferOf = 1 << 20 // bytes
)

// network finds what slows the association down.
func (j *judge) network() {
	j.maxPDU()
	j.slowResponse()
	j.nagle()
	if r := j.as.Association; r.TCP.Client.Lost+r.TCP.Server.Lost == 0 { // it may have been opened again in what is lost
		j.zeroWindows()
	}
	// Of what the capture has only in part nothing is said about the network.
	if !j.as.Incomplete && !j.as.joined {
		j.retransmissions()
		j.slowTransfer()
	}
}

func (j *judge) maxPDU() {
	as := j.as
	for _, s := range []tcp.Side{tcp.Client, tcp.Server} {
		most := as.application(s).MaxPDU
		if most == nil || *most == 0 || *most >= smallPDU || as.talk.tcp.Flow(s.Other()).Bytes < muchData || as.oversized != nil {
			continue
		}
		j.found(occurrence{
			id: "small-max-pdu", severity: Warning,
			what:  fmt.Sprintf("the %s takes PDUs of %d bytes at most", s, *most),
			cause: fmt.Sprintf("Large objects are cut into many pieces, which costs speed: raise its maximum PDU length to %d or more.", smallPDU),
		})
	}
}

func (j *judge) slowResponse() {
	as := j.as
	// The 95th percentile is above the bound if more than a twentieth is.
	slow, all, longest := as.tally.slow, as.tally.answered, as.tally.slowest
	if slow*20 <= all {
		return
	}
	by := "server"
	if longest.by == tcp.Server {
		by = "client"
	}
	j.found(occurrence{
		id: "slow-response", severity: Warning, when: longest.sent, packet: longest.packet,
		what: "the " + by + " is slow to answer", amounts: amounts{float64(slow), float64(all), longest.seconds},
		text: func(_ int64, total amounts) string {
			return fmt.Sprintf("the %s is slow to answer: %.0f of %.0f operations took it more than %s, the longest %s", by, total[0], total[1], span(slowResponse), span(total[2]))
		},
		cause: fmt.Sprintf("It has the whole request, and the time passes there: a slow disk or database, or too much else to do. The network has no part in it (%s).", longest.kind),
	})
}

func (j *judge) zeroWindows() {
	c := j.as.talk.tcp
	for _, s := range []tcp.Side{tcp.Client, tcp.Server} {
		f := c.Flow(s)
		if f.ZeroWindow < stalledWindow {
			continue
		}
		j.found(occurrence{
			id: "receiver-stalled", severity: Warning,
			what: fmt.Sprintf("the %s does not take the data as fast as it comes", s), amounts: amounts{float64(f.ZeroWindow) / 1e9},
			text: func(_ int64, total amounts) string {
				return fmt.Sprintf("the %s does not take the data as fast as it comes: the sender had to wait %s for it", s, span(total[0]))
			},
			cause: fmt.Sprintf("The %s is the bottleneck, not the network: its disk, processor or program.", s),
		})
	}
}

func (j *judge) nagle() {
	as := j.as
	waits := as.talk.waits
	count := waits[0].count + waits[1].count
	lost := float64(waits[0].ns+waits[1].ns) / 1e9
	duration := as.Duration
	if count == 0 || duration <= 0 || count < fewNagle && lost < nagleShare*duration {
		return
	}
	by := "both"
	for _, s := range []tcp.Side{tcp.Client, tcp.Server} {
		if waits[s.Other()].count == 0 {
			by = "the " + s.String()
		}
	}
	j.found(occurrence{
		id: "nagle-delayed-ack", severity: Warning,
		what: "time lost in waits for delayed acknowledgements, by " + by, amounts: amounts{lost, duration},
		text: func(_ int64, total amounts) string {
			return fmt.Sprintf("%.0f %% of the time lost in waits of some 40 ms (Nagle's algorithm and delayed acknowledgements), by %s", 100*min(1, total[0]/total[1]), by)
		},
		cause: "TCP_NODELAY is off in the program that waits; dcmtk turns it on with TCP_NODELAY=1 in its environment.",
	})
}

// lossy counts the retransmissions of a side that tell of a loss: what is sent again to a
// side that is gone tells of that.
func (j *judge) lossy(s tcp.Side) (before, after int64) {
	f := j.as.talk.tcp.Flow(s)
	after = f.Resent - f.Needless - f.ResentClosed
	if silent, gone := j.gone(); gone && silent != s {
		after -= f.Unanswered
	}
	return f.LateResent, max(0, after)
}

func (j *judge) retransmissions() {
	c := j.as.talk.tcp
	for _, s := range []tcp.Side{tcp.Client, tcp.Server} {
		f := c.Flow(s)
		before, after := j.lossy(s)
		if n := before + after; n < fewResent || float64(n) < resentShare*float64(f.Segments) {
			continue
		}
		where, cause := "behind the capture point", "Between this machine and the receiver packets are lost: cables, an overloaded link or switch, or a receiver that drops them."
		if before > after {
			where, cause = "before the capture point", "Between the sender and this machine packets are lost: cables, an overloaded link or switch."
		}
		j.found(occurrence{
			id: "retransmissions", severity: Warning,
			what:    fmt.Sprintf("packets of the %s are lost %s", s, where),
			amounts: amounts{float64(before + after), float64(f.Segments)},
			text: func(_ int64, total amounts) string {
				return fmt.Sprintf("packets of the %s are lost %s: %.0f of %.0f segments were sent again (%.2g %%)", s, where, total[0], total[1], 100*total[0]/total[1])
			},
			cause: cause,
		})
	}
}

func (j *judge) slowTransfer() {
	as := j.as
	t := as.Time
	took := t.Sending + t.Retransmission + t.ZeroWindow + t.Nagle
	bytes := as.tally.clientBytes
	if bytes < longTransferOf || took < longTransfer || float64(bytes)/took >= slowTransfer {
		return
	}
	bottleneck := "the line between the two, or the client, which sends no faster"
	for _, part := range []struct {
		seconds float64
		what    string
	}{
		{t.Retransmission, "lost packets: see retransmissions"},
		{t.ZeroWindow, "the server, which takes no more"},
		{t.Nagle, "waits for delayed acknowledgements: see nagle-delayed-ack"},
	} {
		if part.seconds > took/2 {
			bottleneck = part.what
		}
	}
	j.found(occurrence{
		id: "slow-transfer", severity: Warning, what: "the data comes slowly", amounts: amounts{float64(bytes), took},
		text: func(_ int64, total amounts) string {
			return fmt.Sprintf("the data comes slowly: %.0f kB/s", total[0]/total[1]/1e3)
		},
		cause: "Most of the time is spent on " + bottleneck + ".",
	})
}
