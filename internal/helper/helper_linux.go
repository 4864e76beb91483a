package helper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"netcap/internal/sandbox"
	"netcap/internal/seqpacket"
)

// Argument makes a netcap that is started with it run Main.
const Argument = "capture-helper"

// Config says what the helper is for.
type Config struct {
	// Command is a program and its arguments, split at white space: no shell reads it.
	// The path follows as the last argument. Empty for none.
	Command string
	// Journal is the path of a DICOM journal, "" for none.
	Journal string
	// User is whom the helper becomes; nil for nobody else.
	User *sandbox.User
	// Program is what runs Main, with Argument. Default: this program.
	Program string
	// Log is told what the helper logs. Default: nothing is logged.
	Log *slog.Logger
}

// A Helper is such a process, seen from the capture.
type Helper struct {
	cfg    Config
	conn   *conn
	cmd    *exec.Cmd
	ran    chan error
	ended  chan error    // of the work
	silent chan struct{} // its standard error has ended
	over   chan struct{} // the process has gone
}

var errGone = errors.New("the helper process has ended: see the log")

// Start starts a helper. A program of the command that can't be found is an error, and a
// journal that can't be written.
func Start(cfg *Config) (*Helper, error) {
	h := &Helper{cfg: *cfg, ran: make(chan error, 1), ended: make(chan error, 1), silent: make(chan struct{}), over: make(chan struct{})}
	if h.cfg.Log == nil {
		h.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if h.cfg.Program == "" {
		h.cfg.Program = "/proc/self/exe"
	}
	s := &setup{User: cfg.User, Debug: h.cfg.Log.Enabled(context.Background(), slog.LevelDebug)}
	var err error
	if s.Command, err = parse(cfg.Command); err != nil {
		return nil, err
	}
	if cfg.Journal != "" {
		if s.Journal, err = filepath.Abs(cfg.Journal); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
	}
	if err := h.start(); err != nil {
		return nil, fmt.Errorf("starting the helper process: %w", err)
	}
	ready := make(chan error, 1)
	go h.listen(ready)
	if err := h.conn.send(&message{Setup: s}); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the helper process: %w", err), h.conn.Close())
	}
	select {
	case err = <-ready:
	case <-h.over:
		err = errGone
	}
	if err != nil {
		return nil, errors.Join(err, h.conn.Close())
	}
	return h, nil
}

// parse splits a command and finds its program.
func parse(command string) ([]string, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, nil
	}
	path, err := exec.LookPath(words[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("-z %s: %w", words[0], err)
	}
	words[0] = path
	return words, nil
}

// start starts the process.
func (h *Helper) start() error {
	ours, theirs, err := seqpacket.Pair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	h.conn = &conn{UnixConn: ours}
	h.cmd = exec.Command(h.cfg.Program, Argument)
	h.cmd.Stdin = theirs
	stderr, err := h.cmd.StderrPipe()
	if err != nil {
		return errors.Join(err, h.conn.Close())
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NOTIFY_SOCKET=") { // it isn't the service
			h.cmd.Env = append(h.cmd.Env, v)
		}
	}
	// Ctrl-C at the terminal isn't for it: it ends when its work is done.
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.cmd.Start(); err != nil {
		return errors.Join(err, h.conn.Close())
	}
	go func() {
		defer close(h.silent)
		h.complain(stderr)
	}()
	return nil
}

// complain logs what the process writes where a panic is written: all else comes as messages.
func (h *Helper) complain(stderr io.Reader) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		h.cfg.Log.Error("the helper process says", "text", lines.Text())
	}
	_, _ = io.Copy(io.Discard, stderr) // a line that was too long, and what follows
}

// listen takes what the helper says, until it has gone.
func (h *Helper) listen(ready chan<- error) {
	defer close(h.over)
	for {
		m, err := h.conn.receive()
		if err != nil {
			break
		}
		err = nil
		if m.Error != "" {
			err = errors.New(m.Error)
		}
		switch {
		case m.Log != nil:
			var attrs []any
			for _, a := range m.Log.Attrs {
				attrs = append(attrs, a[0], a[1])
			}
			h.cfg.Log.Log(context.Background(), m.Log.Level, m.Log.Text, attrs...)
		case m.Ready:
			ready <- err
		case m.Ran:
			h.ran <- err
		case m.Ended:
			h.ended <- err
		}
	}
	<-h.silent
	_ = h.cmd.Wait() // how it ended it has said, or the panic has
}

// Run runs the command on a path. If ctx is done the command is ended, by SIGTERM. It is
// for one goroutine.
func (h *Helper) Run(ctx context.Context, path string) error {
	if err := h.conn.send(&message{Run: path}); err != nil {
		return errGone
	}
	stop := context.AfterFunc(ctx, func() { _ = h.conn.send(&message{Cancel: true}) }) // or it has gone
	defer stop()
	select {
	case err := <-h.ran:
		return err
	case <-h.over:
		select {
		case err := <-h.ran:
			return err
		default:
			return errGone
		}
	}
}

// Began says that the capture has begun a file. With the first one its directory becomes the
// set's, whatever its path leads to later. It waits for nothing but room in a socket.
func (h *Helper) Began(path string) { _ = h.conn.send(&message{Began: path}) } // it may have gone: that was logged

// Close says that no more comes, and waits until the helper has done its work, or ctx is
// done.
func (h *Helper) Close(ctx context.Context) (err error) {
	if err := h.conn.send(&message{End: true}); err != nil {
		<-h.over
		return errors.Join(errGone, h.conn.Close())
	}
	select {
	case err = <-h.ended:
	case <-h.over:
		select { // what it said last
		case err = <-h.ended:
		default:
			err = errGone
		}
	case <-ctx.Done():
		err = errors.New("the helper process took too long to end: the DICOM journal has not all of the capture; netcap dicom reads the files again")
	}
	if closed := h.conn.CloseWrite(); err == nil {
		err = closed
	}
	select {
	case <-h.over:
	case <-time.After(patience):
		err = errors.Join(err, h.cmd.Process.Kill())
		<-h.over
	}
	return errors.Join(err, h.conn.Close())
}
