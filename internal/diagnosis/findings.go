package diagnosis

import (
	"cmp"
	"slices"
	"strings"
)

// Bounds of what is kept of a finding, and of how many there are.
const (
	mostAssociations = 100
	mostEvidence     = 10
	mostFindings     = 10_000
)

// occurrence is something wrong that occurred.
type occurrence struct {
	id       string
	severity Severity
	count    int64        // how often it did, 0 for once
	when     int64        // nanoseconds since the epoch
	last     int64        // when the last time, 0 for the same
	packet   int64        // where it shows
	packets  []int64      // likewise, where it occurred more than once
	about    *Association // nil for none

	// subject is between whom it is. Occurrences are one finding if id, subject and what
	// are equal; text makes the sentence behind the subject out of what they add up to.
	subject string
	what    string
	amounts amounts
	text    func(count int64, total amounts) string // nil: what is the text
	cause   string
	more    func() string // what can be said at the end only, behind cause; nil for nothing
}

// amounts add up over occurrences, but for the last one, of which the greatest counts.
type amounts [3]float64

func (a *amounts) add(b amounts) {
	a[0], a[1], a[2] = a[0]+b[0], a[1]+b[1], max(a[2], b[2])
}

// findings gathers occurrences.
type findings struct {
	place  func(packet int64) Place
	groups map[string]*group
	order  []*group
}

type group struct {
	Finding
	occurrence occurrence // the first one
	total      amounts
	about      []*Association
}

func (f *findings) add(o occurrence) {
	key := o.id + "\x00" + o.subject + "\x00" + o.what
	g := f.groups[key]
	if g == nil {
		if len(f.order) == mostFindings {
			return
		}
		g = &group{occurrence: o, Finding: Finding{ID: o.id, Severity: o.severity, First: at(o.when), Last: at(o.when), Associations: []int{}, Evidence: []Place{}}}
		if f.groups == nil {
			f.groups = make(map[string]*group)
		}
		f.groups[key] = g
		f.order = append(f.order, g)
	}
	g.Count += max(1, o.count)
	g.total.add(o.amounts)
	if first := at(o.when); first.Before(g.First) {
		g.First = first
	}
	if last := at(max(o.when, o.last)); last.After(g.Last) {
		g.Last = last
	}
	if o.about != nil && len(g.about) < mostAssociations && !slices.Contains(g.about, o.about) {
		g.about = append(g.about, o.about)
	}
	packets := o.packets
	if len(packets) == 0 {
		packets = []int64{o.packet}
	}
	for _, packet := range packets[:min(len(packets), mostEvidence-len(g.Evidence))] {
		g.Evidence = append(g.Evidence, f.place(packet))
	}
}

// close returns the findings, the worst first, with the indexes of the associations that
// they are about.
func (f *findings) close(all []*Association) []*Finding {
	index := make(map[*Association]int, len(all))
	for n, as := range all {
		index[as] = n
	}
	list := []*Finding{}
	for _, g := range f.order {
		o := &g.occurrence
		text := o.what
		if o.text != nil {
			text = o.text(g.Count, g.total)
		}
		g.Text, g.Cause = text, o.cause
		if o.subject != "" {
			g.Text = o.subject + ": " + text
		}
		if o.more != nil {
			g.Cause = strings.TrimSpace(g.Cause + " " + o.more())
		}
		for _, as := range g.about {
			if n, ok := index[as]; ok {
				g.Associations = append(g.Associations, n)
			}
		}
		slices.Sort(g.Associations)
		list = append(list, &g.Finding)
	}
	slices.SortStableFunc(list, func(x, y *Finding) int {
		if n := worst(x.Severity, y.Severity); n != 0 {
			return n
		}
		return x.First.Compare(y.First)
	})
	return list
}

// worst orders severities.
func worst(x, y Severity) int {
	rank := map[Severity]int{Problem: 0, Warning: 1, Info: 2}
	return cmp.Compare(rank[x], rank[y])
}
