package diagnosis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"netcap/internal/diagnosis"
)

// scenario is traffic and all that is to be said of it.
type scenario struct {
	name  string
	build func(*traffic)
	// associations in short: titles, result, end and by whom; operations, each with its
	// kind, message ID, who asked, status, and bytes there and back.
	associations []string
	connections  []string // outcome and end, in short
	findings     []string // ID, severity and count
	says         []string // what is in the texts
}

const (
	ct   = "10.0.0.11:40001"
	mr   = "10.0.0.12:40002"
	pacs = "10.0.0.2:104"
)

func check(t *testing.T, s *scenario) *diagnosis.Report {
	t.Helper()
	tr := &traffic{}
	s.build(tr)
	r := tr.report(t, &diagnosis.Config{Operations: true})
	assert.Equal(t, s.associations, associations(r))
	assert.Equal(t, s.connections, connections(r))
	want := slices.Sorted(slices.Values(s.findings))
	assert.Equal(t, want, findings(r), "%s", texts(r))
	for _, words := range s.says {
		assert.Contains(t, texts(r), words)
	}
	holds(t, r)
	balanced(t, r)
	return r
}

func checkAll(t *testing.T, all []scenario) {
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) { check(t, &s) })
	}
}

func associations(r *diagnosis.Report) []string {
	var list []string
	for _, as := range r.Associations {
		var b strings.Builder
		fmt.Fprintf(&b, "%s→%s %s %s", as.CallingAE, as.CalledAE, as.Result, as.Outcome)
		if as.EndedBy != "" {
			fmt.Fprintf(&b, " by %s", as.EndedBy)
		}
		if as.Incomplete {
			b.WriteString(" incomplete")
		}
		for _, o := range as.Operations {
			fmt.Fprintf(&b, "; %s %d %s %s %d/%d", o.Kind, o.MessageID, o.By, o.Status, o.Bytes, o.ResponseBytes)
			if o.Pending > 0 {
				fmt.Fprintf(&b, " %d pending", o.Pending)
			}
			if o.Canceled {
				b.WriteString(" canceled")
			}
			if o.Cut {
				b.WriteString(" cut")
			}
			if o.RequestMissing {
				b.WriteString(" without request")
			}
		}
		list = append(list, b.String())
	}
	return list
}

func connections(r *diagnosis.Report) []string {
	var list []string
	for _, c := range r.Connections {
		s := c.Outcome
		if c.EndedBy != "" {
			s += " by " + c.EndedBy
		}
		list = append(list, s)
	}
	return list
}

func findings(r *diagnosis.Report) []string {
	var list []string
	for _, f := range r.Findings {
		list = append(list, fmt.Sprintf("%s %s %d", f.ID, f.Severity, f.Count))
	}
	slices.Sort(list)
	return list
}

// texts are what the findings say, a line each.
func texts(r *diagnosis.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s: %s %s\n", f.ID, f.Text, f.Cause)
	}
	return b.String()
}
