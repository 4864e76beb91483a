package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Stopping tells systemd that the process is about to end.
func (s *Starter) Stopping() error { return s.notify(daemon.SdNotifyStopping) }

// notify tells systemd something, sd_notify(3), by a socket that a confined process couldn't
// connect any more.
func (s *Starter) notify(state string) error {
	if s.systemd == nil {
		return s.lack
	}
	_, err := s.systemd.Write([]byte(state))
	return err
}

// Watchdog tells systemd that all is well as often as it asks for, until ctx is
// done, while alive returns true.
func (s *Starter) Watchdog(ctx context.Context, alive func() bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if alive() {
				_ = s.notify(daemon.SdNotifyWatchdog) // or systemd ends the process, as it should
			}
		}
	}
}

// An EndedError is why a process that was started ended before it was ready.
type EndedError struct {
	// Status is its exit status, -1 if a signal ended it.
	Status int
	// Said is what it wrote on standard error, or how it ended.
	Said string
}

func (e *EndedError) Error() string { return e.Said }

// Start starts a program detached from this one's terminal and session, and returns when
// it calls Starter.Ready, with what it says there. What it writes after that goes to its
// log, the file of that path. If it ends before, the error is an *EndedError. If ctx is done
// before, it is ended.
func Start(ctx context.Context, cmd *exec.Cmd, log string) (status string, err error) {
	said, err := os.CreateTemp("", "netcap-start-")
	if err != nil {
		return "", err
	}
	defer said.Close()
	if err := os.Remove(said.Name()); err != nil {
		return "", err
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer ready.Close()
	cmd.Env = append(os.Environ(), LogVariable+"="+log)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, nil, said
	cmd.ExtraFiles = []*os.File{theirs} // readyFD there
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) }) // it may have ended
	defer stop()
	text, err := io.ReadAll(ready) // until that is closed: the process is ready, or has ended
	if status, ok := strings.CutSuffix(string(text), "\n"); ok {
		go func() { _ = cmd.Wait() }() // a child that ends is waited for by somebody
		return status, err
	}
	_ = cmd.Wait() // how it ended is in ProcessState
	text, err = io.ReadAll(io.NewSectionReader(said, 0, 1<<20))
	e := &EndedError{Status: cmd.ProcessState.ExitCode(), Said: strings.TrimSpace(string(text))}
	if e.Said == "" {
		e.Said = fmt.Sprintf("it ended before it was ready: %s", cmd.ProcessState)
	}
	return "", errors.Join(err, e)
}

// LogVariable is the environment variable that tells a process which Start started
// where its log is.
const LogVariable = "NETCAP_DETACHED_LOG"

// readyFD is where such a process tells, in a line, that it is ready.
const readyFD = 3

// HandedOver are the descriptors that this process has of its starter.
func HandedOver() []int {
	if os.Getenv(LogVariable) == "" {
		return nil
	}
	return []int{readyFD}
}

// A Starter is who started this process and waits until it is ready: Start, systemd, or
// nobody.
type Starter struct {
	ready   *os.File // of Start, which waits until this is closed
	systemd net.Conn // nil where nobody is to be notified
	lack    error    // why it is nil, if somebody is
}

// NewStarter takes what the starter had for this process.
func NewStarter() (*Starter, error) {
	s := &Starter{}
	if path := os.Getenv("NOTIFY_SOCKET"); path != "" {
		if conn, err := net.Dial("unixgram", path); err == nil {
			s.systemd = conn
		} else {
			s.lack = err
		}
	}
	if os.Getenv(LogVariable) == "" {
		return s, nil
	}
	syscall.CloseOnExec(readyFD) // the helper process has no use for it
	s.ready = os.NewFile(readyFD, "the starter")
	return s, os.Unsetenv(LogVariable)
}

// Ready tells the starter that the process does what it was started for, and in a line what
// that is. Where nobody asked it does nothing. What Start had for standard error is let go
// of: from now on that is the log.
func (s *Starter) Ready(status string, log *Log) error {
	status = strings.ReplaceAll(status, "\n", " ")
	if s.ready == nil {
		return s.notify(daemon.SdNotifyReady + "\nSTATUS=" + status)
	}
	err := log.TakeStderr()
	_, said := fmt.Fprintln(s.ready, status)
	err = errors.Join(err, said, s.ready.Close())
	s.ready = nil
	return err
}
