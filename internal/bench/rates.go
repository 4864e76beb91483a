//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// span is how long a link is watched, in seconds.
const span = 10

// rates compares what the tools take at steady rates, and for their start.
func (n *network) rates(o options, tools []tool) error {
	fmt.Print("## Steady rates\n\n")
	for _, perSecond := range []int{100, 1000, 10_000, 100_000} {
		if !o.wants(strconv.Itoa(perSecond)) {
			continue
		}
		if err := n.steady(o, tools, perSecond); err != nil {
			return err
		}
	}
	if !o.wants("start") {
		return nil
	}
	return n.starts(o, tools)
}

// quiet compares what the tools take while little or nothing comes: what a capture
// that runs for months costs.
func (n *network) quiet(o options, tools []tool) error {
	fmt.Print("## A quiet link\n\n")
	if o.wants("1000") {
		if err := n.steady(o, tools, 1000); err != nil {
			return err
		}
	}
	if !o.wants("nothing") {
		return nil
	}
	return n.steady(o, tools, 0)
}

// steady compares what the tools take at one rate, from the moment that they capture.
func (n *network) steady(o options, tools []tool, perSecond int) error {
	send := func() error { return n.paced(perSecond, span) }
	if perSecond == 0 {
		send = func() error { return n.pause(span * time.Second) }
	}
	tallies, err := n.turns(tools, o.runs, func(t tool) (result, error) {
		return n.watch(t, o.dirs[0], perSecond*span, send)
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d frames of 200 bytes a second", perSecond)
	if perSecond == 0 {
		what = "Nothing"
	}
	fmt.Printf("### %s, for %d seconds, medians of %d\n\n", what, span, o.runs)
	table(tallies, sent, written, cpuMS, ratio("ratio to tcpdump", func(r result) float64 { return r.cpu.Seconds() }),
		number("wake-ups", "%d", func(r result) any { return r.switches }))
	return nil
}

// watch has a tool capture while so many packets are sent, and returns what it took
// meanwhile.
func (n *network) watch(t tool, dir string, count int, send func() error) (r result, err error) {
	tmp, err := os.MkdirTemp(dir, "netcap-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	c, err := n.begin(t, tmp, "1")
	if err != nil {
		return r, err
	}
	err = n.pause(2 * time.Second) // what starting leaves to be done
	m := newMeter(c.cmd.Process.Pid)
	if err == nil {
		err = m.during(send)
	}
	time.Sleep(linger)
	if err := errors.Join(err, c.end()); err != nil {
		return r, c.explain(err)
	}
	taken := m.total()
	r = result{sent: count, cpu: taken.cpu, switches: taken.switches}
	err = n.count(t, c, tmp, &r)
	return r, err
}

// starts compares what the tools take to begin.
func (n *network) starts(o options, tools []tool) error {
	const away = "the way there: true"
	tools = append(tools[:len(tools):len(tools)], tool{name: away})
	tallies, err := n.turns(tools, o.runs, func(t tool) (result, error) {
		if t.name == away {
			return n.pass()
		}
		return n.start(t, o.dirs[0])
	})
	if err != nil {
		return err
	}
	fmt.Printf("### The start, by ip netns exec and taskset, medians of %d\n\n", o.runs)
	table(tallies, number("ms until it receives", "%.1f", func(r result) any { return milliseconds(r.took) }),
		number(fmt.Sprintf("CPU ms, until %v later", settle), "%.1f", func(r result) any { return milliseconds(r.cpu) }))
	return nil
}

// start measures one start.
func (n *network) start(t tool, dir string) (r result, err error) {
	tmp, err := os.MkdirTemp(dir, "netcap-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	begun := time.Now()
	c, err := n.begin(t, tmp, "1")
	if err != nil {
		return r, err
	}
	r.took = time.Since(begun)
	time.Sleep(settle)
	m := newMeter(c.cmd.Process.Pid)
	err = m.read()
	r.cpu = m.total().cpu
	if err := errors.Join(err, c.end()); err != nil {
		return r, c.explain(err)
	}
	err = n.count(t, c, tmp, &r)
	return r, err
}

// pass measures what a program takes that does nothing: how much of the others'
// starts isn't theirs.
func (n *network) pass() (result, error) {
	args := append(in(n.capture, "1"), "true")
	cmd := command(n.ctx, args...)
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return result{}, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return result{took: time.Since(begun), cpu: spent(cmd)}, nil
}
