package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// mostGaps is how many gaps a ledger holds at most once it is written anew: half of
// its bound in bytes, at some 250 bytes each.
const mostGaps = 2000

// How many files, and deletions, a ledger holds at most once it is written anew.
const (
	mostFiles   = 20_000
	mostDeleted = 500
)

// shrinkFiles returns files by their numbers, without those that had ended before the oldest
// one that is there was begun: what is before the set isn't asked for.
func shrinkFiles(files map[string]file, earliest time.Time) []file {
	kept := slices.SortedFunc(maps.Values(files), func(a, b file) int {
		return cmp.Or(cmp.Compare(a.number, b.number), a.From.Compare(b.From))
	})
	kept = slices.DeleteFunc(kept, func(f file) bool { return f.To != nil && !f.To.After(earliest) })
	return kept[max(0, len(kept)-mostFiles):]
}

// shrinkDeleted sums up the deletions of files that had ended before the oldest one that is
// there was begun, and of others those that follow one another, from the oldest on, where there
// are still too many.
func shrinkDeleted(all []deletion, earliest time.Time) []deletion {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b deletion) int { return cmp.Compare(a.First, b.First) })
	var kept []deletion
	joined := max(0, len(all)-mostDeleted)
	for n, d := range all {
		last := len(kept) - 1
		old := !d.To.After(earliest)
		if last >= 0 && kept[last].Last < d.First && (old || n < joined && d.follows(&kept[last])) {
			kept[last].join(&d)
			continue
		}
		kept = append(kept, d)
	}
	return kept
}

// shrink leaves out gaps that were over before the oldest file was begun, and makes
// neighbours one, from the oldest on, where there are still too many.
func shrink(gaps []numbered, earliest time.Time) []numbered {
	var kept []numbered
	for _, g := range gaps {
		if g.Overlaps(earliest, time.Time{}) {
			kept = append(kept, g)
		}
	}
	for len(kept) > mostGaps {
		before := len(kept)
		kept = halve(kept)
		if len(kept) == before {
			break // no two of them can be one
		}
	}
	return kept
}

// halve joins each gap of the older half with a neighbour of the same cause and
// interface. Nothing that was missing is complete after that; more may be said to be
// missing than is.
func halve(gaps []numbered) []numbered {
	half := len(gaps) / 2
	type key struct {
		cause Cause
		iface string
	}
	out := make([]numbered, 0, len(gaps))
	waiting := map[key]int{} // places in out
	for n, g := range gaps {
		k := key{g.Cause, g.Interface}
		at, ok := waiting[k]
		if n >= half || !ok || g.To.IsZero() || out[at].To.IsZero() {
			if n < half {
				waiting[k] = len(out)
			}
			out = append(out, g)
			continue
		}
		with := &out[at]
		if g.From.Before(with.From) {
			with.From = g.From
		}
		if g.To.After(with.To) {
			with.To = g.To
		}
		with.Lost += g.Lost
		with.Known = with.Known && g.Known
		delete(waiting, k)
	}
	return out
}
