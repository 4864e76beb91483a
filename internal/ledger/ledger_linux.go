package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/ownfile"
	"netcap/rotate"
)

// Config says whose ledger it is.
type Config struct {
	// Dir is the directory of the set, which is locked, and Name the set's name.
	// Without a name there is no file, as InMemory has none.
	Dir, Name string
	// Mode is that of the file. Default: 0600.
	Mode fs.FileMode
	// Flush is how old packets get before the operating system has them, Sync how
	// old before the disk has them.
	Flush, Sync time.Duration
	// Current is the name of the file that is being written already.
	Current string
	// Earliest is when the oldest file of the set was begun: what a ledger needn't
	// reach behind.
	Earliest func() time.Time
	// Log is told what can't be kept. Default: nothing is logged.
	Log *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Beat is how often the first line is written anew, and gaps that have grown.
	// Default: DefaultBeat.
	Beat time.Duration
}

// DefaultBeat costs an idle capture next to nothing.
const DefaultBeat = 10 * time.Second

// near is how close losses of one cause are to be one gap.
const near = 2 * time.Second

// A Ledger is written by one capture. Its methods may be called by any goroutine,
// and don't wait for the disk, but for Close.
type Ledger struct {
	cfg  Config
	root *os.Root
	file *os.File
	name string // "" in memory
	boot string
	wake chan struct{}
	done chan struct{}

	mu     sync.Mutex // of what follows
	gaps   []*entry
	files  map[string]file // of the set, by what their names begin with
	gone   map[string]bool // those that were deleted while adopt looks
	next   int64
	count  int    // gaps of this run
	lost   int64  // packets of this run, all of its gaps together
	queue  []line // to be written
	closed bool

	end    int64   // the writer's: where the next line goes
	bound  int64   // the writer's: where it is written anew
	broken bool    // the writer's: it has complained
	before *before // the writer's: the run before, if it was killed
}

// before is a run that was killed.
type before struct {
	gap     numbered // as the ledger has it
	started time.Time
	flush   time.Duration
}

// An entry is a gap of this run.
type entry struct {
	numbered
	grown bool // since it was written
}

// Open opens the ledger of a set, or begins one, and enters what lies between the
// run before and this one.
func Open(cfg *Config) (*Ledger, error) {
	l := &Ledger{cfg: *cfg, name: fileset.Ledger(cfg.Name), boot: bootID(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	if l.cfg.Log == nil {
		l.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if l.cfg.Beat == 0 {
		l.cfg.Beat = DefaultBeat
	}
	if l.cfg.Now == nil {
		l.cfg.Now = time.Now
	}
	if l.cfg.Mode == 0 {
		l.cfg.Mode = 0o600
	}
	if cfg.Name == "" {
		return InMemory(), nil
	}
	var err error
	if l.root, err = os.OpenRoot(cfg.Dir); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, l.root.Close())
	}
	go l.run()
	return l, nil
}

// InMemory returns a ledger without a file.
func InMemory() *Ledger {
	l := &Ledger{cfg: Config{Now: time.Now}, wake: make(chan struct{}, 1), done: make(chan struct{})}
	close(l.done)
	return l
}

func (l *Ledger) path() string { return filepath.Join(l.cfg.Dir, l.name) }

func (l *Ledger) open() error {
	now := l.cfg.Now()
	b, err := readFile(l.root, l.name)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return fmt.Errorf("ledger %s: %w: move it away, and it is made anew from the files", l.path(), err)
	}
	c, ok := parse(b)
	switch {
	case missing:
		c = rebuild(l.cfg.Dir, l.cfg.Name, l.cfg.Current)
	case !ok:
		// It is kept, for whoever wants to look.
		if err := l.setAside(now); err != nil {
			return err
		}
		c = rebuild(l.cfg.Dir, l.cfg.Name, l.cfg.Current)
	case c.size < len(b):
		l.cfg.Log.Warn("the ledger ended in a torn line, which is left out", "ledger", l.path(), "bytes", len(b)-c.size)
	}
	for _, g := range c.gaps {
		l.next = max(l.next, g.number)
	}
	if g, ok := c.after(now, l.boot); ok {
		l.next++
		// What lasted when the run ended lasted no longer than the run.
		for i := range c.gaps {
			if c.gaps[i].To.IsZero() {
				c.gaps[i].To = maxTime(c.gaps[i].From, g.From)
			}
		}
		c.gaps = append(c.gaps, numbered{l.next, g})
		if g.Cause == Killed {
			l.before = &before{numbered{l.next, g}, c.started, seconds(c.head.Flush)}
		}
		l.cfg.Log.Info("nothing was captured since the run before", "from", g.From, "to", g.To, "cause", g.Cause)
	}
	l.files, l.gone = c.files, map[string]bool{}
	return l.rewrite(&c, now)
}

// rewrite puts a new file in the ledger's place, without what nobody can ask for.
func (l *Ledger) rewrite(c *content, now time.Time) error {
	c.head = head{Version: version, Alive: now, Boot: l.boot, Flush: l.cfg.Flush.Seconds(), Sync: l.cfg.Sync.Seconds()}
	b, err := c.head.line()
	if err != nil {
		return err
	}
	var earliest time.Time
	if l.cfg.Earliest != nil {
		earliest = l.cfg.Earliest()
	}
	for _, g := range shrink(c.gaps, earliest) {
		if b, err = (&line{Number: g.number, Gap: &g.Gap}).append(b); err != nil {
			return err
		}
	}
	for _, f := range shrinkFiles(c.files, earliest) {
		if b, err = (&line{File: &f}).append(b); err != nil {
			return err
		}
	}
	for _, d := range shrinkDeleted(c.deleted, earliest) {
		if b, err = (&line{Deleted: &d}).append(b); err != nil {
			return err
		}
	}
	for _, a := range shrinkActs(c.acts) {
		if b, err = (&line{Act: &a}).append(b); err != nil {
			return err
		}
	}
	if l.file == nil { // a run begins
		c.started = now.UTC()
	}
	if b, err = (&line{Start: &c.started}).append(b); err != nil {
		return err
	}
	if l.file != nil && !c.stopped.IsZero() { // this run has ended
		if b, err = (&line{Stop: &c.stopped}).append(b); err != nil {
			return err
		}
	}
	f, err := (&ownfile.Replacement{Name: l.name, Content: b, Mode: l.cfg.Mode}).Replace(l.root)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.end = f, int64(len(b))
	l.bound = max(most, 2*l.end)
	return err
}

func (l *Ledger) setAside(now time.Time) error {
	aside := fmt.Sprintf("%s.damaged-%d", l.name, now.UnixNano())
	if err := l.root.Rename(l.name, aside); err != nil {
		return fmt.Errorf("ledger %s is damaged: %w", l.path(), err)
	}
	l.cfg.Log.Warn("the ledger was damaged, and is made anew from the files", "ledger", l.path(), "damaged", aside)
	return nil
}

// Lost enters n packets that were lost between two times. It grows the gap before if
// that was a moment ago.
func (l *Ledger) Lost(cause Cause, iface, file string, from, to time.Time, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += n
	if to.Before(from) { // the clock was set back
		to = from
	}
	for _, e := range slices.Backward(l.gaps) {
		if e.Cause != cause || e.Interface != iface || !e.Known {
			continue
		}
		if from.Sub(e.To) > near || e.From.After(to) {
			break
		}
		e.To, e.Lost, e.grown = maxTime(e.To, to), e.Lost+n, true
		return
	}
	l.enter(Gap{From: from, To: to, Cause: cause, Lost: n, Known: true, Interface: iface, File: file})
}

// Enter enters a gap whose packets nobody counted, and returns its number. Where To
// is zero, End ends it.
func (l *Ledger) Enter(g Gap) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.enter(g)
}

func (l *Ledger) enter(g Gap) int64 {
	l.next++
	l.count++
	l.forget()
	l.gaps = append(l.gaps, &entry{numbered: numbered{l.next, g}})
	l.write(line{Number: l.next, Gap: &g})
	return l.next
}

// remembered is how many gaps are kept in memory, which is for those that may grow
// and for the files that are being written.
const remembered = 4096

// forget drops the older half of too many gaps, but for those that last.
func (l *Ledger) forget() {
	if len(l.gaps) < remembered {
		return
	}
	old := remembered / 2
	kept := slices.DeleteFunc(slices.Clone(l.gaps[:old]), func(e *entry) bool { return !e.To.IsZero() && !e.grown })
	l.gaps = append(kept, l.gaps[old:]...)
}

// End ends a gap that Enter began. A number of no such gap is passed over.
func (l *Ledger) End(number int64, to time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.gaps {
		if e.number == number && e.To.IsZero() {
			e.To = maxTime(e.From, to)
			g := e.Gap
			l.write(line{Number: number, Gap: &g})
		}
	}
}

// Since returns the gaps of this run, and of what lies before it, that are not over
// by a time, by their beginnings.
func (l *Ledger) Since(t time.Time) []Gap {
	l.mu.Lock()
	defer l.mu.Unlock()
	var gaps []Gap
	for _, e := range l.gaps {
		if e.Overlaps(t, time.Time{}) {
			gaps = append(gaps, e.Gap)
		}
	}
	return sorted(gaps)
}

// Packets is how many packets of this run are known to be lost.
func (l *Ledger) Packets() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Len is how many gaps this run has had.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Began enters a file of the set that was made.
func (l *Ledger) Began(f *rotate.FileInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enterFile(&file{Name: filepath.Base(f.Path), From: f.Start.UTC(), ours: true})
}

// Finished enters that a file of the set is closed.
func (l *Ledger) Finished(f *rotate.FileInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := maxTime(f.Start, f.End).UTC()
	l.enterFile(&file{Name: filepath.Base(f.Path), From: f.Start.UTC(), To: &to, Packets: countOf(f.Packets), ours: true})
}

// countOf is a number of packets, nil where it isn't known.
func countOf(packets int64) *int64 {
	if packets < 0 {
		return nil
	}
	return &packets
}

// enterFile enters a file. Its line waits for the next that is written: what a crash loses
// is found again in the files.
func (l *Ledger) enterFile(f *file) {
	stem, ok := f.valid()
	if l.name == "" || !ok || l.gone[stem] {
		return
	}
	l.files[stem] = *f
	l.queue = append(l.queue, line{File: f})
}

// Deleted enters that netcap deleted a file of the set, and for which bound.
func (l *Ledger) Deleted(f *rotate.FileInfo, why rotate.Bound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.name == "" {
		return
	}
	name := filepath.Base(f.Path)
	stem, number, ok := stemOf(name)
	if !ok {
		return
	}
	d := &deletion{First: number, Last: number, Files: 1, Name: name, From: f.Start.UTC(), To: f.End.UTC(), Packets: countOf(f.Packets), Bytes: f.Bytes, Because: string(why), At: l.cfg.Now().UTC()}
	if known, ok := l.files[stem]; ok {
		d.From = known.From
		if known.To != nil {
			d.To = *known.To
		}
		if d.Packets == nil {
			d.Packets = known.Packets
		}
	}
	d.To = maxTime(d.From, d.To)
	delete(l.files, stem)
	if l.gone != nil {
		l.gone[stem] = true
	}
	l.write(line{Deleted: d})
}

// adopt enters the files of earlier runs that the ledger doesn't know to their ends, and where
// exactly the run before ended, if it was killed.
func (l *Ledger) adopt() {
	spans, _ := filesOf(l.cfg.Dir, l.cfg.Name)
	l.mu.Lock()
	spans = slices.DeleteFunc(spans, func(s span) bool { return s.name == l.cfg.Current || l.files[s.stem].ours })
	known := maps.Clone(l.files)
	l.mu.Unlock()
	for i := range spans {
		s := &spans[i]
		if f, ok := known[s.stem]; ok && f.To != nil {
			continue
		}
		s.read(l.cfg.Dir)
		if s.size == 0 {
			s.packets = new(int64)
		}
		l.mu.Lock()
		l.enterFile(&file{Name: s.name, From: s.from.UTC(), To: &s.to, Packets: s.packets})
		l.mu.Unlock()
	}
	l.mu.Lock()
	l.gone = nil // from here on no file is found that was deleted
	l.mu.Unlock()
	if l.before == nil {
		return
	}
	g := l.before.gap
	g.Gap = killedSince(l.cfg.Dir, spans, g.Gap, l.before.started, l.before.flush)
	l.mu.Lock()
	l.write(line{Number: g.number, Gap: &g.Gap})
	l.mu.Unlock()
}

// write queues a line, and has the queue written. That is short: a gap has two lines, and one
// more in each beat, a file three.
func (l *Ledger) write(x line) {
	if l.name == "" {
		return
	}
	l.queue = append(l.queue, x)
	select {
	case l.wake <- struct{}{}:
	default: // the writer is awake
	}
}

// run writes what is queued.
func (l *Ledger) run() {
	defer close(l.done)
	l.adopt()
	beat := time.NewTicker(l.cfg.Beat)
	defer beat.Stop()
	for {
		select {
		case <-l.wake:
			if l.flush(false) {
				return
			}
		case <-beat.C:
			l.flush(true)
		}
	}
}

// flush writes what is queued, and with beat what has grown and the first line. It
// reports whether the ledger is closed.
func (l *Ledger) flush(beat bool) bool {
	l.mu.Lock()
	closed := l.closed
	if beat || closed {
		for _, e := range l.gaps {
			if e.grown {
				e.grown = false
				g := e.Gap
				l.queue = append(l.queue, line{Number: e.number, Gap: &g})
			}
		}
	}
	now := l.cfg.Now().UTC()
	if closed {
		l.queue = append(l.queue, line{Stop: &now})
	}
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	var b []byte
	for i := range queue {
		if more, err := queue[i].append(b); err == nil {
			b = more
		}
	}
	err := l.put(b, now, beat || closed)
	switch {
	case err == nil:
		l.broken = false
	case !l.broken:
		l.broken = true
		l.cfg.Log.Error("writing the ledger failed: gaps stand in the files alone until it can be written", "ledger", l.path(), "error", err)
	}
	if err != nil {
		l.mu.Lock()
		l.queue = append(queue, l.queue...)
		if len(l.queue) > mostQueued {
			// What becomes of files is found again in the files; gaps aren't.
			l.queue = slices.DeleteFunc(l.queue, func(x line) bool { return x.File != nil || x.Act != nil })
		}
		l.mu.Unlock()
	}
	return closed
}

// mostQueued is how many lines wait, with those of files, while the ledger can't be written.
const mostQueued = 10_000

// most is how large a ledger gets, in bytes, before it is written anew.
const most = 1 << 20

// put writes lines at the end, and the first line.
func (l *Ledger) put(b []byte, now time.Time, alive bool) error {
	if len(b) > 0 {
		// A write that was torn is overwritten by the next.
		if _, err := l.file.WriteAt(b, l.end); err != nil {
			return err
		}
		l.end += int64(len(b))
	}
	if alive {
		h := head{Version: version, Alive: now, Boot: l.boot, Flush: l.cfg.Flush.Seconds(), Sync: l.cfg.Sync.Seconds()}
		first, err := h.line()
		if err != nil {
			return err
		}
		if _, err := l.file.WriteAt(first, 0); err != nil {
			return err
		}
	}
	if len(b) > 0 {
		if err := unix.Fdatasync(int(l.file.Fd())); err != nil {
			return os.NewSyscallError("fdatasync", err)
		}
	}
	if l.end > l.bound {
		return l.compact(now)
	}
	return nil
}

func (l *Ledger) compact(now time.Time) error {
	b, err := readFile(l.root, l.name)
	if err != nil {
		return err
	}
	c, ok := parse(b)
	if !ok {
		return errors.New("it was damaged by others")
	}
	return l.rewrite(&c, now)
}

// Close enters that the run ended as it should, and closes the file.
func (l *Ledger) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	now := l.cfg.Now()
	for _, e := range l.gaps {
		if e.To.IsZero() {
			e.To, e.grown = maxTime(e.From, now), true
		}
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	<-l.done
	if l.name == "" {
		return nil
	}
	err := errors.Join(l.file.Close(), l.root.Close())
	if l.broken {
		err = errors.Join(err, fmt.Errorf("ledger %s: it could not be written to its end: see the log", l.path()))
	}
	return err
}

// readFile reads a ledger, which must be a regular file of this user's and no link. Root
// reads that of the user whom the directory belongs to.
func readFile(root *os.Root, name string) ([]byte, error) {
	st, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !ownfile.Is(root, st) {
		return nil, errNotOurs
	}
	f, err := ownfile.Open(root, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 16*most))
}

var errNotOurs = errors.New("it is no regular file of this user alone")

// readShared is readFile for a group that may read the set: the file belongs to whom the
// directory belongs to.
func readShared(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !ownfile.OfDirectory(root, st) {
		return nil, errNotOurs
	}
	return io.ReadAll(io.LimitReader(f, 16*most))
}

// bootID tells one boot from another.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
