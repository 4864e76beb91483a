//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// slowRate is what the slow disk takes, in bytes a second.
const slowRate = 50_000_000

// slow compares what is lost of a burst of 300 MB to a disk that takes 50 MB/s.
func (n *network) slow(o options, tools []tool) (err error) {
	d, err := newSlowDisk(n.ctx, o.dirs[0])
	if err != nil {
		return errors.Join(err, d.remove())
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	captures := func(buffer string) tool {
		return tool{name: "netcap --write-buffer " + buffer, sums: true, args: func(f string) []string {
			return []string{o.netcap, "-i", "c0", "-w", f + ".pcapng", "--write-buffer", buffer}
		}}
	}
	fmt.Print("## A disk that takes 50 MB/s\n\n")
	tools = append([]tool{captures("512MiB"), captures("256MiB")}, slices.DeleteFunc(slices.Clone(tools), func(t tool) bool { return t.sums })...)
	return n.compare(tools, load{"1514", []int{1514}, 198_000}, trial{dir: d.dir, place: "a slow disk", cpu: "1"}, o.runs, "")
}

// slowDisk is a file system on a loop device, which the kernel slows down for
// everybody.
type slowDisk struct {
	image, device, dir, limit, number string
}

func newSlowDisk(ctx context.Context, in string) (d *slowDisk, err error) {
	d = &slowDisk{limit: "/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device"}
	if _, err := os.Stat(d.limit); err != nil {
		return d, fmt.Errorf("no block device can be slowed down: %w", err)
	}
	image, err := os.CreateTemp(in, "netcap-bench-*.img")
	if err != nil {
		return d, err
	}
	d.image = image.Name()
	if err := errors.Join(image.Truncate(2<<30), image.Close()); err != nil {
		return d, err
	}
	out, err := run(ctx, "losetup", "--find", "--show", "--direct-io=on", d.image)
	if err != nil {
		return d, err
	}
	d.device = strings.TrimSpace(out)
	if _, err := run(ctx, "mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.device); err != nil {
		return d, err
	}
	if d.dir, err = os.MkdirTemp(in, "netcap-bench-"); err != nil {
		return d, err
	}
	if _, err := run(ctx, "mount", d.device, d.dir); err != nil {
		return d, err
	}
	number, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(d.device), "dev"))
	if err != nil {
		return d, err
	}
	d.number = strings.TrimSpace(string(number))
	return d, d.throttle(slowRate)
}

func (d *slowDisk) throttle(rate int) error {
	return os.WriteFile(d.limit, fmt.Appendf(nil, "%s %d", d.number, rate), 0)
}

// remove undoes as much as newSlowDisk did.
func (d *slowDisk) remove() error {
	var err error
	if d.number != "" {
		err = d.throttle(0)
	}
	undo := func(args ...string) {
		_, e := run(context.Background(), args...)
		err = errors.Join(err, e)
	}
	if d.number != "" {
		undo("umount", d.dir)
	}
	if d.dir != "" {
		err = errors.Join(err, os.Remove(d.dir))
	}
	if d.device != "" {
		undo("losetup", "--detach", d.device)
	}
	if d.image != "" {
		err = errors.Join(err, os.Remove(d.image))
	}
	return err
}
