package ledger

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/pcapfile"
	"netcap/rotate"
)

// history is what was done to a set, and what became of its files: a minute each, with a
// packet a second.
type history struct {
	t     *testing.T
	dir   string
	clock clock
	l     *Ledger
	files []*past
}

// past is a file of a history.
type past struct {
	name     string
	from, to time.Time
	fate     string // "" while it is there, else deleted or missing
}

const packetsAFile = 60

func newHistory(t *testing.T) *history {
	h := &history{t: t, dir: t.TempDir()}
	h.clock.at("00:00:00")
	return h
}

func (h *history) open() {
	h.l = h.clock.open(h.t, h.dir)
}

// record writes a file of a minute, as netcap does.
func (h *history) record() *past {
	from := h.clock.now()
	p := &past{name: fmt.Sprintf("x-%s-%06d.pcapng", from.UTC().Format("20060102T150405Z"), len(h.files)+1), from: from, to: from.Add(time.Minute)}
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "a0", LinkType: pcapfile.LinkTypeEthernet})
	path := filepath.Join(h.dir, p.name)
	h.l.Began(&rotate.FileInfo{Path: path, Start: from, Packets: -1})
	for n := range packetsAFile {
		b = pcapfile.AppendPacket(b, 0, from.Add(time.Duration(n)*time.Second).UnixNano(), make([]byte, 60), 60, 0)
	}
	b = pcapfile.AppendStatistics(b, 0, p.to.UnixNano(), &pcapfile.Statistics{Start: from.UnixNano(), End: p.to.UnixNano(), Delivered: pcapfile.Count(packetsAFile)})
	require.NoError(h.t, os.WriteFile(path, b, 0o600))
	require.NoError(h.t, os.Chtimes(path, p.to, p.to))
	h.clock.set(p.to)
	h.l.Finished(&rotate.FileInfo{Path: path, Start: from, End: p.to, Bytes: int64(len(b)), Packets: packetsAFile})
	h.files = append(h.files, p)
	return p
}

// remove has a file go: netcap's way, or anybody's.
func (h *history) remove(p *past, fate string) {
	require.NoError(h.t, os.Remove(filepath.Join(h.dir, p.name)))
	p.fate = fate
	if fate == "deleted" {
		h.l.Deleted(&rotate.FileInfo{Path: filepath.Join(h.dir, p.name), Start: p.from, Bytes: 7, Packets: -1}, rotate.ByBudget)
	}
}

// there are the files that are still there.
func (h *history) there() (files []*past) {
	for _, p := range h.files {
		if p.fate == "" {
			files = append(files, p)
		}
	}
	return files
}

// check holds what the ledger says against what happened. With whole false the ledger is lost:
// it can't tell then who took a file, nor how many packets were in it.
func (h *history) check(running, whole bool) {
	r, err := Read(h.dir, "x", running, h.clock.now())
	require.NoError(h.t, err)
	there := h.there()
	require.NotEmpty(h.t, there)
	require.Equal(h.t, there[0].from, r.From.UTC(), "where the set begins")
	lost := map[Cause]int64{}
	for _, g := range r.Gaps {
		lost[g.Cause] += g.Lost
		if g.Cause == Deleted || g.Cause == MissingFile {
			assert.Positive(h.t, g.Files)
			if g.File != "" {
				assert.NoFileExists(h.t, filepath.Join(h.dir, g.File))
			}
		} else if g.File != "" {
			assert.FileExists(h.t, filepath.Join(h.dir, g.File))
		}
	}
	want := map[Cause]int64{}
	last := there[len(there)-1]
	for _, p := range h.files {
		cause := map[string]Cause{"deleted": Deleted, "missing": MissingFile}[p.fate]
		if !whole && cause != "" {
			cause = MissingFile
		}
		want[cause] += packetsAFile
		for n := range packetsAFile {
			at := p.from.Add(time.Duration(n)*time.Second + time.Second/2)
			var said []Cause
			for _, g := range r.Gaps {
				if g.Overlaps(at, at.Add(1)) && (g.Cause == Deleted || g.Cause == MissingFile) {
					said = append(said, g.Cause)
				}
			}
			switch {
			case p.fate == "" && n < packetsAFile-2: // what may have waited in the ring for the next is said of it
				require.Empty(h.t, said, "%s is there, at %v", p.name, at)
			case p.fate != "" && at.After(r.From) && (whole || p.to.Before(last.from)):
				require.Contains(h.t, said, cause, "%s is %s, at %v", p.name, p.fate, at)
			}
		}
	}
	if whole {
		assert.Equal(h.t, want[Deleted], lost[Deleted])
		assert.Equal(h.t, want[MissingFile], lost[MissingFile])
	}
}

// However files go, what is gone is never complete, what is there is, and the sums are those
// of the files: while the capture runs, after a restart, and without the ledger.
func TestGone(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			h := newHistory(t)
			h.open()
			held := map[*past]bool{}
			for range 5 + rnd.IntN(40) {
				p := h.record()
				held[p] = rnd.IntN(5) == 0
				there := h.there()
				if len(there) > 5 { // retention: the oldest that isn't held
					for _, p := range there[:len(there)-1] {
						if !held[p] {
							h.remove(p, "deleted")
							break
						}
					}
				}
				if there = h.there(); rnd.IntN(8) == 0 && len(there) > 1 {
					h.remove(there[rnd.IntN(len(there))], "missing")
				}
				if rnd.IntN(10) == 0 {
					require.NoError(t, h.l.Close())
					h.check(false, true)
					h.open()
				}
				if rnd.IntN(10) == 0 {
					h.clock.set(h.clock.now().Add(time.Duration(rnd.IntN(1000)) * time.Millisecond))
				}
			}
			require.NoError(t, h.l.Close())
			h.check(true, true)
			require.NoError(t, os.Remove(filepath.Join(h.dir, "x.ledger")))
			h.check(true, false)
		})
	}
}

// A ledger of months of deletions stays inside its bound, and its sums are what they were.
func TestGoneBound(t *testing.T) {
	h := newHistory(t)
	h.open()
	held := h.record() // in front of all: nothing that is deleted is before the set
	const n = 3000
	var last *past
	for range n {
		if last != nil {
			h.remove(last, "deleted")
		}
		last = h.record()
	}
	require.NoError(t, h.l.Close())
	h.open() // it is written anew
	require.NoError(t, h.l.Close())
	st, err := os.Stat(filepath.Join(h.dir, "x.ledger"))
	require.NoError(t, err)
	assert.Less(t, st.Size(), int64(most)/4)
	r, err := Read(h.dir, "x", true, h.clock.now())
	require.NoError(t, err)
	var files, packets int64
	to := held.to
	for _, g := range r.Gaps {
		if g.Cause == Deleted {
			assert.False(t, g.From.After(to), "one begins where the other ends")
			files, packets, to = files+g.Files, packets+g.Lost, g.To
		}
	}
	assert.EqualValues(t, n-1, files)
	assert.EqualValues(t, (n-1)*packetsAFile, packets)
	assert.Equal(t, last.from, to.UTC())
}

// After a kill the gap begins where the last whole record is, however little the promise says,
// and earlier where a record is torn or damaged.
func TestKilledSince(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(b []byte, ends []int) []byte
		last   int // the second of the last record that is whole, -1: the promise
	}{
		{"whole", func(b []byte, _ []int) []byte { return b }, 9},
		{"torn", func(b []byte, _ []int) []byte { return b[:len(b)-1] }, 8},
		{"torn long before", func(b []byte, ends []int) []byte { return b[:ends[4]+10] }, 4},
		{"zeros", func(b []byte, ends []int) []byte { clear(b[ends[4]:]); return b }, 4},
		{"empty", func([]byte, []int) []byte { return nil }, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, c := t.TempDir(), &clock{}
			start := c.at("10:00:00")
			l := c.open(t, dir)
			name := "x-20261124T100000Z-000001.pcapng"
			l.Began(&rotate.FileInfo{Path: filepath.Join(dir, name), Start: start, Packets: -1})
			b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap"})
			b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "a0", LinkType: pcapfile.LinkTypeEthernet})
			var ends []int // of the records
			for n := range 10 {
				b = pcapfile.AppendPacket(b, 0, start.Add(time.Duration(n)*time.Second).UnixNano(), make([]byte, 2000), 2000, 0)
				ends = append(ends, len(b))
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), tt.damage(b, ends), 0o600))
			awaitAlive(t, dir, c.at("10:00:08"))
			// It is killed here. By the promise all from 10:00:07 on may be missing.
			want := start.Add(7 * time.Second)
			if tt.last >= 0 {
				want = start.Add(time.Duration(tt.last) * time.Second)
			}
			c2 := &clock{}
			now := c2.at("10:30:00")
			r, err := Read(dir, "x", false, now)
			require.NoError(t, err)
			assert.Equal(t, []Gap{{From: want, To: now, Cause: Killed}}, r.Gaps)
			l2 := c2.open(t, dir) // the next run says the same, once it has looked
			require.NoError(t, l2.Close())
			r, err = Read(dir, "x", true, now)
			require.NoError(t, err)
			assert.Equal(t, []Gap{{From: want, To: now, Cause: Killed}}, r.Gaps)
			require.NoError(t, l.Close())
		})
	}
}

// Where nothing of the last file is whole, the gap begins with the last record of the one
// before it, though the promise is of later.
func TestKilledSinceBefore(t *testing.T) {
	for name, damage := range map[string]func(b []byte, header int) []byte{
		"torn": func(b []byte, header int) []byte { return b[:header+10] },
		"zeros behind the header": func(b []byte, header int) []byte {
			clear(b[header:])
			return b
		},
		"zeros": func(b []byte, _ int) []byte {
			clear(b)
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, c := t.TempDir(), &clock{}
			start := c.at("10:00:00")
			l := c.open(t, dir)
			for n := range 2 {
				b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap"})
				b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "a0", LinkType: pcapfile.LinkTypeEthernet})
				header := len(b)
				at := start.Add(time.Duration(n) * 4 * time.Second)
				b = pcapfile.AppendPacket(b, 0, at.UnixNano(), make([]byte, 2000), 2000, 0)
				if n == 1 {
					b = damage(b, header)
				}
				path := filepath.Join(dir, fmt.Sprintf("x-%s-%06d.pcapng", at.Format("20060102T150405Z"), n+1))
				l.Began(&rotate.FileInfo{Path: path, Start: at, Packets: -1})
				require.NoError(t, os.WriteFile(path, b, 0o600))
				if n == 0 {
					l.Finished(&rotate.FileInfo{Path: path, Start: at, End: at.Add(time.Second), Packets: 1, Bytes: int64(len(b))})
				}
			}
			awaitAlive(t, dir, c.at("10:00:08"))
			now := start.Add(30 * time.Minute)
			r, err := Read(dir, "x", false, now)
			require.NoError(t, err)
			assert.Equal(t, []Gap{{From: start, To: now, Cause: Killed}}, r.Gaps)
			require.NoError(t, l.Close())
		})
	}
}

// A ledger that can't be written for long doesn't collect lines of files without end.
func TestUnwritable(t *testing.T) {
	h := newHistory(t)
	h.open()
	require.NoError(t, h.l.file.Close())
	name := filepath.Join(h.dir, "x-20261124T000000Z-000001.pcapng")
	waiting := func() int {
		h.l.mu.Lock()
		defer h.l.mu.Unlock()
		return len(h.l.queue)
	}
	for range 20 {
		for range mostQueued / 5 {
			h.l.Finished(&rotate.FileInfo{Path: name, Start: h.clock.now(), End: h.clock.now(), Packets: 1})
		}
		require.Eventually(t, func() bool { return waiting() <= mostQueued }, time.Minute, time.Millisecond)
	}
	h.l.Enter(Gap{From: h.clock.now(), Cause: Suspended})
	assert.Error(t, h.l.Close())
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	assert.True(t, slices.ContainsFunc(h.l.queue, func(x line) bool { return x.Gap != nil }), "gaps wait on")
}
