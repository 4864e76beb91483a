//go:build linux

// Bench compares whole processes that capture the same flood: netcap and the
// programs that people use instead. It makes two network namespaces joined by a
// veth pair, sends frames through it with trafgen from one processor while the
// capture runs on another, and takes what the operating system says of the
// finished process. It needs root, iproute2, netsniff-ng (for trafgen),
// util-linux and capinfos; peers that are missing are named.
//
//	go run ./internal/bench -netcap ./netcap -runs 5 > table.md
//
// Its sections are load (floods, generator and capture on a processor each),
// core (both on one), sets (netcap's rotation under a flood), quiet (a trickle
// and nothing at all) and slow (a burst to a disk that takes 50 MB/s).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tool is a program that captures from c0 into a file.
type tool struct {
	name string
	args func(file string) []string
}

func tools(netcap string) []tool {
	return []tool{
		{"netcap", func(f string) []string { return []string{netcap, "-i", "c0", "-w", f + ".pcapng"} }},
		{"tcpdump", func(f string) []string { return []string{"tcpdump", "-i", "c0", "-Z", "root", "-w", f + ".pcap"} }},
		{"dumpcap", func(f string) []string { return []string{"dumpcap", "-q", "-i", "c0", "-w", f + ".pcapng"} }},
		{"netsniff-ng, ring 16 MiB", func(f string) []string {
			// Its own default is a ring of gigabytes.
			return []string{"netsniff-ng", "--silent", "--ring-size", "16MiB", "--in", "c0", "--out", f + ".pcap"}
		}},
	}
}

// load is what is sent.
type load struct {
	name  string
	sizes []int // of frames, in turn
	count int
	gap   string // between frames, as trafgen reads it
}

var loads = []load{
	{"64", []int{64}, 2_000_000, ""},
	{"512", []int{512}, 1_000_000, ""},
	{"1514", []int{1514}, 1_000_000, ""},
	{"mix", []int{64, 64, 512, 1514}, 1_000_000, ""},
}

func main() {
	netcap := flag.String("netcap", "./netcap", "the netcap to measure")
	runs := flag.Int("runs", 5, "runs of each; medians are printed")
	dirs := flag.String("dirs", "/var/tmp,/dev/shm", "directories to capture into, separated by commas")
	only := flag.String("loads", "", "only these loads, separated by commas")
	sections := flag.String("sections", "load,core,sets,quiet,slow", "what to measure, separated by commas")
	flag.Parse()
	o := options{*netcap, *runs, strings.Split(*dirs, ","), *only, strings.Split(*sections, ",")}
	// Interrupted, it still removes what it made.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	netcap   string
	runs     int
	dirs     []string
	loads    string
	sections []string
}

func bench(ctx context.Context, o options) (err error) {
	switch {
	case os.Geteuid() != 0:
		return errors.New("needs root, for network namespaces")
	case runtime.NumCPU() < 2:
		return errors.New("needs two processors")
	}
	if o.netcap, err = filepath.Abs(o.netcap); err != nil {
		return err
	}
	present := installed(tools(o.netcap))
	n, err := newNetwork(ctx)
	if err != nil {
		return errors.Join(err, n.remove())
	}
	defer func() { err = errors.Join(err, n.remove()) }()
	for _, section := range o.sections {
		switch section {
		case "load":
			err = n.loads(o, present, o.dirs, "1")
		case "core":
			fmt.Print("## Generator and capture on one processor\n\n")
			err = n.loads(o, present, o.dirs[:1], "0")
		case "sets":
			err = n.sets(o)
		case "quiet":
			err = n.quiet(present, o.dirs[0])
		case "slow":
			err = n.slow(o)
		default:
			err = fmt.Errorf("no section %q", section)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// installed prints the versions of the programs, and which are missing.
func installed(all []tool) (present []tool) {
	for _, t := range all {
		program := t.args("")[0]
		if _, err := exec.LookPath(program); err != nil {
			fmt.Printf("- %s: not installed, not measured\n", t.name)
			continue
		}
		version := "--version"
		switch program {
		case "netsniff-ng":
			version = "-v"
		case "tcpdump", "dumpcap":
		default:
			version = "version"
		}
		// netsniff-ng prints its version and fails.
		out, err := exec.Command(program, version).CombinedOutput()
		if len(out) == 0 {
			out = fmt.Append(nil, err)
		}
		fmt.Printf("- %s: %s\n", t.name, firstLine(out))
		present = append(present, t)
	}
	fmt.Println()
	return present
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

// loads compares the tools under each load, in each directory.
func (n *network) loads(o options, tools []tool, dirs []string, cpu string) error {
	for _, dir := range dirs {
		for _, l := range loads {
			if o.loads != "" && !slices.Contains(strings.Split(o.loads, ","), l.name) {
				continue
			}
			if err := n.compare(tools, l, dir, o.runs, cpu); err != nil {
				return err
			}
		}
	}
	return nil
}

// sets measures what netcap does with a flood when it has files to begin and to
// end.
func (n *network) sets(o options) error {
	fmt.Print("## netcap's sets\n\n")
	flood := loads[slices.IndexFunc(loads, func(l load) bool { return l.name == "1514" })]
	return n.compare([]tool{
		{"a file every 100 MB (-C 100)", func(f string) []string {
			return []string{o.netcap, "-i", "c0", "-w", f + ".pcapng", "-C", "100"}
		}},
		{"the default set", func(f string) []string { return []string{o.netcap, "-i", "c0", "--dir", filepath.Dir(f)} }},
	}, flood, o.dirs[0], o.runs, "1")
}

// compare measures all tools under one load, in turn, so that what the machine
// does meanwhile meets them all, and prints a table.
func (n *network) compare(tools []tool, l load, dir string, runs int, cpu string) error {
	results := make([][]result, len(tools))
	for range runs {
		for i, t := range tools {
			r, err := n.measure(t, l, dir, cpu)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.name, l.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	fmt.Printf("### %d frames of %s bytes into %s, medians of %d\n\n", l.count, l.name, dir, runs)
	fmt.Println("| program | sent | in the file | lost | CPU s | CPU µs a packet | ratio to tcpdump | peak MiB | context switches |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	var reference float64
	for i, t := range tools {
		if t.name == "tcpdump" {
			reference = perPacket(medianOf(results[i]))
		}
	}
	for i, t := range tools {
		m := medianOf(results[i])
		ratio := "–"
		if reference != 0 {
			ratio = fmt.Sprintf("%.2f", perPacket(m)/reference)
		}
		fmt.Printf("| %s | %d | %d | %.2f %% | %.3f | %.3f | %s | %.1f | %d |\n", t.name, m.sent, m.written,
			100*float64(m.sent-m.written)/float64(m.sent), m.cpu.Seconds(), perPacket(m), ratio,
			float64(m.peak)/(1<<20), m.switches)
	}
	fmt.Println()
	return nil
}

// perPacket is the CPU time of a packet in the file, in microseconds.
func perPacket(r result) float64 {
	return float64(r.cpu.Nanoseconds()) / 1e3 / float64(max(r.written, 1))
}

// result is what one run gave.
type result struct {
	sent, written int
	cpu           time.Duration // user and system
	peak          int64         // bytes
	switches      int64
	said          string // by the tool, on its last run
}

// medianOf is the median of each figure by itself.
func medianOf(all []result) result {
	return result{
		sent:     all[0].sent,
		written:  median(all, func(r result) int { return r.written }),
		cpu:      median(all, func(r result) time.Duration { return r.cpu }),
		peak:     median(all, func(r result) int64 { return r.peak }),
		switches: median(all, func(r result) int64 { return r.switches }),
	}
}

func median[T int | int64 | time.Duration](all []result, of func(result) T) T {
	values := make([]T, len(all))
	for i, r := range all {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
