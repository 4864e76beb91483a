package dicom

import (
	"encoding/binary"
	"fmt"
)

// A Command is a command set, PS3.7 section 6.3 and annex E. Its texts are what a peer
// sent, without the spaces and zeros around them.
type Command struct {
	Context byte // presentation context
	// Has are the numbers that there are: those there aren't are 0.
	Has Elements

	Field       CommandField
	MessageID   uint16
	RespondedTo uint16 // message ID of the request, in responses and C-CANCEL-RQ
	Priority    Priority
	DataSetType uint16 // NoDataSet, or anything else
	Status      Status
	ErrorID     uint16
	EventType   uint16
	ActionType  uint16

	// Sub-operations of a C-MOVE or C-GET.
	Remaining, Completed, Failed, Warning uint16

	AffectedSOPClass, RequestedSOPClass       string // UIDs
	AffectedSOPInstance, RequestedSOPInstance string // UIDs
	MoveDestination                           string // AE title
	MoveOriginator                            string // AE title of who asked for the C-MOVE of which this C-STORE is a part
	MoveOriginatorMessageID                   uint16
	ErrorComment                              string
	OffendingElements                         []Tag

	// Truncated is set where the capture lacks a part of it, or it has more than 64 KiB:
	// what comes behind that is missing.
	Truncated bool
}

// HasDataSet reports whether a data set follows, if that is known.
func (c *Command) HasDataSet() bool { return c.Has&HasDataSetType != 0 && c.DataSetType != NoDataSet }

// SOPClass is the affected or else the requested SOP class.
func (c *Command) SOPClass() string {
	if c.AffectedSOPClass != "" {
		return c.AffectedSOPClass
	}
	return c.RequestedSOPClass
}

// SOPInstance is the affected or else the requested SOP instance.
func (c *Command) SOPInstance() string {
	if c.AffectedSOPInstance != "" {
		return c.AffectedSOPInstance
	}
	return c.RequestedSOPInstance
}

// NoDataSet is the data set type of a command set that none follows, PS3.7 section E.1.
const NoDataSet = 0x0101

// Elements are numbers of a command set.
type Elements uint32

// The numbers that a command set may have.
const (
	HasField Elements = 1 << iota
	HasMessageID
	HasRespondedTo
	HasPriority
	HasDataSetType
	HasStatus
	HasErrorID
	HasEventType
	HasActionType
	HasRemaining
	HasCompleted
	HasFailed
	HasWarning
	HasMoveOriginatorMessageID
)

// Priority is how urgent an operation is, PS3.7 section E.1.
type Priority uint16

// The priorities.
const (
	PriorityMedium Priority = iota
	PriorityHigh
	PriorityLow
)

func (p Priority) String() string {
	return nameOr([]string{PriorityMedium: "medium", PriorityHigh: "high", PriorityLow: "low"}, int(p), "priority ")
}

// Tag is the number of a data element, PS3.5 section 7.1.1.
type Tag struct{ Group, Element uint16 }

func (t Tag) String() string { return fmt.Sprintf("(%04X,%04X)", t.Group, t.Element) }

// Elements of group 0000, PS3.7 section E.1.
const (
	ElementGroupLength             = 0x0000
	ElementAffectedSOPClass        = 0x0002
	ElementRequestedSOPClass       = 0x0003
	ElementField                   = 0x0100 // the command
	ElementMessageID               = 0x0110
	ElementRespondedTo             = 0x0120 // the message ID of the request
	ElementMoveDestination         = 0x0600
	ElementPriority                = 0x0700
	ElementDataSetType             = 0x0800
	ElementStatus                  = 0x0900
	ElementOffending               = 0x0901 // tags
	ElementErrorComment            = 0x0902
	ElementErrorID                 = 0x0903
	ElementAffectedSOPInstance     = 0x1000
	ElementRequestedSOPInstance    = 0x1001
	ElementEventType               = 0x1002
	ElementAttributes              = 0x1005 // tags
	ElementActionType              = 0x1008
	ElementRemaining               = 0x1020
	ElementCompleted               = 0x1021
	ElementFailed                  = 0x1022
	ElementWarning                 = 0x1023
	ElementMoveOriginator          = 0x1030
	ElementMoveOriginatorMessageID = 0x1031
)

// BeginsCommand reports whether b begins as a command set does: with the element that has
// its length, PS3.7 section 6.3.1.
func BeginsCommand(b []byte) bool { return len(b) >= 8 && binary.LittleEndian.Uint64(b) == 4<<32 }

// CommandSize is how many bytes the command set has that b begins with, which must be
// as they usually are: short, and with a SOP class or a command field first.
func CommandSize(b []byte) (size int, ok bool) {
	const fixed, next, longest = 12, 4, 1 << 10
	if len(b) < fixed+next || !BeginsCommand(b) {
		return 0, false
	}
	length := binary.LittleEndian.Uint32(b[8:])
	element := binary.LittleEndian.Uint16(b[fixed+2:])
	ok = length >= 8 && length <= longest && length%2 == 0 && b[fixed] == 0 && b[fixed+1] == 0 &&
		(element == ElementAffectedSOPClass || element == ElementRequestedSOPClass || element == ElementField)
	return fixed + int(length), ok
}

// NextElement reads the element of a command set that b begins with, and returns what is
// behind it. It returns false for an element of another group and for one that isn't whole.
func NextElement(b []byte) (element uint16, value, rest []byte, ok bool) {
	const header = 8 // group, element, length, in little endian
	if len(b) < header || b[0] != 0 || b[1] != 0 {
		return 0, nil, nil, false
	}
	size := binary.LittleEndian.Uint32(b[4:])
	element = binary.LittleEndian.Uint16(b[2:])
	if b = b[header:]; int64(size) > int64(len(b)) {
		return 0, nil, nil, false
	}
	return element, b[:size], b[size:], true
}

// readCommand reads a command set, of which b may be the beginning only. It returns false
// where b is no command set, or more than one.
func readCommand(b []byte, context byte, truncated bool) (c *Command, ok bool) {
	c = &Command{Context: context, Truncated: truncated}
	for len(b) > 0 {
		element, value, rest, whole := NextElement(b)
		if !whole {
			return c, truncated
		}
		c.element(element, value)
		b = rest
	}
	return c, truncated || c.Has&HasField != 0
}

func (c *Command) element(element uint16, value []byte) {
	number := func(to *uint16, has Elements) {
		if len(value) == 2 {
			*to = binary.LittleEndian.Uint16(value)
			c.Has |= has
		}
	}
	switch element {
	case ElementField:
		number((*uint16)(&c.Field), HasField)
	case ElementMessageID:
		number(&c.MessageID, HasMessageID)
	case ElementRespondedTo:
		number(&c.RespondedTo, HasRespondedTo)
	case ElementPriority:
		number((*uint16)(&c.Priority), HasPriority)
	case ElementDataSetType:
		number(&c.DataSetType, HasDataSetType)
	case ElementStatus:
		number((*uint16)(&c.Status), HasStatus)
	case ElementErrorID:
		number(&c.ErrorID, HasErrorID)
	case ElementEventType:
		number(&c.EventType, HasEventType)
	case ElementActionType:
		number(&c.ActionType, HasActionType)
	case ElementRemaining:
		number(&c.Remaining, HasRemaining)
	case ElementCompleted:
		number(&c.Completed, HasCompleted)
	case ElementFailed:
		number(&c.Failed, HasFailed)
	case ElementWarning:
		number(&c.Warning, HasWarning)
	case ElementMoveOriginatorMessageID:
		number(&c.MoveOriginatorMessageID, HasMoveOriginatorMessageID)
	case ElementAffectedSOPClass:
		c.AffectedSOPClass = text(value)
	case ElementRequestedSOPClass:
		c.RequestedSOPClass = text(value)
	case ElementAffectedSOPInstance:
		c.AffectedSOPInstance = text(value)
	case ElementRequestedSOPInstance:
		c.RequestedSOPInstance = text(value)
	case ElementMoveDestination:
		c.MoveDestination = text(value)
	case ElementMoveOriginator:
		c.MoveOriginator = text(value)
	case ElementErrorComment:
		c.ErrorComment = text(value)
	case ElementOffending:
		for ; len(value) >= 4; value = value[4:] {
			c.OffendingElements = append(c.OffendingElements,
				Tag{binary.LittleEndian.Uint16(value), binary.LittleEndian.Uint16(value[2:])})
		}
	}
}
