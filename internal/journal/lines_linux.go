package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"netcap/internal/ownfile"
)

// What a journal may take: it is rotated, and old ones are deleted.
const (
	fileBytes = 50 << 20
	filesKept = 9
)

// maxLine bounds a line, in bytes.
const maxLine = 8 << 20

// lines are those of the journal, as a process writes them: each behind a key, which no
// other has, and a space.
type lines struct {
	log *slog.Logger

	mu      sync.Mutex
	file    *ownfile.Log
	written map[string]bool // keys of the lines since the current file was given away
	before  map[string]bool // and of those before, since the one before was
	earlier map[string]bool // and of those that another process wrote
	failed  int             // lines in a row that couldn't be written
}

func newLines(path string, log *slog.Logger) (*lines, error) {
	file, err := ownfile.NewLog(&ownfile.Config{Path: path, Size: fileBytes, Kept: filesKept})
	if err != nil {
		return nil, fmt.Errorf("journal: %w: choose another with --dicom-journal", err)
	}
	return &lines{log: log, written: make(map[string]bool), file: file}, nil
}

// copy writes the lines of a process until they end. An error says that it isn't lines.
func (l *lines) copy(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		key, text, ok := bytes.Cut(line, []byte{' '})
		if ok {
			l.write(string(key), text)
		}
	}
}

// readLine returns a line with its end.
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err // what has no end isn't whole
		case len(line) > maxLine:
			return nil, fmt.Errorf("more than %d bytes without an end", maxLine)
		}
	}
}

// keysOf are the keys of the last lines of a journal, as far as they can be read.
func keysOf(path string) map[string]bool {
	const most = 8 << 20 // bytes
	keys := make(map[string]bool)
	f, err := os.OpenFile(path, Flags, 0)
	if err != nil {
		return keys
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return keys
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f, max(0, st.Size()-most), most), 64<<10)
	for {
		line, err := readLine(in)
		if err != nil {
			return keys
		}
		if key := keyOfLine(line); key != "" {
			keys[key] = true
		}
	}
}

func (l *lines) write(key string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written[key] || l.before[key] || l.earlier[key] {
		return
	}
	l.written[key] = true
	l.append(text)
}

// append writes a line. What is lost to a full disk is said once there is room.
func (l *lines) append(text []byte) {
	if l.failed > 0 {
		if err := l.note(nil, fmt.Sprintf("%d lines before this one couldn't be written", l.failed)); err != nil {
			l.failed++
			return
		}
		l.log.Warn("the DICOM journal is written again", "lines_lost", l.failed)
		l.failed = 0
	}
	if _, err := l.file.Write(text); err != nil {
		if l.failed++; l.failed == 1 {
			l.log.Error("the DICOM journal can't be written: lines are lost until it can; the capture goes on", "error", err)
		}
	}
}

// note writes a line that says what the journal lacks.
func (l *lines) note(files []string, reason string) error {
	type skipped struct {
		Time   time.Time `json:"time"`
		Files  []string  `json:"files,omitempty"`
		Reason string    `json:"reason"`
	}
	b, err := json.Marshal(struct {
		Skipped skipped `json:"skipped"`
	}{skipped{time.Now().UTC(), files, reason}})
	if err != nil {
		return err
	}
	_, err = l.file.Write(append(b, '\n'))
	return err
}

// skipped says in the journal and in the log that files were left out.
func (l *lines) skipped(files []string, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.Error("the DICOM journal lacks something", "files", files, "reason", reason)
	if err := l.note(files, reason); err != nil {
		l.failed++
	}
}

// next says that another file is given away: keys from before the last one aren't needed any
// more, for the files that they were of won't be read again.
func (l *lines) next() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written, l.before = make(map[string]bool), l.written
}

func (l *lines) close() error { return l.file.Close() }
