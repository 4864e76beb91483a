package diagnosis

import (
	"slices"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// operation is one that is under way, or was.
type operation struct {
	Operation
	by     tcp.Side
	field  dicom.CommandField
	status dicom.Status // of the last response
	packet int64

	// Times, in nanoseconds since the epoch, 0 for what isn't in the capture: of the
	// request's first and last byte, and of the first response's first byte.
	begun, sent, responding int64
}

// mostOpen is how many operations of an association are under way at once at most, as
// far as they are remembered. By the standard it is one, or what was negotiated.
const mostOpen = 1024

// request notes a request, the command set of which has just come.
func (p *peer) request(as *association, c *dicom.Command) {
	o := &operation{by: p.side, field: c.Field, packet: p.messagePacket, begun: p.message}
	o.Operation = Operation{
		Kind: kind(c.Field), MessageID: int(c.MessageID), By: p.side.String(), Context: int(c.Context),
		SOPClass: as.intern(c.SOPClass()), Start: at(p.message), Destination: c.MoveDestination, Packet: p.talk.analysis.place(p.messagePacket),
	}
	if p.talk.analysis.cfg.Instances {
		o.Instance = c.SOPInstance()
	}
	as.add(o)
	p.operation, p.response = o, false
}

// respond notes a response, the command set of which has just come.
func (p *peer) respond(as *association, c *dicom.Command) {
	o := as.find(p.side.Other(), c.RespondedTo)
	if o == nil || o.Kind != kind(c.Field) {
		o = &operation{by: p.side.Other(), field: c.Field.Request(), packet: p.messagePacket}
		o.Operation = Operation{
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
	o.Status, o.Category = c.Status.String(), category.String()
	o.Text, o.Comment = c.Status.Text(o.field), c.ErrorComment
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
			as.responses = append(as.responses, *o.Response)
		}
	}
	if p.final {
		if o.sent != 0 {
			o.Total = since(o.sent, now)
		}
		as.done(o)
	}
}

// add begins an operation.
func (as *association) add(o *operation) {
	if len(as.open) == mostOpen { // as no application does
		as.open = slices.Delete(as.open, 0, 1)
	}
	as.open = append(as.open, o)
	as.operations = append(as.operations, o)
}

// find returns the operation under way that a side asked for by a message ID, the latest
// one if they aren't told apart.
func (as *association) find(by tcp.Side, id uint16) *operation {
	for _, o := range slices.Backward(as.open) {
		if o.by == by && o.MessageID == int(id) {
			return o
		}
	}
	return nil
}

func (as *association) done(o *operation) {
	if n := slices.Index(as.open, o); n >= 0 {
		as.open = slices.Delete(as.open, n, n+1)
	}
}

// awaits reports whether an answer to a side's request is due.
func (as *association) awaits(s tcp.Side) bool {
	for _, o := range as.open {
		if o.by == s {
			return true
		}
	}
	return false
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
