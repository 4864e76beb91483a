package scrub

import (
	"encoding/binary"

	"netcap/internal/dicom"
)

// associate follows the body of an A-ASSOCIATE-RQ or -AC: PS3.8 sections 9.3.2 and 9.3.3,
// and PS3.7 annex D.3. Items within items are read as if they followed one another.
type associate struct {
	fixed int64 // bytes of what precedes the items
	lost  bool
	have  int
	head  [4]byte // of an item: type, reserved, length

	kind byte
	size int64 // of what of its value comes before other items
	at   int64 // of that, how much came
	name int64 // in an identity, the length of its first field; else that of a UID
	bad  bool  // the value isn't what it should be
}

func (a *associate) write(k *kept, b []byte, seq uint32) {
	for len(b) > 0 && !a.lost {
		n := 0
		switch {
		case a.fixed < dicom.AssociateSize:
			n = a.titles(k, b, seq)
			a.fixed += int64(n)
		case a.at == a.size:
			n = a.header(k, b, seq)
		default:
			n = int(min(int64(len(b)), a.size-a.at))
			a.value(k, b[:n], seq)
			a.at += int64(n)
		}
		b, seq = b[n:], seq+uint32(n)
	}
}

// titles keeps the AE titles, and zeros and the version around them.
func (a *associate) titles(k *kept, b []byte, seq uint32) (n int) {
	const begin = 4
	if a.fixed >= begin && a.fixed < dicom.TitlesSize {
		n = int(min(int64(len(b)), dicom.TitlesSize-a.fixed))
		k.add(seq, b[:n])
		return n
	}
	end := int64(begin)
	if a.fixed >= begin {
		end = dicom.AssociateSize
	}
	n = int(min(int64(len(b)), end-a.fixed))
	k.each(seq, b[:n], a.fixed, func(at int64, c byte) bool {
		if version := at == 1; version && c != 1 || !version && at < begin && c != 0 {
			a.lost = true // of another version, or no association at all
		}
		return !a.lost && c <= 1
	})
	return n
}

// header reads the header of an item.
func (a *associate) header(k *kept, b []byte, seq uint32) (n int) {
	n = copy(a.head[a.have:], b)
	a.have += n
	if a.have > 1 && a.head[1] != 0 {
		a.lost = true
		return n
	}
	if a.have == len(a.head) {
		a.have, a.name, a.bad = 0, 0, false
		a.kind, a.size, a.at = a.head[0], int64(binary.BigEndian.Uint16(a.head[2:])), 0
		switch a.kind {
		case dicom.ItemContext, dicom.ItemContextResult:
			a.size = min(a.size, 4)
		case dicom.ItemUser:
			a.size = 0
		}
	}
	k.add(seq, b[:n])
	return n
}

// skip goes on by bytes that aren't in the capture.
func (a *associate) skip(n int64) {
	if a.fixed < dicom.AssociateSize {
		m := min(n, dicom.AssociateSize-a.fixed)
		a.fixed += m
		n -= m
	}
	// What of an identity is secret can't be told without what precedes it.
	if n > a.size-a.at || n > 0 && a.kind == dicom.ItemIdentity {
		a.lost = true
		return
	}
	a.at += n
}

// value keeps what it may of a part of an item's value.
func (a *associate) value(k *kept, b []byte, seq uint32) {
	switch a.kind {
	case dicom.ItemContext, dicom.ItemContextResult: // its number, and the result, PS3.8 table 9-18; what is reserved may be FF
		k.each(seq, b, a.at, func(at int64, c byte) bool { return at == 0 || at == 2 && c <= 4 || c == 0 || c == 0xff })
	case dicom.ItemApplicationContext, dicom.ItemAbstractSyntax, dicom.ItemTransferSyntax, dicom.ItemImplementation:
		k.each(seq, b, a.at, func(at int64, c byte) bool {
			a.bad = a.bad || at >= maxUID || !isDigit(c)
			return !a.bad
		})
	case dicom.ItemMaxLength, dicom.ItemAsync:
		if a.size == 4 {
			k.each(seq, b, a.at, func(at int64, c byte) bool {
				return at == 1 || at == 3 || c < maxHigh || a.kind == dicom.ItemMaxLength && (at == 2 || c == 0x7f || c == 0xff)
			})
		}
	case dicom.ItemVersion:
		title.keep(k, b, seq, a.at)
	case dicom.ItemRole, dicom.ItemExtended, dicom.ItemCommonExtended:
		k.each(seq, b, a.at, a.sized)
	case dicom.ItemIdentity:
		a.identity(k, b, seq)
	case dicom.ItemIdentityResponse: // its length, and no ticket
		if a.at < 2 {
			k.add(seq, b[:min(2-a.at, int64(len(b)))])
		}
	}
}

// sized tells of a byte of a UID behind its length, and of what follows that, whether it is
// to be kept: roles, levels and flags are small numbers, PS3.7 section D.3.3.
func (a *associate) sized(at int64, c byte) bool {
	const least = 10 // is more than all of them
	switch {
	case at == 0:
		a.bad = c != 0
	case at == 1:
		a.name = int64(c)
		a.bad = a.bad || c > maxUID
	case at < 2+a.name:
		a.bad = a.bad || !isDigit(c)
	default:
		return c < least
	}
	return !a.bad
}

// identity keeps the type of an identity, whether an answer is wanted, and the lengths of
// its fields: PS3.7 section D.3.3.7.1.
func (a *associate) identity(k *kept, b []byte, seq uint32) {
	for i := range b {
		at := a.at + int64(i)
		if at == 2 || at == 3 {
			a.name = a.name<<8 | int64(b[i])
		}
		switch {
		case at == 0:
			a.bad = b[i] > 5
		case at == 1:
			a.bad = a.bad || b[i] > 1
		}
		if !a.bad && (at < 4 || at >= 4+a.name && at < 6+a.name) {
			k.add(seq+uint32(i), b[i:i+1])
		}
	}
}
