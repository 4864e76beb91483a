package damage

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"netcap/pcapfile"
)

// Part is a stretch of a capture that can be read.
type Part struct {
	Offset, End int64 // its bytes in the file: whole records or blocks, a header before them if Begins
	Packets     int64
	Format      pcapfile.Format
	ByteOrder   binary.ByteOrder // of its beginning
	Begins      bool             // with the header of a capture; else it goes on with the part before

	// Reason is what is wrong at End; nil if the file, or another capture at End, follows.
	Reason error
	// Unknown are the whole packets between the part before and this one, or the end of the
	// file, whose interface is described nowhere: nobody knows what they begin with.
	Unknown int64

	header int64 // where the header is that holds for it
}

// A Walk goes through a capture, past the damage that is in it.
type Walk struct {
	r    io.ReaderAt
	size int64
	in   *pcapfile.Reader
	base int64 // what offsets of the Reader are relative to
	at   int64 // where to look for the next part
	part Part  // the last one
	find finder
	last time.Time // of a packet that is believed

	unknown   int64
	unknownAt int64 // where the first of them is, 0 if there was none yet
}

// NewWalk returns a Walk through the first size bytes of r.
func NewWalk(r io.ReaderAt, size int64) *Walk {
	w := &Walk{r: r, size: size}
	w.find = finder{r: r, size: size}
	return w
}

// Unknown are the whole packets behind the last part that nobody can read, once Next has
// returned io.EOF.
func (w *Walk) Unknown() int64 { return w.unknown }

// Next returns the next part. The first begins at offset 0 unless the file's header is
// damaged. At the end the error is io.EOF; other errors are those of the io.ReaderAt. The
// Part is valid until the next Next.
func (w *Walk) Next() (*Part, error) {
	if w.at == 0 && w.in == nil {
		switch err := w.begin(0); {
		case err == nil:
			if err := w.read(0, true); err != nil {
				return nil, err
			}
			return &w.part, nil
		case !damaged(err):
			return nil, err
		}
		w.at = 1
	}
	unknown := int64(0)
	for {
		start, err := w.find.next(w.at, w.context())
		if err != nil {
			return nil, err
		}
		unknown += start.unknown
		if w.unknownAt == 0 {
			w.unknownAt = start.first
		}
		if start.at < 0 {
			w.at, w.unknown = w.size, unknown
			return nil, io.EOF
		}
		before := *w
		if !start.header {
			w.in.Continue(w.ramp(start.at), start.at-w.base)
		} else if err = w.begin(start.at); err != nil {
			if !damaged(err) {
				return nil, err
			}
			w.at = start.at + 1
			continue
		}
		if err := w.read(start.at, start.header); err != nil {
			return nil, err
		}
		if w.part.Packets == 0 && (start.header || w.part.End == start.at) {
			// What looked like packets can't be read.
			*w = before
			w.at = start.at + 1
			continue
		}
		w.part.Unknown = unknown
		return &w.part, nil
	}
}

// damaged reports whether an error is about what the file holds.
func damaged(err error) bool {
	var format *pcapfile.FormatError
	return errors.Is(err, pcapfile.ErrFormat) || errors.As(err, &format) || errors.Is(err, io.ErrUnexpectedEOF)
}

// begin reads the header of a capture.
func (w *Walk) begin(at int64) error {
	const window = 64 << 10
	in, err := pcapfile.NewReaderSize(w.ramp(at), window)
	if err != nil {
		return err
	}
	w.in, w.base = in, at
	w.part, w.last = Part{header: at}, time.Time{}
	return nil
}

// context is what the search has to know of the part before.
func (w *Walk) context() *context {
	if w.in == nil {
		return nil
	}
	c := &context{
		format: w.in.Format(), big: w.in.Section().ByteOrder == binary.BigEndian, last: w.last,
		interfaces: uint32(w.in.Described()), headerSize: pcapfile.RecordHeaderSize,
	}
	if c.format == pcapfile.PCAPNG {
		return c
	}
	i := w.in.Interfaces()[0]
	c.nano = i.Resolution == pcapfile.Nanoseconds
	c.swapped = w.in.Section().Major == 2 && w.in.Section().Minor < 3
	var magic [4]byte
	if _, err := w.r.ReadAt(magic[:], w.part.header); err == nil && (magic == [4]byte{0xa1, 0xb2, 0xcd, 0x34} || magic == [4]byte{0x34, 0xcd, 0xb2, 0xa1}) {
		c.headerSize += 8 // Kuznetsov's
	}
	return c
}

// read reads the part that begins at an offset, where the Reader stands.
func (w *Walk) read(at int64, begins bool) error {
	w.part = Part{Offset: at, Begins: begins, header: w.part.header, Format: w.in.Format(), ByteOrder: w.in.Section().ByteOrder}
	p := &w.part
	var previous time.Time
	run := 0                                        // packets that agree with the one before each
	believed, end := int64(0), w.base+w.in.Offset() // the last packet that is believed, by its number, and its end
	var since []int64                               // where it begins, and those behind it
	empty, emptyAt := int64(0), int64(0)            // the last packets, that have no length
	odds := 0                                       // packets that were captured longer than they were
	var err error
	for {
		var pk *pcapfile.Packet
		if pk, err = w.in.Next(); err != nil {
			break
		}
		if run++; !agree(pk, previous) {
			run = 0
		}
		switch {
		case run > 0 && (run >= enough || w.last.IsZero() || pk.Time.Sub(w.last).Abs() < near):
			believed, w.last, end = p.Packets, pk.Time, w.base+w.in.Offset()
			since = append(since[:0], w.base+pk.Offset)
		case len(since) < maxSince:
			since = append(since, w.base+pk.Offset)
		}
		previous = pk.Time
		p.Packets++
		// One that is longer than it was on the wire is the first of them: zeros begin in its
		// header. Where there are several, it is the writer's habit.
		odd := uint32(len(pk.Data)) > pk.Length
		if odd {
			odds++
		}
		switch {
		case (len(pk.Data) > 0 || pk.Length > 0) && (!odd || odds > 1):
			empty = 0
		case empty == 0:
			emptyAt = w.base + pk.Offset
			fallthrough
		default:
			empty++
		}
	}
	p.End = w.base + w.in.Offset()
	if errors.Is(err, io.EOF) {
		w.at = w.size
		return nil
	}
	if !damaged(err) {
		return err
	}
	p.Reason = w.reason(err)
	stopped := p.End
	if empty > 0 && w.in.Format() == pcapfile.PCAP { // half of a header, and zeros
		p.End, p.Packets = emptyAt, p.Packets-empty
	}
	w.at = p.End
	if w.in.Format() != pcapfile.PCAP || len(since) == 0 {
		return nil
	}
	// A torn record takes what follows for its data, and more are read where none begins. So
	// it is looked into the record that was believed last, and behind it.
	c := w.context()
	c.beyond, c.own = end, since
	start, err := w.find.within(since[0]+1, min(stopped, end+suspect), c)
	if err != nil {
		return err
	}
	if start.at >= 0 {
		n := len(since) - 1
		for n > 0 && since[n] >= start.at {
			n--
		}
		p.Reason = &pcapfile.FormatError{Format: p.Format, Offset: since[n], Reason: "it is cut short: other packets begin within it"}
		p.End, p.Packets, w.at = since[n], believed+int64(n), start.at
	}
	return nil
}

const (
	// suspect is how far behind the last packet that is believed others are looked for, in
	// bytes, where a reader has found packets.
	suspect = 1 << 20
	// maxSince bounds how many packets are remembered that aren't believed.
	maxSince = suspect/pcapfile.RecordHeaderSize + 1
	// enough packets in a row that agree with each other are believed, though their times
	// are far from those before: a clock was set.
	enough = 16
)

// agree reports whether a packet is one that a writer writes behind the one before.
func agree(p *pcapfile.Packet, previous time.Time) bool {
	n := uint32(len(p.Data))
	return n > 0 && n <= p.Length && p.Length <= maxLength && (previous.IsZero() || p.Time.Sub(previous).Abs() < near)
}

// reason has offsets of the whole file.
func (w *Walk) reason(err error) error {
	var format *pcapfile.FormatError
	var torn *pcapfile.TruncatedError
	switch {
	case w.base == 0:
	case errors.As(err, &format):
		e := *format
		e.Offset += w.base
		return &e
	case errors.As(err, &torn):
		e := *torn
		e.Offset += w.base
		return &e
	}
	return err
}

// ramp returns the bytes of the file from an offset on. It reads little at first: a part may
// be short, and there may be many.
func (w *Walk) ramp(at int64) io.Reader {
	return &ramp{r: io.NewSectionReader(w.r, at, w.size-at), most: 1 << 10}
}

type ramp struct {
	r    io.Reader
	most int
}

func (r *ramp) Read(b []byte) (int, error) {
	n, err := r.r.Read(b[:min(len(b), r.most)])
	r.most = min(2*r.most, 1<<20)
	return n, err
}

// Open returns a Reader of the packets of a pcap part.
func (w *Walk) Open(p *Part) (*pcapfile.Reader, error) {
	in := io.Reader(io.NewSectionReader(w.r, p.Offset, p.End-p.Offset))
	if !p.Begins {
		in = io.MultiReader(io.NewSectionReader(w.r, p.header, pcapfile.FileHeaderSize), in)
	}
	return pcapfile.NewReader(in)
}
