package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/coreos/go-systemd/v22/journal"

	"netcap/internal/ownfile"
)

// What a log file may take: it is rotated, and old ones are deleted.
const (
	logBytes = 10 << 20
	logKept  = 3
)

// Log is a log that goes to a bounded file, or to a stream.
type Log struct {
	*slog.Logger
	file *ownfile.Log
}

// NewLog returns a log to the file of the given path, or to w if that is empty, which
// is standard error: under systemd its journal knows the levels. The file and its
// directory are made if they are missing, 0600 and 0755. A file that others have put
// there, or a path that they decide about, is an error.
func NewLog(path string, w io.Writer, level slog.Level) (*Log, error) {
	l := &Log{}
	if path != "" {
		var err error
		if l.file, err = ownfile.NewLog(&ownfile.Config{Path: path, MakeDir: true, Size: logBytes, Kept: logKept}); err != nil {
			return nil, logError(err)
		}
		w = l.file
	}
	if is, err := journal.StderrIsJournalStream(); err == nil && is && path == "" {
		l.Logger = slog.New(newJournalHandler(w, level))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return l, nil
}

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
// program has moved the file away.
func (l *Log) Reopen() error {
	if l.file == nil {
		return nil
	}
	return l.file.Reopen()
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

// Close closes the file.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
