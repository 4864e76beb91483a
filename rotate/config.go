package rotate

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"netcap/internal/fileset"
)

// Bounds and defaults, in bytes.
const (
	// MinSegmentSize is the smallest bound for a file of a set. The longest
	// packet fits into it, with what a file begins and ends with.
	MinSegmentSize = 512 << 10

	defaultBudget         = 10_000_000_000
	defaultBudgetPercent  = 10
	defaultKeepPercent    = 5
	leastDefaultSegment   = 16_000_000
	mostDefaultSegment    = 1_000_000_000
	defaultSegmentsBudget = 100 // files that a budget holds
	defaultAtLeastPart    = 4   // of the budget
	mostDefaultAtLeast    = 1_000_000_000
	largestWrite          = 2 << 20
)

// Defaults of Config.
const (
	DefaultSegmentDuration = time.Hour
	DefaultFlush           = time.Second
	DefaultSync            = 5 * time.Second
	DefaultWriteBuffer     = 256 << 20
)

// Amount is a size in bytes, or a percentage of the file system's size.
// The zero Amount is not given.
type Amount struct {
	Bytes   int64
	Percent float64
}

// ParseAmount reads sizes such as 100M, 1.5GB, 2GiB and 10%. A bare number is
// a number of unit bytes.
func ParseAmount(s string, unit int64) (Amount, error) {
	bad := func(why string) (Amount, error) {
		return Amount{}, fmt.Errorf("size %q: %s; write it as 100M, 1.5GB, 2GiB or 10%%", s, why)
	}
	if number, ok := strings.CutSuffix(s, "%"); ok {
		p, err := strconv.ParseFloat(number, 64)
		if err != nil || !(p > 0 && p <= 100) {
			return bad("not a percentage between 0 and 100")
		}
		return Amount{Percent: p}, nil
	}
	if strings.Contains(s, ",") {
		return bad("a comma may mean thousands or a fraction")
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if !(n*float64(unit) >= 1 && n*float64(unit) < 1<<62) {
			return bad("not a positive size")
		}
		return Amount{Bytes: int64(n * float64(unit))}, nil
	}
	n, err := humanize.ParseBytes(s)
	switch {
	case err != nil:
		return bad("not understood")
	case n == 0 || n >= 1<<62:
		return bad("not a positive size")
	}
	return Amount{Bytes: int64(n)}, nil
}

// IsZero reports whether the amount was not given.
func (a Amount) IsZero() bool { return a == Amount{} }

// Of returns the amount in bytes on a file system of the given size.
func (a Amount) Of(total int64) int64 {
	if a.Percent != 0 {
		return int64(float64(total) / 100 * a.Percent)
	}
	return a.Bytes
}

func (a Amount) String() string {
	if a.Percent != 0 {
		return strconv.FormatFloat(a.Percent, 'f', -1, 64) + " %"
	}
	return Size(a.Bytes)
}

// AtLeast is how much of the newest files stays: so many bytes, or what was written in so long,
// or none of them. The zero AtLeast is not given.
type AtLeast struct {
	Size Amount
	Time time.Duration
	None bool
}

// IsZero reports whether it was not given.
func (a AtLeast) IsZero() bool { return a == AtLeast{} }

func (a AtLeast) String() string {
	switch {
	case a.None:
		return "0"
	case a.Time > 0:
		return a.Time.String()
	}
	return a.Size.String()
}

// Size formats a number of bytes for people, in powers of 1000.
func Size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// Config says where records go and within which bounds. One of Stream, File
// and Name is set.
type Config struct {
	// Stream takes the records instead of files. It is not closed.
	Stream io.Writer
	// File is the one file that is written, in Dir. It must not exist.
	File string
	// Name is the set's name, with which its files begin.
	Name string
	// Ext is the extension of the set's files, with the dot.
	Ext string
	// Dir is the directory; MakeDir creates it, mode 0700, if it is missing.
	Dir     string
	MakeDir bool
	// OwnDir says that Dir is this set's alone: no other may be written there at
	// the same time.
	OwnDir bool

	// SegmentSize bounds a file of the set, in bytes. Default: a hundredth of
	// the budget, between 16 MB and 1 GB.
	SegmentSize Amount
	// SegmentDuration starts a file on each of its multiples since the epoch,
	// by the clock, in UTC. Default: DefaultSegmentDuration.
	SegmentDuration time.Duration
	// SegmentCount bounds the number of files. 0: no bound.
	SegmentCount int
	// Budget bounds the bytes of all files of the set together. Default: 10 GB
	// or 10 % of the file system, whichever is less.
	Budget Amount
	// KeepFree is what is left free on the file system. Default: 5 %.
	KeepFree Amount
	// KeepAtLeast is what neither Budget nor KeepFree nor a full disk have deleted: the
	// writing pauses instead. Default: a quarter of the budget, or of what the file system
	// can hold of it, 1 GB at most.
	KeepAtLeast AtLeast
	// MaxAge deletes files whose last packet is older. 0: no bound.
	MaxAge time.Duration
	// NoDelete ends the writing with ErrFull instead of deleting a file for
	// want of room or because of the count. MaxAge, where given, still holds.
	NoDelete bool

	// WriteBuffer bounds the memory between front and back, in bytes. Half of the memory
	// that there is, the machine's or the control group's, whichever is less, bounds it too.
	// Default: DefaultWriteBuffer, or a sixteenth of that memory if that is less.
	WriteBuffer int64
	// Flush is how old a published record may get before it is handed to the
	// operating system; negative means at once. Default: DefaultFlush.
	Flush time.Duration
	// Sync is how old it may get before it is on the disk: what a power cut
	// may cost. Default: DefaultSync.
	Sync time.Duration

	// Group is the ID of a group that may read the files: they are made 0640, and those of
	// earlier runs too; Dir, if it is OwnDir, is 0750 and that group's. What is made has the
	// group of the process, or that of Dir: see CanShare. Nil: nobody but the owner.
	Group *int

	// Owner is the ID of a user whose files are the set's too, beside those of the
	// process's: whom a process of root's will become. Default: nobody else.
	Owner int

	// Header appends what a file begins with. first is false where the one
	// file of Config.File goes on after a gap. It is called by the front.
	Header func(dst []byte, first bool) []byte
	// Trailer appends what a file ends with. It is called by the front, and must not call
	// the Writer.
	Trailer func(dst []byte) []byte
	// CutTrailer appends what a file ends with from which records that were appended had to be
	// cut off. It is called by the back.
	CutTrailer func(dst []byte) []byte
	// Records returns the length of the whole records at the start of p, and
	// how many of them are packets.
	Records func(p []byte) (n, packets int)

	// Joins says that what a file begins with may stand in the middle of one: where the next
	// file can't be begun the one before goes on with it. Otherwise it is left out there.
	Joins bool
	// Beside says that finished files are compressed beside themselves: one segment of
	// the budget is left for that.
	Beside bool
	// Began is told the path and start of each file that was made, before anything is in
	// it. It is called by Open, and then by the goroutine that writes, and must not wait.
	Began func(FileInfo)
	// Finished is told of each file that is closed and won't change any more. It is
	// called by a goroutine that syncs files, one call at a time, and must not wait for
	// the Writer.
	Finished func(FileInfo)
	// Deleted is told of each file of the set that was deleted, and by which bound. It is
	// called by Open, and then by the goroutine that writes, and must not wait.
	Deleted func(f FileInfo, why Bound)

	// Log is told what happens to files. Default: nothing is logged.
	Log *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// A FileInfo is what is known of a file.
type FileInfo struct {
	// Path is the file's, in Config.Dir.
	Path string
	// Start and End are when the file was begun and ended. Of a file of an earlier run
	// Start is that of its name, to the second, and End is zero.
	Start, End time.Time
	Bytes      int64
	// Packets is -1 where it isn't known, as of files of earlier runs.
	Packets int64
}

// A Bound is why a file was deleted.
type Bound string

// The bounds of a set.
const (
	ByBudget   Bound = "disk budget"
	ByKeepFree Bound = "keep-free"
	ByFullDisk Bound = "the disk is full"
	ByCount    Bound = "file count"
	ByAge      Bound = "age"
	// ByFailure is of a file that was begun and into which no packet could be written.
	ByFailure Bound = "nothing could be written into it"
)

// ErrFull is why a Writer with NoDelete ends.
var ErrFull = errors.New("the set is full")

func (c *Config) withDefaults() (Config, error) {
	out := *c
	if out.Owner == 0 {
		out.Owner = os.Geteuid()
	}
	if out.Log == nil {
		out.Log = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	if out.SegmentDuration == 0 {
		out.SegmentDuration = DefaultSegmentDuration
	}
	if out.Flush == 0 {
		out.Flush = DefaultFlush
	}
	if out.Sync == 0 {
		out.Sync = DefaultSync
	}
	switch {
	case out.Header == nil || out.Trailer == nil || out.CutTrailer == nil || out.Records == nil:
		return out, errors.New("rotate: Header, Trailer, CutTrailer and Records must be set")
	case out.SegmentDuration < time.Second:
		return out, fmt.Errorf("segment duration %v: must be at least 1s", out.SegmentDuration)
	case out.SegmentCount < 0 || out.SegmentCount == 1:
		return out, fmt.Errorf("segment count %d: must be at least 2, one being written and one kept", out.SegmentCount)
	case out.MaxAge < 0:
		return out, fmt.Errorf("maximum age %v: must be positive", out.MaxAge)
	case out.MaxAge > 0 && out.KeepAtLeast.Time > out.MaxAge:
		return out, fmt.Errorf("%w: keep at least %v, and delete what is older than %v: lower --keep-at-least, or raise --max-age", ErrAtLeast, out.KeepAtLeast.Time, out.MaxAge)
	case out.Sync < 100*time.Millisecond:
		return out, fmt.Errorf("sync interval %v: must be at least 100ms", out.Sync)
	case out.Stream != nil && (out.File != "" || out.Name != ""), out.File != "" && out.Name != "", out.Stream == nil && out.File == "" && out.Name == "":
		return out, errors.New("rotate: one of Stream, File and Name must be set")
	case out.File != "" && filepath.Base(out.File) != out.File:
		return out, fmt.Errorf("rotate: file %q: must be a name in Dir, not a path", out.File)
	}
	// What isn't handed to the operating system yet can't be synced.
	out.Flush = min(out.Flush, out.Sync/2)
	if out.Name == "" {
		return out, nil
	}
	if err := fileset.CheckName(out.Name); err != nil {
		return out, err
	}
	if err := fileset.CheckExt(out.Ext); err != nil {
		return out, err
	}
	// A set must know its own files again.
	first := fileset.File{Set: out.Name, Start: out.Now(), Seq: 1, Ext: out.Ext}.String()
	if n, ok := fileset.Parse(first); !ok || n.Set != out.Name || n.Ext != out.Ext {
		return out, fmt.Errorf("extension %q: looks like part of a file's name", out.Ext)
	}
	return out, nil
}

// bounds are Config's amounts in bytes, on the file system at hand.
type bounds struct {
	segment, budget, keepFree int64
	beside                    int64 // of the budget, left for compressing; no part of budget here

	// At most one of these is given: what stays, in bytes, or of the last so long.
	atLeast     int64
	atLeastTime time.Duration
}

func (c *Config) bounds(total int64) (bounds, error) {
	b := bounds{segment: c.SegmentSize.Of(total), budget: c.Budget.Of(total), keepFree: c.KeepFree.Of(total)}
	if c.KeepFree.IsZero() {
		b.keepFree = Amount{Percent: defaultKeepPercent}.Of(total)
	}
	if c.Name == "" {
		return b, nil
	}
	if c.Budget.IsZero() {
		b.budget = min(defaultBudget, Amount{Percent: defaultBudgetPercent}.Of(total))
	}
	if c.SegmentSize.IsZero() {
		b.segment = min(max(b.budget/defaultSegmentsBudget, leastDefaultSegment), mostDefaultSegment)
		// On a small disk, or with a small budget, two files must still fit.
		b.segment = max(min(b.segment, b.budget/2), MinSegmentSize)
	}
	if c.Beside {
		if b.budget < 3*b.segment && c.SegmentSize.IsZero() {
			b.segment = max(b.budget/3, MinSegmentSize)
		}
		if b.budget < 3*b.segment {
			return b, fmt.Errorf("disk budget %s: must hold at least three segments of %s where files are compressed: raise the budget, or give a smaller segment size", Size(b.budget), Size(b.segment))
		}
		b.beside = b.segment
		b.budget -= b.beside
	}
	switch {
	case b.segment < MinSegmentSize:
		return b, fmt.Errorf("segment size %s: must be at least %s", Size(b.segment), Size(MinSegmentSize))
	case b.budget < 2*b.segment && c.Budget.IsZero():
		return b, fmt.Errorf("the default budget of %s (10 %% of the file system) holds fewer than two segments of %s: give --disk-budget, or a smaller segment size", Size(b.budget), Size(b.segment))
	case b.budget < 2*b.segment:
		return b, fmt.Errorf("disk budget %s: must hold at least two segments of %s: raise the budget, or give a smaller segment size", Size(b.budget), Size(b.segment))
	}
	return b, c.floor(&b, total)
}

// floor sets what stays whatever happens.
func (c *Config) floor(b *bounds, total int64) error {
	switch {
	case c.KeepAtLeast.IsZero():
		// A budget of few segments must still let one go for what is written next.
		most := b.budget - b.segment - min(b.segment, largestWrite)
		b.atLeast = min(max(min(b.budget, total-b.keepFree), 0)/defaultAtLeastPart, mostDefaultAtLeast, most)
		return nil
	case c.KeepAtLeast.None:
		return nil
	case c.KeepAtLeast.Time > 0:
		b.atLeastTime = c.KeepAtLeast.Time
		return nil
	}
	b.atLeast = c.KeepAtLeast.Size.Of(total)
	if b.atLeast > b.budget-2*b.segment {
		return fmt.Errorf("%w: keep at least %s of a budget of %s, in which two segments of %s more must fit: lower --keep-at-least, raise --disk-budget, or give a smaller --segment-size", ErrAtLeast, Size(b.atLeast), Size(b.budget), Size(b.segment))
	}
	return nil
}

// ErrAtLeast is of a Config.KeepAtLeast that contradicts the other bounds.
var ErrAtLeast = errors.New("the bounds contradict one another")
