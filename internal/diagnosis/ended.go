package diagnosis

import (
	"fmt"

	"netcap/internal/printable"
	"netcap/internal/tcp"
)

// ended takes an association that has ended.
func (a *Analysis) ended(as *association, e ending) {
	r := as.Association
	kept := as.kept()
	if r.Result == Rejected {
		a.servers.tried(attempt{r.Client.Address, r.Start.UnixNano(), fmt.Sprintf("It was rejected by %s: %s.", r.Server.AddrPort(), r.Reject.Text)})
	}
	if a.cfg.AE != "" && r.CallingAE != a.cfg.AE && r.CalledAE != a.cfg.AE {
		a.weight -= as.weight
		return
	}
	if a.cfg.Ended == nil {
		a.judge(&a.findings, as, e)
		if !kept {
			a.report.Omitted.Associations++
			a.weight -= as.weight
			return
		}
		a.report.Associations = append(a.report.Associations, r)
		return
	}
	a.weight -= as.weight
	f := &findings{place: a.place}
	a.judge(f, as, e)
	a.cfg.Ended(r, f.close([]*Association{r}))
}

// judge finds what is wrong with an association.
func (a *Analysis) judge(f *findings, as *association, e ending) {
	j := &judge{analysis: a, findings: f, as: as, ending: e, subject: as.subject()}
	j.negotiation()
	j.operations()
	j.end()
	j.network()
	j.capture()
}

// judge looks at one association.
type judge struct {
	analysis *Analysis
	findings *findings
	as       *association
	ending   ending
	subject  string
}

// found notes an occurrence at the association's beginning, unless it says where it is.
func (j *judge) found(o occurrence) {
	r := j.as.Association
	o.about, o.subject = r, j.subject
	if o.packet == 0 {
		o.packet = j.as.packet
	}
	if o.when == 0 {
		o.when = r.Start.UnixNano()
	}
	j.findings.add(o)
}

// caller is how the client is called.
func (as *association) caller() string {
	if as.CallingAE != "" {
		return as.CallingAE
	}
	return as.talk.tcp.Addr(tcp.Client).Addr().String()
}

// subject names both sides of an association.
func (as *association) subject() string { return as.who(tcp.Client) + " → " + as.who(tcp.Server) }

// who names a side by its title and its address.
func (as *association) who(s tcp.Side) string {
	a := as.talk.analysis
	place, title := as.talk.tcp.Addr(s), as.CalledAE
	address := place.String()
	if s == tcp.Client {
		title, address = as.CallingAE, place.Addr().String()
	}
	if name := a.names[place.Addr()]; name != "" {
		address += " " + printable.Text(name)
	}
	if title == "" {
		return address
	}
	return fmt.Sprintf("%s (%s)", printable.Text(title), address)
}
