package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"netcap/internal/diagnosis"
	"netcap/internal/printable"
)

// mark is the sign of a severity, and its colour.
func (t *dicomText) mark(s diagnosis.Severity) string {
	mark, color := "·", ""
	switch s {
	case diagnosis.Problem:
		mark, color = "✗", "\x1b[31m"
	case diagnosis.Warning:
		mark, color = "!", "\x1b[33m"
	}
	if !t.colors || color == "" {
		return mark
	}
	return color + mark + "\x1b[0m"
}

// findings prints what is wrong.
func (t *dicomText) findings(all []*diagnosis.Finding) error {
	if len(all) > 0 {
		t.printf("\nPROBLEMS\n")
	}
	for n, f := range all {
		t.finding(f, n+1 < len(all) && all[n+1].Cause == f.Cause)
	}
	return t.err
}

// finding prints one. Of several that have the same cause, the last one is printed with it.
func (t *dicomText) finding(f *diagnosis.Finding, goesOn bool) {
	often := ""
	if f.Count > 1 {
		often = fmt.Sprintf(" (%s times", comma(f.Count))
		if last := t.time(f.Last); last != t.time(f.First) {
			often += ", until " + last
		}
		often += ")"
	}
	if text := places(f.Evidence); text != "" {
		often += " [" + text + "]"
	}
	t.printf("%s %s %s%s\n", t.mark(f.Severity), t.time(f.First), f.Text, often)
	switch {
	case f.Cause == "" || goesOn:
	case f.Severity == diagnosis.Info:
		t.printf("  %s\n", f.Cause)
	default:
		t.printf("  Likely: %s\n", f.Cause)
	}
}

// places are as many as fit into a line.
func places(evidence []diagnosis.Place) string {
	const most = 3
	var b strings.Builder
	last := ""
	for n, p := range evidence[:min(most, len(evidence))] {
		switch {
		case n > 0 && p.File == last:
			fmt.Fprintf(&b, ", %d", p.Packet)
		default:
			if n > 0 {
				b.WriteString("; ")
			}
			fmt.Fprintf(&b, "%s, packet %d", printable.Text(filepath.Base(p.File)), p.Packet)
		}
		last = p.File
	}
	if more := len(evidence) - most; more > 0 {
		b.WriteString(" …")
	}
	return b.String()
}
