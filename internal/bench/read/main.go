//go:build linux

// Command read compares whole processes that read the same capture: netcap, tcpdump,
// tshark, capinfos. It makes the capture, a million packets of many kinds in 540 MB, lets
// the programs take turns, and prints medians as Markdown.
//
//	go run ./internal/bench/read -netcap ./netcap -runs 5 > table.md
//	go run ./internal/bench/read -generate FILE       only makes the capture
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
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

// job is something that several programs do, the first of them netcap.
type job struct {
	name     string
	commands [][]string
	runs     int // at most
}

func jobs(netcap, in, out string) []job {
	return []job{
		{"info", [][]string{{netcap, "info", in}, {"capinfos", in}}, 5},
		{"filter into a file", [][]string{
			{netcap, "read", in, "tcp port 104", "-w", out},
			{"tcpdump", "-r", in, "-w", out, "-Z", "root", "tcp port 104"},
		}, 5},
		{"all into a file", [][]string{{netcap, "read", in, "-w", out}, {"tcpdump", "-r", in, "-w", out, "-Z", "root"}}, 5},
		{"lines", [][]string{{netcap, "read", "-n", in}, {"tcpdump", "-nSr", in}, {"tshark", "-n", "-r", in}}, 3},
		{"filtered lines", [][]string{{netcap, "read", "-n", in, "udp port 53"}, {"tcpdump", "-nSr", in, "udp port 53"}}, 5},
		{"JSON", [][]string{{netcap, "read", "-n", "--json", in}}, 5},
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
	fmt.Println("| what | program | wall s | CPU s | peak MiB | ratio |\n|---|---|---|---|---|---|")
	for _, j := range jobs(netcap, in, out) {
		if rows != "" && !slices.Contains(strings.Split(rows, ","), strings.Fields(j.name)[0]) {
			continue
		}
		if err := j.measure(min(runs, j.runs), out); err != nil {
			return err
		}
	}
	return nil
}

// usage is what the system says of a process.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

func (j *job) measure(runs int, out string) error {
	var present [][]string
	for _, c := range j.commands {
		if _, err := exec.LookPath(c[0]); err != nil {
			fmt.Printf("| %s | %s is not installed | | | | |\n", j.name, c[0])
			continue
		}
		present = append(present, c)
	}
	all := make([][]usage, len(present))
	for run := range runs + 1 { // the first warms up
		for k := range present {
			// Each is first in turn.
			n := (k + run) % len(present)
			u, err := measure(present[n], out)
			if err != nil {
				return err
			}
			if run > 0 {
				all[n] = append(all[n], u)
			}
		}
	}
	var ours time.Duration
	for n, c := range present {
		u := usage{
			median(all[n], func(u usage) time.Duration { return u.wall }),
			median(all[n], func(u usage) time.Duration { return u.cpu }),
			median(all[n], func(u usage) int64 { return u.peak }),
		}
		ratio := ""
		if n == 0 {
			ours = u.wall
		} else {
			ratio = fmt.Sprintf("%.3f", ours.Seconds()/u.wall.Seconds())
		}
		fmt.Printf("| %s | %s | %.2f | %.2f | %d | %s |\n", j.name, filepath.Base(c[0]), u.wall.Seconds(), u.cpu.Seconds(), u.peak>>20, ratio)
	}
	return nil
}

func median[T cmp.Ordered](all []usage, of func(usage) T) T {
	var values []T
	for _, u := range all {
		values = append(values, of(u))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func measure(command []string, out string) (usage, error) {
	if err := os.Remove(out); err != nil && !errors.Is(err, os.ErrNotExist) {
		return usage{}, err
	}
	// Lines go where they cost nothing but being written.
	cmd := exec.Command(command[0], command[1:]...)
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	ended, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watchPeak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	wall := time.Since(begun)
	close(ended)
	u := usage{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak: <-peak}
	if err != nil {
		return usage{}, fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	return u, nil
}

// watchPeak looks how much memory a process has had at most, in bytes, until it has
// ended. What the system says afterwards is no less than what the process that started
// it had.
func watchPeak(pid int, ended <-chan struct{}) (peak int64) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-ended:
			tick.Stop()
			return peak
		case <-tick.C:
			status, _ := os.ReadFile(path) // there is none once it has ended
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kib int64
				if _, err := fmt.Sscan(rest, &kib); err == nil {
					peak = max(peak, kib<<10)
				}
			}
		}
	}
}
