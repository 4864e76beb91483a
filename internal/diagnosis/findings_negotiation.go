package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	"netcap/internal/dicom"
	"netcap/internal/printable"
	"netcap/internal/tcp"
)

// negotiation finds what is wrong with how the association began.
func (j *judge) negotiation() {
	as := j.as
	switch as.Result {
	case Rejected:
		j.rejected()
	case Unanswered:
		j.unanswered()
	case Accepted:
		if !as.joined && !as.Incomplete {
			j.contexts()
		}
	}
	if credential(as.Identity) {
		j.found(occurrence{
			id: "cleartext-identity", severity: Warning,
			what:  "the client's " + as.Identity + " crosses the network in clear",
			cause: "Whoever can capture here can read it: use TLS, or a network that nobody else is in.",
		})
	}
}

// credential reports whether an identity is worth stealing.
func credential(identity string) bool {
	return identity != "" && identity != dicom.IdentityUsername.String()
}

func (j *judge) rejected() {
	as := j.as
	r := as.Reject
	what, cause := "", ""
	switch (dicom.Reject{Source: dicom.RejectSource(r.Source), Reason: uint8(r.Reason)}) {
	case dicom.Reject{Source: dicom.RejectByUser, Reason: dicom.RejectCalledTitle}:
		what = fmt.Sprintf("called AE title %q not recognised", as.CalledAE)
		cause = "A wrong AE title in the client (they are case-sensitive); some servers also say this of a caller that they don't know."
	case dicom.Reject{Source: dicom.RejectByUser, Reason: dicom.RejectCallingTitle}:
		what = fmt.Sprintf("calling AE title %q not recognised", as.CallingAE)
		cause = "The server doesn't know this caller: add its AE title (they are case-sensitive) and, where the server asks for it, its address to the server's list."
	case dicom.Reject{Source: dicom.RejectByUser, Reason: dicom.RejectContextNotSupported}:
		what = "application context not supported"
		cause = "The client asks for something else than DICOM's application context, or the server wants a title or context that it doesn't say: its log does."
	case dicom.Reject{Source: dicom.RejectByPresentation, Reason: dicom.RejectLocalLimit},
		dicom.Reject{Source: dicom.RejectByPresentation, Reason: dicom.RejectCongestion}:
		what = "the server has no room (" + inWords(dicom.Reject{Source: dicom.RejectByPresentation, Reason: uint8(r.Reason)}.ReasonText()) + ")"
		cause = strings.TrimSpace("It has as many associations open as it allows: raise its limit, or look who keeps them open. " + as.talk.holders)
	case dicom.Reject{Source: dicom.RejectByACSE, Reason: 2}:
		what = "protocol version not supported"
		cause = "One of the two isn't DICOM of this century: the version has been 1 since 1993."
	default:
		what = "no reason given (" + r.Text + ")"
		cause = "The server's log says why; often it refuses this caller, by its title or address, or is about to end."
	}
	if r.Result == int(dicom.RejectedTransient) {
		what += ", for the moment"
	}
	server := j.analysis.servers.at(as.talk.tcp.Addr(tcp.Server))
	more := func() string { return "" }
	if r.Reason == dicom.RejectCalledTitle && r.Source == int(dicom.RejectByUser) {
		more = server.known
	}
	j.found(occurrence{id: "association-rejected", severity: Problem, when: as.answered, what: "rejected, " + what, cause: cause, more: more})
}

// patience is how long an answer may take, in nanoseconds, before it is missed.
const patience = 5e9

func (j *judge) unanswered() {
	as, e := j.as, j.ending
	waited := as.talk.tcp.Last - as.asked
	if e.by == "" { // it still waits
		waited = j.analysis.last - as.asked
	}
	answer := as.talk.spoken[tcp.Server]
	switch {
	case answer == dicom.TLS:
		j.found(occurrence{
			id: "tls-mismatch", severity: Problem, when: as.asked, what: "the request is in clear, and the server answers with TLS",
			cause: "The server expects TLS at this port: turn it on in the client, or use the server's port for DICOM in clear.",
		})
	case answer.Foreign():
		j.found(occurrence{
			id: "not-dicom", severity: Problem, when: as.asked, what: fmt.Sprintf("the request is answered in %s", answer),
			cause: "Another service listens at this port: the client has a wrong port, or a wrong address.",
		})
	case as.asked == 0 || as.Abort != nil || as.talk.lacks[tcp.Server]:
	case e.by == tcp.Server.String():
		j.found(occurrence{
			id: "closed-without-answer", severity: Problem, when: as.asked,
			what:  "the server closes the connection without an answer to the request",
			cause: "A proxy or Docker's port forwarding whose backend is down does that, a server that expects TLS at this port, or one that refuses the caller's address.",
		})
	case as.late != 0:
		j.found(occurrence{
			id: "no-association-answer", severity: Problem, when: as.asked,
			what: "the request is answered when the client has given up", amounts: amounts{2: float64(as.late-as.asked) / 1e9},
			text: func(_ int64, total amounts) string {
				return fmt.Sprintf("the request is answered when the client has given up, after %s", span(total[2]))
			},
			cause: "The server takes too long to accept: it is busy, was stopped for a while, or looks up names; or the client waits too shortly.",
		})
	case e.by == tcp.Client.String() || waited >= patience:
		j.found(occurrence{
			id: "no-association-answer", severity: Problem, when: as.asked,
			what: "the request is not answered", amounts: amounts{2: float64(waited) / 1e9},
			text: func(_ int64, total amounts) string {
				return fmt.Sprintf("the request is not answered, within %s", span(total[2]))
			},
			cause: "The server accepts connections and does nothing with them: it hangs, is busy, or another program listens at this port.",
		})
	}
}

// contexts finds presentation contexts that were refused where that matters.
func (j *judge) contexts() {
	as := j.as
	var accepted, refused []Context
	for _, c := range as.Contexts {
		switch {
		case c.Accepted != "":
			accepted = append(accepted, c)
		case c.Result != "":
			refused = append(refused, c)
		}
	}
	if len(refused) == 0 {
		return
	}
	if len(accepted) == 0 {
		j.found(occurrence{
			id: "no-presentation-context", severity: Problem, when: as.answered,
			what: "accepted, but none of the presentation contexts: " + listed(refused), cause: remedy(refused),
		})
		return
	}
	// Of a SOP class that is accepted with another transfer syntax a refusal matters only
	// to a client that then does nothing with it.
	missing := slices.DeleteFunc(slices.Clone(refused), func(c Context) bool {
		same := func(x Context) bool { return x.AbstractSyntax == c.AbstractSyntax }
		return slices.ContainsFunc(accepted, same) && (!compressed(c) || slices.Contains(as.tally.classes, c.AbstractSyntax))
	})
	if len(missing) == 0 {
		return
	}
	severity := Warning
	if as.Outcome == Released && as.tally.last != "" { // the client had what it needs
		severity = Info
	}
	j.found(occurrence{
		id: "context-refused", severity: severity, when: as.answered,
		what: "presentation contexts refused: " + listed(missing), cause: remedy(missing),
	})
}

// compressed reports whether a context is for compressed data sets only, and a client may
// have no others.
func compressed(c Context) bool {
	return len(c.TransferSyntaxes) > 0 && !slices.ContainsFunc(c.TransferSyntaxes, func(uid string) bool {
		switch uid {
		case dicom.ImplicitLittleEndian, dicom.ExplicitLittleEndian, dicom.ExplicitBigEndian:
			return true
		}
		return false
	})
}

// mostListed is how many names fit into a sentence.
const mostListed = 4

// listed names contexts, as many as fit into a sentence.
func listed(contexts []Context) string {
	var names []string
	for _, c := range contexts {
		name := c.Name
		if c.Result == dicom.ContextTransferSyntaxes.String() {
			var syntaxes []string
			for _, uid := range c.TransferSyntaxes[:min(len(c.TransferSyntaxes), mostListed)] {
				syntaxes = append(syntaxes, dicom.UIDName(uid))
			}
			if more := len(c.TransferSyntaxes) - mostListed; more > 0 {
				syntaxes = append(syntaxes, fmt.Sprintf("%d others", more))
			}
			name += " as " + strings.Join(syntaxes, " or ")
		}
		name = printable.Text(fmt.Sprintf("%s (%s)", name, inWords(c.Result)))
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > mostListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostListed], ", "), len(names)-mostListed)
	}
	return strings.Join(names, ", ")
}

// remedy is what helps against refusals.
func remedy(contexts []Context) string {
	var parts []string
	for _, c := range contexts {
		part := "The server's configuration refuses it: its log says why."
		switch c.Result {
		case dicom.ContextAbstractSyntax.String():
			part = "The server doesn't support these kinds of objects or queries: enable the SOP classes there, or don't send them."
		case dicom.ContextTransferSyntaxes.String():
			part = "The server takes none of the encodings that the client offers: enable one there, or have the client convert."
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}
