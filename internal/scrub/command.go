package scrub

import (
	"encoding/binary"

	"netcap/internal/dicom"
)

// command follows a command set, PS3.7 section 6.3: elements of group 0000, in implicit VR
// and little endian. Behind what isn't one, nothing is kept.
type command struct {
	first bool // no element was read yet
	sure  bool // it begins where it seems to
	lost  bool
	have  int
	head  [8]byte // of an element: group, element, length
	left  int64   // bytes of its value to come
	at    int64   // of those that came
	value rule
}

// maxValue is how long a value of a command set may be: there are lists of tags.
const maxValue = 64 << 10

func (c *command) write(k *kept, b []byte, seq uint32) {
	for len(b) > 0 && !c.lost {
		n := 0
		if c.left == 0 {
			n = c.header(k, b, seq)
		} else {
			n = int(min(int64(len(b)), c.left))
			c.value.keep(k, b[:n], seq, c.at)
			c.at += int64(n)
			c.left -= int64(n)
		}
		b, seq = b[n:], seq+uint32(n)
	}
}

// header reads the header of an element.
func (c *command) header(k *kept, b []byte, seq uint32) (n int) {
	n = copy(c.head[c.have:], b)
	c.have += n
	if c.head[0] != 0 || c.head[1] != 0 {
		c.lost = true
		return n
	}
	if c.first && !c.sure { // then it has to begin with its length
		for i, want := range [...]byte{2: 0, 3: 0, 4: 4, 7: 0} {
			if i < c.have && c.head[i] != want {
				c.lost = true
				return n
			}
		}
	}
	if c.have == len(c.head) {
		length := binary.LittleEndian.Uint32(c.head[4:])
		if length > maxValue {
			c.lost = true
			return n
		}
		c.first, c.have = false, 0
		c.left, c.at = int64(length), 0
		c.value = ruleOf(binary.LittleEndian.Uint16(c.head[2:]), length)
	}
	k.add(seq, b[:n])
	return n
}

// skip goes on by bytes that aren't in the capture.
func (c *command) skip(n int64) {
	if n > c.left {
		c.lost = true
		return
	}
	c.left -= n
	c.at += n
}

// ruleOf is what may be kept of an element's value, PS3.7 section E.1. Of those that are
// retired, or not there, nothing.
func ruleOf(element uint16, length uint32) rule {
	switch element {
	case dicom.ElementGroupLength:
		return exactly(4, length)
	case dicom.ElementAffectedSOPClass, dicom.ElementRequestedSOPClass, dicom.ElementAffectedSOPInstance, dicom.ElementRequestedSOPInstance:
		return digits
	case dicom.ElementField, dicom.ElementMessageID, dicom.ElementRespondedTo, dicom.ElementPriority, dicom.ElementDataSetType, dicom.ElementStatus,
		dicom.ElementErrorID, dicom.ElementEventType, dicom.ElementActionType, dicom.ElementRemaining, dicom.ElementCompleted, dicom.ElementFailed,
		dicom.ElementWarning, dicom.ElementMoveOriginatorMessageID:
		return exactly(2, length)
	case dicom.ElementMoveDestination, dicom.ElementMoveOriginator:
		return title
	case dicom.ElementOffending, dicom.ElementAttributes:
		if length%4 == 0 {
			return anything
		}
	case dicom.ElementErrorComment:
		return comment
	}
	return nothing
}

// rule says which bytes of a value may be kept.
type rule uint8

const (
	nothing  rule = iota
	anything      // numbers
	digits        // and dots: UIDs, PS3.5 section 9.1
	title         // text of at most 16 characters
	comment       // and of at most 64
)

// exactly is for a number of so many bytes.
func exactly(size, length uint32) rule {
	if size != length {
		return nothing
	}
	return anything
}

// keep keeps what it may of a part of a value, which begins at an offset.
func (r rule) keep(k *kept, b []byte, seq uint32, at int64) {
	switch r {
	case anything:
		k.add(seq, b)
	case digits:
		k.some(seq, b, isDigit)
	case title:
		k.add(seq, b[:min(max(0, 16-at), int64(len(b)))])
	case comment:
		k.add(seq, b[:min(max(0, 64-at), int64(len(b)))])
	}
}

// isDigit is for what UIDs are made of, and padded with.
func isDigit(c byte) bool { return c >= '0' && c <= '9' || c == '.' || c == 0 || c == ' ' }

// some remembers those bytes that are wanted.
func (k *kept) some(seq uint32, b []byte, wanted func(byte) bool) {
	from := 0
	for i, c := range b {
		if !wanted(c) {
			k.add(seq+uint32(from), b[from:i])
			from = i + 1
		}
	}
	k.add(seq+uint32(from), b[from:])
}
