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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long a capture gets to begin, to settle then, to take what is under way
// before it is stopped, and to end: longer than any program's own time-outs.
const (
	patience = 20 * time.Second
	settle   = 300 * time.Millisecond
	linger   = 500 * time.Millisecond
	ending   = 2 * time.Minute
)

// capture is a tool that runs.
type capture struct {
	cmd  *exec.Cmd
	said bytes.Buffer
}

// begin has a tool capture into files of dir, on one processor or, if that is "",
// on any.
func (n *network) begin(t tool, dir, cpu string) (*capture, error) {
	if err := context.Cause(n.ctx); err != nil {
		return nil, err
	}
	// It outlives the context: it is ended as always, and its files are removed.
	c := &capture{cmd: command(context.WithoutCancel(n.ctx), append(in(n.capture, cpu), t.args(filepath.Join(dir, "x"))...)...)}
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := n.receiving(c.cmd.Process.Pid); err != nil {
		return nil, c.explain(errors.Join(err, c.end()))
	}
	return c, nil
}

// receiving waits until a process has a packet socket that receives: one with 1
// in the column R of /proc/net/packet.
func (n *network) receiving(pid int) error {
	ours, err := os.Stat(filepath.Join("/run/netns", n.capture))
	if err != nil {
		return err
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	for end := time.Now().Add(patience); time.Now().Before(end); {
		b, err := os.ReadFile(filepath.Join(proc, "net/packet"))
		if err != nil {
			return errors.New("it ended before it captured")
		}
		// Until ip has moved it there, it sees the sockets of this host.
		if now, err := os.Stat(filepath.Join(proc, "ns/net")); err == nil && os.SameFile(now, ours) {
			for line := range strings.Lines(string(b)) {
				const column = 5
				if f := strings.Fields(line); len(f) > column && f[column] == "1" {
					return nil
				}
			}
		}
		if err := n.pause(time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("it does not begin to capture")
}

// explain adds what the tool said to an error, on one line.
func (c *capture) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", err, strings.Join(strings.Fields(c.said.String()), " "))
}

// end stops the tool.
func (c *capture) end() error {
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.AfterFunc(ending, func() { _ = c.cmd.Process.Kill() })
	// Some programs end with a status of their own when they are interrupted;
	// what counts is the file.
	_ = c.cmd.Wait()
	if !late.Stop() {
		return fmt.Errorf("it did not end within %v", ending)
	}
	return nil
}

// peak is how much memory, in bytes, the tool has had at most. What the system says
// of a finished process counts those that it was before exec(2) too.
func (c *capture) peak() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	kb, err := field(status, "VmHWM:")
	return kb << 10, err
}

// field returns the number that a line of a file such as /proc/PID/status begins with
// after its name, 0 if there is no such line.
func field(file []byte, name string) (int64, error) {
	for line := range strings.Lines(string(file)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			return strconv.ParseInt(number, 10, 64)
		}
	}
	return 0, nil
}
