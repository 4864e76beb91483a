package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/coreos/go-systemd/v22/journal"
	"gopkg.in/natefinch/lumberjack.v2"
)

// What a log file may take: it is rotated, and old ones are deleted.
const (
	logMegabytes = 10
	logBackups   = 3
)

// Log is a log that goes to a bounded file, or to a stream.
type Log struct {
	*slog.Logger
	file *lumberjack.Logger
}

// NewLog returns a log to the file of the given path, or to w if that is empty, which
// is standard error: under systemd its journal knows the levels. The file and its
// directory are made if they are missing, 0600 and 0755.
func NewLog(path string, w io.Writer, level slog.Level) (*Log, error) {
	l := &Log{}
	if path != "" {
		// The library would say nothing of a file that it can't write.
		f, err := openLog(path)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		l.file = &lumberjack.Logger{Filename: path, MaxSize: logMegabytes, MaxBackups: logBackups}
		w = l.file
	}
	if is, err := journal.StderrIsJournalStream(); err == nil && is && path == "" {
		l.Logger = slog.New(newJournalHandler(w, level))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return l, nil
}

func openLog(path string) (*os.File, error) {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err == nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("log: %w: choose another with --log-file", err)
}

// Reopen has the next entry go to a file of the log's name, after another
// program has moved the file away.
func (l *Log) Reopen() error { return l.Close() }

// Close closes the file. Another entry would open it again.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
