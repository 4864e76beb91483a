package scrub

import "netcap/internal/dicom"

// stream is what one side of a connection sends, followed from PDU to PDU to tell protocol
// from data sets. The zero stream looks for the beginning of a PDU.
type stream struct {
	kept    kept
	state   state
	found   bool     // it is DICOM
	begun   bool     // something was told of it
	foreign *foreign // it isn't DICOM, but this
	mapped  bool     // MPTCP said where its bytes are in the stream that they are of:
	shift   uint32   // so much farther
	have    int      // bytes in head
	head    [dicom.HeaderSize]byte

	body  int64             // bytes of the PDU to come
	value dicom.ValueHeader // of the presentation data value
	left  int64             // bytes of its fragment to come

	known     bool // the next command set begins where it seems to
	inCommand bool // a command set goes on in another fragment
	command   command
	associate associate

	looked int // bytes in short, of segments too short to tell
	short  [lookAt]byte
}

type state uint8

const (
	searching     state = iota // for a segment that begins with a PDU
	inHeader                   // of a PDU
	inAssociate                // the body of an A-ASSOCIATE-RQ or -AC
	inShort                    // that of a rejection, a release or an abort
	inValueHeader              // of a presentation data value
	inFragment                 // of a command set or of a data set
	inRest                     // of a P-DATA-TF, without knowing where values begin
)

// lookAt is how much of a segment it may take to see that it begins with a PDU.
const lookAt = dicom.HeaderSize + dicom.ValueHeaderSize + 8

// join says that what comes next is the beginning of a PDU, and of a message.
func (st *stream) join() { st.state, st.known = inHeader, true }

// lose gives up knowing where PDUs begin.
func (st *stream) lose() {
	st.state, st.have, st.looked, st.known, st.inCommand = searching, 0, 0, false, false
}

// write takes the next bytes, which are those of one segment from seq on.
func (st *stream) write(b []byte, seq uint32) {
	if st.state == searching {
		st.search(b)
	}
	for len(b) > 0 && st.state != searching {
		n := st.step(b, seq)
		b, seq = b[n:], seq+uint32(n)
	}
}

// search looks at the beginning of a segment for that of a PDU. What other segments, too
// short to tell, began with can't be kept any more.
func (st *stream) search(b []byte) {
	if st.looked > 0 {
		n := copy(st.short[st.looked:], b)
		if whole := st.short[:st.looked+n]; dicom.Detect(whole) == dicom.UpperLayer {
			before, kept := st.short, st.kept
			st.state, st.looked, st.kept.memory = inHeader, 0, new(memory)
			for rest := before[:len(whole)-n]; len(rest) > 0 && st.state != searching; {
				rest = rest[st.step(rest, 0):]
			}
			st.kept = kept
			return
		}
	}
	switch {
	case dicom.Detect(b) == dicom.UpperLayer:
		st.looked = 0
		st.state = inHeader
	case len(b) < lookAt && dicom.PDUType(b[0]).Known() && (len(b) == 1 || b[1] == 0):
		st.looked = copy(st.short[:], b)
	default:
		st.looked = 0
	}
}

// step goes on by at least one byte, or loses its place.
func (st *stream) step(b []byte, seq uint32) (n int) {
	switch st.state {
	case inHeader:
		return st.header(b, seq)
	case inValueHeader:
		return st.valueHeader(b, seq)
	case inFragment:
		n = int(min(int64(len(b)), st.left))
		if st.value.Command() {
			st.command.write(&st.kept, b[:n], seq)
		}
		st.pass(int64(n))
		return n
	}
	n = int(min(int64(len(b)), st.body))
	switch st.state {
	case inAssociate:
		st.associate.write(&st.kept, b[:n], seq)
	case inShort:
		// What these say is said by small numbers, PS3.8 section 9.3.
		st.kept.some(seq, b[:n], func(c byte) bool { return c <= 10 })
	}
	st.pass(int64(n))
	return n
}

// missing says that the next bytes are not in the capture.
func (st *stream) missing(n int64) {
	for n > 0 {
		var m int64
		switch st.state {
		case searching, inHeader:
			st.lose()
			return
		case inValueHeader: // where the PDU ends is known still
			st.body -= int64(st.have)
			st.state, st.have, st.known, st.inCommand = inRest, 0, false, false
			continue
		case inFragment:
			m = min(n, st.left)
			st.command.skip(m)
		default:
			m = min(n, st.body)
			if st.state == inAssociate {
				st.associate.skip(m)
			}
		}
		st.pass(m)
		n -= m
	}
}

// pass counts bytes of a PDU's body.
func (st *stream) pass(n int64) {
	st.body -= n
	if st.state == inFragment {
		if st.left -= n; st.left > 0 {
			return
		}
		st.endFragment()
	}
	if st.body == 0 {
		st.state = inHeader
	}
}

func (st *stream) endFragment() {
	st.state = inValueHeader
	st.inCommand = st.value.Command() && !st.value.Last()
	if st.value.Last() {
		st.known = true
	}
}

// header reads the header of a PDU. It is kept as it comes, while it may be one.
func (st *stream) header(b []byte, seq uint32) (n int) {
	n = copy(st.head[st.have:], b)
	st.have += n
	kind := dicom.PDUType(st.head[0])
	if !kind.Known() || st.have > 1 && st.head[1] != 0 || st.have > 2 && st.head[2] >= maxHigh {
		st.lose()
		return n
	}
	if st.have == len(st.head) {
		length := uint32(st.head[2])<<24 | uint32(st.head[3])<<16 | uint32(st.head[4])<<8 | uint32(st.head[5])
		if !dicom.LengthFits(kind, length) {
			st.lose()
			return n
		}
		st.body, st.have, st.found = int64(length), 0, true
		switch kind {
		case dicom.PDUData:
			st.state = inValueHeader
		case dicom.PDUAssociateRQ, dicom.PDUAssociateAC:
			st.state, st.associate = inAssociate, associate{}
		default:
			st.state = inShort
		}
		if kind != dicom.PDUData {
			st.known, st.inCommand = true, false
		}
	}
	st.kept.add(seq, b[:n])
	return n
}

// valueHeader reads the header of a presentation data value.
func (st *stream) valueHeader(b []byte, seq uint32) (n int) {
	if st.have == 0 && st.body < dicom.ValueHeaderSize {
		st.lose()
		return 0
	}
	n = copy(st.head[st.have:], b)
	st.have += n
	if st.head[0] >= maxHigh {
		st.lose()
		return n
	}
	if st.have == len(st.head) {
		before := st.value
		h := dicom.ReadValueHeader(st.head[:])
		if !h.Plausible(st.body) {
			st.lose()
			return n
		}
		st.value, st.left, st.have = h, int64(h.Length)-2, 0
		st.body -= dicom.ValueHeaderSize
		st.state = inFragment
		if !st.inCommand || !h.Command() || h.Context != before.Context {
			st.command = command{first: true, sure: st.known}
		}
		if st.left == 0 {
			st.pass(0)
		}
	}
	st.kept.add(seq, b[:n])
	return n
}
