//go:build linux

package main

import (
	"bytes"
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
	generator, capture string // names of namespaces
}

func newNetwork() (*network, error) {
	n := &network{"netcap-bench-g", "netcap-bench-c"}
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

// measure has a tool capture a load into a file of dir, on one processor, while
// another sends it, and removes the file.
func (n *network) measure(t tool, l load, dir, cpu string) (result, error) {
	tmp, err := os.MkdirTemp(dir, "netcap-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(tmp)
	args := append([]string{"netns", "exec", n.capture, "taskset", "-c", cpu}, t.args(filepath.Join(tmp, "x"))...)
	cmd := exec.Command("ip", args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	sendErr := receiving(cmd.Process.Pid)
	if sendErr == nil {
		sendErr = n.send(l)
		time.Sleep(linger)
	}
	err = cmd.Process.Signal(syscall.SIGINT)
	// Some programs end with a status of their own when they are interrupted;
	// what counts is the file.
	_ = cmd.Wait()
	if err = errors.Join(err, sendErr); err != nil {
		return result{}, fmt.Errorf("%w: %s", err, &said)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return result{}, errors.New("the operating system tells nothing of finished processes")
	}
	written, err := packetsIn(tmp)
	if err != nil {
		return result{}, fmt.Errorf("%w: %s", err, &said)
	}
	return result{
		sent: l.count, written: written,
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		peak: int64(usage.Maxrss) << 10, switches: int64(usage.Nvcsw + usage.Nivcsw),
	}, nil
}

// packetsIn counts the packets of the one file in a directory, by a program
// that is neither netcap nor a peer.
func packetsIn(dir string) (int, error) {
	files, err := filepath.Glob(filepath.Join(dir, "x*"))
	if err != nil {
		return 0, err
	}
	if len(files) != 1 {
		return 0, fmt.Errorf("%d files were written", len(files))
	}
	out, err := run("capinfos", "-M", "-c", files[0])
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`Number of packets:\s+(\d+)`).FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("capinfos: %s", out)
	}
	return strconv.Atoi(m[1])
}

// send sends a load as fast as processor 0 can. It is bounded in count.
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
	_, err = run("ip", "netns", "exec", n.generator, "taskset", "-c", "0", "trafgen", "--cpp", "--conf", config.Name(),
		"--dev", "g0", "--num", strconv.Itoa(l.count), "--cpus", "1", "-q")
	return err
}
