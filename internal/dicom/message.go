package dicom

// A message is a command set and, where that says so, a data set, in fragments that are
// all of one presentation context, with none of another message between them: PS3.8
// section E.1.
type message struct {
	phase   phase
	context byte
	known   bool // it was followed from its beginning on
}

type phase uint8

const (
	noMessage phase = iota
	inCommandSet
	inDataSet // or before it
)

// valueHeader reads the header of a presentation data value.
func (d *Decoder) valueHeader(b []byte) (n int) {
	if d.have == 0 && d.pdu < ValueHeaderSize {
		d.fatal(FaultValue)
		return 0
	}
	n, full := d.fill(b, ValueHeaderSize)
	if !full {
		return n
	}
	h := ReadValueHeader(d.head[:])
	if h.Length < 2 || int64(h.Length)+4 > d.pdu {
		d.fatal(FaultValue)
		return n
	}
	d.have = 0
	d.value, d.left = h, int64(h.Length)-2
	d.state = inFragment
	d.beginFragment()
	d.pass(ValueHeaderSize)
	if d.left == 0 {
		d.endFragment(nil)
	}
	return n
}

// beginFragment holds a fragment to the rules of messages.
func (d *Decoder) beginFragment() {
	m := &d.message
	if d.value.Context&1 == 0 {
		d.fault(FaultContext)
	}
	same := d.value.Context == m.context
	switch {
	case d.value.Command() && m.phase == inCommandSet && same:
		return // it goes on
	case m.phase == inCommandSet:
		d.fault(FaultInterleaved)
		d.endCommand(true)
	case d.value.Command() && m.phase == inDataSet:
		d.faultIfKnown(FaultNoDataSet)
	case d.value.Command():
	case m.phase == noMessage:
		d.faultIfKnown(FaultDataSet)
	case !same:
		d.faultIfKnown(FaultInterleaved)
	}
	if d.value.Command() {
		*m = message{phase: inCommandSet, context: d.value.Context, known: m.known}
		return
	}
	m.phase, m.context = inDataSet, d.value.Context
}

// faultIfKnown tells of a fault where it isn't the capture that lacks something.
func (d *Decoder) faultIfKnown(f Fault) {
	if d.message.known {
		d.fault(f)
	}
}

// fragment takes bytes of a fragment.
func (d *Decoder) fragment(b []byte) {
	d.left -= int64(len(b))
	d.pass(int64(len(b)))
	switch {
	case !d.value.Command():
		d.handler.DataSet(Part{d.value.Context, int64(len(b)), false, d.left == 0 && d.value.Last()})
	case d.left > 0 || !d.value.Last() || len(d.buffer) > 0 || d.hole || len(b) > maxBuffer:
		d.keep(b)
	default:
		d.endFragment(b)
		return
	}
	if d.left == 0 {
		d.endFragment(nil)
	}
}

// missingFragment passes over bytes of a fragment that aren't in the capture.
func (d *Decoder) missingFragment(n int64) {
	d.left -= n
	d.pass(n)
	if d.value.Command() {
		d.hole = true
	} else {
		d.handler.DataSet(Part{d.value.Context, n, true, d.left == 0 && d.value.Last()})
	}
	if d.left == 0 {
		d.endFragment(nil)
	}
}

// endFragment comes behind the last byte of a fragment. A command set that is in one
// piece isn't in the buffer: whole is it.
func (d *Decoder) endFragment(whole []byte) {
	switch {
	case d.value.Command() && d.value.Last():
		if whole != nil {
			d.command(whole, false)
		} else {
			d.endCommand(false)
		}
	case d.value.Command():
	case d.value.Last():
		if d.value.Length == 2 { // nothing of it was told
			d.handler.DataSet(Part{Context: d.value.Context, Last: true})
		}
		d.message = message{known: true}
	}
	if d.state = inValueHeader; d.pdu == 0 {
		d.endPDU()
	}
}

// endCommand hands on what there is of a command set that has begun.
func (d *Decoder) endCommand(lost bool) {
	if d.message.phase != inCommandSet {
		return
	}
	set, hole := d.buffer, d.hole
	d.buffer, d.hole = nil, false
	d.command(set, lost || hole)
}

// command hands on a command set. One whose beginning is lost begins with anything.
func (d *Decoder) command(set []byte, truncated bool) {
	m := &d.message
	m.phase = noMessage
	if !m.known && !BeginsCommand(set) {
		return
	}
	c, ok := readCommand(set, m.context, truncated)
	if !ok {
		d.fault(FaultCommand)
	}
	m.known = ok && !truncated || c.Has&HasDataSetType != 0
	if c.HasDataSet() {
		m.phase = inDataSet
	}
	if ok || c.Has&HasField != 0 {
		d.handler.Command(c)
	}
}

// rest passes over the rest of a PDU.
func (d *Decoder) rest(n int64) {
	d.pdu -= n
	d.lost(n)
	if d.pdu == 0 {
		d.endPDU()
	}
}
