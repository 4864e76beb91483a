package testenv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Usage is what a process has used of the machine so far.
type Usage struct {
	User, System time.Duration // CPU time of all its threads, ended ones included
	PeakMemory   int64         // the most that was resident at once, in bytes

	// Context switches of the threads that are alive: those of a thread that
	// waited, and those of a thread whose turn was over.
	Voluntary, Involuntary int64
}

// CPU returns the time in user and kernel mode together.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// UsageOf reads the usage of a process that is running, or has ended and is
// not yet waited for (which has no memory and no threads left to count): see
// proc_pid_stat(5) and proc_pid_status(5).
func UsageOf(t testing.TB, pid int) Usage {
	t.Helper()
	u, err := usageOf(pid)
	if err != nil {
		t.Fatalf("usage of process %d: %v", pid, err)
	}
	return u
}

func usageOf(pid int) (Usage, error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, err
	}
	u, err := parseStat(stat)
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return Usage{}, err
	}
	u.PeakMemory = statusField(status, "VmHWM") * 1024

	// The switches in a process's own status are those of its first thread.
	tasks, err := filepath.Glob(filepath.Join(dir, "task", "*", "status"))
	if err != nil {
		return Usage{}, err
	}
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		u.Voluntary += statusField(status, "voluntary_ctxt_switches")
		u.Involuntary += statusField(status, "nonvoluntary_ctxt_switches")
	}
	return u, nil
}

// parseStat takes the CPU times out of /proc/PID/stat, where they are in
// clock ticks, of which Linux has 100 a second wherever Go runs.
func parseStat(stat []byte) (Usage, error) {
	// The second field, the program's name, may hold spaces and parentheses.
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return Usage{}, fmt.Errorf("no program name in %q", stat)
	}
	const state, utime, stime = 3, 14, 15 // as the manual numbers the fields
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) <= stime-state {
		return Usage{}, fmt.Errorf("%d fields after the program name, want more than %d", len(fields), stime-state)
	}
	ticks := func(field int) (time.Duration, error) {
		n, err := strconv.ParseInt(fields[field-state], 10, 64)
		return time.Duration(n) * time.Second / 100, err
	}
	user, err := ticks(utime)
	if err != nil {
		return Usage{}, err
	}
	system, err := ticks(stime)
	if err != nil {
		return Usage{}, err
	}
	return Usage{User: user, System: system}, nil
}

// statusField returns the number in a line "name:  123 kB", and 0 where there
// is no such line.
func statusField(status []byte, name string) int64 {
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if key != name || len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err == nil {
			return n
		}
	}
	return 0
}
