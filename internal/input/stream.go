package input

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"
	"time"

	"netcap/internal/fileset"
	"netcap/pcapfile"
)

// Config says what of the files is wanted. The zero Config, as a nil one, is all.
type Config struct {
	// Stdin is what the path - stands for.
	Stdin io.Reader
	// From and To are bounds of packets' times: From is the first that is wanted, To the
	// first that isn't any more. A zero time is no bound. Where there is one, packets
	// without a time are left out.
	From, To time.Time
	// Ended is called with each file that was read to its end, or to its damage, while
	// it can be asked for what its last blocks said.
	Ended func(*File)
	// Waiting is called some times a second while Follow's Stream waits for more, with how
	// long it was by now.
	Waiting func(waited time.Duration)
	// Changed is called by Follow's Stream when a file didn't just grow, with what became of
	// it and what is read now, in words. It may be called by another goroutine than Next's.
	Changed func(path, what string)
}

// A Stream delivers the packets of files in the order of their times, as mergecap does:
// of the packets that are next in each file, the earliest. One without a time follows the
// one before it in its file, and a file without times keeps its place among the others.
// Packets of netcap's files that say by epb_queue which of several rings they came by are put
// in order within their file too, as far as they are at most 10 seconds and 64 MiB apart in it, unless it
// is followed or no regular file.
//
// Of many files those are open whose turn it is: it comes with the time in their name, if
// it is that of a set's file, and with their first packet.
type Stream struct {
	cfg     Config
	from    int64 // bounds in nanoseconds
	to      int64
	bounded bool

	queue    []*entry // a heap: the one whose packet is next comes first
	returned bool     // the packet of queue[0] was handed out
	problems []error  // to be reported before anything else
	follow   *follower

	held int64 // bytes of packets that are to be put in order

	opened  int // before their turn
	heavy   int // of these
	windows *Windows

	mu    sync.Mutex // of what follows
	open  map[*File]struct{}
	read  int64 // of files that are closed
	total int64
}

// eager is how many files are opened before their turn. Of more, one looks at the first
// packet and opens them again.
const eager = 64

// NewStream returns a Stream of files. A directory stands for the captures in it, and - for
// Config.Stdin. What can't be read is Next's to say.
func NewStream(paths []string, cfg *Config) *Stream {
	s := newStream(cfg)
	entries, problems := expand(paths)
	s.problems = problems
	entries = s.choose(entries)
	s.prepare(entries)
	return s
}

func newStream(cfg *Config) *Stream {
	s := &Stream{from: math.MinInt64, to: math.MaxInt64, open: make(map[*File]struct{})}
	if cfg != nil {
		s.cfg = *cfg
	}
	if !s.cfg.From.IsZero() {
		s.from, s.bounded = pcapfile.UnixNano(s.cfg.From), true
	}
	if !s.cfg.To.IsZero() {
		s.to, s.bounded = pcapfile.UnixNano(s.cfg.To), true
	}
	return s
}

// prepare finds out when each file's turn is.
func (s *Stream) prepare(entries []*entry) {
	if len(entries) > 1 {
		s.windows = &Windows{}
	}
	for _, e := range entries {
		s.total += max(0, e.size)
	}
	for i, e := range entries {
		switch {
		case e.turnKnown && i > 0:
		case !e.regular || s.opened < eager:
			s.load(e)
		default:
			e.key, e.turnKnown = firstTime(e, s.windows)
		}
	}
	// From the last to the first: what has no time goes before what follows it.
	turn := int64(math.MaxInt64)
	for i := len(entries) - 1; i >= 0; i-- {
		if e := entries[i]; e.turnKnown {
			turn = e.key
		} else {
			e.key = turn
		}
	}
	s.queue = entries
	for i := len(entries)/2 - 1; i >= 0; i-- {
		s.sink(i)
	}
}

// heavy is how many files with decompressors that may keep megabytes are open before their
// turn.
const heavy = 4

// load opens a file and reads its first packet. What goes wrong is kept until its turn.
func (s *Stream) load(e *entry) {
	if e.file, e.err = s.openFile(e); e.err != nil {
		return
	}
	s.opened++
	e.packet, e.err = e.file.Next()
	if e.unchecked = e.err == nil; e.unchecked && e.packet.HasTime {
		e.key, e.turnKnown = pcapfile.UnixNano(e.packet.Time), true
	}
	if e.err == nil && s.hold(e, e.packet) {
		e.packet, e.unchecked = nil, false
		e.key -= orderSpan
	}
	if c := e.file.Compression; e.regular && e.err == nil && (c == "xz" || c == "zstd") {
		if s.heavy++; s.heavy > heavy || e.file.claimed > 0 {
			s.forget(e.file)
			e.err = e.file.Close()
			e.file, e.packet, e.unchecked = nil, nil, false
			if e.order != nil {
				e.order.drop()
				e.order = nil
			}
		}
	}
}

// forget notes that a file will be closed.
func (s *Stream) forget(f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, f)
}

// Open returns the files that are open, in the order of the arguments: before the first
// Next all of a few files, and of many the first and others.
func (s *Stream) Open() []*File {
	entries := slices.Clone(s.queue)
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.index, b.index) })
	var files []*File
	for _, e := range entries {
		if e.file != nil {
			files = append(files, e.file)
		}
	}
	return files
}

// openFile opens a file, that of a set under the name too which compression gives it.
func (s *Stream) openFile(e *entry) (*File, error) {
	f, err := OpenWithin(e.path, s.cfg.Stdin, s.windows)
	if (e.listed || e.set != "") && errors.Is(err, fs.ErrNotExist) {
		f, err = openCompressed(e.path, s.windows)
	}
	if err == nil {
		s.mu.Lock()
		s.open[f] = struct{}{}
		s.mu.Unlock()
	}
	return f, err
}

func openCompressed(path string, w *Windows) (*File, error) {
	for _, variant := range fileset.Variants(path)[1:] {
		if f, err := OpenWithin(variant, nil, w); !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, fileError(path, errors.New("it was deleted while others were read"))
}

// hold reports whether a packet of a file, the first, is to be put in order with those that
// follow, as those of several rings are; if so it is held back. What comes out of a pipe, or
// is still being written, may have to wait for ever for what follows.
func (s *Stream) hold(e *entry, p *pcapfile.Packet) bool {
	if !e.regular || s.follow != nil || !ofSeveral(e.file, p) {
		return false
	}
	e.order = &order{held: &s.held}
	e.order.keep(p)
	return true
}

// readNext reads the next packet of a file.
func (s *Stream) readNext(e *entry) (*pcapfile.Packet, error) {
	if e.order == nil {
		if p, err := e.file.Next(); err != nil || len(p.Options) == 0 || !s.hold(e, p) {
			return p, err
		}
	}
	return e.order.next(e.file)
}

// advance reads the next packet of a file that is wanted.
func (s *Stream) advance(e *entry) error {
	for {
		p, err := s.readNext(e)
		if err != nil {
			return err
		}
		if e.file.Offset() <= e.known {
			continue
		}
		if s.bounded {
			switch wanted, over := s.judge(e, p); {
			case over:
				return io.EOF
			case !wanted:
				continue
			}
		}
		e.packet = p
		return nil
	}
}

// judge reports whether a packet is within the bounds, and whether what follows in its file
// is beyond them.
func (s *Stream) judge(e *entry, p *pcapfile.Packet) (wanted, over bool) {
	if !p.HasTime {
		return false, false
	}
	ns := pcapfile.UnixNano(p.Time)
	return ns >= s.from && ns < s.to, ns >= e.end
}

// Next returns the next packet and its file. The packet is valid until the next Next. An
// error but io.EOF is a *FileError, after which Next goes on with the other files.
func (s *Stream) Next() (*pcapfile.Packet, *File, error) {
	if len(s.problems) > 0 {
		err := s.problems[0]
		s.problems = s.problems[1:]
		return nil, nil, err
	}
	for {
		if len(s.queue) == 0 {
			if s.follow == nil {
				return nil, nil, io.EOF
			}
			if err := s.goOn(); err != nil {
				return nil, nil, err
			}
			continue
		}
		e := s.queue[0]
		switch {
		case s.returned:
			s.returned = false
			e.err = s.advance(e)
		case e.packet == nil && e.err == nil:
			if e.file == nil {
				e.file, e.err = s.openFile(e)
			}
			if e.err == nil {
				e.err = s.advance(e)
			}
		case e.unchecked:
			e.unchecked = false
			if wanted, over := s.judge(e, e.packet); over && s.bounded {
				e.err = io.EOF
			} else if !wanted && s.bounded {
				e.err = s.advance(e)
			}
		default:
			// It was loaded before its turn, or it stays the next one.
			if e.err == nil {
				s.returned = true
				return e.packet, e.file, nil
			}
		}
		if e.err != nil {
			if err := s.end(e); err != nil {
				return nil, e.file, err
			}
			continue
		}
		if len(s.queue) == 1 {
			s.returned = true
			return e.packet, e.file, nil
		}
		e.key = math.MinInt64
		if e.packet.HasTime {
			e.key = pcapfile.UnixNano(e.packet.Time)
		}
		s.sink(0)
	}
}

// end closes the file of queue[0], and returns what is to be reported of it.
func (s *Stream) end(e *entry) error {
	last := len(s.queue) - 1
	s.queue[0], s.queue[last] = s.queue[last], nil
	s.queue = s.queue[:last]
	s.sink(0)
	err := e.err
	if s.follow != nil {
		err = s.follow.judge(err)
	}
	if e.order != nil {
		e.order.drop()
	}
	if e.file != nil {
		if s.cfg.Ended != nil {
			s.cfg.Ended(e.file)
		}
		s.forget(e.file)
		s.mu.Lock()
		s.read += e.file.BytesRead()
		s.mu.Unlock()
		if closeErr := e.file.Close(); err == io.EOF && closeErr != nil {
			err = closeErr
		}
	}
	if err == io.EOF {
		return nil
	}
	return fileError(e.path, err)
}

// Close closes what is open.
func (s *Stream) Close() error {
	var err error
	for _, e := range s.queue {
		if e.file != nil {
			err = errors.Join(err, e.file.Close())
		}
	}
	s.queue, s.returned, s.follow, s.problems = nil, false, nil, nil
	return err
}

// Progress returns how many bytes of the files, as they are on the disk, were read by now,
// and how many there are, 0 where it isn't known. Any goroutine may ask.
func (s *Stream) Progress() (read, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	read = s.read
	for f := range s.open {
		read += f.BytesRead()
	}
	return read, s.total
}

// less reports whether a's packet comes before b's. Of equal times, the file that was
// named first has precedence.
func less(a, b *entry) bool {
	if a.key != b.key {
		return a.key < b.key
	}
	return a.index < b.index
}

// sink restores the heap below i.
func (s *Stream) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s.queue); child++ {
			if less(s.queue[child], s.queue[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		s.queue[i], s.queue[least] = s.queue[least], s.queue[i]
		i = least
	}
}
