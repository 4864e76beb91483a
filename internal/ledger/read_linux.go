package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"netcap/internal/fileset"
)

// Record is what is known of a set's completeness.
type Record struct {
	Gaps []Gap
	// From is the beginning of what the record is about: what came before was not
	// captured, or its files are gone. Zero where there is nothing at all.
	From time.Time
	// Rebuilt says that the ledger is missing or damaged: the record is what the
	// files tell.
	Rebuilt bool
	// Acts are the last ones, the oldest first.
	Acts []Act

	dir   string
	spans []span
	known *content
}

// FileSpan is when a file of the set was begun and ended, or last written. ok is false if there
// is none of the name.
func (r *Record) FileSpan(name string) (begin, end time.Time, ok bool) {
	for i := range r.spans {
		if r.spans[i].name == name {
			n := r.known.numbersOf(r.dir, &r.spans[i])
			return n.from, n.to, true
		}
	}
	return begin, end, false
}

// Read reads the ledger of the set of a name in a directory, up to now. running says
// whether a capture is writing it; if none is, the time since the last is a gap too.
func Read(dir, set string, running bool, now time.Time) (*Record, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	b, err := readFile(root, fileset.Ledger(set))
	if errors.Is(err, errNotOurs) {
		b, err = readShared(root, fileset.Ledger(set))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ledger %s: %w", filepath.Join(dir, fileset.Ledger(set)), err)
	}
	r := &Record{}
	c, ok := parse(b)
	if !ok {
		r.Rebuilt = true
		c = rebuild(dir, set, "")
	}
	last, ended := c.after(now, bootID())
	for _, g := range c.gaps {
		if !running && ended && g.To.IsZero() {
			g.To = maxTime(g.From, last.From)
		}
		r.Gaps = append(r.Gaps, g.Gap)
	}
	if ended && !running {
		r.Gaps = append(r.Gaps, last)
	}
	spans, taken := filesOf(dir, set)
	if ended && !running && last.Cause == Killed {
		i := len(r.Gaps) - 1
		r.Gaps[i] = killedSince(dir, spans, last, c.started, seconds(c.head.Flush))
	}
	r.dir, r.spans, r.known = dir, spans, &c
	r.Acts = shrinkActs(c.acts)
	r.From = c.started
	if len(spans) > 0 {
		r.From = c.begun(dir, &spans[0])
	}
	nameThere(r.Gaps, spans)
	r.Gaps = append(r.Gaps, c.gone(dir, spans, taken, r.From, r.Gaps)...)
	sorted(r.Gaps)
	return r, nil
}

// begun is when a file of the set was begun.
func (c *content) begun(dir string, s *span) time.Time {
	if f, ok := c.files[s.stem]; ok {
		return f.From
	}
	s.read(dir)
	return s.from
}

// nameThere has gaps name the files that are there by what they are called now, and no others.
func nameThere(gaps []Gap, spans []span) {
	names := make(map[string]string, len(spans))
	for _, s := range spans {
		names[s.stem] = s.name
	}
	for i := range gaps {
		stem, _, _ := stemOf(gaps[i].File)
		gaps[i].File = names[stem]
	}
}
