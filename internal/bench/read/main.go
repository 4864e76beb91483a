//go:build linux

// Command read compares whole processes that read the same capture: netcap, tcpdump,
// tshark, capinfos. It makes the capture, a million packets of many kinds in 540 MB, lets
// the programs take turns, and prints medians as Markdown.
//
//	go run ./internal/bench/read -netcap ./netcap -runs 5 > table.md
//	go run ./internal/bench/read -generate FILE       only makes the capture
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netcap/internal/bench/compare"
)

func main() {
	netcap := flag.String("netcap", "./netcap", "the netcap to measure")
	runs := flag.Int("runs", 5, "runs of each; medians are printed")
	packets := flag.Int("packets", 1_000_000, "packets in the capture")
	only := flag.String("generate", "", "only make the capture, as `FILE`")
	rows := flag.String("rows", "", "only these rows, by their first words, separated by commas")
	flag.Parse()
	if err := bench(*netcap, *runs, *packets, *only, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func jobs(netcap, in, out string) []compare.Job {
	return []compare.Job{
		{Name: "info", Commands: [][]string{{netcap, "info", in}, {"capinfos", in}}, Runs: 5, Out: out},
		{Name: "filter into a file", Commands: [][]string{
			{netcap, "read", in, "tcp port 104", "-w", out},
			{"tcpdump", "-r", in, "-w", out, "-Z", "root", "tcp port 104"},
		}, Runs: 5, Out: out},
		{Name: "all into a file", Commands: [][]string{{netcap, "read", in, "-w", out}, {"tcpdump", "-r", in, "-w", out, "-Z", "root"}}, Runs: 5, Out: out},
		{Name: "lines", Commands: [][]string{{netcap, "read", "-n", in}, {"tcpdump", "-nSr", in}, {"tshark", "-n", "-r", in}}, Runs: 3, Out: out},
		{Name: "filtered lines", Commands: [][]string{{netcap, "read", "-n", in, "udp port 53"}, {"tcpdump", "-nSr", in, "udp port 53"}}, Runs: 5, Out: out},
		{Name: "JSON", Commands: [][]string{{netcap, "read", "-n", "--json", in}}, Runs: 5, Out: out},
	}
}

func bench(netcap string, runs, packets int, only, rows string) error {
	if only != "" {
		return generate(only, packets)
	}
	netcap, err := filepath.Abs(netcap)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "netcap-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "in.pcap"), filepath.Join(dir, "out.pcap")
	if err := generate(in, packets); err != nil {
		return err
	}
	st, err := os.Stat(in)
	if err != nil {
		return err
	}
	fmt.Printf("%d packets, %d MB. Medians; ratios are of wall time, netcap's to the others'.\n\n", packets, st.Size()/1e6)
	fmt.Println(compare.Head)
	for _, j := range jobs(netcap, in, out) {
		if rows != "" && !slices.Contains(strings.Split(rows, ","), strings.Fields(j.Name)[0]) {
			continue
		}
		if err := j.Print(runs); err != nil {
			return err
		}
	}
	return nil
}
