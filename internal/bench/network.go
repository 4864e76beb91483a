//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// network is two hosts of our own: frames go from g0 to c0.
type network struct {
	ctx                context.Context // done: nothing more is measured
	generator, capture string          // names of namespaces
}

func newNetwork(ctx context.Context) (*network, error) {
	n := &network{ctx, "netcap-bench-g", "netcap-bench-c"}
	for _, command := range []string{
		"ip netns add " + n.generator,
		"ip netns add " + n.capture,
		"ip link add g0 netns " + n.generator + " type veth peer name c0 netns " + n.capture,
		// No packet but ours.
		"ip netns exec " + n.generator + " sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
		"ip netns exec " + n.capture + " sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
		"ip -n " + n.generator + " link set g0 address 02:00:00:00:00:01 up",
		"ip -n " + n.capture + " link set c0 address 02:00:00:00:00:02 up",
	} {
		if _, err := run(strings.Fields(command)...); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (n *network) remove() error {
	var err error
	for _, name := range []string{n.generator, n.capture} {
		if _, e := run("ip", "netns", "del", name); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

func run(args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// How long a capture gets to begin, to settle then, and to take what is under
// way before it is stopped: longer than any program's own time-outs.
const (
	patience = 20 * time.Second
	settle   = 300 * time.Millisecond
	linger   = 500 * time.Millisecond
)

// receiving waits until a process has a packet socket that receives: one with 1
// in the column R of /proc/net/packet.
func receiving(pid int) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/packet", pid))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			const column = 5
			if f := strings.Fields(line); len(f) > column && f[column] == "1" {
				time.Sleep(settle)
				return nil
			}
		}
	}
	return errors.New("it does not begin to capture")
}

// capture is a tool that runs.
type capture struct {
	cmd  *exec.Cmd
	said bytes.Buffer
}

// begin has a tool capture into files of dir, on one processor.
func (n *network) begin(t tool, dir, cpu string) (*capture, error) {
	if err := context.Cause(n.ctx); err != nil {
		return nil, err
	}
	args := append([]string{"netns", "exec", n.capture, "taskset", "-c", cpu}, t.args(filepath.Join(dir, "x"))...)
	c := &capture{cmd: exec.Command("ip", args...)}
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := receiving(c.cmd.Process.Pid); err != nil {
		return nil, errors.Join(c.explain(err), c.end())
	}
	return c, nil
}

func (c *capture) explain(err error) error { return fmt.Errorf("%w: %s", err, &c.said) }

// end stops the tool.
func (c *capture) end() error {
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	// Some programs end with a status of their own when they are interrupted;
	// what counts is the file.
	_ = c.cmd.Wait()
	return nil
}

// measure has a tool capture a load into files of dir, on one processor, while
// another sends it, and removes the files.
func (n *network) measure(t tool, l load, dir, cpu string) (result, error) {
	tmp, err := os.MkdirTemp(dir, "netcap-bench-")
	if err != nil {
		return result{}, err
	}
	defer func() {
		os.RemoveAll(tmp)
		// A disk may be busy with what was deleted: not while the next one runs.
		syscall.Sync()
		time.Sleep(settle)
	}()
	c, err := n.begin(t, tmp, cpu)
	if err != nil {
		return result{}, err
	}
	sendErr := n.send(l)
	time.Sleep(linger)
	if err := errors.Join(sendErr, c.end()); err != nil {
		return result{}, c.explain(err)
	}
	usage, ok := c.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return result{}, errors.New("the operating system tells nothing of finished processes")
	}
	written, err := packetsIn(tmp)
	if err != nil {
		return result{}, c.explain(err)
	}
	return result{
		sent: l.count, written: written, said: c.said.String(),
		cpu:  c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime(),
		peak: int64(usage.Maxrss) << 10, switches: int64(usage.Nvcsw + usage.Nivcsw),
	}, nil
}

// packetsIn counts the packets of the captures in a directory, by a program that
// is neither netcap nor a peer.
func packetsIn(dir string) (int, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.pcap*"))
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		return 0, errors.New("no file was written")
	}
	out, err := run(append([]string{"capinfos", "-M", "-c"}, files...)...)
	if err != nil {
		return 0, err
	}
	packets := 0
	counts := regexp.MustCompile(`Number of packets:\s+(\d+)`).FindAllStringSubmatch(out, -1)
	if len(counts) != len(files) {
		return 0, fmt.Errorf("capinfos: %s", out)
	}
	for _, m := range counts {
		c, err := strconv.Atoi(m[1])
		if err != nil {
			return 0, err
		}
		packets += c
	}
	return packets, nil
}

// send sends a load, as fast as processor 0 can or with gaps. It is bounded in
// count.
func (n *network) send(l load) error {
	config, err := os.CreateTemp("", "netcap-bench-*.cfg")
	if err != nil {
		return err
	}
	defer os.Remove(config.Name())
	for _, size := range l.sizes {
		const headers = 14 + 20 + 8
		fmt.Fprintf(config, `{ eth(da=02:00:00:00:00:02, sa=02:00:00:00:00:01, type=0x0800)
  ipv4(saddr=198.18.0.1, daddr=198.18.0.2, ttl=64) udp(sport=1000, dport=9) fill(0x41, %d) }
`, size-headers)
	}
	if err := config.Close(); err != nil {
		return err
	}
	args := []string{
		"ip", "netns", "exec", n.generator, "taskset", "-c", "0", "trafgen", "--cpp", "--conf", config.Name(),
		"--dev", "g0", "--num", strconv.Itoa(l.count), "--cpus", "1", "-q",
	}
	if l.gap != "" {
		args = append(args, "--gap", l.gap)
	}
	_, err = run(args...)
	return err
}
