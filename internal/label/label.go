// Package label says what is in a compressed capture without decompressing it: a label of fixed
// size, which netcap puts on a file when it compresses it. docs/label.md has the format. Programs
// that decompress pass over it.
//
// In gzip it is in an extra field of the first member's header (RFC 1952, section 2.3.1.1), of
// zstd the last frame, a skippable one (RFC 8878, section 3.1.2).
//
// A label is a claim. Read believes none that isn't whole, or was put on a file of another
// length; what the file holds is for those to say who decompress it.
package label

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// Label is what is in a capture.
type Label struct {
	Packets uint64
	// First and Last are the earliest and latest time of a packet, zero if none has one.
	First, Last time.Time
	// Dropped is how many packets the capture says were dropped, nil if it doesn't.
	Dropped *uint64
	// Whole says that it could be read to its end, Closed that it was ended in an orderly way.
	Whole, Closed bool
	// Plain is its length, decompressed, in bytes.
	Plain int64
}

// Errors of Read.
var (
	// ErrNone is returned for files without a label, or with one of a version that isn't known.
	ErrNone = errors.New("no label")
	// ErrOther is returned if the file has changed since it got its label.
	ErrOther = errors.New("the label is of a file of another length")
)

// Size is how long a label is, in bytes.
const Size = 60

const (
	magic   = "NCAP"
	version = 1
)

// Flags of a label.
const (
	hasTimes = 1 << iota
	hasDropped
	whole
	closed
)

// append appends the label of a file that is so many bytes long in the end.
func (l *Label) append(b []byte, size int64) []byte {
	start := len(b)
	flags := byte(0)
	var first, last int64
	if !l.First.IsZero() && representable(l.First) && representable(l.Last) {
		flags |= hasTimes
		first, last = l.First.UnixNano(), l.Last.UnixNano()
	}
	dropped := uint64(0)
	if l.Dropped != nil {
		flags |= hasDropped
		dropped = *l.Dropped
	}
	if l.Whole {
		flags |= whole
	}
	if l.Closed {
		flags |= closed
	}
	b = append(b, magic...)
	b = append(b, version, flags, 0, 0)
	for _, n := range []uint64{l.Packets, uint64(first), uint64(last), dropped, uint64(l.Plain), uint64(size)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

// representable reports whether nanoseconds since the epoch hold a time.
func representable(t time.Time) bool { return time.Unix(0, t.UnixNano()).Equal(t) }

// parse reads the label that b is, of a file that is so many bytes long.
func parse(b []byte, size int64) (*Label, error) {
	const sum = Size - 4
	if len(b) != Size || string(b[:4]) != magic || b[4] != version || b[6] != 0 || b[7] != 0 ||
		crc32.ChecksumIEEE(b[:sum]) != binary.LittleEndian.Uint32(b[sum:]) {
		return nil, ErrNone
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8+8*i:]) }
	flags, dropped := b[5], number(3)
	l := &Label{Packets: number(0), Whole: flags&whole != 0, Closed: flags&closed != 0, Plain: int64(number(4))}
	if flags&hasTimes != 0 {
		l.First, l.Last = time.Unix(0, int64(number(1))).UTC(), time.Unix(0, int64(number(2))).UTC()
	}
	if flags&hasDropped != 0 {
		l.Dropped = &dropped
	}
	const leastPacket = 16 // bytes: a block or record has more
	if flags >= closed<<1 || l.Plain < 0 || l.Packets > uint64(l.Plain)/leastPacket || l.Last.Before(l.First) ||
		flags&hasTimes != 0 && l.Packets == 0 {
		return nil, ErrNone // which nobody writes
	}
	if int64(number(5)) != size {
		return nil, ErrOther
	}
	return l, nil
}

// gzip: ID1 ID2 CM FLG MTIME XFL OS is its header, then come the extra field's length and
// subfields, each with two letters and a length.
const (
	gzipHeader = 10
	gzipFlags  = 3
	gzipExtra  = 4 // FLG.FEXTRA
	gzipID     = "Nc"
	// maxExtra bounds where a label is looked for among other subfields.
	maxExtra = 4096
)

// GzipExtra is an extra field for a gzip header, with room for a label.
func GzipExtra() []byte {
	b := binary.LittleEndian.AppendUint16([]byte(gzipID), Size)
	return append(b, make([]byte, Size)...)
}

// zstd: a skippable frame has a magic number, of sixteen, and a length.
const (
	zstdMagic  = 0x184d2a5e
	zstdHeader = 8
	zstdFrame  = zstdHeader + Size
)

var (
	beginsGzip = []byte{0x1f, 0x8b, 8}
	beginsZstd = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// A File is what a label is put on.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// Put puts a label on a file of size bytes, which begins with a gzip member that has GzipExtra
// alone, or ends with a zstd frame. It returns the length that the file has then.
func (l *Label) Put(f File, size int64) (int64, error) {
	var head [gzipHeader + 2 + 4]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return size, err
	}
	switch {
	case bytes.HasPrefix(head[:], beginsGzip):
		if extra := head[gzipHeader:]; head[gzipFlags]&gzipExtra == 0 || binary.LittleEndian.Uint16(extra) != 4+Size ||
			!bytes.Equal(extra[2:], GzipExtra()[:4]) {
			return size, errors.New("the gzip header has no room for a label")
		}
		_, err := f.WriteAt(l.append(nil, size), int64(len(head)))
		return size, err
	case bytes.HasPrefix(head[:], beginsZstd):
		b := binary.LittleEndian.AppendUint32(nil, zstdMagic)
		b = binary.LittleEndian.AppendUint32(b, Size)
		_, err := f.WriteAt(l.append(b, size+zstdFrame), size)
		return size + zstdFrame, err
	}
	return size, errors.New("neither gzip nor zstd")
}

// Read reads the label of a file of size bytes. The error is ErrNone or ErrOther, or one of the
// io.ReaderAt.
func Read(r io.ReaderAt, size int64) (*Label, error) {
	head := make([]byte, gzipHeader+2)
	if err := readAt(r, head, 0); err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, beginsGzip):
		n := int(binary.LittleEndian.Uint16(head[gzipHeader:]))
		if head[gzipFlags]&gzipExtra == 0 || n > maxExtra {
			return nil, ErrNone
		}
		extra := make([]byte, n)
		if err := readAt(r, extra, gzipHeader+2); err != nil {
			return nil, err
		}
		for len(extra) >= 4 {
			n := 4 + int(binary.LittleEndian.Uint16(extra[2:]))
			if n > len(extra) {
				return nil, ErrNone
			}
			if string(extra[:2]) == gzipID {
				return parse(extra[4:n], size)
			}
			extra = extra[n:]
		}
	case bytes.HasPrefix(head, beginsZstd) && size >= zstdFrame:
		frame := make([]byte, zstdFrame)
		if err := readAt(r, frame, size-zstdFrame); err != nil {
			return nil, err
		}
		if binary.LittleEndian.Uint32(frame) == zstdMagic && binary.LittleEndian.Uint32(frame[4:]) == Size {
			return parse(frame[zstdHeader:], size)
		}
	}
	return nil, ErrNone
}

// readAt fills b. A file that is too short has no label.
func readAt(r io.ReaderAt, b []byte, at int64) error {
	if n, err := r.ReadAt(b, at); n < len(b) {
		if errors.Is(err, io.EOF) {
			return ErrNone
		}
		return err
	}
	return nil
}

// ReadFile reads the label of the file at a path. It has none if it isn't a regular file.
func ReadFile(path string) (*Label, error) {
	st, err := os.Stat(path) // opening a FIFO would wait
	if err == nil && !st.Mode().IsRegular() {
		err = ErrNone
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err = f.Stat(); err != nil {
		return nil, err
	}
	return Read(f, st.Size())
}
