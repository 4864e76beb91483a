//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// span is how long a quiet link is watched.
const span = 10 * time.Second

// quiet compares what the tools take while little or nothing comes, from the
// moment that they capture: what a capture that runs for months costs.
func (n *network) quiet(tools []tool, dir string) error {
	fmt.Print("## A quiet link, for 10 seconds\n\n")
	fmt.Println("| program | 1000 frames of 200 bytes a second: CPU ms | wake-ups | nothing: CPU ms | wake-ups |")
	fmt.Println("|---|---|---|---|---|")
	for _, t := range tools {
		trickle, err := n.watch(t, dir, func() error {
			return n.send(load{"trickle", []int{200}, int(span / time.Millisecond), "1ms"})
		})
		if err != nil {
			return err
		}
		nothing, err := n.watch(t, dir, func() error { time.Sleep(span); return nil })
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %.1f | %d | %.1f | %d |\n", t.name, trickle.cpu.Seconds()*1e3, trickle.switches, nothing.cpu.Seconds()*1e3, nothing.switches)
	}
	fmt.Println()
	return nil
}

// watch has a tool capture while something is done, and returns what it took
// meanwhile.
func (n *network) watch(t tool, dir string, do func() error) (result, error) {
	tmp, err := os.MkdirTemp(dir, "netcap-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(tmp)
	c, err := n.begin(t, tmp, "1")
	if err != nil {
		return result{}, err
	}
	time.Sleep(2 * time.Second) // what starting leaves to be done
	before, err := taken(c.cmd.Process.Pid)
	after := before
	if err == nil {
		if err = do(); err == nil {
			after, err = taken(c.cmd.Process.Pid)
		}
	}
	if err := errors.Join(err, c.end()); err != nil {
		return result{}, c.explain(err)
	}
	return result{cpu: after.cpu - before.cpu, switches: after.switches - before.switches}, nil
}

// taken returns the CPU time and the waits of a process's threads so far.
func taken(pid int) (r result, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return r, err
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(filepath.Join(thread, "schedstat"))
		if err != nil {
			continue // it has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
		if err != nil {
			return r, err
		}
		r.cpu += time.Duration(ns)
		status, err := os.ReadFile(filepath.Join(thread, "status"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				waits, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
				if err != nil {
					return r, err
				}
				r.switches += waits
			}
		}
	}
	return r, nil
}
