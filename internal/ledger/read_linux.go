package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
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
}

// Read reads the ledger of the set of a name in a directory, up to now. running says
// whether a capture is writing it; if none is, the time since the last is a gap too.
func Read(dir, set string, running bool, now time.Time) (*Record, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	b, err := readFile(root, FileName(set))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ledger %s: %w", filepath.Join(dir, FileName(set)), err)
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
	sorted(r.Gaps)
	r.From = c.started
	if files := filesOf(dir, set); len(files) > 0 {
		files[0].read(dir)
		r.From = files[0].from
	}
	return r, nil
}
