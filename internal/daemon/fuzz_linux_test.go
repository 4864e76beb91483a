package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// FuzzPIDFile finds a process by a file of any bytes. While nobody has it locked there is
// none, whatever it says. Who locks it writes a number of its own there, unless what stands
// there is no PID: that is left as it is.
func FuzzPIDFile(f *testing.F) {
	for _, content := range []string{"", "1\n", "-1\n", "0", "+7", "99999999999999999999", "1\nand more than a PID needs", "\x1b[2J", " 12 \n"} {
		f.Add([]byte(content))
	}
	path := filepath.Join(f.TempDir(), "x.pid")
	f.Fuzz(func(t *testing.T, content []byte) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, err := Find(path)
		require.ErrorIs(t, err, ErrNotRunning)

		file, err := os.Open(path)
		require.NoError(t, err)
		said := readPID(file)
		require.NoError(t, file.Close())
		if _, err := strconv.Atoi(said); err != nil {
			require.Equal(t, "unknown", said)
		} else {
			require.Contains(t, string(content), said)
		}

		want := []byte(strconv.Itoa(os.Getpid()) + "\n")
		p, err := LockPIDFile(path)
		if len(content) > 0 && said == "unknown" {
			require.ErrorContains(t, err, "what is in it is no PID, and is left as it is")
			want = content
		} else {
			require.NoError(t, err)
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, got)
		if p != nil {
			require.NoError(t, p.Release())
		}
	})
}

// TestLockedPIDFile: who only keeps others from a file is no capture, whatever PID stands
// there, and is not signalled.
func TestLockedPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	for _, content := range []string{"", "0\n", "-1\n", "x", "4194305\n", "2147483648\n", "99999999999999999999"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		file, err := os.Open(path)
		require.NoError(t, err)
		require.NoError(t, unix.Flock(int(file.Fd()), unix.LOCK_EX))
		_, err = Find(path)
		assert.ErrorIs(t, err, ErrNotRunning, content)
		_, err = LockPIDFile(path)
		assert.ErrorIs(t, err, ErrRunning)
		require.NoError(t, file.Close())
	}
}

// FuzzAsk has a control socket answer with any bytes: Ask returns what was asked for or an
// error, in a bounded time.
func FuzzAsk(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"name\":\"x\"}"))
	f.Add([]byte("HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\n\x1b[2J"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{"))
	f.Add([]byte("HTTP/1.1 301 Moved\r\nLocation: /status\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	path := filepath.Join(f.TempDir(), "x.sock")
	l, err := net.Listen("unix", path)
	require.NoError(f, err)
	f.Cleanup(func() { l.Close() })
	answers := make(chan []byte, 1)
	go func() {
		var answer []byte
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case answer = <-answers:
			default: // it was sent elsewhere: the same again
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write(answer)
			conn.Close()
		}
	}()
	f.Fuzz(func(t *testing.T, answer []byte) {
		answers <- answer
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var into struct{ Name string }
		err := Ask(ctx, path, http.MethodGet, "/status", &into)
		require.NoError(t, ctx.Err())
		if err == nil {
			require.True(t, strings.HasPrefix(string(answer), "HTTP/"))
		} else {
			require.NotErrorIs(t, err, ErrNotRunning)
			require.False(t, errors.Is(err, io.EOF) && into.Name != "")
		}
		select {
		case <-answers: // it wasn't asked for, since the request could not be made
		default:
		}
	})
}
