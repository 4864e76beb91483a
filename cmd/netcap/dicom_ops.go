package main

import (
	"fmt"
	"strings"

	"netcap/internal/diagnosis"
	"netcap/internal/dicom"
	"netcap/internal/printable"
)

// association prints all that is known of one.
func (t *dicomText) association(as *diagnosis.Association, timedOut bool) {
	t.printf("\n%s  %s → %s\n", t.time(as.Start), who(as.CallingAE, as.Client, true), who(as.CalledAE, as.Server, true))
	t.printf("  %s, %s; %s, packet %d\n", outcome(as, timedOut), span(as.Duration), printable.Text(as.Packet.File), as.Packet.Packet)
	t.application("client", &as.ClientApplication)
	t.application("server", &as.ServerApplication)
	if as.Identity != "" {
		t.printf("  user identity: %s\n", as.Identity)
	}
	t.printf("  time: %s\n", timesOf(&as.Time))
	t.printf("  TCP: %s; %s\n", sentBy("client", &as.TCP.Client), sentBy("server", &as.TCP.Server))
	for _, c := range as.Contexts {
		t.context(&c)
	}
	if t.err != nil || len(as.Operations) == 0 {
		return
	}
	table := newTable(t.w, "  TIME", "OPERATION", "BY", "ID", "STATUS", "SIZE", "SEND", "RESPONSE", "PACKET", "WHAT")
	for _, o := range as.Operations {
		table.row(t.operation(o)...)
	}
	t.err = table.flush()
}

func (t *dicomText) application(side string, a *diagnosis.Application) {
	var words []string
	if a.Version != "" {
		words = append(words, printable.Text(a.Version))
	}
	if a.Class != "" {
		words = append(words, printable.Text(a.Class))
	}
	switch {
	case a.MaxPDU == nil:
	case *a.MaxPDU == 0:
		words = append(words, "takes PDUs of any length")
	default:
		words = append(words, fmt.Sprintf("takes PDUs up to %s bytes", comma(int64(*a.MaxPDU))))
	}
	if a.AsyncInvoked != 0 || a.AsyncPerformed != 0 {
		words = append(words, fmt.Sprintf("operations at once: %d invoked, %d performed", a.AsyncInvoked, a.AsyncPerformed))
	}
	if len(words) > 0 {
		t.printf("  %s: %s\n", side, strings.Join(words, ", "))
	}
}

// timesOf says where the time went.
func timesOf(s *diagnosis.Times) string {
	var words []string
	for _, part := range []struct {
		what    string
		seconds float64
	}{
		{"connecting", s.Connect},
		{"negotiating", s.Negotiate},
		{"sending", s.Sending},
		{"retransmissions", s.Retransmission},
		{"closed windows", s.ZeroWindow},
		{"delayed acknowledgements", s.Nagle},
		{"server", s.Server},
		{"client idle", s.ClientIdle},
	} {
		if part.seconds > 0 {
			words = append(words, part.what+" "+span(part.seconds))
		}
	}
	return orNone(strings.Join(words, ", "))
}

func sentBy(side string, f *diagnosis.Flow) string {
	text := fmt.Sprintf("%s %s bytes in %s", side, comma(f.Bytes), countOf(f.Segments, "segment"))
	for _, part := range []struct {
		n    int64
		what string
	}{
		{f.RetransmittedBefore, "resent (lost before the capture point)"},
		{f.RetransmittedAfter, "resent (lost behind it)"},
		{f.Reordered, "reordered"},
		{f.Copies, "captured twice"},
		{f.ZeroWindows, "with a closed window"},
		{f.Lost, "bytes not captured"},
		{f.Cut, "bytes cut off"},
		{f.Missing, "bytes missing"},
	} {
		if part.n > 0 {
			text += fmt.Sprintf(", %s %s", comma(part.n), part.what)
		}
	}
	return text
}

func (t *dicomText) context(c *diagnosis.Context) {
	result := printable.Text(strings.ReplaceAll(c.Result, "-", " "))
	switch {
	case c.Accepted != "":
		result = "accepted as " + printable.Text(uidName(c.Accepted))
	case c.Result == "":
		result = "no answer"
	default:
		var syntaxes []string
		for _, uid := range c.TransferSyntaxes {
			syntaxes = append(syntaxes, uidName(uid))
		}
		result = "REFUSED, " + result
		if len(syntaxes) > 0 {
			result += "; proposed as " + printable.Text(strings.Join(syntaxes, ", "))
		}
	}
	t.printf("  context %d: %s: %s\n", c.ID, printable.Text(uidName(c.AbstractSyntax)), result)
}

// uidName is what a UID stands for, or itself.
func uidName(uid string) string {
	if name := dicom.UIDName(uid); name != "" {
		return name
	}
	return uid
}

func (t *dicomText) operation(o *diagnosis.Operation) []string {
	status := o.Status
	switch {
	case status == "":
		status = "unanswered"
	case o.Category == success:
		status += " ok"
	default:
		status += " " + printable.Text(o.Text)
	}
	if o.Comment != "" {
		status += ": " + printable.Text(o.Comment)
	}
	what := []string{printable.Text(uidName(o.SOPClass))}
	if o.Instance != "" {
		what = append(what, printable.Text(o.Instance))
	}
	if o.Destination != "" {
		what = append(what, "to "+printable.Text(o.Destination))
	}
	if s := o.Suboperation; s != nil {
		what = append(what, fmt.Sprintf("sub-operations: %d completed, %d failed, %d warnings, %d remaining", s.Completed, s.Failed, s.Warning, s.Remaining))
	}
	if o.Pending > 0 {
		what = append(what, countOf(int64(o.Pending), "pending response"))
	}
	if o.Canceled {
		what = append(what, "canceled")
	}
	size := "-"
	if n := o.Bytes + o.ResponseBytes; n > 0 {
		size = atLeast(o.Cut) + comma(n)
	}
	packet := fmt.Sprint(o.Packet.Packet)
	if o.RequestMissing {
		packet = "-"
	}
	return []string{
		"  " + o.Start.Local().Format("15:04:05.000"), o.Kind, o.By, fmt.Sprint(o.MessageID), status, size, spanOr(o.Send), spanOr(o.Response),
		packet, strings.Join(what, ", "),
	}
}

func spanOr(s *float64) string {
	if s == nil {
		return "-"
	}
	return span(*s)
}
