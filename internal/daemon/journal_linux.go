package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// journalHandler logs lines for systemd's journal: each begins with its priority, as
// sd-daemon(3) has it, and none has a time, which the journal notes itself.
type journalHandler struct {
	slog.Handler // writes to the same priorityWriter
	w            *priorityWriter
}

func newJournalHandler(w io.Writer, level slog.Level) *journalHandler {
	p := &priorityWriter{w: w}
	return &journalHandler{w: p, Handler: slog.NewTextHandler(p, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		},
	})}
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.level = r.Level
	return h.Handler.Handle(ctx, r)
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), h.w}
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.w}
}

// priorityWriter puts the priority of a level before what is written at once.
type priorityWriter struct {
	w     io.Writer
	mu    sync.Mutex
	level slog.Level // of the line under way
}

func (w *priorityWriter) Write(line []byte) (int, error) {
	priority := 7 // syslog(3): debug
	switch {
	case w.level >= slog.LevelError:
		priority = 3
	case w.level >= slog.LevelWarn:
		priority = 4
	case w.level >= slog.LevelInfo:
		priority = 6
	}
	// One write, so that the line stays one.
	if _, err := w.w.Write(fmt.Appendf(nil, "<%d>%s", priority, line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
