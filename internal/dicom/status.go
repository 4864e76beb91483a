package dicom

import "fmt"

// Status is how an operation went, PS3.7 annex C.
type Status uint16

// Statuses that mean the same for all operations, and some that are looked for.
const (
	Success                Status = 0x0000
	Cancel                 Status = 0xfe00
	Pending                Status = 0xff00
	PendingWithoutOptional Status = 0xff01 // C-FIND: optional keys are not supported
	OutOfResources         Status = 0xa700
	NoMatches              Status = 0xa701 // C-MOVE, C-GET: can't count matches
	NoSuboperations        Status = 0xa702 // C-MOVE, C-GET: can't perform them
	UnknownDestination     Status = 0xa801 // C-MOVE
)

// String returns the status as the standard writes it, such as A700.
func (s Status) String() string { return fmt.Sprintf("%04X", uint16(s)) }

// StatusCategory is what a status amounts to.
type StatusCategory uint8

// The categories of PS3.7 section C.
const (
	_ StatusCategory = iota
	CategorySuccess
	CategoryPending
	CategoryCancel
	CategoryWarning
	CategoryFailure
)

func (c StatusCategory) String() string {
	return nameOr([]string{
		CategorySuccess: "success", CategoryPending: "pending", CategoryCancel: "cancel", CategoryWarning: "warning", CategoryFailure: "failure",
	}, int(c), "category ")
}

// Category returns what the status amounts to. What the standard doesn't know is a failure.
func (s Status) Category() StatusCategory {
	switch {
	case s == Success:
		return CategorySuccess
	case s == Pending || s == PendingWithoutOptional:
		return CategoryPending
	case s == Cancel:
		return CategoryCancel
	case s == 0x0001 || s == 0x0107 || s == 0x0116 || s>>12 == 0xb:
		return CategoryWarning
	}
	return CategoryFailure
}

// Text says what the status means for an operation, of which f is the request or the
// response, and returns "" where that isn't known. The category isn't in the text.
func (s Status) Text(f CommandField) string {
	operation := f.Request()
	if text := s.generalText(); text != "" {
		return text
	}
	switch operation {
	case CStoreRQ:
		return s.storeText()
	case CFindRQ:
		return s.findText()
	case CMoveRQ, CGetRQ:
		return s.retrieveText()
	}
	if operation.normalized() {
		return s.normalizedText()
	}
	return ""
}

// generalText is of PS3.7 annex C, for all operations.
func (s Status) generalText() string {
	switch s {
	case Success:
		return "Success"
	case Cancel:
		return "Cancel"
	case Pending:
		return "Pending"
	case PendingWithoutOptional:
		return "Pending, optional keys not supported"
	case 0x0001:
		return "Requested optional attributes not supported"
	case 0x0105:
		return "No such attribute"
	case 0x0106:
		return "Invalid attribute value"
	case 0x0107:
		return "Attribute list error"
	case 0x0110:
		return "Processing failure"
	case 0x0111:
		return "Duplicate SOP instance"
	case 0x0112:
		return "No such SOP instance"
	case 0x0113:
		return "No such event type"
	case 0x0114:
		return "No such argument"
	case 0x0115:
		return "Invalid argument value"
	case 0x0116:
		return "Attribute value out of range"
	case 0x0117:
		return "Invalid SOP instance"
	case 0x0118:
		return "No such SOP class"
	case 0x0119:
		return "Class-instance conflict"
	case 0x0120:
		return "Missing attribute"
	case 0x0121:
		return "Missing attribute value"
	case 0x0122:
		return "SOP class not supported"
	case 0x0123:
		return "No such action type"
	case 0x0124:
		return "Not authorised"
	case 0x0210:
		return "Duplicate invocation"
	case 0x0211:
		return "Unrecognised operation"
	case 0x0212:
		return "Mistyped argument"
	case 0x0213:
		return "Resource limitation"
	}
	return ""
}

// storeText is of PS3.4 table B.2-1.
func (s Status) storeText() string {
	switch {
	case s == 0xb000:
		return "Coercion of data elements"
	case s == 0xb006:
		return "Elements discarded"
	case s == 0xb007:
		return "Data set does not match SOP class"
	case s>>8 == 0xa7:
		return "Out of resources"
	case s>>8 == 0xa9:
		return "Data set does not match SOP class"
	case s>>12 == 0xc:
		return "Cannot understand"
	}
	return ""
}

// findText is of PS3.4 tables C.4-1 and K.4-1, and of U.4-1 and Q.4-1, whose services
// have C-FIND too.
func (s Status) findText() string {
	switch {
	case s == 0xb001:
		return "Response limit reached, matching may be continued"
	case s == 0xc100:
		return "More than one match found"
	case s == 0xc200:
		return "Unable to support requested template"
	case s>>8 == 0xa7:
		return "Out of resources"
	case s>>8 == 0xa9:
		return "Identifier does not match SOP class"
	case s>>12 == 0xc:
		return "Unable to process"
	}
	return ""
}

// retrieveText is of PS3.4 tables C.4-2 and C.4-3, and of annex Y.
func (s Status) retrieveText() string {
	switch {
	case s == NoMatches:
		return "Out of resources: can't count matches"
	case s == NoSuboperations:
		return "Out of resources: can't perform sub-operations"
	case s == UnknownDestination:
		return "Move destination unknown"
	case s == 0xb000:
		return "Some sub-operations failed"
	case s == 0xaa00:
		return "None of the requested frames found"
	case s == 0xaa01:
		return "Cannot make a new object of this SOP class"
	case s == 0xaa02:
		return "Unable to extract frames"
	case s == 0xaa03:
		return "Request by time for an object without time"
	case s == 0xaa04:
		return "Invalid request"
	case s>>8 == 0xa7:
		return "Out of resources"
	case s>>8 == 0xa9:
		return "Identifier does not match SOP class"
	case s>>12 == 0xc:
		return "Unable to process"
	}
	return ""
}

// normalizedText is of the services of PS3.4 that have statuses of their own, each in a
// range of its own: print management (annex H), event logging (annex P), media creation
// (annex S) and unified procedure step (annex CC).
func (s Status) normalizedText() string {
	switch s {
	case 0xa510:
		return "Media creation was already requested"
	case 0xb101:
		return "Frame of reference does not match"
	case 0xb102:
		return "Event logged under another study instance UID"
	case 0xb104:
		return "IDs inconsistent, event logged"
	case 0xb300:
		return "Procedure step created with modifications"
	case 0xb301:
		return "Deletion lock not granted"
	case 0xb304:
		return "Procedure step is already canceled"
	case 0xb305:
		return "Invalid values coerced to valid ones"
	case 0xb306:
		return "Procedure step is already completed"
	case 0xb600:
		return "Memory allocation not supported"
	case 0xb601:
		return "Film session printing not supported"
	case 0xb602:
		return "Film session has no image box: empty page"
	case 0xb603:
		return "Film box has no image box: empty page"
	case 0xb604:
		return "Image demagnified"
	case 0xb605:
		return "Density outside of the printer's range"
	case 0xb609:
		return "Image cropped"
	case 0xb60a:
		return "Image decimated"
	case 0xc101:
		return "No procedural logging for this study instance UID"
	case 0xc102:
		return "Event information does not match template"
	case 0xc103:
		return "Event matches no current study"
	case 0xc104:
		return "IDs inconsistent, event not logged"
	case 0xc10e:
		return "Operator not authorised"
	case 0xc110:
		return "Patient cannot be identified"
	case 0xc111:
		return "Update of the record failed"
	case 0xc201:
		return "Media creation request already completed"
	case 0xc202:
		return "Media creation request already in progress"
	case 0xc203:
		return "Cancellation denied"
	case 0xc300:
		return "Procedure step may no longer be updated"
	case 0xc301:
		return "Wrong transaction UID"
	case 0xc302:
		return "Procedure step is already in progress"
	case 0xc303:
		return "Procedure step becomes scheduled by N-CREATE only"
	case 0xc304:
		return "Procedure step has not met the requirements of its final state"
	case 0xc307:
		return "No such procedure step"
	case 0xc308:
		return "Receiving AE title unknown"
	case 0xc309:
		return "Procedure step is not scheduled"
	case 0xc310:
		return "Procedure step is not in progress"
	case 0xc311:
		return "Procedure step is already completed"
	case 0xc312:
		return "Performer cannot be contacted"
	case 0xc313:
		return "Performer chooses not to cancel"
	case 0xc314:
		return "Action not appropriate for this instance"
	case 0xc315:
		return "Event reports not supported"
	case 0xc600:
		return "Film session has no film box"
	case 0xc601, 0xc602:
		return "Print queue is full"
	case 0xc603:
		return "Image larger than its image box"
	case 0xc605:
		return "Out of memory in the printer"
	case 0xc613:
		return "Combined image larger than its image box"
	case 0xc616:
		return "A film box is not printed yet"
	}
	return ""
}
