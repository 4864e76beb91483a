package dicom

import "encoding/binary"

// search looks at the beginning of a segment for that of a PDU, and returns what of b is
// to be decoded: all of it, or nothing. What is too short to tell waits for more. There is
// at least one byte.
func (d *Decoder) search(b []byte) []byte {
	if d.have > 0 {
		var joined [4 * headSize]byte
		n := copy(joined[:], d.head[:d.have])
		switch likeness(joined[:n+copy(joined[n:], b)]) {
		case begins:
			d.have, d.state = 0, inHeader
			d.decode(joined[:n])
			return b
		case mayBegin:
			d.have += uint8(copy(d.head[d.have:], b))
			return nil
		}
		d.drop()
	}
	switch likeness(b) {
	case begins:
		d.state = inHeader
		return b
	case mayBegin:
		d.have = uint8(copy(d.head[:], b))
		return nil
	}
	d.lost(int64(len(b)))
	return nil
}

// applicationContext is that of DICOM, PS3.7 section A.2.1.
const applicationContext = "1.2.840.10008.3.1.1.1"

type looks uint8

const (
	differs  looks = iota
	mayBegin       // it is too short to tell
	begins
)

// likeness tells whether a segment that begins with b begins with a PDU. A decoder that
// has its place takes more for one: here a wrong guess makes it lose what follows.
func likeness(b []byte) looks {
	kind := PDUType(b[0])
	if !kind.Known() || len(b) > 1 && b[1] != 0 {
		return differs
	}
	if len(b) < HeaderSize {
		return mayBegin
	}
	length, body := binary.BigEndian.Uint32(b[2:]), b[HeaderSize:]
	if !LengthFits(kind, length) {
		return differs
	}
	switch kind {
	case PDUData:
		return pdataLikeness(int64(length), body)
	case PDUAssociateRQ, PDUAssociateAC:
		if len(body) < 4 {
			return mayBegin
		}
		return likeIf(PlausibleAssociate(body))
	}
	// Nothing is behind a short PDU but another one: a peer has no more to say.
	if len(body) < ShortSize {
		return mayBegin
	}
	rest := body[ShortSize:]
	return likeIf(PlausibleShort(kind, body) &&
		(len(rest) == 0 || PDUType(rest[0]).Known() && (len(rest) == 1 || rest[1] == 0)))
}

// pdataLikeness wants a value that fills the PDU, or a command set or another value to be
// seen in it: pixels have been known to look like less.
func pdataLikeness(length int64, body []byte) looks {
	if len(body) < ValueHeaderSize {
		return mayBegin
	}
	h := ReadValueHeader(body)
	if !h.Plausible(length) {
		return differs
	}
	behind := 4 + int64(h.Length)
	if behind == length {
		return begins
	}
	fragment := body[ValueHeaderSize:]
	if h.Command() {
		if len(fragment) < 8 {
			return mayBegin
		}
		return likeIf(BeginsCommand(fragment))
	}
	return likeIf(behind+ValueHeaderSize <= int64(len(body)) && ReadValueHeader(body[behind:]).Plausible(length-behind))
}

// PlausibleAssociate reports whether the body of an A-ASSOCIATE-RQ or -AC may begin as b
// does: with the version, which must be there, titles without control characters, and the
// application context, as far as they are there. With the application context of DICOM
// titles may be anything.
func PlausibleAssociate(b []byte) bool {
	if b[1]&1 == 0 || b[2] != 0 || b[3] != 0 {
		return false
	}
	if kind, uid, _, whole := nextItem(b[min(len(b), AssociateSize):]); whole && kind == ItemApplicationContext && string(uid) == applicationContext {
		return true
	}
	for _, c := range b[calledAt:min(len(b), TitlesSize)] {
		// Titles are of the default repertoire, but sites use others.
		if c > 0 && c < ' ' || c == 0x7f {
			return false
		}
	}
	return len(b) < AssociateSize+2 || b[AssociateSize] == ItemApplicationContext && b[AssociateSize+1] == 0
}

// PlausibleShort reports whether a rejection, a release or an abort may have the body that
// b begins with, all of whose fields have a meaning then.
func PlausibleShort(kind PDUType, b []byte) bool {
	switch kind {
	case PDUAssociateRJ:
		return b[0] == 0 && b[1] >= 1 && b[1] <= 2 && b[2] >= 1 && b[2] <= 3 && b[3] <= 10
	case PDUAbort:
		return b[0] == 0 && b[1] == 0 && b[2] <= 2 && b[3] <= 6
	}
	return binary.BigEndian.Uint32(b) == 0
}

func likeIf(ok bool) looks {
	if ok {
		return begins
	}
	return differs
}
