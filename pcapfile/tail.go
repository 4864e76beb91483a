package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrTail is what ReadTail returns, wrapped in an error that says why, when
// the ends of a file do not tell what is between them: it was not closed in an
// orderly way, has several sections, or describes an interface in the middle.
// A Reader has to walk through such a file.
var ErrTail = errors.New("the file has to be read from its beginning")

// Tail is what the two ends of a pcapng file say about it.
type Tail struct {
	Section    *Section
	Interfaces []*Interface // those described before the first packet

	First, Last   time.Time  // of the packets in file order; zero where there is none or it has no timestamp
	LastInterface *Interface // where the last packet was captured; nil if there is no packet

	// What stands behind the last packet, in the order of the file.
	Statistics []InterfaceStatistics
	Names      []Name
	Custom     []Custom
}

// Bounds of what ReadTail looks at.
const (
	headLimit      = 1 << 20 // bytes before the first packet
	headWindow     = 16 << 10
	tailMaxBlocks  = 4096 // blocks behind the last packet
	tailMaxBytes   = 4 << 20
	tailHeaderSize = 20 // of a packet block, up to its timestamp
)

// ReadTail summarises a closed pcapng file of one section and size bytes by
// its head, up to the first packet, and by the blocks behind the last packet,
// which it reaches from the end over the lengths that close every block. It
// looks at 1 MiB of the head and at 4096 blocks or 4 MiB of the tail at most.
//
// The error is ErrTail where that doesn't suffice, ErrFormat or a *FormatError
// if the head is not that of a pcapng file, or an error of r. That a file has
// further sections is noticed only where the walk meets one, or the first
// gives its length.
func ReadTail(r io.ReaderAt, size int64) (*Tail, error) {
	head, err := newReader(io.NewSectionReader(r, 0, min(size, headLimit)), headWindow)
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: %w", ErrTail, err)
		}
		return nil, err
	}
	if head.format != PCAPNG {
		return nil, fmt.Errorf("%w: pcap has no statistics at its end", ErrTail)
	}
	start := head.Offset()
	t := &Tail{}
	switch p, err := head.Next(); {
	case err == nil:
		t.First = p.Time
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && size > headLimit:
		// No packet in reach; the walk back decides whether there is one.
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: %w", ErrTail, err)
	default:
		return nil, err
	}
	if length := head.sections[0].Length; len(head.sections) > 1 || length >= 0 && length < size-start {
		return nil, fmt.Errorf("%w: it has several sections", ErrTail)
	}
	t.Section, t.Interfaces = head.Section(), head.Interfaces()

	// The walk collects into a Reader of its own, in the state of the head.
	walk := &tailWalk{r: r, head: head}
	if err := walk.back(t, size); err != nil {
		return nil, err
	}
	return t, nil
}

type tailWalk struct {
	r      io.ReaderAt
	head   *Reader
	bodies []tailBlock // last first
	bytes  int
}

type tailBlock struct {
	typ    uint32
	offset int64
	body   []byte
}

// back walks from the end of the file to the last packet.
func (w *tailWalk) back(t *Tail, pos int64) error {
	for range tailMaxBlocks {
		typ, size, err := w.blockBefore(pos)
		if err != nil {
			return err
		}
		pos -= size
		switch typ {
		case blockSection:
			if pos != 0 {
				return fmt.Errorf("%w: a section begins at offset %d", ErrTail, pos)
			}
			return w.finish(t)
		case blockPacket, blockPacketOld, blockSimple:
			if err := w.lastPacket(t, typ, pos, size); err != nil {
				return err
			}
			return w.finish(t)
		case blockStatistics, blockNames, blockCustom, blockCustomLocal:
			if err := w.collect(typ, pos, size); err != nil {
				return err
			}
		case blockInterface:
			if pos >= w.head.Offset() {
				return fmt.Errorf("%w: an interface is described at offset %d", ErrTail, pos)
			}
		}
	}
	return fmt.Errorf("%w: more than %d blocks behind the last packet", ErrTail, tailMaxBlocks)
}

// blockBefore returns type and size of the block that ends at pos.
func (w *tailWalk) blockBefore(pos int64) (typ uint32, size int64, err error) {
	var b [8]byte
	if pos < minBlock {
		return 0, 0, fmt.Errorf("%w: no block ends at offset %d", ErrTail, pos)
	}
	if err := w.readAt(b[:4], pos-4); err != nil {
		return 0, 0, err
	}
	size = int64(w.head.big.uint32(b[:]))
	if size < minBlock || size%4 != 0 || size > pos {
		return 0, 0, fmt.Errorf("%w: no block ends at offset %d", ErrTail, pos)
	}
	if err := w.readAt(b[:], pos-size); err != nil {
		return 0, 0, err
	}
	if int64(w.head.big.uint32(b[4:])) != size {
		return 0, 0, fmt.Errorf("%w: no block ends at offset %d", ErrTail, pos)
	}
	return w.head.big.uint32(b[:]), size, nil
}

func (w *tailWalk) readAt(b []byte, pos int64) error {
	if n, err := w.r.ReadAt(b, pos); n < len(b) {
		if err == io.EOF {
			return fmt.Errorf("%w: it has become shorter", ErrTail)
		}
		return fmt.Errorf("read at offset %d: %w", pos, err)
	}
	return nil
}

func (w *tailWalk) collect(typ uint32, pos, size int64) error {
	if w.bytes += int(min(size, tailMaxBytes+1)); w.bytes > tailMaxBytes {
		return fmt.Errorf("%w: more than %d bytes behind the last packet", ErrTail, tailMaxBytes)
	}
	body := make([]byte, size-minBlock)
	if err := w.readAt(body, pos+8); err != nil {
		return err
	}
	w.bodies = append(w.bodies, tailBlock{typ, pos, body})
	return nil
}

// lastPacket reads interface and time of the packet block at pos.
func (w *tailWalk) lastPacket(t *Tail, typ uint32, pos, size int64) error {
	var id uint32
	var b [tailHeaderSize]byte
	if typ != blockSimple {
		if size < tailHeaderSize+minBlock {
			return fmt.Errorf("%w: the packet block at offset %d is too short", ErrTail, pos)
		}
		if err := w.readAt(b[:], pos); err != nil {
			return err
		}
		id = w.head.big.uint32(b[8:])
		if typ == blockPacketOld {
			id = uint32(w.head.big.uint16(b[8:]))
		}
	}
	interfaces := w.head.ng.interfaces
	if uint64(id) >= uint64(len(interfaces)) {
		return fmt.Errorf("%w: interface %d of the last packet is described in the middle", ErrTail, id)
	}
	t.LastInterface = interfaces[id]
	if typ != blockSimple {
		t.Last = t.LastInterface.clock.time(w.head.big.timestamp(b[12:]))
	}
	return nil
}

// finish decodes what was collected, in the order of the file.
func (w *tailWalk) finish(t *Tail) error {
	d := &Reader{format: PCAPNG, big: w.head.big, ng: w.head.ng, room: metadataLimit}
	for n := len(w.bodies) - 1; n >= 0; n-- {
		b := w.bodies[n]
		d.w.offset = b.offset
		switch b.typ {
		case blockStatistics:
			if known := len(d.statistics); len(b.body) >= 4 {
				d.readStatistics(b.body)
				if len(d.statistics) == known {
					return fmt.Errorf("%w: statistics of an interface described in the middle", ErrTail)
				}
			}
		case blockNames:
			d.readNames(b.body)
		default:
			d.readCustom(b.typ, b.body)
		}
	}
	t.Statistics, t.Names, t.Custom = d.statistics, d.names, d.custom
	return nil
}
