package dicom

import "strconv"

// A Fault is a rule of PS3.8 or PS3.7 that bytes break.
type Fault uint8

// What can be wrong. Behind the first three a decoder doesn't know where it is and looks
// for the beginning of a PDU; the others leave it where it was, and are told of once a
// stream.
const (
	_ Fault = iota
	// FaultType: no PDU has this type.
	FaultType
	// FaultLength: no PDU of this type has this length.
	FaultLength
	// FaultValue: a presentation data value is shorter than its header, or longer than
	// its PDU.
	FaultValue
	// FaultContext: the number of a presentation context is even.
	FaultContext
	// FaultItem: an item of an A-ASSOCIATE-RQ or -AC is longer than what it is in.
	FaultItem
	// FaultInterleaved: a fragment of another message, or of another presentation
	// context, comes before the last one of a message (PS3.8 section E.1).
	FaultInterleaved
	// FaultNoDataSet: a command set announces a data set, and another command set
	// follows.
	FaultNoDataSet
	// FaultDataSet: a data set follows a command set that announces none, or none at all.
	FaultDataSet
	// FaultCommand: a command set has elements of other groups, lengths beyond its end,
	// or no command field.
	FaultCommand
)

func (f Fault) String() string {
	names := []string{
		FaultType: "unknown PDU type", FaultLength: "wrong PDU length", FaultValue: "wrong length of a presentation data value",
		FaultContext: "even presentation context", FaultItem: "wrong length of an item", FaultInterleaved: "messages interleaved",
		FaultNoDataSet: "announced data set missing", FaultDataSet: "unannounced data set", FaultCommand: "malformed command set",
	}
	if int(f) < len(names) && names[f] != "" {
		return names[f]
	}
	return "fault " + strconv.Itoa(int(f))
}
