package dicom

import "fmt"

// CommandField is what a command set wants or answers, PS3.7 section E.1.
type CommandField uint16

// The requests. Their responses have Response set.
const (
	CStoreRQ       CommandField = 0x0001
	CGetRQ         CommandField = 0x0010
	CFindRQ        CommandField = 0x0020
	CMoveRQ        CommandField = 0x0021
	CEchoRQ        CommandField = 0x0030
	NEventReportRQ CommandField = 0x0100
	NGetRQ         CommandField = 0x0110
	NSetRQ         CommandField = 0x0120
	NActionRQ      CommandField = 0x0130
	NCreateRQ      CommandField = 0x0140
	NDeleteRQ      CommandField = 0x0150
	// CCancelRQ has no response: the operation it cancels has.
	CCancelRQ CommandField = 0x0fff

	Response CommandField = 0x8000
)

// IsResponse reports whether it is a response.
func (f CommandField) IsResponse() bool { return f&Response != 0 }

// Request is the request that a response answers, or the request itself.
func (f CommandField) Request() CommandField { return f &^ Response }

// Operation returns the name of the service, such as C-STORE, and "" where there is none.
func (f CommandField) Operation() string {
	switch f.Request() {
	case CStoreRQ:
		return "C-STORE"
	case CGetRQ:
		return "C-GET"
	case CFindRQ:
		return "C-FIND"
	case CMoveRQ:
		return "C-MOVE"
	case CEchoRQ:
		return "C-ECHO"
	case NEventReportRQ:
		return "N-EVENT-REPORT"
	case NGetRQ:
		return "N-GET"
	case NSetRQ:
		return "N-SET"
	case NActionRQ:
		return "N-ACTION"
	case NCreateRQ:
		return "N-CREATE"
	case NDeleteRQ:
		return "N-DELETE"
	}
	if f == CCancelRQ {
		return "C-CANCEL"
	}
	return ""
}

// normalized reports whether it is one of the N- services.
func (f CommandField) normalized() bool { return f.Request()&0xff0f == 0x0100 }

// String returns the name in PS3.7, such as C-STORE-RQ.
func (f CommandField) String() string { return string(f.Append(nil)) }

// Append appends what String returns.
func (f CommandField) Append(dst []byte) []byte {
	name := f.Operation()
	if name == "" {
		return fmt.Appendf(dst, "command 0x%04x", uint16(f))
	}
	dst = append(dst, name...)
	if f.IsResponse() {
		return append(dst, "-RSP"...)
	}
	return append(dst, "-RQ"...)
}
