package journal

import (
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"netcap/internal/seqpacket"
)

// The messages on the socket (SOCK_SEQPACKET, so that each is whole): the reading process
// asks for the next file; it is given a path, with a descriptor; and it is told when that
// file will not grow any more. The end of the socket says so too, and that no other comes.
const (
	askNext   = 'n'
	giveFile  = 'f'
	tellWhole = 'w'
)

// maxMessage is beyond the longest path.
const maxMessage = unix.PathMax + 1

// send sends a message, with a descriptor if there is a file.
func send(c *net.UnixConn, kind byte, text string, f *os.File) error {
	var rights []byte
	if f != nil {
		rights = unix.UnixRights(int(f.Fd()))
	}
	_, _, err := c.WriteMsgUnix(append([]byte{kind}, text...), rights, nil)
	return err
}

// receive returns the next message. io.EOF says that no other comes.
func receive(c *net.UnixConn) (kind byte, text string, f *os.File, err error) {
	b, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := c.ReadMsgUnix(b, rights)
	if err != nil {
		return 0, "", nil, err
	}
	if n == 0 {
		return 0, "", nil, io.EOF
	}
	if m > 0 {
		if f, err = seqpacket.FileOf(rights[:m], string(b[1:n])); err != nil {
			return 0, "", nil, err
		}
	}
	return b[0], string(b[1:n]), f, nil
}
