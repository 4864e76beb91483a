package record

import (
	"slices"

	"netcap/capture"
	"netcap/internal/links"
	"netcap/pcapfile"
)

// renamed is told how an interface is called.
func (r *Recorder) renamed(l links.Info) {
	if l.Gone {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, before := r.enc.rename(l.Index, l.Name)
	if s == nil {
		return
	}
	if s.name != capture.Any {
		s.mu.Lock()
		s.device = l.Name
		s.mu.Unlock()
	}
	r.reserve()
	r.log.Warn("the interface was renamed; it is captured on under its new name", "interface", before, "now", l.Name)
}

// maxNames bounds the bytes of the names that a file gives addresses: it must not take
// the room of packets in a small one.
const maxNames = 64 << 10

// SetNames has each pcapng file from now on, and the current one too, say how addresses
// are called, in a Name Resolution Block of 64 KiB at most. It may be called at any time,
// before Begin too, by any goroutine. The slice is kept.
func (r *Recorder) SetNames(names []pcapfile.Name) {
	names = r.fewer(names)
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.EqualFunc(names, r.enc.names, sameName) {
		return
	}
	r.enc.names = names
	if r.files == nil || len(names) == 0 || r.enc.format == pcapfile.PCAP {
		return
	}
	if ok, err := r.files.Ready(); err != nil || !ok {
		return // the next file says it
	}
	block := pcapfile.AppendNames(nil, names)
	if r.files.Fits(len(block), r.cfg.Now().UnixNano()) {
		r.files.Commit(append(r.files.Tail(), block...), 0)
		r.files.Publish(0)
	}
}

// fewer is as many of the names as a file holds.
func (r *Recorder) fewer(names []pcapfile.Name) []pcapfile.Name {
	const record = 4 + 16 + 4 // header, longest address, end and padding of a string
	size := 0
	for i, n := range names {
		for _, text := range n.Names {
			size += record + len(text)
		}
		if size > maxNames {
			r.log.Warn("more addresses have names than a file can say: the others stay numbers", "named", i, "of", len(names))
			return names[:i]
		}
	}
	return names
}

func sameName(a, b pcapfile.Name) bool {
	return a.Addr == b.Addr && slices.Equal(a.Names, b.Names)
}
