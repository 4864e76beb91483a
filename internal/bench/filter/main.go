// Command filter compares the programs of capture/filter with those of libpcap's
// own test cases: how long they are, and how many instructions they execute for a
// packet of the corpus. It prints Markdown.
//
//	go run ./internal/bench/filter [-corpus directory] [-packets number]
//
// It also times the matcher on packets of the Ethernet captures over and over, and
// libpcap's interpreter beside it, for which it takes a C compiler and libpcap's
// headers.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/bpf"

	"netcap/capture/filter"
	"netcap/pcapfile"
)

func main() {
	corpus := os.Getenv("NETCAP_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "shared", "corpus")
	}
	flag.StringVar(&corpus, "corpus", corpus, "`directory` with captures and filter cases")
	packets := flag.Int("packets", 1_000_000, "`number` of packets to time the matcher with")
	flag.Parse()
	if err := run(os.Stdout, corpus, *packets); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A packet is what was captured of one, and how long it was on the wire.
type packet struct {
	data   []byte
	length int
}

// A row is the sum over the cases of a link type.
type row struct {
	cases, packets        int
	ours, theirs          int // instructions
	longer                int // cases in which ours has more
	ranOurs, ranTheirs    int // instructions executed
	runs                  int
	userSpace, neverMatch int
}

func (r *row) add(o row) {
	r.cases += o.cases
	r.packets += o.packets
	r.ours += o.ours
	r.theirs += o.theirs
	r.longer += o.longer
	r.ranOurs += o.ranOurs
	r.ranTheirs += o.ranTheirs
	r.runs += o.runs
	r.userSpace += o.userSpace
	r.neverMatch += o.neverMatch
}

func run(w io.Writer, corpus string, packets int) error {
	captured, err := readCaptures(corpus)
	if err != nil {
		return err
	}
	rows, err := compare(corpus, captured)
	if err != nil {
		return err
	}
	printRows(w, rows)
	return timeMatcher(w, captured[filter.LinkTypeEthernet], packets)
}

func printRows(w io.Writer, rows map[string]*row) {
	fmt.Fprintln(w, "| link type | programs | instructions | libpcap's | longer | packets | executed a packet | libpcap's |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|")
	print := func(name string, r *row) {
		fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %d | %s | %s |\n", name, r.cases, r.ours, r.theirs, r.longer, r.packets,
			perRun(r.ranOurs, r.runs), perRun(r.ranTheirs, r.runs))
	}
	var all row
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		print(name, rows[name])
		all.add(*rows[name])
	}
	print("**all**", &all)
	fmt.Fprintf(w, "\nNot in the table: %d programs that never match, which libpcap refuses, and %d with protochain, which no kernel runs.\n",
		all.neverMatch, all.userSpace)
}

func perRun(n, runs int) string {
	if runs == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", float64(n)/float64(runs))
}

// readCaptures reads the packets of all captures, as far as they are whole.
func readCaptures(corpus string) (map[filter.LinkType][]packet, error) {
	all := make(map[filter.LinkType][]packet)
	for _, dir := range []string{filepath.Join(corpus, "captures"), filepath.Join(corpus, "filter", "savefiles")} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !strings.Contains(e.Name(), "cap") {
				continue
			}
			if err := readCapture(filepath.Join(dir, e.Name()), all); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func readCapture(path string, all map[filter.LinkType][]packet) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := pcapfile.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil // some are there to be refused
	}
	for {
		p, err := r.Next()
		if err != nil {
			return nil // the end, or damage: what is before it counts
		}
		link := filter.LinkType(p.Interface.LinkType)
		all[link] = append(all[link], packet{slices.Clone(p.Data), int(p.Length)})
	}
}

type testCase struct {
	Kind        string      `json:"kind"`
	DLT         string      `json:"dlt"`
	SnapLen     int         `json:"snaplen"`
	LinuxExt    bool        `json:"linuxext"`
	Offline     string      `json:"offline"`
	Netmask     string      `json:"netmask"`
	Expr        string      `json:"expr"`
	OptRaw      [][4]uint32 `json:"opt_raw"`
	OptRejects  bool        `json:"opt_rejects"`
	SkipOnLinux string      `json:"skip_on_linux"`
}

// compare compiles each accepted case, and runs both programs on the packets of
// its link type.
func compare(corpus string, captured map[filter.LinkType][]packet) (map[string]*row, error) {
	dir := filepath.Join(corpus, "filter")
	f, err := os.Open(filepath.Join(dir, "filter-cases.jsonl"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	resolver := filter.Files{FS: os.DirFS(dir)}
	rows := make(map[string]*row)
	for decoder := json.NewDecoder(f); ; {
		var c testCase
		if err := decoder.Decode(&c); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, err
		}
		if c.Kind != "accept" || c.SkipOnLinux != "" {
			continue
		}
		link, err := filter.ParseLinkType(c.DLT)
		if err != nil {
			return nil, err
		}
		cfg := &filter.Config{LinkType: link, SnapLen: c.SnapLen, Live: c.LinuxExt, Resolver: resolver}
		if c.Netmask != "" {
			cfg.Netmask = netip.MustParseAddr(c.Netmask)
		}
		if slices.Contains([]string{"NULL", "LOOP", "ENC", "PFLOG"}, c.DLT) && c.Offline == "" {
			cfg.Live = true // libpcap compiled it for this machine's address families
		}
		p, err := filter.Compile(c.Expr, cfg)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", c.DLT, c.Expr, err)
		}
		if rows[c.DLT] == nil {
			rows[c.DLT] = &row{packets: len(captured[link])}
		}
		rows[c.DLT].count(c, p, captured[link])
	}
}

func (r *row) count(c testCase, p *filter.Program, packets []packet) {
	switch {
	case c.OptRejects:
		r.neverMatch++
		return
	case p.Kernel() != nil:
		r.userSpace++
		return
	}
	ours := p.Instructions()
	theirs := make([]bpf.RawInstruction, len(c.OptRaw))
	for i, raw := range c.OptRaw {
		theirs[i] = bpf.RawInstruction{Op: uint16(raw[0]), Jt: uint8(raw[1]), Jf: uint8(raw[2]), K: raw[3]}
	}
	r.cases++
	r.ours += len(ours)
	r.theirs += len(theirs)
	if len(ours) > len(theirs) {
		r.longer++
	}
	for _, pk := range packets {
		r.runs++
		r.ranOurs += executed(ours, pk)
		r.ranTheirs += executed(theirs, pk)
	}
}

// timeMatcher times the matcher on as many packets as asked for.
func timeMatcher(w io.Writer, packets []packet, total int) error {
	if len(packets) == 0 {
		return errors.New("the corpus has no Ethernet captures")
	}
	peer, err := newLibpcap(packets)
	if err != nil {
		fmt.Fprintf(w, "\nlibpcap's interpreter is not timed: %v\n", err)
	} else {
		defer peer.close() //nolint:errcheck // a directory of temporary files
	}
	fmt.Fprintf(w, "\n| filter | packets | accepted | matcher, ns a packet | libpcap's | compiling, µs | libpcap's |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, expr := range []string{"tcp port 104", "ip", "host 10.0.0.1 and not port 22", "port 80 or 443 or 8080", "vlan and ip6"} {
		start := time.Now()
		const compiles = 100
		for range compiles - 1 {
			if _, err := filter.Compile(expr, nil); err != nil {
				return err
			}
		}
		p, err := filter.Compile(expr, nil)
		if err != nil {
			return err
		}
		compiling := time.Since(start) / compiles
		best := time.Duration(1<<63 - 1)
		accepted := 0
		for range 3 {
			accepted = 0
			start := time.Now()
			for n := 0; n < total; {
				for _, pk := range packets[:min(len(packets), total-n)] {
					if p.Match(pk.data, pk.length) {
						accepted++
					}
					n++
				}
			}
			best = min(best, time.Since(start))
		}
		theirs, theirCompiling := "–", "–"
		if peer != nil {
			ns, also, µs, err := peer.time(expr, total)
			if err != nil {
				return err
			}
			if also != accepted {
				return fmt.Errorf("%q: %d packets accepted, %d by libpcap", expr, accepted, also)
			}
			theirs, theirCompiling = fmt.Sprintf("%.1f", ns), fmt.Sprintf("%.0f", µs)
		}
		fmt.Fprintf(w, "| `%s` | %d | %d | %.1f | %s | %.0f | %s |\n", expr, total, accepted,
			float64(best.Nanoseconds())/float64(total), theirs, float64(compiling.Nanoseconds())/1000, theirCompiling)
	}
	return nil
}
