//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"
)

// A column of a table prints a figure of a median, beside the median of the tool
// that is compared with: nil if that wasn't measured.
type column struct {
	head string
	cell func(m result, reference *result) string
}

// number is a column of one figure.
func number(head, format string, of func(result) any) column {
	return column{head, func(m result, _ *result) string { return fmt.Sprintf(format, of(m)) }}
}

// ratio is a column of a figure divided by the reference's.
func ratio(head string, of func(result) float64) column {
	return column{head, func(m result, reference *result) string {
		if reference == nil || of(*reference) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f", of(m)/of(*reference))
	}}
}

// Columns that several tables have.
var (
	sent    = number("sent", "%d", func(r result) any { return r.sent })
	written = number("in the file", "%d", func(r result) any { return r.written })
	lost    = number("lost", "%.2f %%", func(r result) any { return percent(int64(r.sent-r.written), int64(r.sent)) })
	cpu     = number("CPU s", "%.3f", func(r result) any { return r.cpu.Seconds() })
	cpuMS   = number("CPU ms", "%.1f", func(r result) any { return milliseconds(r.cpu) })
	peak    = number("peak MiB", "%.1f", func(r result) any { return float64(r.peak) / (1 << 20) })
	waits   = number("context switches", "%d", func(r result) any { return r.switches })
)

func percent(part, whole int64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// table prints what the tools gave, and what couldn't be measured for what reason.
func table(tallies []tally, columns ...column) {
	heads := []string{"program"}
	for _, c := range columns {
		heads = append(heads, c.head)
	}
	row(heads)
	fmt.Println(strings.Repeat("|---", len(heads)) + "|")
	var reference *result
	for _, t := range tallies {
		if t.tool.name == "tcpdump" && t.why == nil {
			m := medianOf(t.runs)
			reference = &m
		}
	}
	for _, t := range tallies {
		cells := make([]string, len(heads))
		cells[0] = t.tool.name
		if t.why != nil {
			cells[1] = "not measured: " + strings.ReplaceAll(t.why.Error(), "\n", "; ")
		} else {
			m := medianOf(t.runs)
			for i, c := range columns {
				cells[i+1] = c.cell(m, reference)
			}
		}
		row(cells)
	}
	fmt.Println()
}

func row(cells []string) { fmt.Println("| " + strings.Join(cells, " | ") + " |") }
