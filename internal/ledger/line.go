package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// headSize is the length of the first line, its end included, in bytes.
const headSize = 256

// head is the first line.
type head struct {
	Version int `json:"netcap_ledger"`
	// Alive is when the capture was last known to run.
	Alive time.Time `json:"alive"`
	// Boot is the boot it ran in (random/boot_id in proc(5)).
	Boot string `json:"boot"`
	// Flush and Sync are how much a kill and a power cut may cost, in seconds.
	Flush float64 `json:"flush_seconds"`
	Sync  float64 `json:"fsync_seconds"`
}

const version = 1

func (h *head) line() ([]byte, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(b) >= headSize {
		return nil, fmt.Errorf("ledger: a first line of %d bytes", len(b))
	}
	line := bytes.Repeat([]byte{' '}, headSize)
	copy(line, b)
	line[headSize-1] = '\n'
	return line, nil
}

// line is any other line: a gap, a file that was begun or finished, one that was deleted, the
// start or stop of a run, or what somebody did with the set.
type line struct {
	Number  int64      `json:"gap,omitempty"`
	Gap     *Gap       `json:"is,omitempty"`
	File    *file      `json:"file,omitempty"`
	Deleted *deletion  `json:"deleted,omitempty"`
	Start   *time.Time `json:"start,omitempty"`
	Stop    *time.Time `json:"stop,omitempty"`
	Act     *Act       `json:"act,omitempty"`
}

func (l *line) append(dst []byte) ([]byte, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return dst, err
	}
	return append(append(dst, b...), '\n'), nil
}

// content is what a ledger says.
type content struct {
	head    head
	gaps    []numbered      // by number
	files   map[string]file // that were not deleted, by what their names begin with
	deleted []deletion
	acts    []Act
	started time.Time // of the last run
	stopped time.Time // zero if the last run has not, or not in an orderly way
	size    int       // bytes up to the last whole line
	runs    int
}

type numbered struct {
	number int64
	Gap
}

// parse reads a ledger up to what isn't one any more. ok says that it is one at
// all.
func parse(b []byte) (c content, ok bool) {
	if len(b) < headSize || b[headSize-1] != '\n' {
		return c, false
	}
	if err := json.Unmarshal(bytes.TrimSpace(b[:headSize]), &c.head); err != nil || c.head.Version != version {
		return c, false
	}
	c.size = headSize
	at := map[int64]int{}
	c.files = map[string]file{}
	for {
		end := bytes.IndexByte(b[c.size:], '\n')
		if end < 0 {
			return c, true
		}
		var l line
		if err := json.Unmarshal(b[c.size:c.size+end], &l); err != nil {
			return c, true
		}
		c.size += end + 1
		switch {
		case l.Gap != nil && l.Number > 0:
			i, known := at[l.Number]
			if !known {
				i = len(c.gaps)
				at[l.Number] = i
				c.gaps = append(c.gaps, numbered{})
			}
			c.gaps[i] = numbered{l.Number, *l.Gap}
		case l.File != nil:
			if stem, ok := l.File.valid(); ok {
				c.files[stem] = *l.File
			}
		case l.Deleted != nil && l.Deleted.valid():
			if stem, _, ok := stemOf(l.Deleted.Name); ok {
				delete(c.files, stem)
			}
			c.deleted = append(c.deleted, *l.Deleted)
		case l.Start != nil:
			c.started, c.stopped = *l.Start, time.Time{}
			c.runs++
		case l.Stop != nil:
			c.stopped = *l.Stop
		case l.Act != nil:
			if c.acts = append(c.acts, l.Act.bounded()); len(c.acts) > 2*mostActs {
				c.acts = append([]Act(nil), shrinkActs(c.acts)...)
			}
		}
	}
}

// after is the gap from the end of the last run up to now, as the next run, or who
// looks while none runs, has to see it. ok is false if there was no run.
func (c *content) after(now time.Time, boot string) (g Gap, ok bool) {
	switch {
	case c.started.IsZero():
		return g, false
	case !c.stopped.IsZero():
		g = Gap{From: c.stopped, Cause: NotRunning}
	default:
		// What had not reached the operating system died with the process, and
		// what had not reached the disk with the machine.
		cost := c.head.Flush
		if boot != c.head.Boot {
			cost = c.head.Sync
		}
		from := c.head.Alive.Add(-seconds(cost))
		if from.Before(c.started) {
			from = c.started
		}
		g = Gap{From: from, Cause: Killed}
	}
	if !now.After(g.From) { // the clock was set back since
		now = g.From
	}
	g.To = now
	return g, true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
