package decode

import (
	"bytes"
	"encoding/binary"
)

// Types of PDUs, DICOM PS3.8 section 9.3.1.
const (
	pduAssociateRQ = 1 + iota
	pduAssociateAC
	pduAssociateRJ
	pduData
	pduReleaseRQ
	pduReleaseRP
	pduAbort
)

const (
	pduSize   = 6 // of the header
	pduShort  = 4 // of the body of rejections, releases and aborts
	pdvSize   = 6 // of the header, with its length
	pduListed = 4 // that are named in a segment

	associateSize = 68 // of the fields before the items
	maxAssociate  = 1 << 20
	maxPData      = 1 << 27
)

// dicom names the PDUs of the DICOM upper layer that begin in a segment, PS3.8 section
// 9.3. What data sets hold is patients' and is never printed.
func (p *Printer) dicom(v view) {
	p.pdus(v, 0)
}

// commandSegment names the command that a segment begins with, as dcmtk sends them, the
// headers of PDU and value in a segment before.
func (p *Printer) commandSegment(v view) {
	size, ok := commandSize(v.data)
	if !ok {
		return
	}
	p.protocol = "dicom"
	p.text(": DICOM ").command(v.data)
	p.pdus(v.after(size), 1)
}

// pdus names the PDUs that v begins with, behind so many that are printed.
func (p *Printer) pdus(v view, printed int) {
	for len(v.data) >= pduSize && v.data[0] >= pduAssociateRQ && v.data[0] <= pduAbort {
		body, ok := pduBody(v)
		if !ok {
			return
		}
		if printed == 0 {
			p.protocol = "dicom"
			p.text(": DICOM ")
		}
		if !p.more(&printed, pduListed, "; ") {
			return
		}
		switch v.data[0] {
		case pduAssociateRQ:
			p.text("A-ASSOCIATE-RQ ").titles(body)
		case pduAssociateAC:
			p.text("A-ASSOCIATE-AC") // its titles mean nothing
		case pduAssociateRJ:
			p.text("A-ASSOCIATE-RJ ").rejected(body.data)
		case pduData:
			p.text("P-DATA-TF").values(body)
		case pduReleaseRQ:
			p.text("A-RELEASE-RQ")
		case pduReleaseRP:
			p.text("A-RELEASE-RP")
		case pduAbort:
			p.text("A-ABORT ").aborted(body.data)
		}
		v = v.after(pduSize + body.length)
	}
}

// pduBody is the body of a PDU, if that is what v begins with. Its length is that of
// the PDU, which may reach beyond the segment.
func pduBody(v view) (body view, ok bool) {
	b := v.data
	length := binary.BigEndian.Uint32(b[2:])
	if b[1] != 0 || length < pduShort || length > maxPData {
		return v, false
	}
	body = v.after(pduSize).first(int(length))
	body.length = int(length)
	b = body.data
	switch v.data[0] {
	case pduAssociateRQ, pduAssociateAC:
		ok = length >= associateSize && length <= maxAssociate && isAssociate(b)
	case pduAssociateRJ:
		ok = length == pduShort && len(b) == pduShort && b[0] == 0 && b[1] >= 1 && b[1] <= 2 &&
			b[2] >= 1 && b[2] <= 3 && b[3] <= 10
	case pduData:
		ok = isPData(body)
	case pduReleaseRQ, pduReleaseRP:
		ok = length == pduShort && len(b) == pduShort && binary.BigEndian.Uint32(b) == 0
	case pduAbort:
		ok = length == pduShort && len(b) == pduShort && b[0] == 0 && b[1] == 0 && b[2] <= 2 && b[3] <= 6
	}
	// What is behind a short PDU is another one, or nothing: a peer has no more to say.
	if ok && length == pduShort {
		rest := v.after(pduSize + pduShort)
		if rest.length > 0 && (len(rest.data) < pduSize || rest.data[0] == 0 || rest.data[0] > pduAbort || rest.data[1] != 0) {
			return v, false
		}
	}
	return body, ok
}

// isAssociate reports whether b may be an A-ASSOCIATE-RQ or -AC, PS3.8 section 9.3.2: a
// version, two titles, and the application context item, as far as they were captured.
func isAssociate(b []byte) bool {
	if len(b) < 4+2*titleSize || b[1]&1 == 0 || b[2] != 0 || b[3] != 0 {
		return false
	}
	for _, c := range b[4 : 4+2*titleSize] {
		// Titles are of the default repertoire, but sites use others.
		if c > 0 && c < ' ' || c == 0x7f {
			return false
		}
	}
	if len(b) < associateSize+2 {
		return true
	}
	const applicationContext = 0x10
	return b[associateSize] == applicationContext && b[associateSize+1] == 0
}

const titleSize = 16 // of an AE title

// titles prints the calling and the called AE title.
func (p *Printer) titles(v view) *Printer {
	called, calling := v.data[4:4+titleSize], v.data[4+titleSize:4+2*titleSize]
	return p.title(calling).text(" > ").title(called)
}

// title prints an AE title without the spaces around it, which mean nothing, PS3.5
// section 6.2.
func (p *Printer) title(b []byte) *Printer {
	return p.bytes(bytes.Trim(b, " \x00"))
}

// rejected prints result, source and reason of an A-ASSOCIATE-RJ, PS3.8 section 9.3.4.
func (p *Printer) rejected(b []byte) *Printer {
	p.lookup([]string{1: "rejected-permanent", 2: "rejected-transient"}, int(b[1]), "result ").text(", ")
	source, reason := int(b[2]), int(b[3])
	p.lookup([]string{1: "service-user", 2: "service-provider (ACSE)", 3: "service-provider (presentation)"}, source, "source ").text(", ")
	return p.lookup(rejectReasons[source], reason, "reason ")
}

// rejectReasons are by source.
var rejectReasons = [4][]string{
	1: {
		1: "no-reason-given", 2: "application-context-name-not-supported",
		3: "calling-AE-title-not-recognized", 7: "called-AE-title-not-recognized",
	},
	2: {1: "no-reason-given", 2: "protocol-version-not-supported"},
	3: {1: "temporary-congestion", 2: "local-limit-exceeded"},
}

// aborted prints source and reason of an A-ABORT, PS3.8 section 9.3.8. The reason of a
// user means nothing.
func (p *Printer) aborted(b []byte) *Printer {
	switch b[2] {
	case 0:
		return p.text("by service-user")
	case 2:
		return p.text("by service-provider, ").lookup(abortReasons, int(b[3]), "reason ")
	}
	return p.text("by source ").int(int64(b[2]))
}

var abortReasons = []string{
	0: "reason-not-specified", 1: "unrecognized-PDU", 2: "unexpected-PDU",
	4: "unrecognized-PDU-parameter", 5: "unexpected-PDU-parameter", 6: "invalid-PDU-parameter-value",
}

// Flags of the message control header, PS3.8 annex E.
const (
	pdvCommand = 1
	pdvLast    = 2
)

// pdv reads the first presentation data value of a P-DATA-TF.
func pdv(v view) (flags byte, data view, ok bool) {
	b := v.data
	if len(b) < pdvSize {
		return 0, v, false
	}
	length := binary.BigEndian.Uint32(b)
	flags = b[5]
	if length < 2 || int64(length) > int64(v.length-4) || b[4]&1 == 0 || flags > pdvCommand|pdvLast {
		return 0, v, false
	}
	data = v.after(pdvSize).first(int(length) - 2)
	data.length = int(length) - 2
	return flags, data, true
}

// isPData reports whether a P-DATA-TF holds values, PS3.8 section 9.3.5: one that fills
// it, or several whose headers follow one another.
func isPData(v view) bool {
	for range pduListed {
		flags, data, ok := pdv(v)
		switch {
		case !ok:
			return false
		case pdvSize+data.length == v.length:
			return true
		case flags&pdvCommand != 0 && isCommand(data.data):
			return true
		}
		v = v.after(pdvSize + data.length)
	}
	return true
}

// values prints the commands among the values of a P-DATA-TF, and that there are data.
func (p *Printer) values(v view) *Printer {
	for printed := 0; printed < pduListed; printed++ {
		flags, data, ok := pdv(v)
		if !ok {
			return p
		}
		p.mark(printed > 0, ",")
		if flags&pdvCommand != 0 {
			p.text(" ").command(data.data)
		} else {
			p.text(" data").mark(flags&pdvLast != 0, " (last)")
		}
		v = v.after(pdvSize + data.length)
	}
	return p
}
