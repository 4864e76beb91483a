package diagnosis

import (
	"slices"
	"time"
)

// maxIdle is after how long a connection that nothing is heard of counts as ended where a
// capture goes on: more than a day, for what is idle over night.
const maxIdle = 26 * time.Hour

// settling is how old, in the capture's time, what is yet to be added may be: netcap writes
// packets within a second.
const settling = 3 * time.Second

// Live has an analysis tell of everything as it ends: of associations, of connections that
// became none and with which something is wrong, and of machines that nobody answers for.
// It needs no more memory the longer it takes.
func (c *Config) Live(tell func(*Entry)) {
	c.MaxIdle = maxIdle
	c.Ended = func(as *Association, found []*Finding) { tell(&Entry{Association: as, Findings: found}) }
	c.EndedConnection = func(conn *Connection, found []*Finding) {
		if slices.ContainsFunc(found, func(f *Finding) bool { return f.Severity != Info }) {
			tell(&Entry{Connection: conn, Findings: found})
		}
	}
	c.Found = func(f *Finding) { tell(&Entry{Findings: []*Finding{f}}) }
}

// Waited says that nothing was added for so long, though a capture goes on: what has ended
// by then is over, though no later packet shows it. Whose clock made the times of packets
// doesn't matter.
func (a *Analysis) Waited(d time.Duration) {
	if d -= settling; a.last != 0 && d > 0 {
		a.tracker.Advance(a.last + int64(d))
	}
}
