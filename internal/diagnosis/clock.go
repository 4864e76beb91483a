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
// instant counts once.
type clock struct {
	since  int64 // of the phase
	phase  phase
	spent  [phases]int64 // nanoseconds, without pauses
	pauses [tcp.Retransmission + 1]int64
	until  int64 // of the last pause
	paused int64 // in this phase
}

// begin starts the clock.
func (c *clock) begin(now int64, p phase) { *c = clock{since: now, phase: p, until: now} }

// turn goes on with another phase.
func (c *clock) turn(now int64, p phase) {
	if p == c.phase {
		return
	}
	c.stop(now)
	c.phase = p
}

// stop counts what has passed.
func (c *clock) stop(now int64) {
	if now > c.since {
		c.spent[c.phase] += max(0, now-c.since-c.paused)
		c.since = now
	}
	c.paused = 0
}

// pause counts a pause that is over, as far as it lies in this phase and in no other
// pause. What has nothing to send waits for nothing.
func (c *clock) pause(p tcp.Pause) {
	if c.since == 0 || c.phase == idle {
		return
	}
	from := max(p.From, c.since, c.until)
	if p.To <= from {
		return
	}
	c.pauses[p.Kind] += p.To - from
	c.paused += p.To - from
	c.until = p.To
}

// times are what the clock has counted, in seconds.
func (c *clock) times() Times {
	s := func(ns int64) float64 { return float64(ns) / 1e9 }
	return Times{
		Negotiate: s(c.spent[negotiating]), Sending: s(c.spent[sending]), Server: s(c.spent[serving]), ClientIdle: s(c.spent[idle]),
		Retransmission: s(c.pauses[tcp.Retransmission]), ZeroWindow: s(c.pauses[tcp.ZeroWindow]), Nagle: s(c.pauses[tcp.DelayedACK]),
	}
}
