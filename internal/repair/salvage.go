package repair

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"netcap/internal/damage"
	"netcap/internal/input"
	"netcap/internal/printable"
	"netcap/pcapfile"
)

// Salvaged is what was found in a damaged capture, and written.
type Salvaged struct {
	Packets  int64 // that were written
	Captures int64 // that they are of: others may begin within the file
	Holes    int64 // that were skipped
	Skipped  int64 // bytes in them
	Unknown  int64 // whole packets in them of interfaces that are described nowhere
}

// Salvage writes all whole packets of the file at a path to out, in pcapng, whatever lies between
// them. A comment at each hole says how many bytes were skipped, where and why: in the header of
// the section that begins there, or in a block of statistics without numbers. Blocks of pcapng
// are copied as they are, packets of pcap become such blocks. The file is only read.
//
// The error, a *input.FileError unless it is out's, says that there is nothing to write.
func Salvage(path string, out io.Writer) (*Salvaged, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &input.FileError{Path: path, Err: err}
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("no regular file")
	}
	if err == nil {
		err = plain(f)
	}
	if err != nil {
		return nil, &input.FileError{Path: path, Err: err}
	}
	s := &salvage{r: f, size: st.Size(), name: printable.Text(filepath.Base(path)), out: bufio.NewWriterSize(out, 256<<10)}
	if err := s.run(); err != nil {
		return nil, &input.FileError{Path: path, Err: err}
	}
	return &s.Salvaged, s.out.Flush()
}

// byteOrder is what both byte orders can do.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// salvage is one at work.
type salvage struct {
	Salvaged
	r    io.ReaderAt
	size int64
	name string
	out  *bufio.Writer
	buf  []byte

	walk   *damage.Walk
	end    int64 // of the part before
	reason error // for which it ended

	// Of the section that is being written.
	order byteOrder
	last  [12]byte // interface and time of its last packet, as they stand in its block
	ready bool     // an interface is described
}

func (s *salvage) run() error {
	s.walk = damage.NewWalk(s.r, s.size)
	for {
		p, err := s.walk.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		comment := s.hole(p.Offset, p.Unknown)
		s.end, s.reason = p.End, p.Reason
		if p.Begins {
			s.Captures++
		}
		if p.Format == pcapfile.PCAP {
			err = s.records(p, comment)
		} else {
			err = s.blocks(p, comment)
		}
		if err != nil {
			return err
		}
		s.Packets += p.Packets
	}
	if s.Packets == 0 {
		return errors.New("no whole packet is in it, of a capture whose header is there too: nothing to salvage")
	}
	if comment := s.hole(s.size, s.walk.Unknown()); comment != "" {
		return s.comment(comment)
	}
	return nil
}

// hole counts what lies between the part before and the next one, and returns what is to be
// said of it; "" if nothing is.
func (s *salvage) hole(next, unknown int64) string {
	var another *pcapfile.FormatError
	n := next - s.end
	switch {
	case n == 0 && errors.As(s.reason, &another) && another.Another:
		return fmt.Sprintf("netcap repair: another capture begins here, at offset %d of %s", next, s.name)
	case n == 0:
		return ""
	}
	s.Holes++
	s.Skipped += n
	s.Unknown += unknown
	text := fmt.Sprintf("netcap repair: %d bytes at offset %d of %s were skipped here", n, s.end, s.name)
	if s.reason != nil {
		text += ": " + s.reason.Error()
	} else if s.end == 0 {
		text += ": no capture begins there"
	}
	if unknown > 0 {
		text += fmt.Sprintf("; %d packets among them are of interfaces that are described nowhere", unknown)
	}
	return text
}

// write writes what was appended to the buffer.
func (s *salvage) write() error {
	_, err := s.out.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// records writes the packets of a pcap part.
func (s *salvage) records(p *damage.Part, comment string) error {
	in, err := s.walk.Open(p)
	if err != nil {
		return err
	}
	if p.Begins {
		section := pcapfile.Section{Application: "netcap repair"}
		if comment != "" {
			section.Comments = []string{comment}
		}
		s.buf = pcapfile.AppendSection(s.buf, &section)
		s.buf = pcapfile.AppendInterface(s.buf, in.Interfaces()[0])
		s.order, s.last, s.ready = binary.LittleEndian, [12]byte{}, true
	} else if comment != "" {
		if err := s.comment(comment); err != nil {
			return err
		}
	}
	for range p.Packets {
		pk, err := in.Next()
		if err != nil {
			return err
		}
		ns := uint64(max(pcapfile.UnixNano(pk.Time), 0))
		s.buf = pcapfile.AppendPacket(s.buf, 0, int64(ns), pk.Data, pk.Length, 0)
		binary.LittleEndian.PutUint32(s.last[4:], uint32(ns>>32))
		binary.LittleEndian.PutUint32(s.last[8:], uint32(ns))
		if err := s.write(); err != nil {
			return err
		}
	}
	return s.write()
}

// Types of pcapng blocks, draft-ietf-opsawg-pcapng section 11.1, and sizes, in bytes.
const (
	blockInterface  = 1
	blockPacketOld  = 2
	blockStatistics = 5
	blockPacket     = 6
	blockSection    = 0x0a0d0d0a

	sectionHead = 24 // of the header before its options
	packetHead  = 20 // of a packet block up to its time
)

// blocks copies the blocks of a pcapng part.
func (s *salvage) blocks(p *damage.Part, comment string) error {
	in := bufio.NewReaderSize(io.NewSectionReader(s.r, p.Offset, p.End-p.Offset), 256<<10)
	if !p.Begins && comment != "" {
		if err := s.comment(comment); err != nil {
			return err
		}
		comment = ""
	}
	for {
		h, err := in.Peek(12)
		if len(h) == 0 && err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it changed while it was read: %w", err)
		}
		if binary.LittleEndian.Uint32(h) == blockSection {
			if err := s.section(in, comment); err != nil {
				return err
			}
			comment = ""
			continue
		}
		size := int64(s.order.Uint32(h[4:]))
		switch s.order.Uint32(h) {
		case blockInterface:
			s.ready = true
		case blockPacket, blockPacketOld:
			if b, err := in.Peek(packetHead); err == nil {
				copy(s.last[:], b[8:])
				if s.order.Uint32(h) == blockPacketOld { // half of the number counts drops
					s.order.PutUint32(s.last[:], uint32(s.order.Uint16(b[8:])))
				}
			}
		}
		if _, err := io.CopyN(s.out, in, size); err != nil {
			return err
		}
	}
}

// section copies a section header, with one comment more. The length of the section is no
// longer said: it may have had holes.
func (s *salvage) section(in *bufio.Reader, comment string) error {
	h, err := in.Peek(sectionHead)
	if err != nil {
		return err
	}
	s.order, s.last, s.ready = binary.LittleEndian, [12]byte{}, false
	if h[8] == 0x1a {
		s.order = binary.BigEndian
	}
	size, major, length := int64(s.order.Uint32(h[4:])), s.order.Uint16(h[12:]), int64(s.order.Uint64(h[16:]))
	if major != 1 { // it was passed over, and what it holds isn't known
		_, err := io.CopyN(s.out, in, size+max(length, 0))
		return err
	}
	const most = 1 << 20 // as pcapfile.Reader takes them
	if size < sectionHead+4 || size > most {
		return fmt.Errorf("section header of %d bytes: it changed while it was read", size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(in, b); err != nil {
		return err
	}
	s.buf = append(s.buf, b[:sectionHead]...)
	s.order.PutUint64(s.buf[16:], math.MaxUint64)
	options := b[sectionHead : size-4]
	if comment != "" {
		s.appendComment(comment)
		if len(options) == 0 {
			options = make([]byte, 4) // their end
		}
	}
	s.buf = append(s.buf, options...)
	s.endBlock()
	return s.write()
}

// comment writes a block of statistics that says nothing but a comment: the format has no
// other that may stand anywhere and that programs don't pass over.
func (s *salvage) comment(text string) error {
	if !s.ready {
		return nil // there is nothing to which it could refer
	}
	s.buf = s.order.AppendUint32(s.buf, blockStatistics)
	s.buf = s.order.AppendUint32(s.buf, 0)
	s.buf = append(s.buf, s.last[:]...)
	s.appendComment(text)
	s.buf = s.order.AppendUint32(s.buf, 0) // the end of the options
	s.endBlock()
	return s.write()
}

// appendComment appends an opt_comment.
func (s *salvage) appendComment(text string) {
	const most, optComment = 60000, 1
	text = text[:min(len(text), most)]
	s.buf = s.order.AppendUint16(s.buf, optComment)
	s.buf = s.order.AppendUint16(s.buf, uint16(len(text)))
	s.buf = append(s.buf, text...)
	s.buf = append(s.buf, make([]byte, -len(text)&3)...)
}

// endBlock sets the length of the block in the buffer at both its ends.
func (s *salvage) endBlock() {
	n := uint32(len(s.buf) + 4)
	s.order.PutUint32(s.buf[4:], n)
	s.buf = s.order.AppendUint32(s.buf, n)
}
