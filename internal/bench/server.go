//go:build linux

package main

import (
	"fmt"
)

// nothing is the row without a capture.
const nothing = "nothing captures"

// server compares how much the tools slow what they watch.
func (n *network) server(o options, tools []tool) error {
	x := connections[1]
	if !o.wants(x.name) {
		return nil
	}
	how := trial{dir: o.dirs[0], send: func(dir string) (result, error) { return n.transfer(x, dir) }}
	tools = append(tools[:len(tools):len(tools)], tool{name: nothing})
	tallies, err := n.turns(tools, o.runs, func(t tool) (result, error) { return n.measure(t, how) })
	if err != nil {
		return err
	}
	seconds := func(r result) float64 { return r.took.Seconds() }
	ends := func(r result) float64 { return (r.sender + r.receiver).Seconds() }
	columns := []column{
		took,
		ratio("to tcpdump's", seconds), toNothing(tallies, seconds),
		number("sender's CPU s", "%.2f", func(r result) any { return r.sender.Seconds() }),
		number("receiver's CPU s", "%.2f", func(r result) any { return r.receiver.Seconds() }),
		number("both", "%.2f", func(r result) any { return ends(r) }),
		ratio("to tcpdump's", ends), toNothing(tallies, ends),
	}
	fmt.Printf("## What a capture costs those whom it watches: %v, captured into %s, medians of %d\n\n", x, o.dirs[0], o.runs)
	table(tallies, columns...)
	return nil
}

// toNothing is a column of a figure divided by that without a capture.
func toNothing(tallies []tally, of func(result) float64) column {
	last := tallies[len(tallies)-1]
	return column{"to nothing's", func(m result, _ *result) string {
		if last.why != nil {
			return "–"
		}
		return fmt.Sprintf("%.2f", of(m)/of(medianOf(last.runs)))
	}}
}
