//go:build linux

// Bench compares whole processes that capture the same flood: netcap and the
// programs that people use instead. It makes two network namespaces joined by a
// veth pair, sends frames through it with trafgen from one processor while the
// capture runs on another, and takes what the operating system says of the
// finished process. It needs root, iproute2, netsniff-ng (for trafgen),
// util-linux and capinfos; peers that are missing are named.
//
//	go run ./internal/bench -netcap ./netcap -runs 5 > table.md
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
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
		{"tcpdump -B 16384", func(f string) []string {
			return []string{"tcpdump", "-i", "c0", "-Z", "root", "-B", "16384", "-w", f + ".pcap"}
		}},
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
}

var loads = []load{
	{"64", []int{64}, 2_000_000},
	{"512", []int{512}, 1_000_000},
	{"1514", []int{1514}, 1_000_000},
	{"mix", []int{64, 64, 512, 1514}, 1_000_000},
}

func main() {
	netcap := flag.String("netcap", "./netcap", "the netcap to measure")
	runs := flag.Int("runs", 5, "runs of each; medians are printed")
	dirs := flag.String("dirs", "/var/tmp,/dev/shm", "directories to capture into, separated by commas")
	only := flag.String("loads", "", "only these loads, separated by commas")
	oneCore := flag.Bool("one-core", false, "generator and capture on one processor")
	flag.Parse()
	if err := bench(*netcap, *runs, strings.Split(*dirs, ","), *only, *oneCore); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(netcap string, runs int, dirs []string, only string, oneCore bool) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("needs root, for network namespaces")
	}
	if netcap, err = filepath.Abs(netcap); err != nil {
		return err
	}
	captureCPU := "1"
	if oneCore {
		captureCPU = "0"
	} else if runtime.NumCPU() < 2 {
		return errors.New("needs two processors, or -one-core")
	}
	var present []tool
	for _, t := range tools(netcap) {
		if _, err := exec.LookPath(t.args("")[0]); err != nil {
			fmt.Printf("Not measured: %s is not installed.\n\n", t.name)
			continue
		}
		present = append(present, t)
	}
	n, err := newNetwork()
	if err != nil {
		return errors.Join(err, n.remove())
	}
	defer func() { err = errors.Join(err, n.remove()) }()
	for _, dir := range dirs {
		for _, l := range loads {
			if only != "" && !slices.Contains(strings.Split(only, ","), l.name) {
				continue
			}
			if err := n.compare(present, l, dir, runs, captureCPU); err != nil {
				return err
			}
		}
	}
	return nil
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
	fmt.Printf("### %d frames of %s bytes into %s\n\n", l.count, l.name, dir)
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
		fmt.Printf("| %s | %d | %d | %.2f %% | %.3f | %.3f | %.2f | %.1f | %d |\n", t.name, m.sent, m.written,
			100*float64(m.sent-m.written)/float64(m.sent), m.cpu.Seconds(), perPacket(m), perPacket(m)/reference,
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
