package decode

import (
	"encoding/binary"

	"netcap/internal/dicom"
)

const (
	pduListed = 4       // that are named in a segment
	maxPData  = 1 << 27 // longer ones are not taken for what they look like
)

// dicom names the PDUs of the DICOM upper layer that begin in a segment, PS3.8 section
// 9.3. What data sets hold is patients' and is never printed.
func (p *Printer) dicom(v view) {
	p.pdus(v, 0)
}

// commandSegment names the command that a segment begins with, as dcmtk sends them, the
// headers of PDU and value in a segment before.
func (p *Printer) commandSegment(v view) {
	size, ok := dicom.CommandSize(v.data)
	if !ok {
		return
	}
	p.protocol = "dicom"
	p.text(": DICOM ").command(v.data)
	p.pdus(v.after(size), 1)
}

// pdus names the PDUs that v begins with, behind so many that are printed.
func (p *Printer) pdus(v view, printed int) {
	for len(v.data) >= dicom.HeaderSize && dicom.PDUType(v.data[0]).Known() {
		kind := dicom.PDUType(v.data[0])
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
		p.text(kind.String())
		switch kind {
		case dicom.PDUAssociateRQ: // the titles of a response mean nothing
			p.titles(body.data)
		case dicom.PDUAssociateRJ:
			p.rejected(dicom.ReadReject(body.data))
		case dicom.PDUData:
			p.values(body)
		case dicom.PDUAbort:
			p.aborted(dicom.ReadAbort(body.data))
		}
		v = v.after(dicom.HeaderSize + body.length)
	}
}

// pduBody is the body of a PDU, if that is what v begins with. Its length is that of
// the PDU, which may reach beyond the segment.
func pduBody(v view) (body view, ok bool) {
	kind, length := dicom.PDUType(v.data[0]), binary.BigEndian.Uint32(v.data[2:])
	if v.data[1] != 0 || !dicom.LengthFits(kind, length) || length > maxPData {
		return v, false
	}
	body = v.after(dicom.HeaderSize).first(int(length))
	body.length = int(length)
	switch kind {
	case dicom.PDUAssociateRQ, dicom.PDUAssociateAC:
		return body, len(body.data) >= dicom.TitlesSize && dicom.PlausibleAssociate(body.data)
	case dicom.PDUData:
		return body, isPData(body)
	}
	if len(body.data) < dicom.ShortSize || !dicom.PlausibleShort(kind, body.data) {
		return v, false
	}
	// What is behind a short PDU is another one, or nothing: a peer has no more to say.
	rest := v.after(dicom.HeaderSize + dicom.ShortSize)
	return body, rest.length == 0 ||
		len(rest.data) >= dicom.HeaderSize && dicom.PDUType(rest.data[0]).Known() && rest.data[1] == 0
}

// titles prints the calling and the called AE title.
func (p *Printer) titles(b []byte) {
	called, calling := dicom.Titles(b)
	p.text(" ").bytes(calling).text(" > ").bytes(called)
}

// rejected prints what an A-ASSOCIATE-RJ says.
func (p *Printer) rejected(r dicom.Reject) {
	p.text(" ").text(r.Result.String()).text(", ").text(r.Source.String()).text(", ").text(r.ReasonText())
}

// aborted prints what an A-ABORT says. The reason of a user means nothing.
func (p *Printer) aborted(a dicom.Abort) {
	p.text(" by ").text(a.Source.String())
	if a.Source == dicom.AbortByProvider {
		p.text(", ").text(a.Reason.String())
	}
}

// pdv reads the first presentation data value of a P-DATA-TF.
func pdv(v view) (h dicom.ValueHeader, data view, ok bool) {
	if len(v.data) < dicom.ValueHeaderSize {
		return h, v, false
	}
	h = dicom.ReadValueHeader(v.data)
	if !h.Plausible(int64(v.length)) {
		return h, v, false
	}
	data = v.after(dicom.ValueHeaderSize).first(int(h.Length) - 2)
	data.length = int(h.Length) - 2
	return h, data, true
}

// isPData reports whether a P-DATA-TF holds values, PS3.8 section 9.3.5: one that fills
// it, or several whose headers follow one another.
func isPData(v view) bool {
	for range pduListed {
		h, data, ok := pdv(v)
		switch {
		case !ok:
			return false
		case dicom.ValueHeaderSize+data.length == v.length:
			return true
		case h.Command() && dicom.BeginsCommand(data.data):
			return true
		}
		v = v.after(dicom.ValueHeaderSize + data.length)
	}
	return true
}

// values prints the commands among the values of a P-DATA-TF, and that there are data.
func (p *Printer) values(v view) {
	for printed := 0; printed < pduListed; printed++ {
		h, data, ok := pdv(v)
		if !ok {
			return
		}
		p.mark(printed > 0, ",")
		if h.Command() {
			p.text(" ").command(data.data)
		} else {
			p.text(" data").mark(h.Last(), " (last)")
		}
		v = v.after(dicom.ValueHeaderSize + data.length)
	}
}

// command prints name, message ID and status of a command set, and nothing else of it:
// identifiers in it may lead to patients.
func (p *Printer) command(b []byte) *Printer {
	var field dicom.CommandField
	var status dicom.Status
	id, hasField, hasStatus := -1, false, false
	begins := dicom.BeginsCommand(b)
	for range 32 {
		element, value, rest, ok := dicom.NextElement(b)
		if !ok || !begins {
			break
		}
		if len(value) == 2 {
			number := binary.LittleEndian.Uint16(value)
			switch element {
			case dicom.ElementField:
				field, hasField = dicom.CommandField(number), true
			case dicom.ElementMessageID, dicom.ElementRespondedTo:
				id = int(number)
			case dicom.ElementStatus:
				status, hasStatus = dicom.Status(number), true
			}
		}
		b = rest
	}
	if !hasField {
		return p.text("command")
	}
	p.out = field.Append(p.out)
	if id >= 0 {
		p.text(" id ").int(int64(id))
	}
	if hasStatus {
		p.text(" status ").hex16(uint16(status)).status(status, field)
	}
	return p
}

// status says what a status means for an operation. What isn't known is a failure if it
// is no warning, so that goes without saying.
func (p *Printer) status(s dicom.Status, f dicom.CommandField) *Printer {
	text := s.Text(f)
	warning := s.Category() == dicom.CategoryWarning
	switch {
	case warning && text != "":
		return p.text(" Warning: ").text(text)
	case warning:
		return p.text(" Warning")
	case text != "":
		return p.text(" ").text(text)
	}
	return p
}
