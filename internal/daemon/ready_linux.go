package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells systemd, or Start, that the process does what it was started for,
// and in a line what that is. Where nobody asked it does nothing.
func Ready(status string) error {
	_, err := daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS="+strings.ReplaceAll(status, "\n", " "))
	return err
}

// Stopping tells systemd that the process is about to end.
func Stopping() error {
	_, err := daemon.SdNotify(false, daemon.SdNotifyStopping)
	return err
}

// Watchdog tells systemd that all is well as often as it asks for, until ctx is
// done, while alive returns true.
func Watchdog(ctx context.Context, alive func() bool) {
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
				_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) // or systemd ends the process, as it should
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

// Start starts a program detached from this one's terminal and session, and
// returns when it calls Ready, with what it says there. What it writes after that
// goes to the file log, which exists by then. If it ends before, the error is an
// *EndedError. If ctx is done before, it is ended.
func Start(ctx context.Context, cmd *exec.Cmd, log string) (status string, err error) {
	dir, err := os.MkdirTemp("", "netcap-start-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	notify := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	said, err := os.OpenFile(filepath.Join(dir, "said"), os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return "", err
	}
	defer said.Close()
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify, LogVariable+"="+log)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, nil, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(ended)
		_ = conn.SetReadDeadline(time.Now())
	}()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			break
		}
		if rest, ok := strings.CutPrefix(string(buffer[:n]), daemon.SdNotifyReady); ok {
			_, status, _ = strings.Cut(rest, "STATUS=")
			return strings.TrimSpace(status), nil
		}
	}
	<-ended
	text, err := io.ReadAll(io.NewSectionReader(said, 0, 1<<20))
	e := &EndedError{Status: cmd.ProcessState.ExitCode(), Said: strings.TrimSpace(string(text))}
	if e.Said == "" {
		e.Said = fmt.Sprintf("it ended before it was ready: %s", cmd.ProcessState)
	}
	return "", errors.Join(err, e)
}

// LogVariable is the environment variable that tells a process which Start started
// where its log is.
const LogVariable = "NETCAP_DETACHED_LOG"

// Detached reports whether Start started this process. If so, it lets go of what
// the starter had for it: standard error, where only a crash will write from now
// on, goes to the log.
func Detached() (bool, error) {
	path := os.Getenv(LogVariable)
	if path == "" {
		return false, nil
	}
	if err := os.Unsetenv(LogVariable); err != nil {
		return true, err
	}
	f, err := openLog(path)
	if err != nil {
		return true, err
	}
	defer f.Close()
	return true, os.NewSyscallError("dup3", syscall.Dup3(int(f.Fd()), int(os.Stderr.Fd()), 0))
}
