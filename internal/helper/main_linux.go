package helper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
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
	m, err := c.receive()
	if err != nil || m.Setup == nil {
		return errors.Join(errors.New("no setup came"), err)
	}
	w := &worker{conn: c, setup: m.Setup, log: slog.New(&handler{conn: c, debug: m.Setup.Debug})}
	if err := w.begin(); err != nil {
		return c.send(&message{Ready: true, Error: err.Error()})
	}
	if err := c.send(&message{Ready: true}); err != nil {
		return err
	}
	return w.work()
}

// worker does what the capture asks for.
type worker struct {
	conn   *conn
	setup  *setup
	log    *slog.Logger
	set    set
	keeper *journal.Keeper
	cancel context.CancelFunc // of the command that runs
	done   chan struct{}      // closed when it has ended; nil before the first
}

func (w *worker) begin() (err error) {
	if w.setup.User != nil {
		if err := sandbox.Become(w.setup.User); err != nil {
			return err
		}
	}
	if w.setup.Journal == "" {
		return nil
	}
	if w.keeper, err = journal.New(&journal.Config{Path: w.setup.Journal, Open: w.set.open, Log: w.log}); err != nil {
		if w.setup.User != nil {
			err = fmt.Errorf("as %s: %w", w.setup.User.Name, err)
		}
		return err
	}
	w.keeper.Start()
	return nil
}

// work obeys until the capture has ended, and whatever was begun then.
func (w *worker) work() error {
	for {
		m, err := w.conn.receive()
		if err != nil || m.End {
			break
		}
		switch {
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
		ran := &message{Ran: true}
		err := w.set.leads(path)
		if err == nil {
			err = command(ctx, w.setup.Command, path)
		}
		if err != nil {
			ran.Error = err.Error()
		}
		_ = w.conn.send(ran) // the capture may have been killed
	}(w.done)
}

// command runs the command on a path. Nothing of its words is lost that fits a line.
func command(ctx context.Context, words []string, path string) error {
	if len(words) == 0 {
		return errors.New("no command was named")
	}
	cmd := exec.CommandContext(ctx, words[0], append(words[1:len(words):len(words)], path)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
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
