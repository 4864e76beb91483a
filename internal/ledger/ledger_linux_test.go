package ledger

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// clock is a wall clock that a test sets.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *clock) at(s string) time.Time {
	t, err := time.Parse(time.DateTime, "2026-11-24 "+s)
	if err != nil {
		panic(err)
	}
	c.set(t)
	return t
}

func (c *clock) open(t *testing.T, dir string) *Ledger {
	l, err := Open(&Config{Dir: dir, Name: "x", Flush: time.Second, Sync: 5 * time.Second, Now: c.now, Beat: time.Millisecond})
	require.NoError(t, err)
	return l
}

func lines(t *testing.T, dir string) []string {
	b, err := os.ReadFile(filepath.Join(dir, "x.ledger"))
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// awaitAlive waits until the first line says that the capture was alive at a time.
func awaitAlive(t *testing.T, dir string, at time.Time) {
	require.Eventually(t, func() bool {
		return strings.Contains(lines(t, dir)[0], at.Format(time.RFC3339Nano))
	}, time.Minute, time.Millisecond)
}

// Runs that are stopped leave a gap to the next, as runs do that are killed.
func TestRuns(t *testing.T) {
	dir, c := t.TempDir(), &clock{}
	first := c.at("10:00:00")
	l := c.open(t, dir)
	c.at("11:00:00")
	require.NoError(t, l.Close())
	c.at("11:30:00")
	r, err := Read(dir, "x", false, c.t)
	require.NoError(t, err)
	assert.Equal(t, []Gap{{From: first.Add(time.Hour), To: c.t, Cause: NotRunning}}, r.Gaps)
	assert.Equal(t, first, r.From)

	c.at("12:00:00")
	l = c.open(t, dir)
	r, err = Read(dir, "x", true, c.t)
	require.NoError(t, err)
	assert.Equal(t, []Gap{{From: first.Add(time.Hour), To: first.Add(2 * time.Hour), Cause: NotRunning}}, r.Gaps)
	down := c.at("12:10:00")
	l.Enter(Gap{From: down, Cause: InterfaceDown, Interface: "a0"})
	alive := c.at("12:20:00")
	awaitAlive(t, dir, alive)
	// It is killed here: nobody closes the ledger, and it knows of no later time.

	c = &clock{}
	c.at("13:00:00")
	l2 := c.open(t, dir)
	r, err = Read(dir, "x", true, c.t)
	require.NoError(t, err)
	assert.Equal(t, []Gap{
		{From: first.Add(time.Hour), To: first.Add(2 * time.Hour), Cause: NotRunning},
		{From: down, To: alive.Add(-time.Second), Cause: InterfaceDown, Interface: "a0"},
		{From: alive.Add(-time.Second), To: c.t, Cause: Killed},
	}, r.Gaps)
	require.NoError(t, l2.Close())
	require.NoError(t, l.Close())
}

// What a power cut costs is more than what a kill costs.
func TestPowerCut(t *testing.T) {
	dir, c := t.TempDir(), &clock{}
	start := c.at("10:00:00")
	l := c.open(t, dir)
	awaitAlive(t, dir, c.at("10:10:00"))
	require.NoError(t, l.Close())
	// The disk has what it had when the power was cut, in another boot.
	b, err := os.ReadFile(filepath.Join(dir, "x.ledger"))
	require.NoError(t, err)
	text := strings.Replace(string(b), bootID(), strings.Repeat("0", len(bootID())), 1)
	text = regexp.MustCompile(`\{"stop".*\n`).ReplaceAllString(text, "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.ledger"), []byte(text), 0o600))
	c.at("10:20:00")
	r, err := Read(dir, "x", false, c.t)
	require.NoError(t, err)
	assert.Equal(t, []Gap{{From: start.Add(10*time.Minute - 5*time.Second), To: c.t, Cause: Killed}}, r.Gaps)
}

// Losses in a row are one gap, on the disk with their sum, and another cause or
// interface is another gap.
func TestLost(t *testing.T) {
	dir, c := t.TempDir(), &clock{}
	start := c.at("10:00:00")
	l := c.open(t, dir)
	const f, g = "x-20261124T100000Z-000001.pcapng", "x-20261124T100200Z-000002.pcapng"
	for _, name := range []string{f, g} { // else they aren't named
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), time.Time{}, time.Unix(0, 0)))
	}
	for n := range 60 {
		at := start.Add(time.Duration(n) * time.Second)
		l.Lost(RingFull, "a0", f, at, at.Add(time.Second), 10)
		l.Lost(RingFull, "b0", f, at, at.Add(time.Second), 1)
	}
	l.Lost(DiskFull, "", f, start, start.Add(time.Minute), 7)
	l.Lost(RingFull, "a0", g, start.Add(2*time.Minute), start.Add(3*time.Minute), 5)
	assert.Equal(t, 4, l.Len())
	c.at("10:05:00")
	require.NoError(t, l.Close())
	r, err := Read(dir, "x", true, c.t)
	require.NoError(t, err)
	assert.ElementsMatch(t, []Gap{
		{From: start, To: start.Add(time.Minute), Cause: RingFull, Lost: 600, Known: true, Interface: "a0", File: f},
		{From: start, To: start.Add(time.Minute), Cause: RingFull, Lost: 60, Known: true, Interface: "b0", File: f},
		{From: start, To: start.Add(time.Minute), Cause: DiskFull, Lost: 7, Known: true, File: f},
		{From: start.Add(2 * time.Minute), To: start.Add(3 * time.Minute), Cause: RingFull, Lost: 5, Known: true, Interface: "a0", File: g},
	}, r.Gaps)
	for _, line := range lines(t, dir) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
}

// However a ledger was torn, what is whole of it counts, and the next run goes on.
func TestTorn(t *testing.T) {
	dir, c := t.TempDir(), &clock{}
	start := c.at("10:00:00")
	l := c.open(t, dir)
	for n := range 5 {
		l.Enter(Gap{From: start.Add(time.Duration(n) * time.Minute), To: start.Add(time.Duration(n)*time.Minute + time.Second), Cause: Suspended})
	}
	c.at("10:30:00")
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(filepath.Join(dir, "x.ledger"))
	require.NoError(t, err)
	c.at("11:00:00")
	for n := range len(whole) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "x.ledger"), whole[:n], 0o600))
		l := c.open(t, dir)
		require.NoError(t, l.Close())
		r, err := Read(dir, "x", true, c.t)
		require.NoError(t, err)
		assert.False(t, r.Rebuilt, "a run makes it whole")
		kept := 0
		for _, g := range r.Gaps {
			if g.Cause == Suspended {
				kept++
			}
		}
		want := bytes.Count(whole[:n], []byte(`"suspended"`))
		if n < headSize {
			want = 0
		}
		// The last one may be torn.
		assert.InDelta(t, want, kept, 1)
		assert.LessOrEqual(t, kept, want)
		damaged, err := filepath.Glob(dir + "/x.ledger.damaged-*")
		require.NoError(t, err)
		assert.Equal(t, n < headSize, len(damaged) == 1, "what was there is kept: %d bytes", n)
	}
}

// A ledger stays inside its bound, and no interval becomes complete by that.
func TestBound(t *testing.T) {
	dir, c := t.TempDir(), &clock{}
	start := c.at("00:00:00")
	l := c.open(t, dir)
	const n = 20_000
	at := func(i int) time.Time { return start.Add(time.Duration(i) * 4 * time.Second) }
	for i := range n {
		l.Lost(RingFull, "a0", "x-20261124T000000Z-000001.pcapng", at(i), at(i).Add(time.Second), 3)
	}
	assert.Equal(t, n, l.Len())
	c.set(at(n))
	require.NoError(t, l.Close())
	st, err := os.Stat(filepath.Join(dir, "x.ledger"))
	require.NoError(t, err)
	assert.Less(t, st.Size(), int64(most))
	r, err := Read(dir, "x", true, c.t)
	require.NoError(t, err)
	sum, next := int64(0), 0
	for _, g := range r.Gaps {
		sum += g.Lost
		for next < n && !at(next).Before(g.From) && !at(next).Add(time.Second).After(g.To) {
			next++
		}
	}
	assert.EqualValues(t, 3*n, sum)
	assert.Equal(t, n, next, "each interval is in a gap")
}

func TestGapsOfLongAgo(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	gaps := []numbered{
		{1, Gap{From: now.Add(-3 * time.Hour), To: now.Add(-2 * time.Hour), Cause: RingFull}},
		{2, Gap{From: now.Add(-3 * time.Hour), To: now, Cause: InterfaceDown}},
		{3, Gap{From: now.Add(-3 * time.Hour), Cause: InterfaceGone}},
	}
	assert.Equal(t, gaps[1:], shrink(gaps, now.Add(-time.Hour)))
	assert.Equal(t, gaps, shrink(gaps, time.Time{}))
}

// Whoever can write to the directory can't have root write elsewhere.
func TestForeignLedger(t *testing.T) {
	dir, c := t.TempDir(), &clock{}
	c.at("10:00:00")
	victim := filepath.Join(dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	for name, make := range map[string]func(path string) error{
		"symbolic link": func(path string) error { return os.Symlink(victim, path) },
		"hard link":     func(path string) error { return os.Link(victim, path) },
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"FIFO":          func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		for _, file := range []string{"x.ledger", ".x.ledger.new"} {
			t.Run(name+" at "+file, func(t *testing.T) {
				path := filepath.Join(dir, file)
				require.NoError(t, make(path))
				_, err := Open(&Config{Dir: dir, Name: "x", Now: c.now})
				require.ErrorContains(t, err, path)
				assert.ErrorContains(t, err, "no regular file of this user alone: move it away")
				require.NoError(t, os.Remove(path), "it is still there")
				b, err := os.ReadFile(victim)
				require.NoError(t, err)
				assert.Equal(t, "precious", string(b))
			})
		}
	}
}

// FuzzParse: what parse accepts is read the same when it is written anew, and each gap of it
// can be printed.
func FuzzParse(f *testing.F) {
	h := head{Version: version, Alive: time.Unix(1, 2).UTC(), Boot: "b"}
	first, err := h.line()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(first, `{"gap":1,"is":{"from":"2026-11-24T10:00:00Z","to":null,"cause":"killed","packets_lost":null}}`+"\n"...))
	f.Add(append(first, `{"start":"2026-11-24T10:00:00Z"}`+"\n"+`{"stop":"2026-11-24T10:00:00Z"}`+"\n"...))
	f.Add(append(first, `{"gap":1,"is":{"from":"9999-12-31T23:00:00-23:00","cause":"killed"}}`+"\n"...))
	f.Add(append(first, `{"gap":9,"is":{"from":"2026-11-24T10:00:00Z","to":"2026-11-24T10:00:01Z","cause":"\u001b[2J","packets_lost":9223372036854775807,"interface":"a","file":"b"}}`+"\n"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := parse(b)
		if !ok {
			assert.Empty(t, c.gaps)
			return
		}
		require.LessOrEqual(t, c.size, len(b))
		var out []byte
		for _, g := range c.gaps {
			out, err = (&line{Number: g.number, Gap: &g.Gap}).append(out)
			require.NoError(t, err)
			again, ok := ParseComment(Comment(g.Gap))
			require.True(t, ok)
			require.True(t, again.From.Equal(g.From) && again.To.Equal(g.To))
		}
		head, err := c.head.line()
		if err != nil {
			return // numbers may be longer than we write them
		}
		again, ok := parse(append(head, out...))
		require.True(t, ok)
		require.Len(t, again.gaps, len(c.gaps))
		for i := range c.gaps {
			assert.Equal(t, c.gaps[i].Cause, again.gaps[i].Cause)
			assert.True(t, c.gaps[i].From.Equal(again.gaps[i].From))
		}
	})
}
