package rotate

import (
	"sync/atomic"
	"time"
)

// syncer is the goroutine that syncs and closes files, which may take long on a
// busy disk, while the back goes on writing.
type syncer struct {
	b     *back
	jobs  chan syncJob
	names atomic.Bool // a job that syncs the directory is under way
	busy  atomic.Bool // a file is being synced
	done  chan struct{}
}

// syncJob is to sync an output, and perhaps to close it, or to sync the
// directory.
type syncJob struct {
	out         *output // nil for the directory
	seg         *segment
	writeBehind bool // only until the page cache holds no more than maxBacklog
	close       bool
	size        int64
	packets     int64
	ended       time.Time
	settled     chan struct{} // or to close this
}

// maxJobs bounds what waits to be synced; beyond it the back waits. Each file
// that is closed holds a descriptor.
const maxJobs = 64

func newSyncer(b *back) *syncer {
	s := &syncer{b: b, jobs: make(chan syncJob, maxJobs), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *syncer) run() {
	defer close(s.done)
	for j := range s.jobs {
		if j.settled != nil {
			close(j.settled)
			continue
		}
		if j.out == nil {
			s.syncNames()
			continue
		}
		s.busy.Store(true)
		s.sync1(j)
		s.busy.Store(false)
		if j.close {
			s.close1(j)
		}
	}
}

func (s *syncer) stop() {
	close(s.jobs)
	<-s.done
}

// sync has a segment's file synced, if nothing waits before it.
func (s *syncer) sync(seg *segment) bool {
	select {
	case s.jobs <- syncJob{out: seg.out, seg: seg}:
		return true
	default:
		return false
	}
}

// writeBehind has the page cache hold less of a segment's file, if nothing waits before it.
func (s *syncer) writeBehind(seg *segment) {
	select {
	case s.jobs <- syncJob{out: seg.out, seg: seg, writeBehind: true}:
	default:
	}
}

// close has a segment's file, which ended at a time, synced and closed.
func (s *syncer) close(seg *segment, at time.Time) {
	s.jobs <- syncJob{out: seg.out, seg: seg, close: true, size: seg.base + seg.end, packets: seg.out.packets, ended: at}
}

// directory has names that were made or removed synced.
func (s *syncer) directory() {
	if s.names.CompareAndSwap(false, true) {
		s.jobs <- syncJob{}
	}
}

// settle waits until all that was asked for is done.
func (s *syncer) settle() {
	settled := make(chan struct{})
	s.jobs <- syncJob{settled: settled}
	<-settled
}

func (s *syncer) syncNames() {
	s.names.Store(false)
	if err := s.b.dir.sync(); err != nil {
		s.b.fault.set(err)
		s.b.cfg.Log.Error("syncing the directory failed: a power cut may undo which files there are", "directory", s.b.cfg.Dir, "error", err)
	}
}

func (s *syncer) sync1(j syncJob) {
	// After a failed fsync the kernel may report success though data was lost,
	// so it is never tried again: the file is suspect, and ended.
	if j.out.lost {
		return
	}
	var err error
	if j.writeBehind {
		err = j.out.writeBehind(s.b.maxBacklog.Load())
	} else {
		err = j.out.sync()
	}
	if err == nil {
		return
	}
	j.out.lost = true
	s.b.suspects(j.out, err)
	s.b.cfg.Log.Error("the disk lost data of this file (fsync failed); a set goes on with another", "file", s.b.cfg.path(j.out.name), "error", err)
	j.seg.renew.Store(true)
	s.b.call()
}

func (s *syncer) close1(j syncJob) {
	defer close(j.seg.ended)
	j.seg.path = s.b.cfg.path(j.out.name)
	log := s.b.cfg.Log.With("file", s.b.cfg.path(j.out.name))
	if err := j.out.close(); err != nil {
		s.b.suspects(j.out, err)
		log.Error("closing failed", "error", err)
		return
	}
	log.Debug("finished a file", "bytes", j.size, "packets", j.packets)
	if s.b.cfg.Finished != nil && s.b.cfg.Stream == nil {
		s.b.cfg.Finished(FileInfo{Path: j.seg.path, Start: j.out.start, End: j.ended, Bytes: j.size, Packets: j.packets})
	}
}
