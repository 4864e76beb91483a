package helper

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/sandbox"
	"netcap/internal/seqpacket"
)

// message is what is said on the socket (SOCK_SEQPACKET). To the process: Setup, once; Work,
// at once or when it is its turn; then Run, Cancel, Began and End; Ping, Spare and Kill at any
// time. From it: Log, Pong and Reading, Ran, Ready and Ended, each with an error or none, and
// Spare with a descriptor, or with an error. A process that another one started has its Setup
// from that, with Directory and the descriptor of the set's directory.
type message struct {
	Setup  *setup `json:"setup,omitempty"`
	Work   *work  `json:"work,omitempty"`
	Run    string `json:"run,omitempty"`    // the command on this path
	Cancel bool   `json:"cancel,omitempty"` // end the command
	Began  string `json:"began,omitempty"`  // a file of the capture
	End    bool   `json:"end,omitempty"`    // no more files

	Ping  bool `json:"ping,omitempty"`  // say Pong
	Spare bool `json:"spare,omitempty"` // start another process; it is started
	Kill  bool `json:"kill,omitempty"`  // the other process, which doesn't answer

	Log     *entry `json:"log,omitempty"`
	Pong    bool   `json:"pong,omitempty"`
	Reading string `json:"reading,omitempty"` // a file is read for the journal
	Ready   bool   `json:"ready,omitempty"`
	PID     int    `json:"pid,omitempty"` // with Ready
	Ran     bool   `json:"ran,omitempty"`
	Ended   bool   `json:"ended,omitempty"`
	Error   string `json:"error,omitempty"`

	Directory bool `json:"directory,omitempty"`
}

// setup is what the helper is for.
type setup struct {
	Command []string      `json:"command"` // of -z, its program by an absolute path
	Journal string        `json:"journal"` // path, "" for none
	User    *sandbox.User `json:"user"`    // whom to become
	Debug   bool          `json:"debug"`   // log all
}

// work is where another process has left off.
type work struct {
	Again bool     `json:"again"` // there was another one
	Given []string `json:"given"` // the files that were read for the journal last, two at most
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
	// patience is how long sending may wait for room in the socket; 0 for ever.
	patience time.Duration
	mu       sync.Mutex
}

func (c *conn) send(m *message) error { return c.sendFile(m, nil) }

// sendFile sends a message, with a descriptor if there is a file.
func (c *conn) sendFile(m *message, f *os.File) error {
	const longest = 8 << 10 // of an error
	if len(m.Error) > longest {
		m.Error = m.Error[:longest]
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var rights []byte
	if f != nil {
		rights = unix.UnixRights(int(f.Fd()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.patience > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
			return err
		}
	}
	_, _, err = c.WriteMsgUnix(b, rights, nil)
	return err
}

// receive returns the next message, and a file if one came with it. io.EOF says that the other
// side has gone.
func (c *conn) receive() (m *message, f *os.File, err error) {
	b, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	n, r, _, _, err := c.ReadMsgUnix(b, rights)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, io.EOF
	}
	if r > 0 {
		if f, err = seqpacket.FileOf(rights[:r], "socket"); err != nil {
			return nil, nil, err
		}
	}
	m = &message{}
	return m, f, json.Unmarshal(b[:n], m)
}
