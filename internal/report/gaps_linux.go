package report

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"netcap/internal/fileset"
	"netcap/internal/ledger"
)

// A Gap is one of a set.
type Gap struct {
	Set string // its name
	Dir string // of its files
	ledger.Gap
}

// MarshalJSON writes set, and what ledger.Gap.MarshalJSON writes.
func (g Gap) MarshalJSON() ([]byte, error) {
	set, err := json.Marshal(g.Set)
	if err != nil {
		return nil, err
	}
	rest, err := json.Marshal(g.Gap)
	if err != nil {
		return nil, err
	}
	return append(append([]byte(`{"set":`), set...), append([]byte{','}, rest[1:]...)...), nil
}

// SetRecord is what is known of the completeness of a set.
type SetRecord struct {
	Dir, Name string
	Running   bool
	*ledger.Record
}

// Completeness is what is known of the completeness of a period, of one or several sets: the
// one answer of all commands.
type Completeness struct {
	// Sets are those that were asked.
	Sets []SetRecord
	// Gaps are those of the period, by their beginnings.
	Gaps []Gap
	// Before are the sets that begin within the period or after it: what came before their
	// oldest file isn't there.
	Before []SetRecord
	// Future is a bound of the period that has not come yet; zero if there is none.
	Future time.Time
}

// Complete reports whether nothing of the period is known to be missing.
func (c *Completeness) Complete() bool {
	return len(c.Gaps) == 0 && len(c.Before) == 0 && c.Future.IsZero() && len(c.Rebuilt()) == 0
}

// Rebuilt are the sets whose ledgers are missing or damaged: their files alone are asked.
func (c *Completeness) Rebuilt() (sets []SetRecord) {
	for _, s := range c.Sets {
		if s.Rebuilt {
			sets = append(sets, s)
		}
	}
	return sets
}

// Complete asks the ledgers of sets, and their files, for what is missing of a period. Of a
// directory its sets are meant, of a set's file its own time; other files are passed over. Without from a set is asked from the beginning of its oldest file,
// without to up to now. The errors are *fs.PathError or those of ledger.Read.
func Complete(places []Place, from, to, now time.Time) (*Completeness, error) {
	c := &Completeness{}
	if last := maxTime(from, to); last.After(now) {
		c.Future = last
	}
	files := make(map[[2]string][]string) // by directory and set
	for _, p := range places {
		path := p.Path
		st, err := os.Stat(path)
		if err != nil {
			return c, FileError(path, err)
		}
		if !st.IsDir() {
			if dir, f, ok := fileset.ParsePath(path); ok && st.Mode().IsRegular() {
				key := [2]string{dir, f.Set}
				files[key] = append(files[key], path)
			}
			continue
		}
		names := []string{p.Set}
		if p.Set == "" {
			if names, err = fileset.Names(path); err != nil {
				return c, FileError(path, err)
			}
		}
		for _, name := range names {
			if err := c.addSet(path, name, from, to, now); err != nil {
				return c, err
			}
		}
	}
	for key, paths := range files {
		if err := c.addFiles(key[0], key[1], paths, from, to, now); err != nil {
			return c, err
		}
	}
	slices.SortStableFunc(c.Gaps, func(a, b Gap) int {
		return cmp.Or(a.From.Compare(b.From), strings.Compare(a.Dir, b.Dir), strings.Compare(a.Set, b.Set))
	})
	return c, nil
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// record reads what is known of a set.
func (c *Completeness) record(dir, name string, now time.Time) (SetRecord, error) {
	running := fileset.Running(dir, name)
	r, err := ledger.Read(dir, name, running, now)
	if err != nil {
		return SetRecord{}, FileError(dir, err)
	}
	s := SetRecord{dir, name, running, r}
	c.Sets = append(c.Sets, s)
	return s, nil
}

func (c *Completeness) addSet(dir, name string, from, to, now time.Time) error {
	s, err := c.record(dir, name, now)
	if err != nil {
		return err
	}
	if !from.IsZero() && from.Before(s.From) {
		c.Before = append(c.Before, s)
	}
	if from.IsZero() {
		from = s.From
	}
	c.add(&s, func(g *ledger.Gap) bool { return g.Overlaps(from, to) })
	return nil
}

// addFiles adds the gaps of a set that lie within the time of some of its files.
func (c *Completeness) addFiles(dir, name string, paths []string, from, to, now time.Time) error {
	s, err := c.record(dir, name, now)
	if err != nil {
		return err
	}
	var spans [][2]time.Time
	for _, path := range paths {
		begin, end, ok := s.FileSpan(filepath.Base(path))
		if !ok {
			continue // it has been deleted just now
		}
		if !to.IsZero() && end.After(to) {
			end = to
		}
		spans = append(spans, [2]time.Time{maxTime(begin, from), end})
	}
	c.add(&s, func(g *ledger.Gap) bool {
		return slices.ContainsFunc(spans, func(span [2]time.Time) bool { return g.Overlaps(span[0], span[1]) })
	})
	return nil
}

// add adds the gaps of a set that are wanted. Files that were deleted one after another for
// one reason are one gap.
func (c *Completeness) add(s *SetRecord, wanted func(*ledger.Gap) bool) {
	for i := range s.Gaps {
		g := &s.Gaps[i]
		if !wanted(g) {
			continue
		}
		if n := len(c.Gaps) - 1; g.Cause == ledger.Deleted && n >= 0 && c.Gaps[n].Set == s.Name && c.Gaps[n].Dir == s.Dir && c.Gaps[n].Absorb(g) {
			continue
		}
		c.Gaps = append(c.Gaps, Gap{s.Name, s.Dir, *g})
	}
}
