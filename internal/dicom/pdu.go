package dicom

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// PDUType is the type of a protocol data unit, PS3.8 section 9.3.1.
type PDUType uint8

// The PDUs of the upper layer.
const (
	PDUAssociateRQ PDUType = 1 + iota
	PDUAssociateAC
	PDUAssociateRJ
	PDUData
	PDUReleaseRQ
	PDUReleaseRP
	PDUAbort
)

var pduNames = [...]string{
	PDUAssociateRQ: "A-ASSOCIATE-RQ", PDUAssociateAC: "A-ASSOCIATE-AC", PDUAssociateRJ: "A-ASSOCIATE-RJ",
	PDUData: "P-DATA-TF", PDUReleaseRQ: "A-RELEASE-RQ", PDUReleaseRP: "A-RELEASE-RP", PDUAbort: "A-ABORT",
}

// Known reports whether there is such a PDU.
func (t PDUType) Known() bool { return t >= PDUAssociateRQ && t <= PDUAbort }

// String returns the PDU's name in PS3.8.
func (t PDUType) String() string {
	if t.Known() {
		return pduNames[t]
	}
	return "PDU " + strconv.Itoa(int(t))
}

// Sizes in bytes, PS3.8 section 9.3.
const (
	// HeaderSize is that of a PDU's header: type, a reserved byte, and the length, 32
	// bits in big endian, of the body behind it.
	HeaderSize = 6
	// ShortSize is that of the body of rejections, releases and aborts.
	ShortSize = 4
	// AssociateSize is that of the fields of an A-ASSOCIATE-RQ or -AC before its items.
	AssociateSize = 68
	// ValueHeaderSize is that of the header of a presentation data value with the
	// message control header: length, presentation context, flags.
	ValueHeaderSize = 6
)

// Where the AE titles are in the body of an A-ASSOCIATE-RQ, and their size.
const (
	calledAt  = 4
	callingAt = calledAt + titleSize
	titleSize = 16
)

// TitlesSize is how much of the body of an A-ASSOCIATE-RQ or -AC holds the AE titles,
// in bytes from its beginning.
const TitlesSize = callingAt + titleSize

// Flags of the message control header, PS3.8 section E.2. The other bits are reserved.
const (
	FlagCommand = 1 << iota // the fragment is one of a command set, else of a data set
	FlagLast                // it is the last one
)

// ValueHeader is the header of a presentation data value, PS3.8 sections 9.3.5.1 and E.2.
type ValueHeader struct {
	Length  uint32 // of the fragment, and of the two bytes that follow the length
	Context byte   // presentation context, odd
	Flags   byte
}

// ReadValueHeader reads the header of a presentation data value, which b must hold.
func ReadValueHeader(b []byte) ValueHeader {
	return ValueHeader{binary.BigEndian.Uint32(b), b[4], b[5]}
}

// Command reports whether the fragment is one of a command set.
func (h ValueHeader) Command() bool { return h.Flags&FlagCommand != 0 }

// Last reports whether the fragment is the last one of its command set or data set.
func (h ValueHeader) Last() bool { return h.Flags&FlagLast != 0 }

// Plausible reports whether a value with this header fits where there are so many bytes
// of a PDU, and has nothing in it that no sender writes.
func (h ValueHeader) Plausible(room int64) bool {
	return h.Length >= 2 && int64(h.Length) <= room-4 && h.Context&1 == 1 && h.Flags <= FlagCommand|FlagLast
}

// Titles returns the called and the calling AE title of the body of an A-ASSOCIATE-RQ,
// which must reach to them. They are parts of b.
func Titles(b []byte) (called, calling []byte) {
	return title(b[calledAt:callingAt]), title(b[callingAt:TitlesSize])
}

// title is a text without the spaces around it, which mean nothing (PS3.5 section 6.2),
// and without what pads it.
func title(b []byte) []byte { return bytes.Trim(b, " \x00") }

// A Reject is what an A-ASSOCIATE-RJ says, PS3.8 section 9.3.4.
type Reject struct {
	Result RejectResult
	Source RejectSource
	Reason uint8
	// Truncated is set where the capture lacks some of it, which is 0 then.
	Truncated bool
}

// ReadReject reads the body of an A-ASSOCIATE-RJ, as far as b has it.
func ReadReject(b []byte) Reject {
	body, whole := shortBody(b)
	return Reject{RejectResult(body[1]), RejectSource(body[2]), body[3], !whole}
}

func shortBody(b []byte) (body [ShortSize]byte, whole bool) {
	return body, copy(body[:], b) == ShortSize
}

// RejectResult tells whether another attempt may succeed.
type RejectResult uint8

// Results of PS3.8 table 9-21.
const (
	RejectedPermanent RejectResult = 1
	RejectedTransient RejectResult = 2
)

func (r RejectResult) String() string {
	return nameOr([]string{RejectedPermanent: "rejected-permanent", RejectedTransient: "rejected-transient"}, int(r), "result ")
}

// RejectSource is who rejected an association.
type RejectSource uint8

// Sources of PS3.8 table 9-21.
const (
	RejectByUser         RejectSource = 1 // the application
	RejectByACSE         RejectSource = 2
	RejectByPresentation RejectSource = 3
)

func (s RejectSource) String() string {
	return nameOr([]string{
		RejectByUser: "service-user", RejectByACSE: "service-provider (ACSE)", RejectByPresentation: "service-provider (presentation)",
	}, int(s), "source ")
}

// Reasons of rejections by the application, PS3.8 table 9-21.
const (
	RejectContextNotSupported = 2
	RejectCallingTitle        = 3
	RejectCalledTitle         = 7
)

// Reasons of rejections by the presentation layer, PS3.8 table 9-21.
const (
	RejectCongestion = 1
	RejectLocalLimit = 2
)

// ReasonText returns the reason in the words of PS3.8 table 9-21, which differ by source.
func (r Reject) ReasonText() string {
	var names []string
	switch r.Source {
	case RejectByUser:
		names = []string{
			1: "no-reason-given", RejectContextNotSupported: "application-context-name-not-supported",
			RejectCallingTitle: "calling-AE-title-not-recognized", RejectCalledTitle: "called-AE-title-not-recognized",
		}
	case RejectByACSE:
		names = []string{1: "no-reason-given", 2: "protocol-version-not-supported"}
	case RejectByPresentation:
		names = []string{RejectCongestion: "temporary-congestion", RejectLocalLimit: "local-limit-exceeded"}
	}
	return nameOr(names, int(r.Reason), "reason ")
}

// An Abort is what an A-ABORT says, PS3.8 section 9.3.8.
type Abort struct {
	Source AbortSource
	Reason AbortReason // means nothing where the source is the application
	// Truncated is set where the capture lacks some of it, which is 0 then.
	Truncated bool
}

// ReadAbort reads the body of an A-ABORT, as far as b has it.
func ReadAbort(b []byte) Abort {
	body, whole := shortBody(b)
	return Abort{AbortSource(body[2]), AbortReason(body[3]), !whole}
}

// AbortSource is who aborted an association.
type AbortSource uint8

// Sources of PS3.8 table 9-26.
const (
	AbortByUser     AbortSource = 0 // the application
	AbortByProvider AbortSource = 2 // the upper layer
)

func (s AbortSource) String() string {
	return nameOr([]string{AbortByUser: "service-user", AbortByProvider: "service-provider"}, int(s), "source ")
}

// AbortReason is why the upper layer aborted an association.
type AbortReason uint8

// String returns the reason in the words of PS3.8 table 9-26.
func (r AbortReason) String() string {
	return nameOr([]string{
		0: "reason-not-specified", 1: "unrecognized-PDU", 2: "unexpected-PDU",
		4: "unrecognized-PDU-parameter", 5: "unexpected-PDU-parameter", 6: "invalid-PDU-parameter-value",
	}, int(r), "reason ")
}

// nameOr is the name of a number, or prefix and number where it has none.
func nameOr(names []string, n int, prefix string) string {
	if n < len(names) && names[n] != "" {
		return names[n]
	}
	return prefix + strconv.Itoa(n)
}
