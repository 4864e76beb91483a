package daemon

import (
	"io"
	"log/slog"

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

// NewLog returns a log to the file of the given path, or to w if that is empty.
func NewLog(path string, w io.Writer, level slog.Level) *Log {
	l := &Log{}
	if path != "" {
		l.file = &lumberjack.Logger{Filename: path, MaxSize: logMegabytes, MaxBackups: logBackups}
		w = l.file
	}
	l.Logger = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	return l
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
