// Package holds keeps what must not be deleted of a set: intervals, in the file NAME.holds beside
// its files, which is JSON, never changed but replaced as a whole, under the lock of another file.
package holds

import (
	"bytes"
	"encoding/json"
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

// ErrNone is what Release returns where there is no such hold.
var ErrNone = errors.New("no such hold")

// Max is how many holds a set may have.
const Max = 1000

// maxReason bounds a reason, and the name of who gave it, in bytes.
const maxReason = 1000

func (h *Hold) check() error {
	switch {
	case h.From.IsZero() || h.To.IsZero() || h.To.Before(h.From):
		return errors.New("hold: the interval must end after it begins")
	case !inJSON(h.From) || !inJSON(h.To):
		return errors.New("hold: the years 0 to 9999 can be held")
	case h.Reason == "" || len(h.Reason) > maxReason:
		return fmt.Errorf("hold: a reason of 1 to %d bytes is needed", maxReason)
	case len(h.By) > maxReason:
		return fmt.Errorf("hold: the name of who asks for it is longer than %d bytes", maxReason)
	}
	return nil
}

// inJSON reports whether a time can be written, in whatever zone.
func inJSON(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 0 && year <= 9999
}

// Set is the content of the file: the holds of a set.
type Set struct {
	Last  int  `json:"last"` // the highest number that was given out
	Holds list `json:"holds"`
}

// list is decoded hold by hold, so that a file can't claim memory for any number.
type list []Hold

func (l *list) UnmarshalJSON(b []byte) error {
	*l = nil
	d := json.NewDecoder(bytes.NewReader(b))
	switch start, err := d.Token(); {
	case err != nil || start == nil:
		return err
	case start != json.Delim('['):
		return errors.New("the holds are no array")
	}
	for d.More() {
		if len(*l) == Max {
			return fmt.Errorf("more than %d holds", Max)
		}
		var h Hold
		if err := d.Decode(&h); err != nil {
			return err
		}
		*l = append(*l, h)
	}
	return nil
}

// check says what is wrong with holds that were read.
func (h *Set) check() error {
	const most = 1 << 30 // numbers that were given out
	if h.Last < 0 || h.Last > most {
		return fmt.Errorf("%d can't be the last hold", h.Last)
	}
	seen := make(map[int]bool)
	for _, hold := range h.Holds {
		if hold.ID < 1 || hold.ID > h.Last || seen[hold.ID] {
			return fmt.Errorf("%d can't be the number of a hold", hold.ID)
		}
		seen[hold.ID] = true
		if hold.From.IsZero() || hold.To.Before(hold.From) || !inJSON(hold.From) || !inJSON(hold.To) || !inJSON(hold.Made) {
			return fmt.Errorf("the times of hold %d make no sense", hold.ID)
		}
	}
	return nil
}

func (h *Set) add(hold Hold) (Hold, error) {
	if len(h.Holds) >= Max {
		return hold, fmt.Errorf("hold: the set has %d already: release some", Max)
	}
	h.Last++
	hold.ID = h.Last
	h.Holds = append(h.Holds, hold)
	return hold, nil
}

func (h *Set) release(id int) (Hold, error) {
	for i, hold := range h.Holds {
		if hold.ID == id {
			h.Holds = slices.Delete(h.Holds, i, i+1)
			return hold, nil
		}
	}
	return Hold{}, fmt.Errorf("hold %d: %w", id, ErrNone)
}

// Covers reports whether any hold covers a file.
func (h *Set) Covers(start, end time.Time) bool {
	for i := range h.Holds {
		if h.Holds[i].Covers(start, end) {
			return true
		}
	}
	return false
}
