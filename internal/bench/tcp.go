//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// A connection is a TCP connection that carries so many bytes from the generator to
// the host that captures. The veth pair has segmentation offload: what is captured
// are segments of up to 64 KiB, as on docker0.
type connection struct {
	name   string
	bytes  int64
	toDisk bool // the receiver writes them to a file, where the capture is
}

var connections = []connection{
	{"tcp210", 210e6, false},
	{"tcp2100", 2100e6, false},
	{"tcp3100", 3100e6, true},
}

func (x connection) String() string {
	s := fmt.Sprintf("%d MB over one TCP connection", x.bytes/1e6)
	if x.toDisk {
		s += ", which the receiver writes to the same disk,"
	}
	return s
}

// tcp compares the tools at TCP in large segments.
func (n *network) tcp(o options, tools []tool) error {
	fmt.Print("## TCP in segments of up to 64 KiB\n\n")
	tools = append(tools[:len(tools):len(tools)], examine(o.choose([]tool{{
		name: "tcpdump (2 MiB)",
		args: func(f string) []string { return []string{"tcpdump", "-i", "c0", "-Z", "root", "-w", f + ".pcap"} },
	}}))...)
	fmt.Println()
	for _, x := range connections {
		if !o.wants(x.name) {
			continue
		}
		if err := n.compareTCP(tools, x, trial{dir: o.dirs[0]}, o.runs, ""); err != nil {
			return err
		}
	}
	return nil
}

// compareTCP measures all tools at one connection, and prints a table. The title says
// what happens meanwhile.
func (n *network) compareTCP(tools []tool, x connection, how trial, runs int, meanwhile string) error {
	how.send = func(dir string) (result, error) { return n.transfer(x, dir) }
	tallies, err := n.turns(tools, runs, func(t tool) (result, error) { return n.measure(t, how) })
	if err != nil {
		return err
	}
	fmt.Printf("### %v into %s%s, medians of %d\n\n", x, how.dir, meanwhile, runs)
	table(tallies,
		number("MB sent", "%d", func(result) any { return x.bytes / 1e6 }),
		number("MB on the link", "%.1f", func(r result) any { return float64(r.sentBytes) / 1e6 }),
		number("MB in the file", "%.1f", func(r result) any { return float64(r.writtenBytes) / 1e6 }),
		number("share", "%.2f %%", func(r result) any { return percent(r.writtenBytes, r.sentBytes) }),
		cpu, number("CPU ms a MB", "%.3f", func(r result) any { return perMB(r) }),
		ratio("ratio to tcpdump", perMB), took, peak, waits)
	return nil
}

// took is how long a transfer took.
var took = number("transfer s", "%.2f", func(r result) any { return r.took.Seconds() })

// perMB is the CPU time of a MB in the file, in milliseconds.
func perMB(r result) float64 { return milliseconds(r.cpu) / (float64(max(r.writtenBytes, 1)) / 1e6) }

// transferTime is more than any transfer takes.
const transferTime = 3 * time.Minute

// transfer has processes of our own send and receive, on whatever processor. What was
// sent is what crossed the link: all packets, in both directions.
func (n *network) transfer(x connection, dir string) (r result, err error) {
	ctx, cancel := context.WithTimeout(n.ctx, transferTime)
	defer cancel()
	file := os.DevNull
	if x.toDisk {
		file = filepath.Join(dir, "received")
	}
	before, err := n.crossed()
	if err != nil {
		return r, err
	}
	receiver, err := ourselves(ctx, in(n.capture, ""), modeReceive, file)
	if err != nil {
		return r, err
	}
	var receiverSaid, senderSaid bytes.Buffer
	receiver.Stderr = &receiverSaid
	out, err := receiver.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := receiver.Start(); err != nil {
		return r, err
	}
	var sender *exec.Cmd
	_, err = bufio.NewReader(out).ReadString('\n') // it listens
	if err == nil {
		sender, err = ourselves(ctx, in(n.generator, ""), modeSend, strconv.FormatInt(x.bytes, 10))
	}
	var ns []byte
	if err == nil {
		sender.Stderr = &senderSaid
		ns, err = sender.Output()
	}
	if err != nil {
		cancel()
	}
	if err := errors.Join(err, receiver.Wait()); err != nil {
		return r, fmt.Errorf("transfer: %w: %s%s", err, &senderSaid, &receiverSaid)
	}
	nanoseconds, err := strconv.ParseInt(string(ns), 10, 64)
	if err != nil {
		return r, err
	}
	after, err := n.crossed()
	return result{
		sent: after.packets - before.packets, sentBytes: after.bytes - before.bytes,
		took:   time.Duration(nanoseconds),
		sender: spent(sender), receiver: spent(receiver),
	}, err
}

func spent(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// port is where the receiver listens.
const port = "9000"

// chunk is how much the ends write or read at once, in bytes.
const chunk = 1 << 20

// receive takes one connection, writes what comes to a file, and closes the
// connection when all of it has come.
func receive(args []string) error {
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", net.JoinHostPort(captureIP, port))
	if err != nil {
		return err
	}
	end := time.Now().Add(transferTime)
	if err := l.(*net.TCPListener).SetDeadline(end); err != nil {
		return err
	}
	fmt.Println("listening")
	c, err := l.Accept()
	if err != nil {
		return err
	}
	if err := c.SetDeadline(end); err != nil {
		return err
	}
	b := make([]byte, chunk)
	for {
		k, err := c.Read(b)
		if k == 0 && err != nil {
			return errors.Join(f.Close(), c.Close(), ignoreEOF(err))
		}
		if _, err := f.Write(b[:k]); err != nil {
			return err
		}
	}
}

// transmit sends so many bytes, and prints how many nanoseconds it took until the
// receiver had them all.
func transmit(args []string) error {
	left, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp4", net.JoinHostPort(captureIP, port))
	if err != nil {
		return err
	}
	begun := time.Now()
	for b := make([]byte, chunk); left > 0; left -= int64(len(b)) {
		b = b[:min(int64(len(b)), left)]
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	fmt.Print(time.Since(begun).Nanoseconds())
	return errors.Join(ignoreEOF(err), c.Close())
}
