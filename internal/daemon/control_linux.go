package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/ownfile"
)

// ControlPath is where the control socket is of a process with a PID file.
func ControlPath(pidFile string) string {
	return strings.TrimSuffix(pidFile, pidSuffix) + ".sock"
}

// Control is a socket on which a process answers: HTTP, for its own user only.
type Control struct {
	server http.Server
	path   string
	done   chan struct{}
}

// Serve answers on a Unix socket, mode 0600. What a process before left there is
// removed: the PID file's lock is what keeps others out, so it must be held. What others
// put there is an error.
func Serve(path string, h http.Handler, log *slog.Logger) (*Control, error) {
	if err := ClearControl(path); err != nil {
		return nil, err
	}
	// Nobody else may connect between bind(2) and a chmod.
	before := unix.Umask(0o177)
	l, err := net.Listen("unix", path)
	unix.Umask(before)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	c := &Control{path: path, done: make(chan struct{})}
	c.server = http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() {
		defer close(c.done)
		_ = c.server.Serve(l) // ends with Close
	}()
	return c, nil
}

// ClearControl removes the socket that a process before left, as Serve does: who is to be
// refused for what is there is refused before it begins. Anything else is left as it is.
func ClearControl(path string) error {
	dir, err := ownfile.OpenDir(path, false)
	if err != nil {
		return fmt.Errorf("control socket: %w: choose another --pid-file", err)
	}
	defer dir.Close()
	name := filepath.Base(path)
	st, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("control socket: %w", err)
	case st.Mode()&fs.ModeSocket == 0 || !ownfile.Owns(dir, st):
		return fmt.Errorf("control socket %s: something else is there: move it away, or choose another --pid-file", path)
	}
	if err := dir.Remove(name); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// Close lets answers that are under way be given, for a second, and removes the
// socket.
func (c *Control) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := c.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = c.server.Close()
	}
	<-c.done
	return err
}

// Ask sends a request to a process's control socket and decodes its answer, JSON,
// into into. What the process says is wrong is the error. Where nobody listens it
// is ErrNotRunning.
func Ask(ctx context.Context, path, method, endpoint string, into any) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, method, "http://netcap"+endpoint, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return ErrNotRunning
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: %w: ask as the user who runs the capture, or with sudo", path, os.ErrPermission)
	case err != nil:
		return fmt.Errorf("control socket %s: %w", path, err)
	}
	defer answer.Body.Close()
	const longest = 1 << 20
	body, err := io.ReadAll(io.LimitReader(answer.Body, longest))
	if err != nil {
		return fmt.Errorf("control socket %s: %w", path, err)
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(string(bytes.TrimSpace(body)))
	}
	return json.Unmarshal(body, into)
}
