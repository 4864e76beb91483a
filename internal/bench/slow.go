//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// slowRate is what the slow disk takes, in bytes a second.
const slowRate = 50_000_000

// burst is 300 MB.
var burst = load{"1514", []int{1514}, 198_000, ""}

// slow compares what is lost of a burst to a disk that takes 50 MB/s, and holds
// netcap's own account against what capinfos finds.
func (n *network) slow(o options) (err error) {
	d, err := newSlowDisk(o.dirs[0])
	if err != nil {
		return errors.Join(err, d.remove())
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	fmt.Printf("## A burst of 300 MB, at full rate, to a disk that takes 50 MB/s, medians of %d\n\n", o.runs)
	fmt.Println("| program | sent | in the file | lost | peak MiB | the program's own account |")
	fmt.Println("|---|---|---|---|---|---|")
	captures := func(buffer string) tool {
		return tool{"netcap --write-buffer " + buffer, func(f string) []string {
			return []string{o.netcap, "-i", "c0", "-w", f + ".pcapng", "--write-buffer", buffer}
		}}
	}
	tcpdump := tool{"tcpdump", func(f string) []string { return []string{"tcpdump", "-i", "c0", "-Z", "root", "-w", f + ".pcap"} }}
	all := []tool{captures("512MiB"), captures("256MiB"), tcpdump}
	results := make([][]result, len(all))
	for round := range o.runs {
		for k := range all {
			// Each is first in turn: it has to find the memory that those after
			// it find warm.
			i := (round + k) % len(all)
			t := all[i]
			r, err := n.measure(t, burst, d.dir, "1")
			if err != nil {
				return err
			}
			if t.name != tcpdump.name {
				if err := addsUp(r); err != nil {
					return err
				}
			}
			results[i] = append(results[i], r)
		}
	}
	for i, t := range all {
		m := medianOf(results[i])
		account := "exact in each run"
		if t.name == tcpdump.name {
			account = "not looked at"
		}
		fmt.Printf("| %s | %d | %d | %d | %.1f | %s |\n", t.name, m.sent, m.written, m.sent-m.written, float64(m.peak)/(1<<20), account)
	}
	fmt.Println()
	return nil
}

// addsUp holds netcap's summary against what was sent and what is in the file.
func addsUp(r result) error {
	count := func(what string) int {
		m := regexp.MustCompile(`(\d+) packets? ` + what).FindStringSubmatch(r.said)
		if m == nil {
			return 0
		}
		var n int
		_, _ = fmt.Sscan(m[1], &n)
		return n
	}
	captured, received := count("captured"), count("received")
	dropped := count("dropped by kernel") + count("dropped because they could not be written")
	if captured != r.written || received != r.sent || received != captured+dropped {
		return fmt.Errorf("the sums are wrong: %d sent, %d in the file: %s", r.sent, r.written, r.said)
	}
	return nil
}

// slowDisk is a file system on a loop device, which the kernel slows down for
// everybody.
type slowDisk struct {
	image, device, dir, limit, number string
}

func newSlowDisk(in string) (d *slowDisk, err error) {
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
	out, err := run("losetup", "--find", "--show", "--direct-io=on", d.image)
	if err != nil {
		return d, err
	}
	d.device = strings.TrimSpace(out)
	if _, err := run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.device); err != nil {
		return d, err
	}
	if d.dir, err = os.MkdirTemp(in, "netcap-bench-"); err != nil {
		return d, err
	}
	if _, err := run("mount", d.device, d.dir); err != nil {
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
		_, e := run(args...)
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
