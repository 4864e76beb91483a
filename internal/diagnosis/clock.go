package diagnosis

import "netcap/internal/tcp"

// phase is what an association is about at a moment.
type phase uint8

const (
	idle        phase = iota // nothing is to be done, by the server at least
	negotiating              // the client waits for the answer to its request
	sending                  // the client sends a request
	serving                  // the server is to answer, or does
	phases
)

// A clock parts the time of an association into phases, and the pauses in them. Each
// instant counts once, and none is left out. It doesn't go back: what is told late counts
// from where the clock is.
type clock struct {
	start  int64 // when it began, in nanoseconds since the epoch, as all times
	counts int64 // up to here everything is counted
	phase  phase
	spent  [phases]int64 // nanoseconds, without pauses
	pauses [tcp.Retransmission + 1]int64
}

// begin starts the clock.
func (c *clock) begin(now int64, p phase) { *c = clock{start: now, counts: now, phase: p} }

// turn goes on with another phase.
func (c *clock) turn(now int64, p phase) {
	c.advance(now)
	c.phase = p
}

// advance counts what has passed.
func (c *clock) advance(now int64) {
	if now > c.counts {
		c.spent[c.phase] += now - c.counts
		c.counts = now
	}
}

// pause counts a pause that is over. What has nothing to send waits for nothing.
func (c *clock) pause(p tcp.Pause) {
	if c.start == 0 || c.phase == idle {
		return
	}
	c.advance(p.From)
	if p.To > c.counts {
		c.pauses[p.Kind] += p.To - c.counts
		c.counts = p.To
	}
}

// times are what the clock has counted, in seconds.
func (c *clock) times() Times {
	s := func(ns int64) float64 { return float64(ns) / 1e9 }
	return Times{
		Negotiate: s(c.spent[negotiating]), Sending: s(c.spent[sending]), Server: s(c.spent[serving]), ClientIdle: s(c.spent[idle]),
		Retransmission: s(c.pauses[tcp.Retransmission]), ZeroWindow: s(c.pauses[tcp.ZeroWindow]), Nagle: s(c.pauses[tcp.DelayedACK]),
	}
}

// hindered are the nanoseconds for which TCP could not deliver what was to be said.
func (c *clock) hindered() int64 { return c.pauses[tcp.Retransmission] + c.pauses[tcp.ZeroWindow] }
