package ledger

import (
	"time"

	"netcap/internal/fileset"
)

// A file is what the ledger keeps of a file of the set, so that it is known what went with
// it when it is gone.
type file struct {
	// Name is the file's, without the directory and before it was compressed.
	Name string `json:"name"`
	// From and To are when it was begun and ended. To is nil while it is written.
	From time.Time  `json:"from"`
	To   *time.Time `json:"to,omitempty"`
	// Packets is nil while it isn't known.
	Packets *int64 `json:"packets,omitempty"`

	number uint64 // that of the name
	ours   bool   // it was begun in this run
}

// A deletion is that of one file, or of several with consecutive numbers.
type deletion struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Files is how many there were: fewer than numbers, where some were missing.
	Files int64 `json:"files"`
	// Name is that of the one file, and empty where there were several.
	Name string    `json:"name,omitempty"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Packets is nil where it isn't known of all.
	Packets *int64 `json:"packets"`
	Bytes   int64  `json:"bytes"`
	// Because is the bound that asked for it, a rotate.Bound.
	Because string    `json:"because"`
	At      time.Time `json:"at"` // when the last of them was deleted
}

// follows reports whether a deletion goes on where another ends.
func (d *deletion) follows(before *deletion) bool { return d.First == before.Last+1 }

// join makes one of a deletion and the one that follows it.
func (d *deletion) join(next *deletion) {
	d.Last, d.Name, d.At = next.Last, "", maxTime(d.At, next.At)
	d.Files += next.Files
	if next.From.Before(d.From) {
		d.From = next.From
	}
	d.To = maxTime(d.To, next.To)
	d.Bytes += next.Bytes
	if d.Packets != nil && next.Packets != nil {
		n := *d.Packets + *next.Packets
		d.Packets = &n
	} else {
		d.Packets = nil
	}
	if d.Because != next.Because {
		d.Because = "several bounds"
	}
}

// valid reports whether a line that was read is a deletion.
func (d *deletion) valid() bool {
	return d.First > 0 && d.First <= d.Last && d.Files > 0 && !d.From.IsZero() && !d.To.Before(d.From) && writable(d.From) && writable(d.To) && writable(d.At) &&
		d.Bytes >= 0 && (d.Packets == nil || *d.Packets >= 0)
}

// valid reports whether a line that was read is a file, and takes its number from its name.
func (f *file) valid() (stem string, ok bool) {
	stem, f.number, ok = stemOf(f.Name)
	return stem, ok && !f.From.IsZero() && writable(f.From) && (f.To == nil || !f.To.Before(f.From) && writable(*f.To)) && (f.Packets == nil || *f.Packets >= 0)
}

// stemOf is a file's name without its extensions, which compression changes, and its number.
func stemOf(name string) (stem string, number uint64, ok bool) {
	f, ok := fileset.Parse(name)
	if !ok {
		return "", 0, false
	}
	return f.Stem(), f.Seq, true
}
