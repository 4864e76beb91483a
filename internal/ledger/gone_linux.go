package ledger

import (
	"cmp"
	"slices"
	"time"
)

// numbers are consecutive numbers of a set's files of which is known what became of them.
type numbers struct {
	first, last uint64
	from, to    time.Time
}

// gone are the gaps of files that are no longer there: those that netcap deleted, and those
// that are missing, which it wrote as the ledger knows, or as a hole in the numbers tells.
// Those before begin, where the oldest file that is there begins, end there. gaps are those
// that are known otherwise.
func (c *content) gone(dir string, spans []span, taken map[uint64]bool, begin time.Time, gaps []Gap) (gone []Gap) {
	var known []numbers
	enter := func(g Gap, n numbers) {
		known = append(known, n)
		if g.Known && g.Lost == 0 {
			return // there was nothing in it
		}
		// What was in the files had waited in the ring for up to flush before they were begun.
		g.From, g.To = n.from.Add(-seconds(c.head.Flush)), n.to
		if len(spans) > 0 && n.last < spans[0].seq && g.To.After(begin) {
			g.To = begin
			g.From = minTime(g.From, begin)
		}
		gone = append(gone, g)
	}
	there := make(map[string]bool, len(spans))
	for i := range spans {
		s := &spans[i]
		there[s.stem] = true
		known = append(known, c.numbersOf(dir, s))
		delete(taken, s.seq)
	}
	for number := range taken { // by what is no regular file
		known = append(known, numbers{first: number, last: number})
	}
	for i := range c.deleted {
		d := &c.deleted[i]
		if stem, _, ok := stemOf(d.Name); ok && there[stem] {
			continue // it is back
		}
		g := Gap{Cause: Deleted, File: d.Name, Files: d.Files, Because: d.Because}
		g.setLost(d.Packets)
		enter(g, numbers{d.First, d.Last, d.From, d.To})
	}
	for stem, f := range c.files {
		if there[stem] {
			continue
		}
		n := numbers{f.number, f.number, f.From, maxTime(f.From, c.head.Alive)}
		if f.To != nil {
			n.to = *f.To
		}
		g := Gap{Cause: MissingFile, File: f.Name, Files: 1}
		g.setLost(f.Packets)
		if f.To == nil && killedIn(gaps, n) {
			known = append(known, n)
			continue
		}
		enter(g, n)
	}
	for _, n := range holes(known) {
		if !killedIn(gaps, n) {
			enter(Gap{Cause: MissingFile, Files: int64(n.last - n.first + 1)}, n)
		}
	}
	return gone
}

// numbersOf is the number and time of a file that is there.
func (c *content) numbersOf(dir string, s *span) numbers {
	if f, ok := c.files[s.stem]; ok && f.To != nil {
		return numbers{s.seq, s.seq, f.From, *f.To}
	}
	s.read(dir)
	return numbers{s.seq, s.seq, s.from, s.to}
}

// holes are the numbers between others. The times that a number has may be zero.
func holes(known []numbers) (holes []numbers) {
	slices.SortFunc(known, func(a, b numbers) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last)) })
	for i, n := range known {
		if i > 0 && n.first > known[i-1].last+1 {
			before := known[i-1]
			holes = append(holes, numbers{before.last + 1, n.first - 1, before.to, maxTime(before.to, n.from)})
		}
		if i > 0 { // so that each reaches as far as any before it
			known[i].last = max(n.last, known[i-1].last)
			known[i].to = maxTime(n.to, known[i-1].to)
		}
	}
	return holes
}

func (g *Gap) setLost(packets *int64) {
	if packets != nil {
		g.Lost, g.Known = *packets, true
	}
}

// killedIn reports whether the capture was killed before files were begun: they may have
// been empty, and were removed by repair.
func killedIn(gaps []Gap, n numbers) bool {
	return slices.ContainsFunc(gaps, func(g Gap) bool {
		return g.Cause == Killed && !g.From.After(n.from) && !g.To.Before(n.to)
	})
}
