package rotate

// syncer is the goroutine that syncs and closes files, which may take long on a
// busy disk, while the back goes on writing.
type syncer struct {
	b    *back
	jobs chan syncJob
	done chan struct{}
	bad  string // name of the file whose sync failed last
}

type syncJob struct {
	sink    sink
	name    string
	close   bool
	damaged bool // what is left of it needs no sync
	size    int64
	packets int64
}

// maxClosing bounds how many files wait to be closed; beyond it the back waits.
const maxClosing = 64

func newSyncer(b *back) *syncer {
	s := &syncer{b: b, jobs: make(chan syncJob, maxClosing), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *syncer) run() {
	defer close(s.done)
	for j := range s.jobs {
		s.do(j)
	}
}

func (s *syncer) stop() {
	close(s.jobs)
	<-s.done
}

// sync has a segment's file synced, if nothing waits before it.
func (s *syncer) sync(seg *segment) bool {
	select {
	case s.jobs <- syncJob{sink: seg.sink, name: seg.name}:
		return true
	default:
		return false
	}
}

// close has a segment's file synced, unless it is damaged anyway, and closed.
func (s *syncer) close(seg *segment, damaged bool) {
	s.jobs <- syncJob{
		sink: seg.sink, name: seg.name, close: true, damaged: damaged,
		size: seg.base + seg.end, packets: seg.packets,
	}
}

func (s *syncer) do(j syncJob) {
	log := s.b.cfg.Log.With("file", s.b.cfg.path(j.name))
	// After a failed fsync the kernel may report success though data was lost,
	// so it is never tried again: the file is suspect, and ended.
	if !j.damaged && (s.bad == "" || s.bad != j.name) {
		if err := j.sink.sync(); err != nil {
			s.bad = j.name
			s.b.suspect.Add(1)
			log.Error("the disk lost data of this file (fsync failed); a set goes on with another", "error", err)
			s.b.rotate.Store(true)
			s.b.call()
		}
	}
	if !j.close {
		return
	}
	if err := j.sink.close(); err != nil {
		s.b.suspect.Add(1)
		log.Error("closing failed", "error", err)
		return
	}
	log.Debug("finished a file", "bytes", j.size, "packets", j.packets)
}
