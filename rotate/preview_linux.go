package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"netcap/internal/ownfile"

	"golang.org/x/sys/unix"
)

// Preview is what a Writer with a Config would have to do with, in bytes.
type Preview struct {
	Total, Free int64 // of the file system, for this user
	// Segment, Budget and KeepFree are the bounds. Segment and Budget are 0 for one
	// file.
	Segment, Budget, KeepFree int64
	// KeepAtLeast, in bytes, or KeepLast is what stays of the set though there be no room.
	KeepAtLeast int64
	KeepLast    time.Duration
	// Set and SetLen are what earlier runs left, which counts into the budget.
	Set    int64
	SetLen int
	// WriteBuffer is the memory that may be used between front and back, and BufferBy what
	// that follows from.
	WriteBuffer int64
	BufferBy    BufferBound
	// Memory is what the control group may have, 0 for no bound below the machine's.
	Memory int64
	// Direct says that files can be written past the page cache.
	Direct bool
	// Foreign says which files only look like the set's, "" for none.
	Foreign string
}

// Room is how many bytes of packets the bounds hold, all older files deleted.
func (p *Preview) Room() int64 {
	room := p.Free + p.Set - p.KeepFree
	if p.Budget > 0 {
		room = min(room, p.Budget)
	}
	return max(room, 0)
}

// Look finds out whether a Writer could be opened, and returns what it would have to
// do with. It locks what Open locks, and makes, writes, syncs and removes a file; no
// trace of that is left. Config's functions aren't needed.
func Look(cfg *Config) (*Preview, error) { return LookFor(cfg, nil) }

// LookFor is Look for a process that is to become another user, which tries as that user,
// too, what is to be done later: the way to the directory, and making, renaming and
// deleting files there. What HandOver does is done for that, and undone. nil is nobody else.
//
// For one file none of that is needed, but with Config.Beside.
func LookFor(cfg *Config, next *Successor) (*Preview, error) {
	c := *cfg
	c.Header = func(dst []byte, _ bool) []byte { return dst }
	c.Trailer = func(dst []byte) []byte { return dst }
	c.CutTrailer = c.Trailer
	c.Records = func([]byte) (int, int) { return 0, 0 }
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	p, err := LookMemory(&c)
	if err != nil {
		return nil, err
	}
	if c.Stream != nil {
		return p, nil
	}
	if err := c.CanShare(); err != nil {
		return nil, err
	}
	if p.Total, p.Free, err = usageOf(c.Dir); err != nil {
		return nil, err
	}
	lim, err := c.bounds(p.Total)
	if err != nil {
		return nil, err
	}
	p.Segment, p.Budget, p.KeepFree = lim.segment, lim.budget, lim.keepFree
	p.KeepAtLeast, p.KeepLast = lim.atLeast, lim.atLeastTime
	dir, err := openDirectory(c.Dir, c.MakeDir, c.wayMode())
	if err != nil {
		return nil, err
	}
	if err = p.look(&c, dir); err == nil && next != nil && (c.Name != "" || c.Beside) {
		err = next.try(&c, dir)
	}
	return p, errors.Join(err, dir.close(), dir.unmake())
}

// LookMemory finds out what memory there is, and nothing else.
func LookMemory(cfg *Config) (*Preview, error) {
	m := openMemory(self)
	bytes, by := m.buffer(cfg.WriteBuffer)
	p := &Preview{WriteBuffer: int64(buffersIn(bytes)) * bufferSize, BufferBy: by}
	if has, by := m.limit(); by == ByCgroup {
		p.Memory = has
	}
	return p, m.close()
}

func (p *Preview) look(c *Config, dir *directory) error {
	if c.Name != "" {
		m := realMachine()
		s, err := openSet(dir, c, &m)
		if err != nil {
			return err
		}
		p.Set, p.SetLen = s.bytes(), len(s.files)
		defer func() { _ = errors.Join(s.undo(), s.close()) }()
		if p.Foreign, err = s.foreign(c); err != nil {
			return err
		}
	} else if _, err := dir.root.Lstat(c.File); !errors.Is(err, fs.ErrNotExist) {
		return (&back{cfg: c, dir: dir}).explainFile(fs.ErrExist)
	}
	need := p.KeepFree + p.Segment/16 + trailerRoom
	if p.Free+p.Set < need {
		return (&back{cfg: c, dir: dir, lim: bounds{keepFree: p.KeepFree}}).tooFull(p.Total, p.Free)
	}
	if p.Free+max(0, p.Set-p.KeepAtLeast) < need {
		return (&back{cfg: c}).tooMuchKept(errKept)
	}
	return p.tryFile(c, dir)
}

// tryFile makes a file as those of the set, and removes it.
func (p *Preview) tryFile(c *Config, dir *directory) (err error) {
	name := fmt.Sprintf(".netcap-check-%d", os.Getpid())
	f, err := dir.create(name)
	if err != nil {
		return ownfile.ExplainDir(c.Dir, err)
	}
	defer func() { err = errors.Join(err, f.Close(), dir.root.Remove(name)) }()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		return fmt.Errorf("%s: %w", c.Dir, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%s: the disk doesn't take data for good: %w", c.Dir, err)
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETFL, unix.O_DIRECT)
	p.Direct = err == nil
	return nil
}
