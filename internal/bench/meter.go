//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A meter adds up what the threads of a process have taken, those of the kernel that
// write for it (io_uring's) among them.
type meter struct {
	pid     int
	threads map[string]usage // by path; those that have ended too
	before  usage            // what doesn't count
}

func newMeter(pid int) *meter { return &meter{pid: pid, threads: map[string]usage{}} }

// usage is what a thread has taken.
type usage struct {
	cpu      time.Duration
	switches int64 // voluntary or not
}

// during measures what a process takes while something is done. Once a second it
// looks at the threads, so that what one took that ends isn't missed: io_uring's end
// after five seconds without work.
func (m *meter) during(do func() error) error {
	if err := m.read(); err != nil {
		return err
	}
	m.before = m.total()
	ended := make(chan error, 1) // do ends in any case
	go func() { ended <- do() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var readErr error
	for {
		select {
		case <-tick.C:
			readErr = errors.Join(readErr, m.read())
		case err := <-ended:
			return errors.Join(err, readErr, m.read())
		}
	}
}

// read looks at the threads.
func (m *meter) read() error {
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", m.pid))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return errors.New("it has ended by itself")
	}
	for _, path := range paths {
		u, err := threadUsage(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended since
		}
		if err != nil {
			return err
		}
		m.threads[path] = u
	}
	return nil
}

func threadUsage(path string) (u usage, err error) {
	stat, err := os.ReadFile(filepath.Join(path, "schedstat"))
	if err != nil {
		return u, err
	}
	onCPU, _, _ := strings.Cut(string(stat), " ")
	ns, err := strconv.ParseInt(onCPU, 10, 64)
	if err != nil {
		return u, err
	}
	status, err := os.ReadFile(filepath.Join(path, "status"))
	if err != nil {
		return u, err
	}
	waited, err := field(status, "voluntary_ctxt_switches:")
	if err != nil {
		return u, err
	}
	moved, err := field(status, "nonvoluntary_ctxt_switches:")
	return usage{time.Duration(ns), waited + moved}, err
}

// total is what the threads have taken since before.
func (m *meter) total() usage {
	t := usage{-m.before.cpu, -m.before.switches}
	for _, u := range m.threads {
		t.cpu += u.cpu
		t.switches += u.switches
	}
	return t
}
