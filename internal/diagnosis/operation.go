package diagnosis

import (
	"fmt"
	"slices"

	"netcap/internal/dicom"
	"netcap/internal/printable"
	"netcap/internal/tcp"
)

// operation is one that is under way, or was.
type operation struct {
	*Operation
	by     tcp.Side
	field  dicom.CommandField
	status dicom.Status // of the last response
	packet int64

	// Times, in nanoseconds since the epoch, 0 for what isn't in the capture: of the
	// request's first and last byte, and of the first response's first byte.
	begun, sent, responding int64

	answered bool  // for good, though the request isn't complete
	hindered int64 // the clock's when the request was sent; from the response on, what came to it in between
}

// mostOpen is how many operations of an association are under way at once at most, as
// far as they are remembered. By the standard it is one, or what was negotiated.
const mostOpen = 128

// request notes a request, the command set of which has just come.
func (p *peer) request(as *association, c *dicom.Command) {
	o := &operation{by: p.side, field: c.Field, packet: p.messagePacket, begun: p.message}
	o.Operation = &Operation{
		Kind: kind(c.Field), MessageID: int(c.MessageID), By: p.side.String(), Context: int(c.Context),
		SOPClass: as.intern(c.SOPClass()), Start: at(p.message), Destination: as.intern(c.MoveDestination), Packet: p.talk.analysis.place(p.messagePacket),
	}
	if p.talk.analysis.cfg.Instances {
		o.Instance = clip(c.SOPInstance())
	}
	as.add(o)
	p.operation, p.response = o, false
}

// respond notes a response, the command set of which has just come.
func (p *peer) respond(as *association, c *dicom.Command) {
	o := as.find(p.side.Other(), c.RespondedTo)
	if o == nil || o.Kind != kind(c.Field) {
		o = &operation{by: p.side.Other(), field: c.Field.Request(), packet: p.messagePacket}
		o.Operation = &Operation{
			Kind: kind(c.Field), MessageID: int(c.RespondedTo), By: p.side.Other().String(), Context: int(c.Context),
			SOPClass: as.intern(c.SOPClass()), Start: at(p.message), RequestMissing: true, Packet: p.talk.analysis.place(p.messagePacket),
		}
		as.add(o)
		as.Incomplete = true
	}
	p.operation, p.response, p.final = o, true, true
	if c.Has&dicom.HasStatus == 0 { // cut off
		return
	}
	category := c.Status.Category()
	o.status = c.Status
	o.Status, o.Category = as.intern(c.Status.String()), category.String()
	o.Text, o.Comment = c.Status.Text(o.field), clip(c.ErrorComment)
	if p.final = category != dicom.CategoryPending; !p.final {
		o.Pending++
	}
	if c.Has&(dicom.HasRemaining|dicom.HasCompleted|dicom.HasFailed|dicom.HasWarning) != 0 {
		o.Suboperation = &Suboperations{int(c.Remaining), int(c.Completed), int(c.Failed), int(c.Warning)}
	}
}

// answered comes behind the last byte of a response.
func (p *peer) answered(o *operation) {
	as, now := p.talk.current, p.talk.now
	if o.responding == 0 {
		o.responding = p.message
		if o.sent != 0 {
			o.FirstByte, o.Response = since(o.sent, p.message), since(o.sent, now)
			o.hindered = p.talk.clock.hindered() - o.hindered
			as.tally.responded(o)
		}
	}
	if !p.final {
		return
	}
	if o.sent != 0 {
		o.Total = since(o.sent, now)
	}
	if asker := p.talk.peers[o.by]; asker.operation == o && asker.inMessage {
		if !asker.lost {
			o.answered = true // before all of the request was sent
			return
		}
		asker.inMessage, asker.operation = false, nil // its end isn't in the capture
	}
	as.endOperation(o)
}

// add begins an operation.
func (as *association) add(o *operation) {
	if len(as.open) == mostOpen { // as no application does
		as.endOperation(as.open[0])
	}
	as.open = append(as.open, o)
	as.tally.begun(o)
	switch a := as.talk.analysis; {
	case !a.cfg.Operations:
	case a.keep(operationWeight):
		as.Operations = append(as.Operations, o.Operation)
		as.weight += operationWeight
	default:
		a.report.Omitted.Operations++
	}
}

// find returns the operation under way that a side asked for by a message ID. Of several,
// which the standard forbids, it is the one that was asked for first, unless the capture may
// lack the answer to that.
func (as *association) find(by tcp.Side, id uint16) *operation {
	var found *operation
	for _, o := range as.open {
		if o.by == by && o.MessageID == int(id) {
			found = o
			if !as.Incomplete && as.talk.gaps == 0 {
				break
			}
		}
	}
	return found
}

// endOperation comes when nothing more is expected of an operation: it was answered, or
// the association ended, or there are too many.
func (as *association) endOperation(o *operation) {
	n := slices.Index(as.open, o)
	if n < 0 {
		return
	}
	as.open = slices.Delete(as.open, n, n+1)
	if o.sent == 0 && !o.RequestMissing {
		o.Cut = true // not all of it was sent, or captured
	}
	as.tally.ended(o)
}

// awaits reports whether an answer to a side's request is due.
func (as *association) awaits(s tcp.Side) bool {
	return slices.ContainsFunc(as.open, func(o *operation) bool { return o.by == s })
}

// failed says what went wrong with an operation.
func (o *operation) failed(withComment bool) string {
	what := fmt.Sprintf("%s %s", o.Kind, o.Status)
	if o.Text != "" {
		what += " (" + o.Text + ")"
	}
	if o.Destination != "" {
		what += ", to " + printable.Text(o.Destination)
	}
	if o.Comment != "" && withComment {
		what += ": " + printable.Text(o.Comment)
	}
	return what
}

// when is when an operation was answered, or else when it began.
func (o *operation) when() int64 {
	if o.responding != 0 {
		return o.responding
	}
	return o.begun
}

// kind names an operation.
func kind(f dicom.CommandField) string {
	if name := f.Operation(); name != "" {
		return name
	}
	return f.Request().String()
}

// since is a duration in seconds that is known.
func since(from, to int64) *float64 {
	s := seconds(from, to)
	return &s
}
