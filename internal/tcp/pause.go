package tcp

import "time"

// Bounds of what counts as a wait for a delayed acknowledgement, in nanoseconds: Linux
// delays for 40 ms at least, others for up to 200 ms, as RFC 1122 allows 500 ms. onceTime
// is how soon the sender has to go on.
const (
	delayMin = int64(25 * time.Millisecond)
	delayMax = int64(250 * time.Millisecond)
	onceTime = int64(5 * time.Millisecond)
)

// pause tells of a pause, of what isn't part of the one before.
func (c *Conn) pause(d int, kind PauseKind, from, to int64) {
	h := &c.half[d]
	from = max(from, h.paused)
	if to <= from {
		return
	}
	h.paused = to
	if kind == DelayedACK {
		h.DelayedACKs++
		h.DelayedACK += to - from
	}
	c.handler.Pause(c.side(d), Pause{kind, from, to})
}

// release notes that the other side acknowledged, bare, all that direction d has sent: if
// that came late, d may have waited for it.
func (c *Conn) release(d int, at int64) {
	h, other := &c.half[d], &c.half[1-d]
	h.released = 0
	if wait := at - h.LastData - other.trip; h.LastData != 0 && delayMin <= wait && wait <= delayMax {
		h.released = at
	}
}

// released sees new data after a late acknowledgement.
func (c *Conn) released(d int, at int64) {
	h := &c.half[d]
	if at-h.released <= onceTime+h.trip {
		c.pause(d, DelayedACK, h.LastData, at)
	}
	h.released = 0
}

// window takes what a segment in direction d says of the sender's window.
func (c *Conn) window(d int, s *Segment) {
	h := &c.half[d]
	h.Window = s.Window
	if s.Window != 0 {
		if h.zero {
			c.opened(d, s.Time)
		}
		return
	}
	h.ZeroWindows++
	if !h.zero {
		h.zero, h.zeroFrom = true, s.Time
	}
}

// opened ends the time in which the window was closed that direction d announces.
func (c *Conn) opened(d int, at int64) {
	h := &c.half[d]
	h.zero = false
	h.ZeroWindow += max(0, at-h.zeroFrom)
	c.pause(1-d, ZeroWindow, h.zeroFrom, at)
}
