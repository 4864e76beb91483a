//go:build linux

// Package compare has whole processes take turns at the same work, and prints what they
// took, as rows of a Markdown table.
package compare

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Job is something that several programs do, the first of them netcap.
type Job struct {
	Name     string
	Commands [][]string
	Runs     int    // at most
	Out      string // a file that they make, removed before each run; "" for none
}

// Head begins the table.
const Head = "| what | program | wall s | CPU s | peak MiB | ratio |\n|---|---|---|---|---|---|"

// usage is what the system says of a process.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

// Print has the programs take turns, so many times at most and once more before, and
// prints medians. The ratio is of wall time, netcap's to the other's.
func (j *Job) Print(runs int) error {
	runs = min(runs, j.Runs)
	var present [][]string
	for _, c := range j.Commands {
		if _, err := exec.LookPath(c[0]); err != nil {
			fmt.Printf("| %s | %s is not installed | | | | |\n", j.Name, program(c))
			continue
		}
		present = append(present, c)
	}
	all := make([][]usage, len(present))
	for run := range runs + 1 { // the first warms up
		for k := range present {
			// Each is first in turn.
			n := (k + run) % len(present)
			u, err := measure(present[n], j.Out)
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
		fmt.Printf("| %s | %s | %.2f | %.2f | %d | %s |\n", j.Name, program(c), u.wall.Seconds(), u.cpu.Seconds(), u.peak>>20, ratio)
	}
	return nil
}

// program is the name of what a command runs, on one processor perhaps.
func program(command []string) string {
	if command[0] == "taskset" {
		command = command[3:]
	}
	return filepath.Base(command[0])
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
	if err := os.Remove(out); out != "" && err != nil && !errors.Is(err, os.ErrNotExist) {
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
