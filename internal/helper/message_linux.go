package helper

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"sync"

	"netcap/internal/sandbox"
)

// message is what is said on the socket (SOCK_SEQPACKET): to the helper Setup, once, then
// Run, Cancel, Began and End; from it Log, and Ran, Ready and Ended, each with an error or
// none.
type message struct {
	Setup  *setup `json:"setup,omitempty"`
	Run    string `json:"run,omitempty"`    // the command on this path
	Cancel bool   `json:"cancel,omitempty"` // end the command
	Began  string `json:"began,omitempty"`  // a file of the capture
	End    bool   `json:"end,omitempty"`    // no more files

	Log   *entry `json:"log,omitempty"`
	Ready bool   `json:"ready,omitempty"`
	Ran   bool   `json:"ran,omitempty"`
	Ended bool   `json:"ended,omitempty"`
	Error string `json:"error,omitempty"`
}

// setup is what the helper is for.
type setup struct {
	Command []string      `json:"command"` // of -z, its program by an absolute path
	Journal string        `json:"journal"` // path, "" for none
	User    *sandbox.User `json:"user"`    // whom to become
	Debug   bool          `json:"debug"`   // log all
}

// entry is a line for the log.
type entry struct {
	Level slog.Level  `json:"level"`
	Text  string      `json:"text"`
	Attrs [][2]string `json:"attrs"`
}

// maxMessage bounds a message, in bytes: a path and what a command has said fit in.
const maxMessage = 64 << 10

// conn sends and receives messages. Any goroutine may send.
type conn struct {
	*net.UnixConn
	mu sync.Mutex
}

func (c *conn) send(m *message) error {
	const longest = 8 << 10 // of an error
	if len(m.Error) > longest {
		m.Error = m.Error[:longest]
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.Write(b)
	return err
}

// receive returns the next message. io.EOF says that the other side has gone.
func (c *conn) receive() (*message, error) {
	b := make([]byte, maxMessage)
	n, err := c.Read(b)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	m := &message{}
	return m, json.Unmarshal(b[:n], m)
}
