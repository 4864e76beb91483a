//go:build linux

// Bench compares whole processes that capture the same traffic: netcap and the
// programs that people use instead. It makes two network namespaces joined by a
// veth pair, sends through it while a capture runs, and takes what the operating
// system says of the finished process. It needs root, iproute2, netsniff-ng (for
// trafgen), util-linux, coreutils and capinfos; peers that are missing are named.
//
//	go run ./internal/bench -netcap ./netcap -runs 5 > table.md
//	go run ./internal/bench -sections busy -loads tcp2100 -tools netcap,tcpdump
//
// Its sections, with the names of their loads:
//
//   - load: floods, generator and capture on a processor each (64, 512, 1514, mix)
//   - core: the same, both on one
//   - busy: floods and TCP while a neighbour writes to the same disk (64, 512,
//     1514, 3.1GB, tcp2100)
//   - tcp: one TCP connection in segments of up to 64 KiB (tcp210, tcp2100, tcp3100)
//   - server: how much a capture slows such a connection (tcp2100)
//   - rates: steady rates, and the start (100, 1000, 10000, 100000, start)
//   - long: ten million frames (64, 1514)
//   - sets: netcap's rotation under a flood
//   - quiet: a trickle, and nothing at all (1000, nothing)
//   - slow: a burst to a disk that takes 50 MB/s
//
// The sums that netcap prints are checked in every run. Wrong ones end the bench.
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

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) > 1 {
		if mode := modes[os.Args[1]]; mode != nil {
			exit(mode(os.Args[2:]))
		}
	}
	var o options
	flag.StringVar(&o.netcap, "netcap", "./netcap", "the netcap to measure")
	flag.IntVar(&o.runs, "runs", 5, "runs of each; medians are printed")
	list := func(to *[]string, name, value, usage string) {
		flag.Func(name, usage+", separated by commas (default "+value+")", func(s string) error {
			*to = strings.Split(s, ",")
			return nil
		})
		if value != all {
			*to = strings.Split(value, ",")
		}
	}
	list(&o.dirs, "dirs", "/var/tmp,/dev/shm", "directories to capture into; only load uses more than the first")
	list(&o.loads, "loads", all, "only these loads")
	list(&o.only, "tools", all, "only these programs")
	list(&o.sections, "sections", "load,core,busy,tcp,server,rates,long,sets,quiet,slow", "what to measure")
	flag.Parse()
	// Interrupted, it still removes what it made.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	exit(bench(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// all is the default of a list that selects.
const all = "all"

type options struct {
	netcap   string
	runs     int
	dirs     []string
	loads    []string // none: all
	only     []string // names of tools; none: all
	sections []string
}

func (o options) wants(load string) bool { return o.loads == nil || slices.Contains(o.loads, load) }

// choose keeps the tools that are wanted.
func (o options) choose(tools []tool) []tool {
	return slices.DeleteFunc(slices.Clone(tools), func(t tool) bool {
		return o.only != nil && !slices.Contains(o.only, t.name)
	})
}

// A tool is a program that captures from c0 into a file.
type tool struct {
	name    string
	args    func(file string) []string // nil: nothing captures
	sums    bool                       // it prints netcap's summary
	missing error                      // why it can't be measured
}

// tools are the programs, all with a ring of 16 MiB, as netcap has by default.
func tools(netcap string) []tool {
	return []tool{
		{name: "netcap", sums: true, args: func(f string) []string { return []string{netcap, "-i", "c0", "-w", f + ".pcapng"} }},
		{name: "tcpdump", args: func(f string) []string {
			return []string{"tcpdump", "-i", "c0", "-Z", "root", "-B", "16384", "-w", f + ".pcap"}
		}},
		{name: "dumpcap", args: func(f string) []string {
			return []string{"dumpcap", "-q", "-i", "c0", "-B", "16", "-w", f + ".pcapng"}
		}},
		{name: "netsniff-ng", args: func(f string) []string {
			return []string{"netsniff-ng", "--silent", "--ring-size", "16MiB", "--in", "c0", "--out", f + ".pcap"}
		}},
	}
}

func bench(ctx context.Context, o options) (err error) {
	switch {
	case os.Geteuid() != 0:
		return errors.New("needs root, for network namespaces")
	case runtime.NumCPU() < 2:
		return errors.New("needs two processors")
	case o.runs < 1:
		return errors.New("needs one run or more")
	}
	if o.netcap, err = filepath.Abs(o.netcap); err != nil {
		return err
	}
	limit, remove := buildFloor(ctx)
	defer remove()
	programs := append(tools(o.netcap), limit)
	for _, name := range o.only {
		if !slices.ContainsFunc(programs, func(t tool) bool { return t.name == name }) {
			return fmt.Errorf("no program %q to compare", name)
		}
	}
	peers := examine(o.choose(tools(o.netcap)))
	withFloor := append(slices.Clone(peers), examine(o.choose([]tool{limit}))...)
	fmt.Println()
	n, err := newNetwork(ctx)
	if err != nil {
		return errors.Join(err, n.remove())
	}
	defer func() { err = errors.Join(err, n.remove()) }()
	for _, section := range o.sections {
		switch section {
		case "load":
			fmt.Print("## Generator and capture on a processor each\n\n")
			err = n.loads(o, withFloor, o.dirs, "1")
		case "core":
			fmt.Print("## Generator and capture on one processor\n\n")
			err = n.loads(o, peers, o.dirs[:1], "0")
		case "busy":
			err = n.busy(o, peers)
		case "tcp":
			err = n.tcp(o, peers)
		case "server":
			err = n.server(o, peers)
		case "rates":
			err = n.rates(o, peers)
		case "long":
			err = n.long(o, withFloor)
		case "sets":
			err = n.sets(o)
		case "quiet":
			err = n.quiet(o, peers)
		case "slow":
			err = n.slow(o, peers)
		default:
			err = fmt.Errorf("no section %q", section)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// examine prints the versions of the programs and how they are run, and which are
// missing.
func examine(tools []tool) []tool {
	for i, t := range tools {
		command := t.args("FILE")
		if t.missing == nil {
			_, tools[i].missing = exec.LookPath(command[0])
		}
		if err := tools[i].missing; err != nil {
			fmt.Printf("- %s: not measured: %v\n", t.name, err)
			continue
		}
		version := ""
		switch t.name {
		case "netcap":
			version = firstLine(command[0], "version")
		case "netsniff-ng":
			version = firstLine(command[0], "-v")
		case "tcpdump", "dumpcap":
			version = firstLine(command[0], "--version")
		}
		command[0] = filepath.Base(command[0])
		fmt.Printf("- %s: `%s` %s\n", t.name, strings.Join(command, " "), version)
	}
	return tools
}

// firstLine is the first line that a command prints. netsniff-ng prints its version and
// fails.
func firstLine(args ...string) string {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if len(out) == 0 {
		return fmt.Sprint(err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
