package repair

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"time"

	"netcap/pcapfile"
)

// scan looks for whole records behind damage.
type scan struct {
	f    *os.File
	size int64
	in   *pcapfile.Reader // which has stopped at the damage
	last time.Time        // of the last packet before it
}

// window is how much is looked at at once.
const window = 1 << 20

// maxRecord is the longest record or block that is taken for one.
const maxRecord = 16 << 20

// follows reports whether there are whole records, and where the first is. Torn is the
// record that the file ends in, nil if it doesn't end in one: where that record is what a
// writer writes, nothing follows, whatever looks like it in its data.
func (s *scan) follows(torn *pcapfile.TruncatedError) (at int64, found bool, err error) {
	whole, step := s.wholeRecord, int64(1)
	if s.in.Format() == pcapfile.PCAPNG {
		whole, step = s.wholeBlock, 4 // to which all blocks are aligned
	}
	from := s.in.Offset()
	if torn != nil {
		begun, err := s.begun(from)
		if begun || err != nil {
			return 0, false, err
		}
	}
	buf := make([]byte, window+headerSize)
	for at := from + step; at < s.size; at += window {
		n, err := s.f.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return 0, false, err
		}
		for i := int64(0); i < window && i+headerSize <= int64(n); i += step {
			if !s.likely(buf[i : i+headerSize]) {
				continue
			}
			ok, err := whole(at + i)
			if ok || err != nil {
				return at + i, ok, err
			}
		}
	}
	return 0, false, nil
}

// headerSize is as much of a record as is looked at first: of a pcap record its header, of a
// pcapng block with a packet what precedes the data, but for the last length.
const headerSize = 24

func (s *scan) order() binary.ByteOrder { return s.in.Section().ByteOrder }

// likely is a quick look at a header.
func (s *scan) likely(h []byte) bool {
	if s.in.Format() == pcapfile.PCAP {
		capLen, length := s.order().Uint32(h[8:]), s.order().Uint32(h[12:])
		return capLen > 0 && capLen <= length && length <= 256<<10
	}
	size := s.order().Uint32(h[4:])
	switch s.order().Uint32(h) {
	case 0x0a0d0d0a, 1, 2, 3, 4, 5, 6, 0xbad, 0x40000bad:
		return size >= 12 && size%4 == 0 && size <= maxRecord
	}
	return false
}

// wholeBlock reports whether a pcapng block begins at an offset and ends in the file, with
// the length at its end that it has at its beginning.
func (s *scan) wholeBlock(at int64) (bool, error) {
	var h [8]byte
	if _, err := s.f.ReadAt(h[:], at); err != nil {
		return false, noEOF(err)
	}
	size := int64(s.order().Uint32(h[4:]))
	if at+size > s.size {
		return false, nil
	}
	var end [4]byte
	if _, err := s.f.ReadAt(end[:], at+size-4); err != nil {
		return false, noEOF(err)
	}
	return int64(s.order().Uint32(end[:])) == size, nil
}

// wholeRecord reports whether a pcap record begins at an offset: one that is plausible, and
// that is followed by two more, or fewer and the end of the file.
func (s *scan) wholeRecord(at int64) (bool, error) {
	const chain = 3
	for n := range chain {
		var h [pcapfile.RecordHeaderSize]byte
		if at == s.size && n > 0 {
			return true, nil
		}
		if at+int64(len(h)) > s.size {
			return n > 1, nil
		}
		if _, err := s.f.ReadAt(h[:], at); err != nil {
			return false, noEOF(err)
		}
		if !s.plausible(h[:]) {
			return false, nil
		}
		if at += int64(len(h)) + int64(s.order().Uint32(h[8:])); at > s.size {
			return n > 1, nil
		}
	}
	return true, nil
}

// near is how far a packet's time is from that of one nearby, unless its header is none.
const near = 30 * 24 * time.Hour

// plausible reports whether the header of a pcap record is one that belongs to the file.
func (s *scan) plausible(h []byte) bool {
	sec, frac := s.order().Uint32(h), s.order().Uint32(h[4:])
	limit := uint32(1e6)
	if s.in.Interfaces()[0].Resolution == pcapfile.Nanoseconds {
		limit = 1e9
	}
	capLen, length := s.order().Uint32(h[8:]), s.order().Uint32(h[12:])
	return frac < limit && capLen > 0 && capLen <= length && length <= 256<<10 &&
		(s.last.IsZero() || time.Unix(int64(sec), 0).Sub(s.last).Abs() < near)
}

// begun reports whether what a file ends in is the beginning of a packet as a writer writes
// it: its lengths agree with one another.
func (s *scan) begun(at int64) (bool, error) {
	var h [pcapfile.PacketHeaderSize]byte
	n, err := s.f.ReadAt(h[:], at)
	if err != nil && err != io.EOF {
		return false, err
	}
	if s.in.Format() == pcapfile.PCAP {
		return n < pcapfile.RecordHeaderSize || s.plausible(h[:]), nil
	}
	if n < len(h) {
		return true, nil // there is no room for a block
	}
	const epb = 6
	size, id, capLen := s.order().Uint32(h[4:]), s.order().Uint32(h[8:]), s.order().Uint32(h[20:])
	padded := int64(capLen+3) &^ 3
	const maxOptions = 64 << 10
	least := int64(pcapfile.PacketHeaderSize) + padded + 4
	return s.order().Uint32(h[:]) == epb && int64(id) < int64(len(s.in.Interfaces())) &&
		int64(size) >= least && int64(size) <= least+maxOptions, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
