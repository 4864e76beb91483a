package diagnosis

import (
	"cmp"
	"slices"

	"netcap/internal/dicom"
	"netcap/internal/tcp"
)

// A tally adds up the operations of an association as they come to an end, so that none has
// to be kept.
type tally struct {
	counts    []Count
	responses durations
	classes   []string // SOP classes of operations
	failures  []*failure

	last        string  // the kind of the operation that was begun last, "" for none
	clientBytes int64   // of the data sets of the client's requests
	ratedBytes  int64   // those of them whose times are known
	rated       float64 // these times, in seconds

	// Of those that don't last as long as what they ask for: how many were answered, how
	// many of them slowly, and the slowest, all without what TCP took.
	answered, slow int64
	slowest        slowest
}

// slowest is the operation that was answered last, after its request.
type slowest struct {
	kind         string
	by           tcp.Side
	seconds      float64
	sent, packet int64
}

// failure is operations of an association that failed for the same reason, or succeeded
// with the same warning.
type failure struct {
	operation    *operation // the first one
	what         string
	count        int64
	last         int64
	packets      []int64 // where the first ones are
	suboperation int64   // of them those that failed
}

// Bounds of what is remembered of the operations of one association.
const (
	mostCounts   = 200
	mostClasses  = 256
	mostFailures = 200
	mostComments = 20 // failures that are told apart by what the server says of them
)

// begun notes an operation that begins.
func (t *tally) begun(o *operation) {
	t.last = o.Kind
	if !slices.Contains(t.classes, o.SOPClass) && len(t.classes) < mostClasses {
		t.classes = append(t.classes, o.SOPClass)
	}
}

// responded notes the first response to an operation.
func (t *tally) responded(o *operation) {
	seconds := *o.Response
	t.responses.add(seconds)
	if o.field == dicom.CMoveRQ || o.field == dicom.CGetRQ {
		return
	}
	t.answered++
	if seconds -= float64(o.hindered) / 1e9; seconds > slowResponse {
		t.slow++
	}
	if t.answered == 1 || seconds > t.slowest.seconds {
		t.slowest = slowest{o.Kind, o.by, seconds, o.sent, o.packet}
	}
}

// ended notes an operation that came to an end.
func (t *tally) ended(o *operation) {
	t.count(o)
	if o.by == tcp.Client {
		t.clientBytes += o.Bytes
		if o.Send != nil && o.Response != nil {
			t.ratedBytes += o.Bytes
			t.rated += *o.Send + *o.Response
		}
	}
	switch o.status.Category() {
	case dicom.CategoryWarning, dicom.CategoryFailure:
		if o.Status != "" {
			t.fail(o)
		}
	}
}

func (t *tally) count(o *operation) {
	n := slices.IndexFunc(t.counts, func(c Count) bool { return c.Kind == o.Kind && c.By == o.By && c.Status == o.Status })
	if n < 0 && len(t.counts) < mostCounts {
		n = len(t.counts)
		t.counts = append(t.counts, Count{Kind: o.Kind, By: o.By, Status: o.Status, Category: o.Category, Text: o.Text})
	} else if n < 0 {
		n = mostCounts - 1
		t.counts[n].Kind, t.counts[n].By, t.counts[n].Status, t.counts[n].Category, t.counts[n].Text = "other", "", "", "", ""
	}
	c := &t.counts[n]
	c.Operations++
	c.Pending += int64(o.Pending)
	c.Bytes += o.Bytes
	c.ResponseBytes += o.ResponseBytes
}

func (t *tally) fail(o *operation) {
	what := o.failed(true)
	same := func(f *failure) bool { return f.what == what }
	n := slices.IndexFunc(t.failures, same)
	if n < 0 && len(t.failures) >= mostComments {
		what = o.failed(false)
		n = slices.IndexFunc(t.failures, same)
	}
	if n < 0 {
		if len(t.failures) == mostFailures {
			return
		}
		n = len(t.failures)
		t.failures = append(t.failures, &failure{operation: o, what: what})
	}
	f := t.failures[n]
	f.count++
	f.last = max(f.last, o.when())
	if len(f.packets) < mostEvidence {
		f.packets = append(f.packets, o.packet)
	}
	if o.Suboperation != nil {
		f.suboperation += int64(o.Suboperation.Failed)
	}
}

// sorted are the counts, by kind, who asked, and status.
func (t *tally) sorted() []Count {
	slices.SortFunc(t.counts, func(x, y Count) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.By, y.By), cmp.Compare(x.Status, y.Status))
	})
	return slices.Clip(t.counts)
}

// rate is bytes a second of the client's data sets, 0 without any.
func (t *tally) rate() float64 {
	if t.rated <= 0 {
		return 0
	}
	return float64(t.ratedBytes) / t.rated
}
