//go:build linux

// Command dicom compares what netcap dicom and tshark take for the same captures, and what
// memory many associations take. It makes the captures of one of a bulk C-STORE, whose
// association comes again and again.
//
//	go run ./internal/bench/dicom -netcap ./netcap -capture store_big.pcap > table.md
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"netcap/internal/bench/compare"
)

func main() {
	netcap := flag.String("netcap", "./netcap", "the netcap to measure")
	capture := flag.String("capture", "../shared/corpus/dicom/store_big.pcap", "a capture of one association with a big C-STORE, of Ethernet and IPv4")
	runs := flag.Int("runs", 5, "runs of each; medians are printed")
	megabytes := flag.Int("size", 1000, "size of the captures in MB")
	associations := flag.Int("associations", 10_000, "how many are open at once")
	flag.Parse()
	if err := bench(*netcap, *capture, *runs, *megabytes, *associations); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(netcap, capture string, runs, megabytes, associations int) (err error) {
	if netcap, err = filepath.Abs(netcap); err != nil {
		return err
	}
	packets, err := read(capture)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "netcap-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	big, small, open := filepath.Join(dir, "big.pcap"), filepath.Join(dir, "small.pcap"), filepath.Join(dir, "open.pcap")
	size := int64(megabytes) * 1_000_000
	if err := errors.Join(repeat(big, packets, size), repeat(small, split(packets), size), together(open, split(packets), associations)); err != nil {
		return err
	}
	one := func(words ...string) []string { return append([]string{"taskset", "-c", "0"}, words...) }
	fmt.Printf("Captures of %d MB, in memory, on one processor. Medians; ratios are of wall time, netcap's to the other's.\n\n%s\n", megabytes, compare.Head)
	for _, j := range []compare.Job{
		{Name: "C-STOREs as docker0 shows them, in segments of up to 64 KiB", Runs: 5, Commands: [][]string{one(netcap, "dicom", big), one("tshark", "-n", "-Y", "dicom", "-r", big)}},
		{Name: "C-STOREs in segments of up to 1448 bytes", Runs: 5, Commands: [][]string{one(netcap, "dicom", small), one("tshark", "-n", "-Y", "dicom", "-r", small)}},
		{Name: fmt.Sprintf("%d associations at once", associations), Runs: 5, Commands: [][]string{one(netcap, "dicom", open)}},
	} {
		if err := j.Print(runs); err != nil {
			return err
		}
	}
	return nil
}
