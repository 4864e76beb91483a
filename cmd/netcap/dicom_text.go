package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"netcap/internal/diagnosis"
	"netcap/internal/printable"
	"netcap/rotate"
)

// dicomText prints a diagnosis for people.
type dicomText struct {
	w       io.Writer
	colors  bool
	date    bool // times have one
	headed  bool // the head of the table is printed
	unread  bool // some of the files couldn't be
	ledgers int  // gaps that ledgers know
	err     error
}

// dated reports whether what was captured spans midnight, so that times need a date.
func dated(r *diagnosis.Report) bool {
	c := &r.Capture
	return c.From != nil && c.From.Local().Format(time.DateOnly) != c.To.Local().Format(time.DateOnly)
}

func (t *dicomText) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *dicomText) time(at time.Time) string {
	if t.date {
		return at.Local().Format(time.DateTime)
	}
	return at.Local().Format(time.TimeOnly)
}

func (t *dicomText) print(r *diagnosis.Report, o *dicomOptions) error {
	t.summary(r)
	if !o.problems {
		t.associations(r, o.ops)
		t.connections(r.Connections)
	}
	t.omitted(r.Omitted)
	if t.err != nil {
		return t.err
	}
	if err := t.findings(r.Findings); err != nil {
		return err
	}
	switch {
	case len(r.Findings) > 0:
	case len(r.Associations) > 0:
		t.printf("\nNo problems found.\n")
	case len(r.Connections) > 0 || r.Capture.Packets == 0:
	case len(o.ports)+len(o.hosts) > 0 || o.title != "":
		t.printf("No DICOM of that kind was found.\n")
	default:
		t.printf("No DICOM was found. Connections that failed are looked for at the ports 104, 2761, 2762, 4242 and 11112; --port names others.\n")
	}
	return t.err
}

// omitted says what there was no room for.
func (t *dicomText) omitted(o diagnosis.Omitted) {
	var what []string
	add := func(n int64, name string) {
		if n > 0 {
			what = append(what, countOf(n, name))
		}
	}
	add(o.Associations, "association")
	add(o.Connections, "connection")
	add(o.Operations, "operation")
	if o.Contexts > 0 {
		what = append(what, "the contexts of "+countOf(o.Contexts, "association"))
	}
	if len(what) > 0 {
		t.printf("\nNot listed, since there are so many: %s. Findings count them all; --from, --to, --host and --ae ask for less.\n", strings.Join(what, ", "))
	}
}

// summary says in a line what there was.
func (t *dicomText) summary(r *diagnosis.Report) {
	c := &r.Capture
	if c.From == nil {
		switch {
		case t.unread:
		case c.Complete:
			t.printf("no packets\n")
		default:
			t.printf("no packets · %s\n", t.completeness(c))
		}
		return
	}
	var bytes int64
	least := false
	for _, as := range r.Associations {
		bytes += as.Bytes
		least = least || as.Incomplete
	}
	to := c.To.Local().Format(time.TimeOnly)
	if t.date {
		to = c.To.Local().Format(time.DateTime)
	}
	what := countOf(int64(len(r.Associations)), "association")
	if n := len(r.Connections); n > 0 {
		what += ", " + countOf(int64(n), "connection") + " without one"
	}
	parts := []string{what, c.From.Local().Format(time.DateTime) + " to " + to}
	if bytes > 0 {
		parts = append(parts, atLeast(least)+rotate.Size(bytes)+" of data sets")
	}
	parts = append(parts, t.completeness(c))
	if c.Duplicates > 0 {
		parts = append(parts, countOf(c.Duplicates, "segment")+" captured twice")
	}
	t.printf("%s\n", strings.Join(parts, " · "))
}

// completeness says whether anything is known to be missing.
func (t *dicomText) completeness(c *diagnosis.Capture) string {
	var lacks []string
	if n := c.Gaps - int64(t.ledgers); n > 0 {
		lacks = append(lacks, countOf(n, "gap"))
	}
	if t.ledgers > 0 {
		lacks = append(lacks, countOf(int64(t.ledgers), "gap")+" that netcap gaps lists")
	}
	if c.Dropped > 0 {
		lacks = append(lacks, countOf(c.Dropped, "packet")+" dropped")
	}
	if c.Truncated > 0 {
		lacks = append(lacks, countOf(c.Truncated, "packet")+" cut off")
	}
	if t.unread {
		lacks = append(lacks, "not all could be read")
	}
	switch {
	case len(lacks) > 0:
		return "capture incomplete: " + strings.Join(lacks, ", ")
	case !c.Complete:
		return "capture incomplete"
	}
	return "capture complete"
}

// halfOpen is the id of the finding that one side no longer answers.
const halfOpen = "half-open"

var dicomHead = []string{"START", "DUR", "CLIENT", "SERVER", "RESULT", "OPERATIONS", "DATA", "RATE", "RESPONSE p50/p95/max", "TCP"}

// associations prints a table, or with ops a paragraph each.
func (t *dicomText) associations(r *diagnosis.Report, ops bool) {
	if t.err != nil || len(r.Associations) == 0 {
		return
	}
	timedOut := make(map[int]bool)
	for _, f := range r.Findings {
		if f.ID == halfOpen {
			for _, n := range f.Associations {
				timedOut[n] = true
			}
		}
	}
	if ops {
		for n, as := range r.Associations {
			t.association(as, timedOut[n])
		}
		return
	}
	table := newTable(t.w, dicomHead...)
	for n, as := range r.Associations {
		table.row(t.cells(as, timedOut[n])...)
	}
	t.err = table.flush()
}

// cells are those of an association in the table.
func (t *dicomText) cells(as *diagnosis.Association, timedOut bool) []string {
	data, rate, response := "-", "-", "-"
	least := atLeast(as.Incomplete)
	if as.Bytes > 0 {
		data = least + rotate.Size(as.Bytes)
	}
	if as.Rate > 0 {
		rate = rotate.Size(int64(as.Rate)) + "/s"
	}
	if p := as.Response; p != nil {
		response = spans(p.P50, p.P95, p.Max)
	}
	return []string{
		t.time(as.Start), span(as.Duration), who(as.CallingAE, as.Client, false), who(as.CalledAE, as.Server, true),
		outcome(as, timedOut), operations(as), data, rate, response, troubles(as),
	}
}

// who is a side of an association: its title, its address, and the name of that.
func who(title string, e diagnosis.Endpoint, port bool) string {
	address := e.Address.String()
	if port {
		address = e.AddrPort().String()
	}
	text := address
	if title != "" {
		text = printable.Text(title) + " " + address
	}
	if e.Name != "" {
		text += " (" + printable.Text(e.Name) + ")"
	}
	return text
}

// outcome says how an association ended. What isn't as it should be is in capitals.
func outcome(as *diagnosis.Association, timedOut bool) string {
	by := ""
	if as.EndedBy != "" {
		by = " by the " + as.EndedBy
	}
	switch {
	case as.Reject != nil:
		return "REJECTED: " + as.Reject.Text
	case as.Abort != nil:
		return "ABORTED" + by + ": " + as.Abort.Text
	case timedOut:
		return "TIMED OUT, the other side is gone"
	case as.Result == diagnosis.Unanswered:
		if as.EndedBy == "" {
			return "NEVER ANSWERED"
		}
		return "NEVER ANSWERED, closed" + by
	}
	switch as.Outcome {
	case diagnosis.Reset:
		return "RESET" + by
	case diagnosis.Closed:
		return "CLOSED" + by + " without a release"
	case diagnosis.Open:
		return "still open"
	case diagnosis.CutOff:
		return "cut by the end of the capture"
	}
	return string(as.Outcome)
}

// operations counts them by kind and by what came of them: of each kind what went well
// before what didn't.
func operations(as *diagnosis.Association) string {
	if len(as.Summary) == 0 {
		return "-"
	}
	counts := slices.Clone(as.Summary)
	slices.SortStableFunc(counts, func(x, y diagnosis.Count) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(b2i(x.Category != success), b2i(y.Category != success)))
	})
	var words []string
	for n, c := range counts {
		text := comma(c.Operations) + " " + result(as, &c)
		if n == 0 || counts[n-1].Kind != c.Kind {
			text = c.Kind + " " + text
		}
		if c.Kind == "C-FIND" && c.Pending > 0 {
			text += " (" + matched(c.Pending) + ")"
		}
		words = append(words, text)
	}
	return atLeast(as.Incomplete) + strings.Join(words, ", ")
}

func matched(n int64) string {
	if n == 1 {
		return "1 match"
	}
	return comma(n) + " matches"
}

// success is the category of a status.
const success = "success"

// result is what came of operations, in a word or two.
func result(as *diagnosis.Association, c *diagnosis.Count) string {
	switch {
	case c.Status == "" && as.Incomplete:
		return "without a status"
	case c.Status == "":
		return "unanswered"
	case c.Category == success:
		return "ok"
	case c.Category == "pending": // and nothing more came
		return "unfinished"
	}
	return c.Status + " " + printable.Text(c.Text)
}

// troubles says what TCP met with.
func troubles(as *diagnosis.Association) string {
	c, s := &as.TCP.Client, &as.TCP.Server
	var words []string
	if n := c.RetransmittedAfter + c.RetransmittedBefore + s.RetransmittedAfter + s.RetransmittedBefore; n > 0 {
		words = append(words, atLeast(as.Incomplete)+comma(n)+" resent")
	}
	if n := c.ZeroWindows + s.ZeroWindows; n > 0 {
		words = append(words, countOf(n, "zero window")+" "+span(c.ZeroWindowSeconds+s.ZeroWindowSeconds))
	}
	if n := c.NagleWaits + s.NagleWaits; n > 0 {
		words = append(words, countOf(n, "wait")+" "+span(c.NagleSeconds+s.NagleSeconds))
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}

// connections prints those without an association, those alike in one line.
func (t *dicomText) connections(all []*diagnosis.Connection) {
	if t.err != nil || len(all) == 0 {
		return
	}
	type key struct{ client, server, what string }
	type row struct {
		key
		first, last time.Time
		count       uint64
		bytes       int64
	}
	rows := make(map[key]*row)
	var order []*row
	for _, c := range all {
		what := c.Outcome
		if c.ServerName != "" {
			what += " for " + printable.Text(c.ServerName)
		}
		k := key{who("", c.Client, false), who("", c.Server, true), what}
		r := rows[k]
		if r == nil {
			r = &row{key: k, first: c.Start}
			rows[k] = r
			order = append(order, r)
		}
		r.count++
		r.last = c.Start
		r.bytes += c.ClientBytes + c.ServerBytes
	}
	t.printf("\nCONNECTIONS WITHOUT AN ASSOCIATION\n")
	table := newTable(t.w, "COUNT", "FIRST", "LAST", "CLIENT", "SERVER", "WHAT", "BYTES")
	for _, r := range order {
		table.row(comma(r.count), t.time(r.first), t.time(r.last), r.client, r.server, r.what, comma(r.bytes))
	}
	if t.err == nil {
		t.err = table.flush()
	}
}

// entry prints what has just ended, and what is wrong with it.
func (t *dicomText) entry(e *diagnosis.Entry, o *dicomOptions) error {
	if as := e.Association; as != nil && !o.problems {
		timedOut := slices.ContainsFunc(e.Findings, func(f *diagnosis.Finding) bool { return f.ID == halfOpen })
		if o.ops {
			t.association(as, timedOut)
		} else {
			t.row(t.cells(as, timedOut))
		}
	}
	for _, f := range e.Findings {
		t.finding(f, false)
	}
	return t.err
}

// row prints a row of a table of which the other rows aren't known.
func (t *dicomText) row(cells []string) {
	const layout = "%-19s  %-6s  %-24s  %-32s  %-10s  %-20s  %-8s  %-10s  %-20s  %s\n"
	line := func(cells []string) {
		words := make([]any, len(cells))
		for n, cell := range cells {
			words[n] = cell
		}
		t.printf(layout, words...)
	}
	if !t.headed {
		t.headed = true
		line(dicomHead)
	}
	line(cells)
}

// atLeast marks a number that may be greater.
func atLeast(incomplete bool) string {
	if incomplete {
		return "≥ "
	}
	return ""
}

// span is a duration in seconds, for people.
func span(s float64) string {
	switch {
	case s < 0.0995:
		return fmt.Sprintf("%.*f ms", b2i(s < 0.00995), s*1e3)
	case s < 60:
		return fmt.Sprintf("%.*f s", 1+b2i(s < 9.995), s)
	}
	d := time.Duration(s * float64(time.Second)).Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
}

// spans are three durations with one unit.
func spans(a, b, c float64) string {
	unit, scale := "s", 1.0
	if c < 1 {
		unit, scale = "ms", 1e3
	}
	digits := b2i(c*scale < 99.5) + b2i(c*scale < 9.95)
	return fmt.Sprintf("%.*f/%.*f/%.*f %s", digits, a*scale, digits, b*scale, digits, c*scale, unit)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// printLine prints a document for programs on a line.
func printLine(w io.Writer, document any) error {
	e := json.NewEncoder(printable.JSON{W: w})
	e.SetEscapeHTML(false)
	return e.Encode(document)
}
