package record

import (
	"cmp"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/ledger"
	"netcap/rotate"
)

// books is what has been entered into the ledger.
type books struct {
	at     time.Time // when the counts were last looked at
	kernel map[*source]uint64
	disk   int64
	waited int64 // how often the disk was waited for
	// marks tell when how many packets had been taken, from the last of which all
	// were dealt with on: packets are written, or fail to be, in order.
	marks []mark

	wall            time.Time // the clocks, when they were last looked at
	boot, monotonic time.Duration
}

type mark struct {
	at   time.Time
	seen int64
}

// accountInterval is how exact gaps are, while packets come.
const accountInterval = time.Second

// openLedger opens the ledger of a set. For one file, and for a stream, it is kept
// in memory alone: files say what was lost while they were written.
func (r *Recorder) openLedger() {
	r.books = books{at: r.begun, kernel: make(map[*source]uint64), marks: []mark{{at: r.begun}}, wall: r.cfg.Now()}
	r.books.boot, r.books.monotonic = r.cfg.Clocks()
	cfg := ledger.Config{Flush: max(r.cfg.Files.Flush, 0), Sync: cmp.Or(r.cfg.Files.Sync, rotate.DefaultSync), Log: r.log, Now: r.cfg.Now}
	if r.cfg.Files.Name != "" {
		cfg.Dir, cfg.Name, cfg.Mode = r.cfg.Files.Dir, r.cfg.Files.Name, r.cfg.Files.FileMode()
		cfg.Current = filepath.Base(r.files.Stats().Current)
		cfg.Earliest = func() time.Time { return r.files.Stats().Oldest }
	}
	var err error
	if r.ledger, err = ledger.Open(&cfg); err != nil {
		r.log.Error("capturing without a ledger: gaps stand in the files alone", "error", err)
		r.ledger = ledger.InMemory()
	}
	r.told.to(r.ledger)
}

// Did enters into the ledger what somebody did with the set.
func (r *Recorder) Did(a ledger.Act) { r.ledger.Did(a) }

// told is what the files tell the ledger: before it is open that waits.
type told struct {
	mu     sync.Mutex
	ledger *ledger.Ledger
	before []func(*ledger.Ledger)
}

func (t *told) tell(f func(*ledger.Ledger)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ledger == nil {
		t.before = append(t.before, f)
		return
	}
	f(t.ledger)
}

// to opens it.
func (t *told) to(l *ledger.Ledger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger = l
	for _, f := range t.before {
		f(l)
	}
	t.before = nil
}

func (r *Recorder) fileBegan(f rotate.FileInfo) {
	r.told.tell(func(l *ledger.Ledger) { l.Began(&f) })
	if r.cfg.Began != nil {
		r.cfg.Began(f.Path)
	}
}

func (r *Recorder) fileFinished(f rotate.FileInfo) {
	r.told.tell(func(l *ledger.Ledger) { l.Finished(&f) })
	if r.cfg.Finished != nil {
		r.cfg.Finished(f.Path)
	}
}

func (r *Recorder) fileDeleted(f rotate.FileInfo, why rotate.Bound) {
	r.told.tell(func(l *ledger.Ledger) { l.Deleted(&f, why) })
}

// accountNow looks at the counts if that was not done just now. It returns the time.
func (r *Recorder) accountNow() time.Time {
	now := r.cfg.Now()
	if d := now.Sub(r.books.at); d >= accountInterval || d < 0 {
		r.account(now)
	}
	return now
}

// account enters into the ledger what was lost since it was last called. mu is held.
func (r *Recorder) account(now time.Time) {
	b := &r.books
	if r.ledger == nil {
		return // it is being opened
	}
	f := r.files.Stats()
	file := filepath.Base(f.Current)
	if f.Current == "" {
		file = ""
	}
	cause := ledger.RingFull
	if f.Waited > b.waited {
		cause = ledger.DiskSlow
	}
	for _, s := range r.sources {
		stats, _ := s.stats()
		if n := stats.Dropped - b.kernel[s]; n > 0 {
			r.ledger.Lost(cause, s.name, file, b.at, now, int64(n))
		}
		b.kernel[s] = stats.Dropped
	}
	// What the disk refuses now may have come long ago.
	dealt := f.Written + f.Dropped
	for len(b.marks) > 1 && b.marks[1].seen <= dealt-max(0, f.Dropped-b.disk) {
		b.marks = b.marks[1:]
	}
	if n := f.Dropped - b.disk; n > 0 {
		cause := ledger.DiskError
		if f.Full {
			cause = ledger.DiskFull
		}
		r.ledger.Lost(cause, "", file, b.marks[0].at, now, n)
	}
	if len(b.marks) < maxMarks {
		b.marks = append(b.marks, mark{now, r.seen.Load()})
	}
	b.at, b.disk, b.waited = now, f.Dropped, f.Waited
	r.unwritten.Store(b.marks[0].at.UnixNano())
}

// Abandon enters into the ledger, of a process that is going to end at once, that all packets
// that aren't written yet are lost. It doesn't wait for anybody who may wait for a disk, and for
// the ledger itself no longer than a second. lost is how many of the packets are those.
func (r *Recorder) Abandon() (s Status, lost int64) {
	s = r.Status()
	lost = max(0, s.Received-s.Written-s.DroppedKernel-s.DroppedDisk)
	if r.ledger == nil {
		return s, lost
	}
	now := r.cfg.Now()
	from := now
	if ns := r.unwritten.Load(); ns != 0 {
		from = time.Unix(0, ns)
	}
	if n := s.Received - s.Written - r.ledger.Packets(); n > 0 {
		r.ledger.Lost(ledger.Killed, "", "", from, now, n)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.ledger.Close(); err != nil {
			r.log.Error("the ledger doesn't say what is lost", "error", err)
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
		r.log.Error("the ledger doesn't say what is lost: the disk doesn't answer")
	}
	return s, lost
}

// maxMarks bounds how far the disk can be behind, in accountIntervals, for a gap to
// begin where it does and not before.
const maxMarks = 3600

// step is how far the clock must jump, and how long the machine must sleep, to be
// entered: adjusting a clock by adjtime(3) moves it by half a millisecond a second.
const step = time.Second

// checkClocks enters that the machine slept, or that its clock was set, since it was
// last called.
func (r *Recorder) checkClocks() {
	b := &r.books
	now := r.cfg.Now()
	boot, monotonic := r.cfg.Clocks()
	passed := boot - b.boot
	if slept := passed - (monotonic - b.monotonic); slept > step {
		r.ledger.Enter(ledger.Gap{From: now.Add(-passed), To: now, Cause: ledger.Suspended})
		r.log.Warn("the machine slept: nothing was captured meanwhile", "for", slept)
	}
	expected := b.wall.Round(0).Add(passed)
	if off := now.Round(0).Sub(expected); off.Abs() > step {
		g := ledger.Gap{From: expected, To: now, Cause: ledger.ClockStep, Known: true}
		if off < 0 {
			g.From, g.To = now, expected
		}
		r.ledger.Enter(g)
		r.log.Warn("the clock was set: times before and after don't compare", "by", off)
	}
	b.wall, b.boot, b.monotonic = now, boot, monotonic
}

func systemClocks() (boot, monotonic time.Duration) {
	read := func(id int32) time.Duration {
		var ts unix.Timespec
		if err := unix.ClockGettime(id, &ts); err != nil {
			panic("clock_gettime: " + err.Error()) // Linux has both since 2.6.39
		}
		return time.Duration(ts.Nano())
	}
	return read(unix.CLOCK_BOOTTIME), read(unix.CLOCK_MONOTONIC)
}

// What a file says of gaps: so many comments, in so many bytes.
const (
	maxGapComments = 16
	gapCommentSize = 512
	gapsSize       = (maxGapComments + 1) * gapCommentSize
)

// gapComments are the gaps that are not over since the current file was begun.
func (r *Recorder) gapComments() []string {
	gaps := r.ledger.Since(time.Unix(0, r.enc.started))
	var out []string
	for n, g := range gaps {
		text := ledger.Comment(g)
		if n == maxGapComments || len(text) > gapCommentSize-8 {
			out = append(out, fmt.Sprintf("netcap: %d more gaps are in the ledger", len(gaps)-n))
			break
		}
		out = append(out, text)
	}
	return out
}

// missing notes that an interface gives no packets from now on, and why. One that was down
// may be gone now.
func (s *source) missing(cause ledger.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.r.cfg.Now() // one gap ends where the other begins
	s.endAway(now)
	s.away = s.r.ledger.Enter(ledger.Gap{From: now, Cause: cause, Interface: s.name})
}

// available notes that it gives packets again.
func (s *source) available() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endAway(s.r.cfg.Now())
}

// endAway ends the gap in which it gives none. mu is held.
func (s *source) endAway(now time.Time) {
	if s.away != 0 {
		s.r.ledger.End(s.away, now)
		s.away = 0
	}
}
