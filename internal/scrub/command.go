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
	bad   bool // the value isn't what it should be
	low   byte // of a tag's group
}

// What values may be, in bytes: those of a command set, of which lists of tags are the
// longest; UIDs, PS3.5 section 9.1; and the high byte of a number that is no text.
const (
	maxValue = 64<<10 - 1
	maxTags  = 1 << 10
	maxUID   = 64
	maxHigh  = 0x10
)

func (c *command) write(k *kept, b []byte, seq uint32) {
	for len(b) > 0 && !c.lost {
		n := 0
		if c.left == 0 {
			n = c.header(k, b, seq)
		} else {
			n = int(min(int64(len(b)), c.left))
			c.keep(k, b[:n], seq)
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
	element := binary.LittleEndian.Uint16(c.head[2:])
	if c.head[0] != 0 || c.head[1] != 0 || c.have > 3 && !knownElement(element) || c.have > 6 && c.head[6] != 0 || c.have > 7 && c.head[7] != 0 {
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
		c.first, c.have, c.bad = false, 0, false
		c.left, c.at = int64(length), 0
		c.value = ruleOf(element, length)
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

// knownElement reports whether there is an element of group 0000 of that number that isn't
// retired, PS3.7 section E.1.
func knownElement(element uint16) bool {
	return ruleOf(element, 0) != nothing || ruleOf(element, 2) != nothing || ruleOf(element, 4) != nothing
}

// ruleOf is what may be kept of an element's value, PS3.7 section E.1. Of those that are
// retired, or not there, nothing.
func ruleOf(element uint16, length uint32) rule {
	switch element {
	case dicom.ElementGroupLength:
		if length == 4 {
			return small
		}
	case dicom.ElementAffectedSOPClass, dicom.ElementRequestedSOPClass, dicom.ElementAffectedSOPInstance, dicom.ElementRequestedSOPInstance:
		if length <= maxUID {
			return digits
		}
	case dicom.ElementField, dicom.ElementMessageID, dicom.ElementRespondedTo, dicom.ElementPriority, dicom.ElementDataSetType, dicom.ElementStatus,
		dicom.ElementErrorID, dicom.ElementEventType, dicom.ElementActionType, dicom.ElementRemaining, dicom.ElementCompleted, dicom.ElementFailed,
		dicom.ElementWarning, dicom.ElementMoveOriginatorMessageID:
		if length == 2 {
			return anything
		}
	case dicom.ElementMoveDestination, dicom.ElementMoveOriginator:
		return title
	case dicom.ElementOffending, dicom.ElementAttributes:
		if length%4 == 0 && length <= maxTags {
			return tags
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
	anything      // a number of two bytes
	small         // one of four that is less than 65536
	digits        // and dots: UIDs, PS3.5 section 9.1
	title         // text of at most 16 characters
	comment       // and of at most 64
	tags          // of data elements, as far as there are such
)

// keep keeps what it may of a part of the value at hand.
func (c *command) keep(k *kept, b []byte, seq uint32) {
	switch c.value {
	case digits:
		k.each(seq, b, c.at, func(_ int64, b byte) bool {
			c.bad = c.bad || !isDigit(b)
			return !c.bad
		})
	case small:
		k.each(seq, b, c.at, func(at int64, b byte) bool { return at < 2 || b == 0 })
	case tags:
		k.each(seq, b, c.at, func(at int64, b byte) bool {
			switch at % 4 {
			case 0:
				c.low = b
				return b%2 == 0 // groups of the standard are even
			case 1: // most are below 1000; and 300A and the like, and 7FE0
				c.bad = b >= maxHigh && (b&0x0f != 0 || c.low >= maxHigh) && b != 0x7f
			}
			return !c.bad
		})
	default:
		c.value.keep(k, b, seq, c.at)
	}
}

// keep keeps what it may of a part of a value, which begins at an offset.
func (r rule) keep(k *kept, b []byte, seq uint32, at int64) {
	switch r {
	case anything:
		k.add(seq, b)
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
	k.each(seq, b, 0, func(_ int64, c byte) bool { return wanted(c) })
}

// each remembers those bytes that are wanted, of which the first has an offset.
func (k *kept) each(seq uint32, b []byte, at int64, wanted func(at int64, c byte) bool) {
	from := 0
	for i, c := range b {
		if !wanted(at+int64(i), c) {
			k.add(seq+uint32(from), b[from:i])
			from = i + 1
		}
	}
	k.add(seq+uint32(from), b[from:])
}
