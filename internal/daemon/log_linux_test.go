package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// patience is how long anything may take before a test gives up on it.
const patience = 30 * time.Second

func TestLog(t *testing.T) {
	stream := &testenv.Output{}
	stderr := NewAsyncWriter(stream)
	l, err := NewLog("", stderr, nil, slog.LevelInfo)
	require.NoError(t, err)
	l.Info("to the stream")
	require.True(t, stderr.LastWords(patience))
	assert.Contains(t, stream.String(), "to the stream")

	path := filepath.Join(t.TempDir(), "log")
	l, err = NewLog(path, stderr, nil, slog.LevelWarn)
	require.NoError(t, err)
	l.Info("too little")
	l.Warn("before")
	require.True(t, l.out.LastWords(patience))
	require.NoError(t, os.Rename(path, path+".1"))
	l.Reopen()
	l.Warn("after")
	require.NoError(t, l.Close(patience))
	for file, text := range map[string]string{path + ".1": "before", path: "after"} {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(b), text)
		assert.NotContains(t, string(b), "too little")
	}
}

// TestNobodyReads has a log go into a pipe that nobody reads: who logs doesn't wait. Once it
// is read, each line is there or is counted, in the place where it is missing.
func TestNobodyReads(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	stderr := NewAsyncWriter(writer)
	l, err := NewLog("", stderr, nil, slog.LevelInfo)
	require.NoError(t, err)
	const n = 5000
	long := strings.Repeat("x", 1000) // a pipe holds 64 KiB, pipe(7)
	for i := range n {
		l.Info(long, "number", i)
	}
	missed := l.Missed()
	assert.GreaterOrEqual(t, missed, int64(n-mostLines-1-64))
	assert.False(t, stderr.LastWords(10*time.Millisecond))

	said := &testenv.Output{}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := reader.Read(b)
			_, _ = said.Write(b[:n]) // it never fails
			if err != nil {
				return
			}
		}
	}()
	require.True(t, stderr.LastWords(patience))
	l.Info("goes on", "number", n)
	require.Eventually(t, func() bool { return strings.Contains(said.String(), "goes on") }, patience, time.Millisecond)
	next := int64(0)
	for line := range strings.Lines(said.String()) {
		if m := regexp.MustCompile(`level=WARN msg="(\d+) lines of the log are missing here: it could not be written" since=20`).FindStringSubmatch(line); m != nil {
			gone, err := strconv.ParseInt(m[1], 10, 64)
			require.NoError(t, err)
			next += gone
			continue
		}
		_, number, _ := strings.Cut(strings.TrimSpace(line), "number=")
		require.Equal(t, fmt.Sprint(next), number)
		next++
	}
	assert.EqualValues(t, n+1, next)
	assert.Equal(t, missed, l.Missed())
	require.NoError(t, writer.Close())
}

// full fails as a disk does that is full.
type full struct {
	testenv.Output
	is atomic.Bool
}

func (f *full) Write(p []byte) (int, error) {
	if f.is.Load() {
		return 0, syscall.ENOSPC
	}
	return f.Output.Write(p)
}

// TestFullLog counts what a full disk doesn't take.
func TestFullLog(t *testing.T) {
	w := &full{}
	stderr := NewAsyncWriter(w)
	l, err := NewLog("", stderr, nil, slog.LevelInfo)
	require.NoError(t, err)
	l.Info("one")
	require.True(t, stderr.LastWords(patience))
	w.is.Store(true)
	l.Info("two")
	l.Info("three")
	require.True(t, stderr.LastWords(patience))
	w.is.Store(false)
	l.Info("four")
	require.True(t, stderr.LastWords(patience))
	assert.EqualValues(t, 2, l.Missed())
	assert.Regexp(t, `(?s)^[^\n]*msg=one\n[^\n]*msg="2 lines of the log are missing here[^\n]*\n[^\n]*msg=four\n$`, w.String())
	assert.False(t, errors.Is(l.Close(patience), ErrUnwritten))
}
