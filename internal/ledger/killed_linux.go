package ledger

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"netcap/pcapfile"
)

// killedSince is the gap that a kill left, or a power cut, as the files tell it: it begins
// where their last whole record is. g is what the ledger promises, of a run that started at a
// time and handed packets to the operating system within flush.
//
// Without a torn record the files only prove that less is missing than promised: no packets
// may have come. With one, more may be.
func killedSince(dir string, spans []span, g Gap, started time.Time, flush time.Duration) Gap {
	last, torn := lastRecord(dir, spans, g.To, flush)
	if last.Before(started) || last.After(g.To) {
		return g
	}
	if torn || last.After(g.From) {
		g.From = last
	}
	return g
}

// lastRecord is until when the files of a set that were begun before a time are known to hold
// all that came: zero if nothing is known. torn says that a record is cut off there, or
// damaged.
func lastRecord(dir string, spans []span, before time.Time, flush time.Duration) (last time.Time, torn bool) {
	for _, s := range slices.Backward(spans) {
		if s.begun.After(before) || s.size == 0 {
			continue
		}
		if !strings.HasSuffix(s.name, ".pcapng") && !strings.HasSuffix(s.name, ".pcap") {
			return s.from, torn // it was finished before it was compressed
		}
		end, damaged := s.lastRecord(dir, flush)
		torn = torn || damaged
		if !end.IsZero() {
			return end, torn
		}
	}
	return last, torn
}

// lastRecord reads a file to its end, or to where it is damaged.
func (s *span) lastRecord(dir string, flush time.Duration) (last time.Time, torn bool) {
	f, err := os.OpenFile(filepath.Join(dir, s.name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return last, false
	}
	defer f.Close()
	r, err := pcapfile.NewReader(f)
	if err != nil {
		return last, true
	}
	var disorder time.Duration
	queued := false // there are several rings
	for {
		p, err := r.Next()
		if err != nil {
			torn = !errors.Is(err, io.EOF)
			break
		}
		if _, ok := p.Queue(); ok {
			queued = true
		}
		if !p.HasTime {
			continue
		}
		if d := last.Sub(p.Time); d > 0 {
			disorder = max(disorder, d)
			continue
		}
		last = p.Time
	}
	if last.IsZero() {
		return last, torn
	}
	// Packets of another ring or interface may be as late as others were, or as may be.
	if queued || len(r.Interfaces()) > 1 {
		disorder = max(disorder, flush)
	}
	return last.Add(-disorder), torn
}
