package ledger

import "time"

// mostGaps is how many gaps a ledger holds at most once it is written anew: half of
// its bound in bytes, at some 250 bytes each.
const mostGaps = 2000

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
