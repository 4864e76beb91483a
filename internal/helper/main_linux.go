package helper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"netcap/internal/journal"
	"netcap/internal/priority"
	"netcap/internal/sandbox"
	"netcap/internal/seqpacket"
)

// patience is how long what was asked to end may take.
const patience = 5 * time.Second

// Main is the helper process, with the socket to the capture.
func Main(socket *os.File) error {
	u, err := seqpacket.Conn(socket)
	if err != nil {
		return fmt.Errorf("%s is started by a capture: %w", Argument, err)
	}
	c := &conn{UnixConn: u}
	defer c.Close()
	// Who stops a service sends signals to all its processes: the capture says when it is
	// over. Handled, and not ignored, they are what they always were for the command.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for range signals {
		}
	}()
	_ = priority.LowerProcess() // at its own priority it does no harm either
	w := &worker{conn: c, parent: os.Getppid()}
	m, f, err := c.receive()
	if err == nil && m.Directory && f != nil { // another helper process has started this one
		w.sibling = true
		if err := w.set.take(f); err != nil {
			return err
		}
	}
	if err != nil || m.Setup == nil {
		return errors.Join(errors.New("no setup came"), err)
	}
	w.setup, w.log = m.Setup, slog.New(&handler{conn: c, debug: m.Setup.Debug})
	if err := sandbox.Serve(w.setup.User); err != nil {
		return c.send(&message{Ready: true, PID: os.Getpid(), Error: err.Error()})
	}
	if m.Work == nil { // a spare one
		return w.readyToObey()
	}
	return w.begin(m.Work)
}

// worker does what the capture asks for.
type worker struct {
	conn   *conn
	setup  *setup
	log    *slog.Logger
	set    set
	keeper *journal.Keeper

	sibling bool // another helper process started this one
	parent  int  // who started it
	// child is a helper process that it started, nil for none; when that has ended childGone
	// is closed.
	child     *exec.Cmd
	childGone <-chan struct{}

	cancel context.CancelFunc // of the command that runs
	done   chan struct{}      // closed when it has ended; nil before the first
}

// begin begins to work, where another process has left off.
func (w *worker) begin(at *work) error {
	if err := w.openJournal(at); err != nil {
		return w.conn.send(&message{Ready: true, PID: os.Getpid(), Error: err.Error()})
	}
	return w.readyToObey()
}

// readyToObey says that the process is ready, and does what it is told.
func (w *worker) readyToObey() error {
	if err := w.conn.send(&message{Ready: true, PID: os.Getpid()}); err != nil {
		return err
	}
	return w.obey()
}

func (w *worker) openJournal(at *work) (err error) {
	if w.setup.Journal == "" {
		return nil
	}
	w.keeper, err = journal.New(&journal.Config{
		Path: w.setup.Journal, Open: w.set.open, Log: w.log, Again: at.Again, Given: at.Given,
		Reading: func(path string) { _ = w.conn.send(&message{Reading: path}) }, // the capture may have gone
	})
	if err != nil {
		if w.setup.User != nil {
			err = fmt.Errorf("as %s: %w", w.setup.User.Name, err)
		}
		return err
	}
	for _, path := range at.Given {
		w.set.of(path)
	}
	w.keeper.Start()
	return nil
}

// obey does what it is told until the capture has ended, and ends whatever was begun then.
func (w *worker) obey() error {
	for {
		m, _, err := w.conn.receive()
		if err != nil || m.End {
			break
		}
		switch {
		case m.Ping:
			_ = w.conn.send(&message{Pong: true}) // or the capture has gone
		case m.Work != nil:
			return w.begin(m.Work)
		case m.Spare:
			w.startSpare()
		case m.Kill:
			w.kill()
		case m.Run != "":
			w.set.of(m.Run)
			w.run(m.Run)
		case m.Cancel && w.cancel != nil:
			w.cancel()
		case m.Began != "":
			w.set.of(m.Began)
			if w.keeper != nil {
				w.keeper.Began(m.Began)
			}
		}
	}
	if w.done != nil {
		<-w.done
	}
	var err error
	if w.keeper != nil {
		err = w.keeper.Close(context.Background())
	}
	err = errors.Join(err, w.set.close())
	ended := &message{Ended: true}
	if err != nil {
		ended.Error = err.Error()
	}
	_ = w.conn.send(ended) // the capture may have been killed
	return nil
}

// run runs the command on a path, and says how that went.
func (w *worker) run(path string) {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done = cancel, make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		defer cancel()
		runtime.LockOSThread() // whose end is what the command would be told
		defer runtime.UnlockOSThread()
		ran := &message{Ran: true}
		err := w.set.leads(path)
		if err == nil {
			err = run1(ctx, w.setup.Command, path)
		}
		if err != nil {
			ran.Error = err.Error()
		}
		_ = w.conn.send(ran) // the capture may have been killed
	}(w.done)
}

// run1 runs the command on a path. Nothing of its words is lost that fits a line.
func run1(ctx context.Context, words []string, path string) error {
	if len(words) == 0 {
		return errors.New("no command was named")
	}
	cmd := exec.CommandContext(ctx, words[0], append(words[1:len(words):len(words)], path)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	// Who goes on in the place of this process runs the command once more, and not beside it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	said := &lastWords{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(string(said.b)); text != "" {
			return fmt.Errorf("%s: %w: %s", words[0], err, text)
		}
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}

// lastWords keeps the end of what is written.
type lastWords struct{ b []byte }

func (l *lastWords) Write(p []byte) (int, error) {
	const longest = 1000
	l.b = append(l.b, p[max(0, len(p)-longest):]...)
	l.b = l.b[max(0, len(l.b)-longest):]
	return len(p), nil
}

// handler has the capture log what the helper does.
type handler struct {
	conn  *conn
	debug bool
	attrs []slog.Attr
}

// Enabled implements slog.Handler, as do the following.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool {
	return l > slog.LevelDebug || h.debug
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	e := &entry{Level: r.Level, Text: r.Message}
	add := func(a slog.Attr) bool {
		e.Attrs = append(e.Attrs, [2]string{a.Key, a.Value.String()})
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	return h.conn.send(&message{Log: e})
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.conn, h.debug, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *handler) WithGroup(string) slog.Handler { return h }
