//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// network is two hosts of our own: frames go from g0 to c0.
type network struct {
	ctx                context.Context // done: nothing more is measured
	generator, capture string          // names of namespaces
	made               []string        // namespaces to remove
}

// The addresses of the ends.
const (
	generatorMAC, generatorIP = "02:00:00:00:00:01", "10.9.0.1"
	captureMAC, captureIP     = "02:00:00:00:00:02", "10.9.0.2"
)

func newNetwork(ctx context.Context) (*network, error) {
	n := &network{ctx: ctx, generator: "netcap-bench-g", capture: "netcap-bench-c"}
	for _, name := range []string{n.generator, n.capture} {
		if _, err := n.run("ip", "netns", "add", name); err != nil {
			return n, fmt.Errorf("%w (if no other bench runs: ip netns del %s)", err, name)
		}
		n.made = append(n.made, name)
	}
	if _, err := n.run("ip", "link", "add", "g0", "netns", n.generator, "type", "veth", "peer", "name", "c0", "netns", n.capture); err != nil {
		return n, err
	}
	for _, end := range []struct{ name, dev, mac, ip, otherMAC, otherIP string }{
		{n.generator, "g0", generatorMAC, generatorIP, captureMAC, captureIP},
		{n.capture, "c0", captureMAC, captureIP, generatorMAC, generatorIP},
	} {
		for _, command := range []string{
			// No packet but ours: no IPv6, and no ARP.
			"ip netns exec " + end.name + " sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.ip_forward=0",
			"ip -n " + end.name + " link set " + end.dev + " address " + end.mac + " up",
			"ip -n " + end.name + " addr add " + end.ip + "/24 dev " + end.dev,
			"ip -n " + end.name + " neigh replace " + end.otherIP + " lladdr " + end.otherMAC + " dev " + end.dev + " nud permanent",
		} {
			if _, err := n.run(strings.Fields(command)...); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (n *network) remove() error {
	var err error
	for _, name := range n.made {
		_, e := run(context.Background(), "ip", "netns", "del", name)
		err = errors.Join(err, e)
	}
	return err
}

// command is a command that ends with a context, and what it started with it. The
// terminal's Ctrl-C doesn't reach it: the bench ends what it began.
func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

func run(ctx context.Context, args ...string) (string, error) {
	cmd := command(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

func (n *network) run(args ...string) (string, error) { return run(n.ctx, args...) }

// pause sleeps unless the bench is to end.
func (n *network) pause(d time.Duration) error {
	select {
	case <-n.ctx.Done():
		return context.Cause(n.ctx)
	case <-time.After(d):
		return nil
	}
}

// in is the beginning of a command that runs in a namespace, on one processor or,
// if that is "", on any.
func in(namespace, cpu string) []string {
	args := []string{"ip", "netns", "exec", namespace}
	if cpu != "" {
		args = append(args, "taskset", "-c", cpu)
	}
	return args
}

// traffic is what crossed a link.
type traffic struct {
	packets int
	bytes   int64
}

// crossed returns what has crossed c0 so far, in both directions.
func (n *network) crossed() (traffic, error) {
	out, err := n.run("ip", "-n", n.capture, "-s", "-j", "link", "show", "dev", "c0")
	if err != nil {
		return traffic{}, err
	}
	type counters struct {
		Packets int
		Bytes   int64
	}
	var links []struct {
		Stats struct{ Rx, Tx counters } `json:"stats64"`
	}
	if err := json.Unmarshal([]byte(out), &links); err != nil || len(links) != 1 {
		return traffic{}, fmt.Errorf("ip link show: %w: %s", err, out)
	}
	s := links[0].Stats
	return traffic{s.Rx.Packets + s.Tx.Packets, s.Rx.Bytes + s.Tx.Bytes}, nil
}

// flood sends frames of some sizes in turn, so many in all, as fast as processor 0
// can.
func (n *network) flood(sizes []int, count int) error {
	config, err := os.CreateTemp("", "netcap-bench-*.cfg")
	if err != nil {
		return err
	}
	defer os.Remove(config.Name())
	for _, size := range sizes {
		const headers = 14 + 20 + 8
		fmt.Fprintf(config, `{ eth(da=%s, sa=%s, type=0x0800)
  ipv4(saddr=198.18.0.1, daddr=198.18.0.2, ttl=64) udp(sport=1000, dport=9) fill(0x41, %d) }
`, captureMAC, generatorMAC, size-headers)
	}
	if err := config.Close(); err != nil {
		return err
	}
	_, err = n.run(append(in(n.generator, "0"), "trafgen", "--cpp", "--conf", config.Name(),
		"--dev", "g0", "--num", strconv.Itoa(count), "--cpus", "1", "-q")...)
	return err
}
