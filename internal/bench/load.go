//go:build linux

package main

import (
	"cmp"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A load is a flood.
type load struct {
	name  string
	sizes []int // of frames, in turn
	count int
}

func (l load) String() string { return fmt.Sprintf("%d frames of %s bytes", l.count, l.name) }

var floods = []load{
	{"64", []int{64}, 2_000_000},
	{"512", []int{512}, 1_000_000},
	large,
	{"mix", []int{64, 64, 512, 1514}, 1_000_000},
}

var large = load{"1514", []int{1514}, 1_000_000}

// loads compares the tools under each load, in each directory.
func (n *network) loads(o options, tools []tool, dirs []string, cpu string) error {
	for _, dir := range dirs {
		for _, l := range floods {
			if !o.wants(l.name) {
				continue
			}
			if err := n.compare(tools, l, trial{dir: dir, cpu: cpu}, o.runs, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// long compares the tools under loads that take so long that the start doesn't count.
func (n *network) long(o options, tools []tool) error {
	fmt.Print("## Long floods\n\n")
	dir := o.dirs[0]
	for _, l := range []load{{"64", []int{64}, 10_000_000}, {"1514", []int{1514}, 10_000_000}} {
		if !o.wants(l.name) {
			continue
		}
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		// The captures of the largest frames take 15 GB and their headers.
		if free := fs.Bavail * uint64(fs.Bsize); l.name == "1514" && free < 25e9 {
			fmt.Printf("%v: not measured: %s has %d GB free, of 25 needed\n\n", l, dir, free/1e9)
			continue
		}
		if err := n.compare(tools, l, trial{dir: dir, cpu: "1"}, o.runs, ""); err != nil {
			return err
		}
	}
	return nil
}

// sets measures what netcap does with a flood when it has files to begin and to
// end.
func (n *network) sets(o options) error {
	fmt.Print("## netcap's sets\n\n")
	return n.compare([]tool{
		{name: "a file every 100 MB (-C 100)", sums: true, args: func(f string) []string {
			return []string{o.netcap, "-i", "c0", "-w", f + ".pcapng", "-C", "100"}
		}},
		{name: "a file every 5 MB (-C 5)", sums: true, args: func(f string) []string {
			return []string{o.netcap, "-i", "c0", "-w", f + ".pcapng", "-C", "5"}
		}},
		{name: "the default set", sums: true, args: func(f string) []string {
			return []string{o.netcap, "-i", "c0", "--dir", filepath.Dir(f)}
		}},
	}, large, trial{dir: o.dirs[0], cpu: "1"}, o.runs, "")
}

// compare measures all tools under one load, and prints a table. The title says what
// happens meanwhile.
func (n *network) compare(tools []tool, l load, how trial, runs int, meanwhile string) error {
	how.send = func(string) (result, error) { return result{sent: l.count}, n.flood(l.sizes, l.count) }
	tallies, err := n.turns(tools, runs, func(t tool) (result, error) { return n.measure(t, how) })
	if err != nil {
		return err
	}
	fmt.Printf("### %v into %s%s, medians of %d\n\n", l, cmp.Or(how.place, how.dir), meanwhile, runs)
	table(tallies, sent, written, lost, cpu,
		number("CPU µs a packet", "%.3f", func(r result) any { return perPacket(r) }),
		ratio("ratio to tcpdump", perPacket), peak, waits)
	return nil
}

// perPacket is the CPU time of a packet in the file, in microseconds.
func perPacket(r result) float64 {
	return float64(r.cpu.Nanoseconds()) / 1e3 / float64(max(r.written, 1))
}
