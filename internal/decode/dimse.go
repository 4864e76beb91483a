package decode

import "encoding/binary"

// isCommand reports whether b begins as a command set does: with the length of its
// group, PS3.7 section 6.3.
func isCommand(b []byte) bool {
	return len(b) >= 8 && binary.LittleEndian.Uint64(b) == 4<<32
}

// commandSize is how many bytes the command set has that b begins with. Such a set is
// short, and begins with a SOP class or, of a cancellation, with the command field.
func commandSize(b []byte) (size int, ok bool) {
	const fixed, next, longest = 12, 4, 1 << 10
	if len(b) < fixed+next || !isCommand(b) {
		return 0, false
	}
	length := binary.LittleEndian.Uint32(b[8:])
	element := binary.LittleEndian.Uint16(b[fixed+2:])
	ok = length >= 8 && length <= longest && length%2 == 0 && b[fixed] == 0 && b[fixed+1] == 0 &&
		(element == 0x0002 || element == 0x0003 || element == elementField)
	return fixed + int(length), ok
}

// Elements of a command set, of group 0000, PS3.7 annex E.
const (
	elementField       = 0x0100
	elementMessageID   = 0x0110
	elementRespondedTo = 0x0120
	elementStatus      = 0x0900
)

// Commands, PS3.7 section E.1.
const (
	commandResponse = 0x8000
	commandCancel   = 0x0fff
)

// command prints name, message ID and status of a command set, and nothing else of it:
// identifiers in it may lead to patients.
func (p *Printer) command(b []byte) *Printer {
	const header = 8 // group, element, length, in little endian
	if !isCommand(b) {
		return p.text("command")
	}
	field, id, status := -1, -1, -1
	for range 32 {
		if len(b) < header || b[0] != 0 || b[1] != 0 {
			break
		}
		size := binary.LittleEndian.Uint32(b[4:])
		element := binary.LittleEndian.Uint16(b[2:])
		b = b[header:]
		if int64(size) > int64(len(b)) {
			break
		}
		if size == 2 {
			value := int(binary.LittleEndian.Uint16(b))
			switch element {
			case elementField:
				field = value
			case elementMessageID, elementRespondedTo:
				id = value
			case elementStatus:
				status = value
			}
		}
		b = b[size:]
	}
	if field < 0 {
		return p.text("command")
	}
	p.commandName(field)
	if id >= 0 {
		p.text(" id ").int(int64(id))
	}
	if status >= 0 {
		p.text(" status ").hex16(uint16(status)).text(statusName(field&^commandResponse, status))
	}
	return p
}

func (p *Printer) commandName(field int) *Printer {
	name := ""
	switch field &^ commandResponse {
	case commandStore:
		name = "C-STORE"
	case commandGet:
		name = "C-GET"
	case commandFind:
		name = "C-FIND"
	case commandMove:
		name = "C-MOVE"
	case commandEcho:
		name = "C-ECHO"
	case 0x0100:
		name = "N-EVENT-REPORT"
	case 0x0110:
		name = "N-GET"
	case 0x0120:
		name = "N-SET"
	case 0x0130:
		name = "N-ACTION"
	case 0x0140:
		name = "N-CREATE"
	case 0x0150:
		name = "N-DELETE"
	case commandCancel:
		return p.text("C-CANCEL-RQ")
	default:
		return p.text("command ").hex16(uint16(field))
	}
	if field&commandResponse != 0 {
		return p.text(name).text("-RSP")
	}
	return p.text(name).text("-RQ")
}

const (
	commandStore = 0x0001
	commandGet   = 0x0010
	commandFind  = 0x0020
	commandMove  = 0x0021
	commandEcho  = 0x0030
)

// statusName says what a status means for an operation, PS3.7 annex C and PS3.4.
func statusName(command, status int) string {
	retrieve := command == commandMove || command == commandGet
	switch status {
	case 0x0000:
		return " Success"
	case 0x0001:
		return " Requested optional attributes not supported"
	case 0x0105:
		return " No such attribute"
	case 0x0106:
		return " Invalid attribute value"
	case 0x0107:
		return " Attribute list error"
	case 0x0110:
		return " Processing failure"
	case 0x0111:
		return " Duplicate SOP instance"
	case 0x0112:
		return " No such SOP instance"
	case 0x0113:
		return " No such event type"
	case 0x0114:
		return " No such argument"
	case 0x0115:
		return " Invalid argument value"
	case 0x0116:
		return " Attribute value out of range"
	case 0x0117:
		return " Invalid SOP instance"
	case 0x0118:
		return " No such SOP class"
	case 0x0119:
		return " Class-instance conflict"
	case 0x0120:
		return " Missing attribute"
	case 0x0121:
		return " Missing attribute value"
	case 0x0122:
		return " SOP class not supported"
	case 0x0123:
		return " No such action type"
	case 0x0124:
		return " Not authorised"
	case 0x0210:
		return " Duplicate invocation"
	case 0x0211:
		return " Unrecognised operation"
	case 0x0212:
		return " Mistyped argument"
	case 0x0213:
		return " Resource limitation"
	case 0xa701:
		return " Out of resources: can't count matches"
	case 0xa702:
		return " Out of resources: can't perform sub-operations"
	case 0xa801:
		return " Move destination unknown"
	case 0xb000:
		if retrieve {
			return " Warning: some sub-operations failed"
		}
		if command == commandStore {
			return " Warning: coercion of data elements"
		}
		return " Warning"
	case 0xb006:
		return " Warning: elements discarded"
	case 0xb007:
		return " Warning: data set does not match SOP class"
	case 0xfe00:
		return " Cancel"
	case 0xff00:
		return " Pending"
	case 0xff01:
		return " Pending, optional keys not supported"
	}
	switch {
	case status>>8 == 0xa7:
		return " Out of resources"
	case status>>8 == 0xa9:
		return " Data set does not match SOP class"
	case status>>12 == 0xc && command == commandStore:
		return " Cannot understand"
	case status>>12 == 0xc:
		return " Unable to process"
	case status>>12 == 0xb:
		return " Warning"
	}
	return ""
}
