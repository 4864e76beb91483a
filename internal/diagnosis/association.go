package diagnosis

import (
	"slices"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// association is one that is under way.
type association struct {
	*Association
	talk   *talk
	packet int64 // the first one
	joined bool  // its beginning isn't in the capture

	late             int64        // when it was accepted though the client had given up; 0 for never
	asked, answered  int64        // when its request, and the answer to that, were complete; 0 for never
	open             []*operation // not answered yet
	weight, contexts int64        // what is kept of it, and of that for the presentation contexts
	bare             bool         // there was no room for those
	unanswered       string       // the kind of the last one that wasn't when the association ended
	tally            tally

	releasing, released bool
	abortedBy           tcp.Side
	aborted             int64 // when, and how long after the last data
	abortedAfter        int64
	abortPacket         int64
	oversized           *oversized // the first PDU that was too large
	broken              *broken    // the first rule of the protocol that was
}

// oversized is a P-DATA-TF that is longer than the other side takes.
type oversized struct {
	by           tcp.Side
	length, most uint32
	packet       int64
}

// broken is a rule of the protocol that a side broke.
type broken struct {
	by     tcp.Side
	fault  dicom.Fault
	packet int64
}

func newAssociation(t *talk, packet int64) *association {
	return &association{talk: t, packet: packet, Association: &Association{
		Result: Unanswered, Contexts: []Context{}, Operations: []*Operation{}, Summary: []Count{},
	}}
}

func (as *association) intern(s string) string { return as.talk.analysis.strings.intern(s) }

// mostContexts bounds the presentation contexts, and the transfer syntaxes of each, that are
// looked at: of the former there are no more, since their numbers are odd bytes.
const mostContexts = 128

// request notes an A-ASSOCIATE-RQ.
func (as *association) request(a *dicom.Associate) {
	as.CallingAE, as.CalledAE = as.intern(a.Calling), as.intern(a.Called)
	as.introduce(tcp.Client, a)
	if a.Identity.Type != 0 {
		as.Identity = a.Identity.Type.String()
	}
	for _, c := range a.Contexts[:min(len(a.Contexts), mostContexts)] {
		proposed := Context{ID: int(c.ID), AbstractSyntax: as.intern(c.AbstractSyntax), TransferSyntaxes: []string{}}
		proposed.Name = dicom.UIDName(proposed.AbstractSyntax)
		for _, uid := range c.TransferSyntaxes[:min(len(c.TransferSyntaxes), mostContexts)] {
			proposed.TransferSyntaxes = append(proposed.TransferSyntaxes, as.intern(uid))
		}
		as.Contexts = append(as.Contexts, proposed)
	}
	as.Incomplete = as.Incomplete || a.Truncated
	as.weigh(false)
}

// accept notes an A-ASSOCIATE-AC.
func (as *association) accept(a *dicom.Associate) {
	as.introduce(tcp.Server, a)
	as.Incomplete = as.Incomplete || a.Truncated
	if as.bare {
		return
	}
	for _, c := range a.Contexts[:min(len(a.Contexts), mostContexts)] {
		n := slices.IndexFunc(as.Contexts, func(x Context) bool { return x.ID == int(c.ID) })
		if n < 0 {
			n = len(as.Contexts)
			as.Contexts = append(as.Contexts, Context{ID: int(c.ID), TransferSyntaxes: []string{}})
		}
		as.Contexts[n].Result = c.Result.String()
		if c.Result == dicom.ContextAccepted && len(c.TransferSyntaxes) > 0 {
			as.Contexts[n].Accepted = as.intern(c.TransferSyntaxes[0])
		}
	}
	var shared bool
	as.Contexts, shared = as.talk.analysis.strings.contexts(as.Contexts)
	as.weigh(shared)
}

// introduce notes what a side says of itself.
func (as *association) introduce(s tcp.Side, a *dicom.Associate) {
	app := as.application(s)
	app.Class, app.Version = as.intern(a.ImplementationClass), as.intern(a.ImplementationVersion)
	if a.HasMaxLength {
		most := a.MaxLength
		app.MaxPDU = &most
	}
	if a.HasAsync {
		app.AsyncInvoked, app.AsyncPerformed = int(a.AsyncInvoked), int(a.AsyncPerformed)
	}
}

// application is what a side says of itself.
func (as *association) application(s tcp.Side) *Application {
	if s == tcp.Client {
		return &as.ClientApplication
	}
	return &as.ServerApplication
}
