package rotate

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Hold exempts the files of a set that hold an interval from deletion, until it is
// released.
type Hold struct {
	// ID is its number in the set, from 1.
	ID int `json:"id"`
	// From and To are the interval. A file is held if any of its time is in it.
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"`
	// By is the user who asked for it, and Made is when.
	By   string    `json:"by"`
	Made time.Time `json:"made"`
}

// Covers reports whether a file that was written from start to end is held. A zero end
// is that of a file that is being written.
func (h *Hold) Covers(start, end time.Time) bool {
	return !start.After(h.To) && (end.IsZero() || !end.Before(h.From))
}

// ErrNoHold is what Release returns where there is no such hold.
var ErrNoHold = errors.New("no such hold")

// MaxHolds is how many holds a set may have.
const MaxHolds = 1000

// maxReason bounds a reason, in bytes.
const maxReason = 1000

func (h *Hold) check() error {
	switch {
	case h.From.IsZero() || h.To.IsZero() || h.To.Before(h.From):
		return errors.New("hold: the interval must end after it begins")
	case h.Reason == "" || len(h.Reason) > maxReason:
		return fmt.Errorf("hold: a reason of 1 to %d bytes is needed", maxReason)
	}
	return nil
}

// holds is the content of the file that keeps them.
type holds struct {
	Last  int    `json:"last"` // the highest number that was given out
	Holds []Hold `json:"holds"`
}

func (h *holds) add(hold Hold) (Hold, error) {
	if len(h.Holds) >= MaxHolds {
		return hold, fmt.Errorf("hold: the set has %d already: release some", MaxHolds)
	}
	h.Last++
	hold.ID = h.Last
	h.Holds = append(h.Holds, hold)
	return hold, nil
}

func (h *holds) release(id int) (Hold, error) {
	for i, hold := range h.Holds {
		if hold.ID == id {
			h.Holds = slices.Delete(h.Holds, i, i+1)
			return hold, nil
		}
	}
	return Hold{}, fmt.Errorf("hold %d: %w", id, ErrNoHold)
}

// covers reports whether any hold covers a file.
func (h *holds) covers(start, end time.Time) bool {
	for i := range h.Holds {
		if h.Holds[i].Covers(start, end) {
			return true
		}
	}
	return false
}
