package record

import (
	"time"

	"netcap/rotate"
)

// Status is a snapshot of a Recorder. It may be taken at any time.
type Status struct {
	Started    time.Time
	LastPacket time.Time // zero if there was none
	Received   int64     // packets, those dropped included
	Written    int64
	// DroppedKernel counts packets that found the ring full, DroppedDisk those
	// that could not be written. Once the Recorder has stopped, Received =
	// Written + DroppedKernel + DroppedDisk; before, packets are under way.
	DroppedKernel int64
	DroppedDisk   int64
	// Rejected counts packets that came out of rings and that the filter didn't
	// take, where the kernel refused it and netcap runs it: none of Received. Whether
	// packets of DroppedKernel would have been taken nobody knows then.
	Rejected   int64
	Gaps       int // intervals of this run in which packets are or may be missing
	Interfaces []InterfaceStatus
	Files      rotate.Stats
}

// InterfaceStatus is how one interface does.
type InterfaceStatus struct {
	Name string
	// Device is what Name means now, "" while there is none.
	Device   string
	State    State
	Received uint64
	Dropped  uint64
	// Missed is what the interface itself missed; no packet of Received. It is
	// 0 where the interface doesn't say.
	Missed uint64
	// Refused is why netcap runs the filter itself, "" where the kernel does.
	Refused string
}

// Status returns a snapshot.
func (r *Recorder) Status() Status {
	s := Status{Started: r.begun, Files: r.files.Stats()}
	if r.ledger != nil {
		s.Gaps = r.ledger.Len()
	}
	for _, src := range r.sources {
		stats, state := src.stats()
		s.DroppedKernel += int64(stats.Dropped)
		rejected := src.rejected.Load()
		s.Rejected += rejected
		status := InterfaceStatus{
			Name: src.name, Device: src.called(), State: state, Refused: src.why(),
			Received: stats.Received - min(stats.Received, uint64(rejected)), Dropped: stats.Dropped,
		}
		if in := src.sockets(); len(in) > 0 {
			// Where it isn't known there is nothing to say.
			status.Missed, _ = in[0].InterfaceDrops()
		}
		s.Interfaces = append(s.Interfaces, status)
	}
	s.Written, s.DroppedDisk = s.Files.Written, s.Files.Dropped
	s.Received = r.seen.Load() + s.DroppedKernel
	if ns := r.lastPacket.Load(); ns != 0 {
		s.LastPacket = time.Unix(0, ns)
	}
	return s
}
