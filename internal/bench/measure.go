//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// A trial is what each tool goes through.
type trial struct {
	dir       string // on the disk that is captured to
	place     string // its name in a title, "" for the path
	cpu       string // that the capture runs on, "" for any
	neighbour []string
	// send sends, and may leave files in dir.
	send func(dir string) (result, error)
}

// A result is what one run gave.
type result struct {
	sent, written           int   // packets
	sentBytes, writtenBytes int64 // of packets, with their headers
	cpu                     time.Duration
	peak                    int64 // bytes
	switches                int64
	took                    time.Duration // the transfer, or the start
	sender, receiver        time.Duration // CPU time
}

// medianOf is the median of each figure by itself.
func medianOf(runs []result) result {
	return result{
		sent:         median(runs, func(r result) int { return r.sent }),
		written:      median(runs, func(r result) int { return r.written }),
		sentBytes:    median(runs, func(r result) int64 { return r.sentBytes }),
		writtenBytes: median(runs, func(r result) int64 { return r.writtenBytes }),
		cpu:          median(runs, func(r result) time.Duration { return r.cpu }),
		peak:         median(runs, func(r result) int64 { return r.peak }),
		switches:     median(runs, func(r result) int64 { return r.switches }),
		took:         median(runs, func(r result) time.Duration { return r.took }),
		sender:       median(runs, func(r result) time.Duration { return r.sender }),
		receiver:     median(runs, func(r result) time.Duration { return r.receiver }),
	}
}

func median[T cmp.Ordered](runs []result, of func(result) T) T {
	values := make([]T, len(runs))
	for i, r := range runs {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// A tally is what all runs of a tool gave.
type tally struct {
	tool tool
	runs []result
	why  error // it can't be measured
}

// errSums is what the bench fails with when netcap's own account is wrong.
var errSums = errors.New("netcap's sums are wrong")

// turns measures the tools in turn, so that what the machine does meanwhile meets
// them all. Each is first in turn: it has to find the memory that those after it
// find warm.
func (n *network) turns(tools []tool, rounds int, measure func(tool) (result, error)) ([]tally, error) {
	tallies := make([]tally, len(tools))
	for i, t := range tools {
		tallies[i] = tally{tool: t, why: t.missing}
	}
	for round := range rounds {
		for k := range tallies {
			t := &tallies[(round+k)%len(tallies)]
			if t.why != nil {
				continue
			}
			r, err := measure(t.tool)
			switch {
			case n.ctx.Err() != nil:
				return nil, context.Cause(n.ctx)
			case errors.Is(err, errSums):
				return nil, err
			case err != nil:
				t.why = err
			}
			t.runs = append(t.runs, r)
		}
	}
	return tallies, nil
}

// measure has a tool capture what a trial sends, and removes the files.
func (n *network) measure(t tool, how trial) (r result, err error) {
	tmp, err := os.MkdirTemp(how.dir, "netcap-bench-")
	if err != nil {
		return result{}, err
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(tmp))
		// A disk may be busy with what was deleted: not while the next one runs.
		syscall.Sync()
		time.Sleep(settle)
	}()
	if how.neighbour != nil {
		end, busyErr := n.keepBusy(tmp, how.neighbour)
		if busyErr != nil {
			return result{}, busyErr
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	if t.args == nil {
		return how.send(tmp)
	}
	c, err := n.begin(t, tmp, how.cpu)
	if err != nil {
		return result{}, err
	}
	time.Sleep(settle)
	r, sendErr := how.send(tmp)
	time.Sleep(linger)
	peak, peakErr := c.peak()
	if err := errors.Join(sendErr, peakErr, c.end()); err != nil {
		return result{}, c.explain(err)
	}
	usage, ok := c.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return result{}, errors.New("the operating system tells nothing of finished processes")
	}
	r.cpu = c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()
	r.peak, r.switches = peak, int64(usage.Nvcsw+usage.Nivcsw)
	err = n.count(t, c, tmp, &r)
	return r, err
}

// count counts what is in the files of a capture that has ended, and holds netcap's
// own account against that.
func (n *network) count(t tool, c *capture, dir string, r *result) error {
	err := n.countFiles(dir, r)
	if err == nil && t.sums {
		err = addsUp(*r, c.said.String())
	}
	return c.explain(err)
}

// countFiles counts by a program that is neither netcap nor a peer.
func (n *network) countFiles(dir string, r *result) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.pcap*"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("no file was written")
	}
	out, err := n.run(append([]string{"capinfos", "-M", "-c", "-d"}, files...)...)
	if err != nil {
		return err
	}
	sum := func(what string) (total int64) {
		found := regexp.MustCompile(what+`:\s+(\d+)`).FindAllStringSubmatch(out, -1)
		if len(found) != len(files) {
			err = fmt.Errorf("capinfos: no %q for each file: %s", what, out)
		}
		for _, m := range found {
			number, e := strconv.ParseInt(m[1], 10, 64)
			err = errors.Join(err, e)
			total += number
		}
		return total
	}
	r.written, r.writtenBytes = int(sum("Number of packets")), sum("Data size")
	return err
}

// addsUp holds netcap's summary against what was sent and what is in the file.
func addsUp(r result, said string) error {
	count := func(what string) (number int) {
		if m := regexp.MustCompile(`(\d+) packets? ` + what).FindStringSubmatch(said); m != nil {
			number, _ = strconv.Atoi(m[1])
		}
		return number
	}
	captured, received := count("captured"), count("received")
	dropped := count("dropped by kernel") + count("dropped because they could not be written")
	if captured != r.written || received != r.sent || received != captured+dropped {
		return fmt.Errorf("%w: %d sent, %d in the file", errSums, r.sent, r.written)
	}
	return nil
}
