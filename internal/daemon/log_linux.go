package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/journal"

	"netcap/internal/ownfile"
)

// What a log file may take: it is rotated, and old ones are deleted.
const (
	logBytes = 10 << 20
	logKept  = 3
)

// Log is a log that goes to a bounded file, or to a stream. Who logs never waits.
type Log struct {
	*slog.Logger
	out  *AsyncWriter
	file *ownfile.Log // nil for a stream
}

// NewLog returns a log to the file of the given path, or to stderr if that is empty, through
// to if that isn't nil: under systemd its journal knows the levels. The file and its
// directory are made if they are missing, 0600 and 0755. A file that others have put
// there, or a path that they decide about, is an error.
func NewLog(path string, stderr *AsyncWriter, to io.Writer, level slog.Level) (*Log, error) {
	l := &Log{out: stderr}
	if path != "" {
		var err error
		if l.file, err = ownfile.NewLog(&ownfile.Config{Path: path, MakeDir: true, Size: logBytes, Kept: logKept}); err != nil {
			return nil, logError(err)
		}
		l.out, to = NewAsyncWriter(l.file), nil
	}
	if to == nil {
		to = l.out
	}
	is, err := journal.StderrIsJournalStream()
	handler := func(w io.Writer) slog.Handler {
		if err == nil && is && path == "" {
			return newJournalHandler(w, level)
		}
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	}
	l.Logger = slog.New(handler(to))
	l.out.Note(func(lines int64, since time.Time) []byte {
		var b bytes.Buffer
		r := slog.NewRecord(time.Now(), slog.LevelWarn, fmt.Sprintf("%d lines of the log are missing here: it could not be written", lines), 0)
		r.Add("since", since.UTC())
		_ = handler(&b).Handle(context.Background(), r) // a buffer takes all
		return b.Bytes()
	})
	return l, nil
}

// Missed is how many lines of the log were lost, for it couldn't be written.
func (l *Log) Missed() int64 { return l.out.Missed() }

// Supervised reports whether systemd runs the process, and so keeps what it logs.
func Supervised() bool {
	is, err := journal.StderrIsJournalStream()
	return err == nil && is || os.Getenv("NOTIFY_SOCKET") != ""
}

func logError(err error) error {
	return fmt.Errorf("log: %w: choose another with --log-file", err)
}

// CheckLog finds out whether NewLog would succeed, and leaves everything as it is.
func CheckLog(path string) error {
	if err := ownfile.Check(path); err != nil {
		return logError(err)
	}
	return nil
}

// Reopen has the next entry go to a file of the log's name, after another
// program has moved the file away. What goes wrong is logged: nobody waits for that.
func (l *Log) Reopen() {
	if l.file == nil {
		return
	}
	asked := l.out.Do(func() {
		if err := l.file.Reopen(); err != nil {
			l.Error("re-opening the log", "error", err)
		}
	})
	if !asked {
		l.Error("the log isn't re-opened: what is there can't be written")
	}
}

// TakeStderr has what the process writes on standard error go to the file, if there is one.
func (l *Log) TakeStderr() error {
	if l.file == nil {
		return nil
	}
	return l.file.Become(int(os.Stderr.Fd()))
}

// Spare prepares the file for a user whom the process is about to become, so that its
// bound holds on.
func (l *Log) Spare(uid int) error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Spare(uid); err != nil {
		return logError(err)
	}
	return nil
}

// ErrUnwritten is what Close returns where nobody takes what was logged last.
var ErrUnwritten = errors.New("log: its last lines could not be written: its disk doesn't answer")

// Close has what was logged go to the file, and closes that. It waits for d at most: the end
// of the process closes the file then. Standard error is its owner's.
func (l *Log) Close(d time.Duration) error {
	if l.file == nil {
		return nil
	}
	if !l.out.LastWords(d) {
		return ErrUnwritten
	}
	return l.file.Close()
}
