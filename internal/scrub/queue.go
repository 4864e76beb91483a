package scrub

import (
	"time"

	"netcap/pcapfile"
)

// What is held back at most.
const (
	maxHeldPackets = 16_384
	maxHeldBytes   = 16 << 20
	maxHeldTime    = int64(10 * time.Second)
)

// held is a packet that waits until it is known what to keep of it, or behind such a one;
// or what is to be done after it.
type held[T any] struct {
	packet pcapfile.Packet
	place  place
	tag    T
	after  func()
	since  int64
}

// queue is first in, first out. What it held is let go of as it moves on.
type queue[T any] struct {
	items []held[T]
	bytes int
}

func (q *queue[T]) empty() bool { return len(q.items) == 0 }

func (q *queue[T]) push(h held[T]) {
	q.items = append(q.items, h)
	q.bytes += len(h.packet.Data)
}

func (q *queue[T]) pop() held[T] {
	h := q.items[0]
	q.items[0] = held[T]{}
	q.items = q.items[1:]
	q.bytes -= len(h.packet.Data)
	return h
}

// patient reports whether the first one may wait on.
func (q *queue[T]) patient(now int64) bool {
	return len(q.items) <= maxHeldPackets && q.bytes <= maxHeldBytes && now-q.items[0].since <= maxHeldTime
}

// release hands out what needn't wait any more.
func (s *Scrubber[T]) release() error {
	for !s.held.empty() {
		if first := &s.held.items[0]; first.place.waits() && s.held.patient(s.now) {
			return nil
		}
		h := s.held.pop()
		if h.after != nil {
			h.after()
			continue
		}
		if err := s.hand(&h.packet, &h.place, h.tag); err != nil {
			return err
		}
	}
	return nil
}
