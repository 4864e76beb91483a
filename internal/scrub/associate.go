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
	name int64 // in an identity, the length of its first field
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
	k.some(seq, b[:n], func(c byte) bool { return c <= 1 })
	return n
}

// header reads the header of an item.
func (a *associate) header(k *kept, b []byte, seq uint32) (n int) {
	n = copy(a.head[a.have:], b)
	a.have += n
	if a.have > 1 && a.head[1] != 0 && a.head[0] != dicom.ItemCommonExtended {
		a.lost = true
		return n
	}
	if a.have == len(a.head) {
		a.have, a.name = 0, 0
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
	case dicom.ItemContext, dicom.ItemContextResult, dicom.ItemExtended:
		k.add(seq, b)
	case dicom.ItemApplicationContext, dicom.ItemAbstractSyntax, dicom.ItemTransferSyntax, dicom.ItemImplementation:
		k.some(seq, b, isDigit)
	case dicom.ItemMaxLength, dicom.ItemAsync:
		exactly(4, uint32(a.size)).keep(k, b, seq, a.at)
	case dicom.ItemVersion:
		title.keep(k, b, seq, a.at)
	case dicom.ItemRole, dicom.ItemCommonExtended: // UIDs, their lengths, which are at most 64, and numbers
		k.some(seq, b, func(c byte) bool { return c <= 64 })
	case dicom.ItemIdentity:
		a.identity(k, b, seq)
	case dicom.ItemIdentityResponse: // its length, and no ticket
		if a.at < 2 {
			k.add(seq, b[:min(2-a.at, int64(len(b)))])
		}
	}
}

// identity keeps the type of an identity, whether an answer is wanted, and the lengths of
// its fields: PS3.7 section D.3.3.7.1.
func (a *associate) identity(k *kept, b []byte, seq uint32) {
	for i := range b {
		at := a.at + int64(i)
		if at == 2 || at == 3 {
			a.name = a.name<<8 | int64(b[i])
		}
		if at < 4 || at >= 4+a.name && at < 6+a.name {
			k.add(seq+uint32(i), b[i:i+1])
		}
	}
}
