package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// TestUnread has the reader of standard output go while nothing is there to be written.
func TestUnread(t *testing.T) {
	h := newHost(t)
	growing := writeTestFile(t, filepath.Join(h.dir, "x.pcapng"), capturedOn(1000, "eth0"))
	for _, tt := range []struct {
		name   string
		args   []string
		socket bool
		says   string // once it waits, on standard error; or it has written what it had
	}{
		{"capture into a pipe", []string{"-i", "c0", "-w", "-"}, false, isCapturing},
		{"capture into a socket", []string{"-i", "c0", "-w", "-"}, true, isCapturing},
		{"capture as pcap", []string{"-i", "c0", "--format", "pcap", "-w", "-"}, false, isCapturing},
		{"read what grows", []string{"read", "-f", growing}, false, ""},
		{"read what grows, into a socket", []string{"read", "-f", growing}, true, ""},
		{"read what grows as JSON", []string{"read", "-f", "--json", growing}, false, ""},
		{"write what grows", []string{"read", "-f", growing, "-w", "-"}, false, ""},
		{"read what comes", []string{"read", "-"}, false, ""},
		{"write what comes", []string{"read", "-", "-w", "-"}, false, ""},
		{"extract what comes", []string{"extract", "-", "-w", "-"}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := *h
			h.t = t
			reader, writer := connected(t, tt.socket)
			source, stdin, err := os.Pipe() // which stays open
			require.NoError(t, err)
			defer stdin.Close()
			cmd := h.command(tt.args...)
			cmd.Stdin, cmd.Stdout = source, writer
			p := h.start(cmd)
			require.NoError(t, writer.Close())
			require.NoError(t, source.Close())
			if tt.says != "" {
				p.says(tt.says)
			} else {
				b, err := os.ReadFile(growing)
				require.NoError(t, err)
				_, err = stdin.Write(b)
				require.NoError(t, err)
				_, err = reader.Read(make([]byte, 1))
				require.NoError(t, err)
			}
			require.False(t, p.over(), &p.stderr)
			require.NoError(t, reader.Close())
			p.wait()
			assert.Equal(t, 0, cmd.ProcessState.ExitCode(), &p.stderr)
			assert.NotContains(t, p.stderr.String(), "netcap: ")
			if tt.says != "" {
				captured, received, dropped := summary(t, p.stderr.String())
				assert.Equal(t, []int{0, 0, 0}, []int{captured, received, dropped})
			}
		})
	}
	t.Run("dicom", func(t *testing.T) {
		h := *h
		h.t = t
		for _, args := range [][]string{{"dicom", "-"}, {"dicom", "-f", growing}, {"dicom", "-f", "--json", growing}} {
			reader, writer := connected(t, false)
			source, stdin, err := os.Pipe()
			require.NoError(t, err)
			defer stdin.Close()
			cmd := h.command(args...)
			cmd.Stdin, cmd.Stdout = source, writer
			p := h.start(cmd)
			require.NoError(t, writer.Close())
			require.NoError(t, reader.Close())
			p.wait()
			assert.Equal(t, 0, cmd.ProcessState.ExitCode(), "%v: %s", args, &p.stderr)
			assert.Empty(t, p.stderr.String(), args)
			require.NoError(t, source.Close())
		}
	})
	t.Run("a file isn't left by its reader", func(t *testing.T) {
		h := *h
		h.t = t
		out, err := os.Create(filepath.Join(h.dir, "out"))
		require.NoError(t, err)
		defer out.Close()
		cmd := h.command("-i", "c0", "-w", "-")
		cmd.Stdout = out
		p := h.start(cmd)
		p.says(isCapturing)
		h.peer.Send(t, "g0", testenv.UDPFrame(0, 100))
		require.Eventually(t, func() bool { st, err := out.Stat(); return err == nil && st.Size() > 0 }, patience, 10*time.Millisecond)
		p.stop()
		assert.Equal(t, 1, tcpdumpLines(t, out.Name()))
	})
}

// TestUnreadTakesNoWakeUps compares a capture into a pipe, whose reader is watched, with one
// into a file, while nothing comes.
func TestUnreadTakesNoWakeUps(t *testing.T) {
	h := newHost(t)
	measure := func(p *process) int64 {
		p.says(isCapturing)
		time.Sleep(time.Second) // what the start takes
		wakeUps := func() int64 { return testenv.UsageOf(t, p.cmd.Process.Pid).Voluntary }
		before := wakeUps()
		time.Sleep(1500 * time.Millisecond)
		n := wakeUps() - before
		h.peer.Send(t, "g0", testenv.UDPFrame(0, 100))
		require.Eventually(t, func() bool { return wakeUps() > before+n }, patience, 10*time.Millisecond, "a packet wakes it")
		p.stop()
		return n
	}
	file := measure(h.start(h.command("-i", "c0", "-w", h.dir+"/x.pcapng")))
	reader, writer := connected(t, false)
	defer reader.Close()
	cmd := h.command("-i", "c0", "-w", "-")
	cmd.Stdout = writer
	p := h.start(cmd)
	require.NoError(t, writer.Close())
	pipe := measure(p)
	t.Logf("%d wake-ups with a file, %d with a pipe", file, pipe)
	assert.LessOrEqual(t, pipe, file+5)
}

// connected is a pipe, or a pair of sockets.
func connected(t *testing.T, socket bool) (reader, writer *os.File) {
	t.Helper()
	if !socket {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		return r, w
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	return os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "writer")
}

// terminal is one end of a pseudo-terminal, and what it is called.
func terminal(t *testing.T) (end *os.File, path string) {
	t.Helper()
	end, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	number := 0
	require.NoError(t, control(end, func(fd int) (err error) { // Fd would have Close wait for Read
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	}))
	return end, fmt.Sprintf("/dev/pts/%d", number)
}

// onTerminalOf starts a command on a terminal of its own, which hangUp takes away.
func (h *host) onTerminalOf(cmd *exec.Cmd) (p *process, said *testenv.Output, hangUp func()) {
	h.t.Helper()
	// Who runs the tests may ignore SIGHUP, as nohup does, and what is ignored here would be
	// there.
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	h.t.Cleanup(func() { signal.Stop(hangUps) })
	end, path := terminal(h.t)
	tty, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(h.t, err)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p = &process{t: h.t, cmd: cmd, ended: make(chan struct{})}
	require.NoError(h.t, h.net.Start(cmd))
	require.NoError(h.t, tty.Close())
	said = &testenv.Output{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b := make([]byte, 4096)
		for {
			n, err := end.Read(b)
			_, _ = said.Write(b[:n]) // it never fails
			if err != nil {
				return
			}
		}
	}()
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended mostly
		<-p.ended
		end.Close()
	})
	return p, said, func() {
		require.NoError(h.t, end.Close())
		<-read
	}
}

// TestTerminalGone takes the terminal of a capture away: it ends as by SIGTERM, unless it was
// told to ignore that, or has a log that SIGHUP re-opens.
func TestTerminalGone(t *testing.T) {
	h := newOperated(t)
	netcap := testenv.Netcap(t)
	for _, tt := range []struct {
		name    string
		command []string
		goesOn  bool
	}{
		{"alone", []string{netcap, "-i", "c0", "--name", "alone", "udp"}, false},
		{"quietly", []string{netcap, "-i", "c0", "--name", "quietly", "-q", "udp"}, false},
		{"nohup", []string{testenv.Program(t, "nohup"), netcap, "-i", "c0", "--name", "nohup", "udp"}, true},
		{"service", []string{"env", "NOTIFY_SOCKET=/nowhere", netcap, "-i", "c0", "--name", "service", "udp"}, true}, // systemctl reload
		{"log", []string{netcap, "-i", "c0", "--name", "log", "--log-file", "/var/log/c0.log", "udp"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := *h
			h.t = t
			p, said, hangUp := h.onTerminalOf(h.program(tt.command...))
			control := h.run + "/netcap/" + tt.name + ".sock"
			require.Eventually(t, func() bool { _, err := os.Stat(control); return err == nil || p.over() }, patience, 10*time.Millisecond)
			require.Eventually(t, func() bool { return h.statusOf(tt.name).State == stateCapturing }, patience, 10*time.Millisecond, said)
			for n := range uint32(7) { // fewer than fill a block
				h.peer.Send(t, "g0", testenv.UDPFrame(n, 100))
			}
			hangUp()
			if tt.goesOn {
				h.peer.Send(t, "g0", testenv.UDPFrame(7, 100))
				require.Eventually(t, func() bool { return h.statusOf(tt.name).Packets.Written == 8 }, patience, 10*time.Millisecond)
				h.does("stop", tt.name)
			}
			p.wait()
			assert.Equal(t, 0, p.cmd.ProcessState.ExitCode(), said)
			want := 7
			if tt.goesOn {
				want = 8
			}
			frames, whole := framesOf(t, h.file(h.lib+"/netcap/"+tt.name+"/*.pcapng"))
			assert.True(t, whole)
			assert.Len(t, frames, want)
			gaps, _ := h.gapsOf(tt.name)
			assert.NotContains(t, causesOf(gaps), "killed")
		})
	}
}

// TestTerminalGoneOfReader takes the terminal of what writes a copy away: it is ended well.
func TestTerminalGoneOfReader(t *testing.T) {
	h := newHost(t)
	growing := writeTestFile(t, filepath.Join(h.dir, "x.pcapng"), capturedOn(1000, "eth0"))
	want := tcpdumpLines(t, growing)
	copied := filepath.Join(h.dir, "copy.pcapng")
	p, said, hangUp := h.onTerminalOf(h.command("read", "-f", growing, "-w", copied))
	require.Eventually(t, func() bool { st, err := os.Stat(copied); return err == nil && st.Size() > 0 || p.over() }, patience, 10*time.Millisecond)
	hangUp()
	p.wait()
	assert.Equal(t, 0, p.cmd.ProcessState.ExitCode(), said)
	assert.Equal(t, want, tcpdumpLines(t, copied))
	assert.Contains(t, run1(t, "capinfos", "-l", copied), copied)
}

// TestNoDeleteSaysItOnce fills a set that nothing may be deleted from.
func TestNoDeleteSaysItOnce(t *testing.T) {
	h := newOperated(t)
	const why = "and --no-delete is given"
	flags := func(name string) []string {
		return []string{"-i", "c0", "--name", name, "--no-delete", "-W", "2", "-C", "1", "--keep-free", "1", "--flush", "20ms", "udp"}
	}
	full := func(name string, p *process, said func() string) {
		t.Helper()
		p.wait()
		assert.Equal(t, 1, p.cmd.ProcessState.ExitCode(), said())
		assert.Equal(t, 1, strings.Count(said(), why), "%s: %s", name, said())
		assert.Len(t, filepathGlob(t, h.lib+"/netcap/"+name+"/*.pcapng"), 2)
	}
	flooded := h.capture(flags("flooded")...)
	h.peer.Flood(t, "g0", 1514, 3000)
	full("flooded", flooded, flooded.stderr.String)

	rotated := h.capture(flags("rotated")...)
	h.does("rotate", "rotated")
	rotated.signal(syscall.SIGUSR2)
	full("rotated", rotated, rotated.stderr.String)

	again := h.start(h.command(flags("rotated")...))
	full("rotated", again, again.stderr.String)

	h.does(append([]string{"start"}, flags("detached")...)...)
	log := func() string {
		b, err := os.ReadFile(h.log + "/netcap/detached.log")
		require.NoError(t, err)
		return string(b)
	}
	h.peer.Flood(t, "g0", 1514, 3000)
	require.Eventually(t, func() bool { return strings.Contains(log(), why) }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { s, _, _ := h.netcap("status", "detached"); return s == exitNotRunning }, patience, 10*time.Millisecond)
	assert.Equal(t, 1, strings.Count(log(), why), log())
	status, _, stderr := h.netcap(append([]string{"start"}, flags("detached")...)...)
	assert.Equal(t, 1, status)
	assert.Equal(t, 1, strings.Count(stderr, why), stderr)
}
