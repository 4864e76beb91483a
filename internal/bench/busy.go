//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// busyFile is what a neighbour writes, in the directory that is captured to.
const busyFile = "busy"

// neighbours are who else writes to the disk: past the page cache, or through it.
var neighbours = []struct {
	name string
	dd   []string
}{
	{"direct", []string{"bs=4M", "count=700", "oflag=direct"}},
	{"buffered", []string{"bs=1M", "count=3000", "conv=fsync"}},
}

// busy compares the tools while somebody else writes to the same disk.
func (n *network) busy(o options, tools []tool) error {
	fmt.Print("## A disk that others write to\n\n")
	for _, who := range neighbours {
		meanwhile := fmt.Sprintf(" while `dd %s` writes there", strings.Join(who.dd, " "))
		for _, l := range []load{
			{"64", []int{64}, 1_000_000},
			{"512", []int{512}, 1_000_000},
			large,
			{"1514", []int{1514}, 2_047_600}, // 3.1 GB
		} {
			if name := l.name; l.count > large.count && !o.wants("3.1GB") || l.count == large.count && !o.wants(name) {
				continue
			}
			if err := n.compare(tools, l, trial{dir: o.dirs[0], cpu: "1", neighbour: who.dd}, o.runs, meanwhile); err != nil {
				return err
			}
		}
		if x := connections[1]; o.wants(x.name) {
			if err := n.compareTCP(tools, x, trial{dir: o.dirs[0], neighbour: who.dd}, o.runs, meanwhile); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepBusy has a neighbour write a file in dir, again and again, and returns once the
// disk is busy. The function that it returns ends that and removes the file.
func (n *network) keepBusy(dir string, dd []string) (end func() error, err error) {
	file := filepath.Join(dir, busyFile)
	ctx, cancel := context.WithCancel(n.ctx)
	ended := make(chan error, 1) // it ends before anybody waits, if it fails
	go func() {
		for {
			_, err := run(ctx, append([]string{"dd", "if=/dev/zero", "of=" + file, "status=none"}, dd...)...)
			if ctx.Err() != nil {
				err = nil // it was ended
			} else if err == nil {
				continue
			}
			ended <- err
			return
		}
	}()
	end = func() error {
		cancel()
		err := <-ended
		if e := os.Remove(file); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
		return err
	}
	if err := n.pause(2 * time.Second); err != nil {
		return nil, errors.Join(err, end())
	}
	return end, nil
}
