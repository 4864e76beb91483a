package dicom

import "encoding/binary"

// A Handler is told what a Decoder finds, in the order of the stream, from within Write,
// Missing and Close. It may keep what pointers point to.
type Handler interface {
	// Begin comes with the first byte of a PDU, before anything else is known of it.
	Begin()
	// Associate comes with the last byte of an A-ASSOCIATE-RQ or -AC.
	Associate(*Associate)
	Reject(Reject)
	ReleaseRQ()
	ReleaseRP()
	Abort(Abort)
	// PData comes with the header of a P-DATA-TF; length is that of its body, in bytes.
	PData(length uint32)
	// Command comes with the last byte of a command set, or where what follows of it is
	// lost: see Command.Truncated.
	Command(*Command)
	// DataSet comes for each part of a data set: at the end of each presentation data
	// value and of each Write and Missing.
	DataSet(Part)
	// Lost comes for bytes that no PDU could be found in, until the decoder finds one.
	// Those behind a lost header of a value, to the end of its PDU, are among them, as
	// are bytes that are missing.
	Lost(bytes int64)
	// Broken comes where a rule is broken; at is where in the stream, in bytes from its
	// beginning, what is missing included.
	Broken(f Fault, at int64)
}

// A Part is a part of a data set.
type Part struct {
	Context byte // presentation context
	Bytes   int64
	Missing bool // from the capture
	Last    bool // ends the data set
}

// A Decoder follows one direction of a connection. It is used by one goroutine at a time.
type Decoder struct {
	handler Handler
	offset  int64 // of the next byte, in the stream
	state   state
	follows bool  // another PDU ended where the next one begins
	sure    bool  // a PDU was found where one followed another
	have    uint8 // bytes in head
	head    [headSize]byte

	kind  PDUType
	pdu   int64       // bytes of the PDU's body to come
	value ValueHeader // of the presentation data value
	left  int64       // bytes of its fragment to come

	// The body of an A-ASSOCIATE-RQ or -AC, of a rejection or an abort, or a command set;
	// hole is set when what follows can't be appended to it.
	buffer []byte
	hole   bool

	message  message
	reported uint16 // faults, by bits
}

// maxBuffer bounds what is kept of a PDU or a command set, in bytes.
const maxBuffer = 64 << 10

// headSize is how much of a segment it may take to see that it begins with a PDU.
const headSize = HeaderSize + ValueHeaderSize + 8

type state uint8

const (
	inHeader      state = iota // of a PDU
	inBody                     // that is kept, of all PDUs but P-DATA-TF
	inValueHeader              // of a presentation data value
	inFragment                 // of a command set or of a data set
	inRest                     // of a P-DATA-TF, without knowing where values begin
	searching                  // for a segment that begins with a PDU
)

// New returns a decoder of a stream from its first byte on.
func New(h Handler) *Decoder {
	return &Decoder{handler: h, follows: true, sure: true, message: message{known: true}}
}

// Join says that the beginning of the stream, or of what comes next, isn't known to be
// that of a PDU: the decoder waits for a Write that begins as one does.
func (d *Decoder) Join() { d.lose() }

// Write decodes the next bytes, which are those of one TCP segment: a decoder that has lost
// its place finds it where a Write begins. It keeps nothing of b.
func (d *Decoder) Write(b []byte) {
	if len(b) == 0 {
		return
	}
	if d.state == inFragment && int64(len(b)) < d.left && !d.value.Command() { // most segments
		d.left -= int64(len(b))
		d.pdu -= int64(len(b))
		d.offset += int64(len(b))
		d.handler.DataSet(Part{Context: d.value.Context, Bytes: int64(len(b))})
		return
	}
	if d.state == searching {
		b = d.search(b)
	}
	d.decode(b)
}

// decode goes through bytes that are in the buffer of one Write.
func (d *Decoder) decode(b []byte) {
	for len(b) > 0 {
		var n int
		switch d.state {
		case inHeader:
			n = d.header(b)
		case inBody:
			n = int(min(int64(len(b)), d.pdu))
			d.pass(int64(n))
			d.keep(b[:n])
			d.endBody()
		case inValueHeader:
			n = d.valueHeader(b)
		case inFragment:
			n = int(min(int64(len(b)), d.left))
			d.fragment(b[:n])
		case inRest:
			n = int(min(int64(len(b)), d.pdu))
			d.rest(int64(n))
		case searching:
			d.lost(int64(len(b)))
			return
		}
		b = b[n:]
	}
}

// Missing says that the next n bytes are unknown.
func (d *Decoder) Missing(n int64) {
	for n > 0 {
		var m int64
		switch d.state {
		case inBody:
			m = min(n, d.pdu)
			d.pass(m)
			d.hole = true
			d.endBody()
		case inFragment:
			m = min(n, d.left)
			d.missingFragment(m)
		case inRest:
			m = min(n, d.pdu)
			d.rest(m)
		case inValueHeader: // where the PDU ends is known still
			d.endCommand(true)
			d.pdu -= int64(d.have)
			d.drop()
			d.message = message{phase: d.message.phase, context: d.message.context}
			d.state = inRest
		case inHeader:
			d.lose()
		case searching:
			d.drop()
			d.lost(n)
			return
		}
		n -= m
	}
}

// Close says that nothing follows. Of what has begun, an A-ASSOCIATE-RQ or -AC or a
// command set is handed on, truncated.
func (d *Decoder) Close() {
	if d.state == inBody && (d.kind == PDUAssociateRQ || d.kind == PDUAssociateAC) {
		d.hole, d.pdu = true, 0
		d.endBody()
	}
	d.lose()
	d.drop()
}

// InMessage reports whether a PDU or a message has begun and isn't complete: its sender
// has more to send.
func (d *Decoder) InMessage() bool {
	switch d.state {
	case inHeader:
		return d.have > 0 || d.message.phase != noMessage
	case searching:
		return d.message.phase != noMessage
	}
	return true
}

// pass counts bytes of a PDU's body.
func (d *Decoder) pass(n int64) {
	d.pdu -= n
	d.offset += n
}

func (d *Decoder) lost(n int64) {
	d.offset += n
	d.handler.Lost(n)
}

// drop counts what is in the head as lost.
func (d *Decoder) drop() {
	if d.have > 0 {
		d.lost(int64(d.have))
		d.have = 0
	}
}

// lose gives up knowing where PDUs begin.
func (d *Decoder) lose() {
	d.endCommand(true)
	d.drop()
	d.state, d.follows, d.sure, d.buffer, d.hole = searching, false, false, nil, false
	d.message.known = false
}

// fatal tells of a fault that leaves the decoder without its place, in the header that is
// in the head. Behind a PDU that only looked like one it isn't worth telling.
func (d *Decoder) fatal(f Fault) {
	if d.sure {
		d.handler.Broken(f, d.offset)
	}
	d.lose()
}

// fault tells of what goes against the rules and can be followed, once a stream.
func (d *Decoder) fault(f Fault) {
	if bit := uint16(1) << f; d.reported&bit == 0 {
		d.reported |= bit
		d.handler.Broken(f, d.offset)
	}
}

// fill takes bytes into the head until it has so many, and returns how many it took.
func (d *Decoder) fill(b []byte, size int) (n int, full bool) {
	n = copy(d.head[d.have:size], b)
	d.have += uint8(n)
	return n, int(d.have) == size
}

// header reads the header of a PDU.
func (d *Decoder) header(b []byte) (n int) {
	if d.have == 0 {
		d.handler.Begin()
	}
	n, full := d.fill(b, HeaderSize)
	if !full {
		return n
	}
	kind, length := PDUType(d.head[0]), binary.BigEndian.Uint32(d.head[2:])
	switch {
	case !kind.Known():
		d.fatal(FaultType)
		return n
	case !LengthFits(kind, length):
		d.fatal(FaultLength)
		return n
	}
	d.sure = d.follows
	d.kind, d.pdu = kind, int64(length)
	d.offset += HeaderSize
	d.have = 0
	if kind == PDUData {
		d.state = inValueHeader
		d.handler.PData(length)
		return n
	}
	d.endCommand(true) // in the middle of which an A-ABORT may come
	d.message = message{known: true}
	d.state = inBody
	return n
}

// maxAssociate bounds the length of an A-ASSOCIATE-RQ or -AC, in bytes: 128 presentation
// contexts, as many as there can be, with 200 transfer syntaxes each.
const maxAssociate = 1 << 20

// LengthFits reports whether a PDU of a known type can have this length: PS3.8 section 9.3
// fixes those of the short ones, and the least of the others. Of P-DATA-TF any other is
// allowed.
func LengthFits(kind PDUType, length uint32) bool {
	switch kind {
	case PDUData:
		return length >= ValueHeaderSize
	case PDUAssociateRQ, PDUAssociateAC:
		return length >= AssociateSize && length <= maxAssociate
	}
	return length == ShortSize
}

// keep appends to the buffer, unless there is a hole before, or no room.
func (d *Decoder) keep(b []byte) {
	switch {
	case d.hole:
	case len(b) > maxBuffer-len(d.buffer):
		d.buffer = append(d.buffer, b[:maxBuffer-len(d.buffer)]...)
		d.hole = true
	default:
		d.buffer = append(d.buffer, b...)
	}
}

// endBody hands on a PDU that was kept, if it is complete.
func (d *Decoder) endBody() {
	if d.pdu > 0 {
		return
	}
	body, hole := d.buffer, d.hole
	d.buffer, d.hole = nil, false
	d.endPDU()
	switch d.kind {
	case PDUAssociateRQ, PDUAssociateAC:
		a, ok := readAssociate(body, d.kind == PDUAssociateAC, hole)
		if !ok {
			d.fault(FaultItem)
		}
		d.handler.Associate(a)
	case PDUAssociateRJ:
		d.handler.Reject(ReadReject(body))
	case PDUReleaseRQ:
		d.handler.ReleaseRQ()
	case PDUReleaseRP:
		d.handler.ReleaseRP()
	case PDUAbort:
		d.handler.Abort(ReadAbort(body))
	}
}

func (d *Decoder) endPDU() {
	d.state, d.follows = inHeader, true
}
