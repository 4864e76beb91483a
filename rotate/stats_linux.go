package rotate

import (
	"sync/atomic"
	"time"
)

// Stats is a snapshot of what became of the records.
type Stats struct {
	Written int64  // packets handed to the operating system
	Dropped int64  // packets that could not be written
	Bytes   int64  // bytes written to files, headers and trailers included
	Files   int64  // files begun by this Writer
	Suspect int64  // files of which the disk lost something
	Current string // path of the file being written, "" if there is none
	Set     int64  // bytes of the set's files, earlier runs' included
	SetLen  int    // number of the set's files
	Held    int64  // bytes of those on hold, but for the one being written
	Budget  int64  // bound of Set in bytes, 0 if there is none
	// KeepFree is what is to be left free on the file system, in bytes.
	KeepFree int64
	// KeepAtLeast is what is kept of the set whatever happens, in bytes, and KeepLast of what
	// time; both are 0 where nothing is.
	KeepAtLeast int64
	KeepLast    time.Duration
	// Kept says that nothing is written for the sake of those.
	Kept    bool
	Free    int64 // bytes free on the file system when last looked
	Buffers int64 // bytes of buffers in use
	// BufferBound is how many there may be, and BufferBy what that follows from.
	BufferBound int64
	BufferBy    BufferBound
	Paused      bool  // nothing is written, for want of room mostly
	Full        bool  // what failed last failed for want of room
	Waited      int64 // how often the front waited for the disk to free a buffer
	// Oldest is when the set's oldest file was begun; zero if there is none.
	Oldest time.Time
}

// snapshot takes a picture of what belongs to the back.
func (b *back) snapshot() {
	s := Stats{
		Budget: b.lim.budget + b.lim.beside, KeepFree: b.lim.keepFree, Free: b.free, Paused: b.paused.Load(), Kept: b.kept,
		KeepAtLeast: b.lim.atLeast, KeepLast: b.lim.atLeastTime,
	}
	if b.out != nil && b.cfg.Stream == nil {
		s.Current = b.cfg.path(b.out.name)
	}
	switch {
	case b.set != nil:
		s.Set, s.SetLen = b.set.bytes(), len(b.set.files)
		_, s.Held = b.set.heldFiles()
		if len(b.set.files) > 0 {
			s.Oldest = b.set.files[0].name.Start
		}
	case b.last != nil && b.cfg.Stream == nil:
		s.Set, s.SetLen = b.last.base+b.last.end, 1
	}
	b.mu.Lock()
	b.snap = s
	b.mu.Unlock()
}

func (b *back) stats() Stats {
	b.mu.Lock()
	s := b.snap
	b.mu.Unlock()
	s.Written, s.Dropped, s.Bytes = b.written.Load(), b.dropped.Load(), b.bytes.Load()
	s.Files, s.Suspect = b.files.Load(), b.suspect.Load()
	b.pool.use(&s)
	s.Full = b.full.Load()
	return s
}

// atomicError is the first of the errors it is set to.
type atomicError struct{ p atomic.Pointer[error] }

func (e *atomicError) set(err error) { e.p.CompareAndSwap(nil, &err) }

func (e *atomicError) get() error {
	if p := e.p.Load(); p != nil {
		return *p
	}
	return nil
}
