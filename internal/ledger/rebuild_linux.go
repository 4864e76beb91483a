package ledger

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/label"
	"netcap/pcapfile"
)

// span is what a file says about its time.
type span struct {
	name, stem string
	seq        uint64
	begun      time.Time
	from, to   time.Time
	size       int64
	closed     bool
	packets    *int64 // nil where it isn't known
	compressed bool
	gaps       []Gap
	unexplored int64 // packets that were dropped and that no gap counts
}

// rebuild makes of a set's files what a ledger would say: an interval between two of
// them, and the gaps that they tell of. It leaves out the file called but.
func rebuild(dir, set, but string) content {
	spans := slices.DeleteFunc(spansOf(dir, set), func(s span) bool { return s.name == but })
	c := content{files: map[string]file{}}
	seen := map[Gap]bool{}
	add := func(g Gap) {
		// What lasts from one file to the next stands in both.
		key := Gap{From: g.From, Cause: g.Cause, Interface: g.Interface}
		if seen[key] {
			for i := range c.gaps {
				if h := &c.gaps[i].Gap; h.From.Equal(g.From) && h.Cause == g.Cause && h.Interface == g.Interface && g.To.After(h.To) {
					*h = g
				}
			}
			return
		}
		seen[key] = true
		c.gaps = append(c.gaps, numbered{int64(len(c.gaps)) + 1, g})
	}
	for n, s := range spans {
		if n > 0 {
			if before := spans[n-1]; s.from.Sub(before.to) > near {
				cause := NotRunning
				if !before.closed {
					cause = Killed
				}
				add(Gap{From: before.to, To: s.from, Cause: cause})
			}
		}
		for _, g := range s.gaps {
			add(g)
		}
		if s.unexplored > 0 {
			add(Gap{From: s.from, To: s.to, Cause: RingFull, Lost: s.unexplored, Known: true, File: s.name})
		}
	}
	if len(spans) > 0 {
		last := spans[len(spans)-1]
		c.started, c.head.Alive = spans[0].from, last.to
		c.head.Boot = bootID() // the time of the file is when it was last written
		if last.closed {
			c.stopped = last.to
		}
	}
	return c
}

// spansOf reads the ends of a set's files, in their order.
func spansOf(dir, set string) []span {
	spans, _ := filesOf(dir, set)
	for n := range spans {
		spans[n].read(dir)
	}
	return spans
}

// filesOf lists a set's files in their order, with what the directory says of them. taken are
// the numbers that any name of the set has, whatever it stands for.
func filesOf(dir, set string) (spans []span, taken map[uint64]bool) {
	taken = make(map[uint64]bool)
	entries, err := fileset.List(dir, set)
	if err != nil {
		return nil, taken // there are no files to ask
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Ext, ".pcap") {
			continue
		}
		taken[e.Seq] = true
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it has been deleted
		}
		spans = append(spans, span{
			name: e.Name(), stem: e.Stem(), seq: e.Seq, begun: e.Start, from: e.Start, to: maxTime(e.Start, info.ModTime()), size: info.Size(),
			closed:     e.Ext+e.Suffix != ".pcapng", // nothing in the others says
			compressed: e.Ext == ".pcapng" && e.Suffix != "",
		})
	}
	return spans, taken
}

// read takes what the end of a file says, if it has one.
func (s *span) read(dir string) {
	if s.closed && !s.compressed {
		return
	}
	// It was a regular file a moment ago; a FIFO would be waited for.
	f, err := os.OpenFile(filepath.Join(dir, s.name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if s.compressed { // why they were dropped isn't known without decompressing it
		if l, err := label.Read(f, s.size); err == nil {
			s.packets = countOf(int64(min(l.Packets, math.MaxInt64)))
			if l.Dropped != nil {
				s.unexplored = int64(min(*l.Dropped, math.MaxInt64))
			}
		}
		return
	}
	t, err := pcapfile.ReadTail(f, s.size)
	if err != nil {
		return
	}
	var dropped, told, packets int64
	known := len(t.Statistics) > 0
	for _, i := range t.Statistics {
		if i.Start > 0 && i.End >= i.Start {
			s.from, s.to, s.closed = time.Unix(0, i.Start), time.Unix(0, i.End), true
		}
		// What the interface had no room for is lost as well.
		dropped += int64(i.DroppedByOS.Value) + int64(i.DroppedByInterface.Value)
		packets += int64(i.Delivered.Value)
		known = known && i.Delivered.Known
		for _, c := range i.Comments {
			g, ok := ParseComment(c)
			if !ok {
				continue
			}
			told += g.Lost
			s.gaps = append(s.gaps, g)
		}
	}
	if known && packets >= 0 {
		s.packets = &packets
	}
	s.unexplored = max(0, dropped-told)
}
