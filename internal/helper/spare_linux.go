package helper

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"netcap/internal/seqpacket"
)

// startSpare starts another process, which can go on in the place of this one, and gives the
// capture its socket: a confined capture can start none. What it is for, and which directory is
// the set's, this one tells it: a capture that was broken into has no say in that.
func (w *worker) startSpare() {
	socket, err := w.spare()
	if err != nil {
		_ = w.conn.send(&message{Spare: true, Error: fmt.Sprintf("starting it: %v", err)}) // the capture may have gone
		return
	}
	defer socket.Close()
	_ = w.conn.sendFile(&message{Spare: true}, socket)
}

// spare starts it, and returns the end of its socket that is the capture's.
func (w *worker) spare() (*os.File, error) {
	if w.child != nil {
		select {
		case <-w.childGone:
		default:
			return nil, errors.New("the one before is still there")
		}
	}
	ours, theirs, err := seqpacket.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	defer ours.Close()
	socket, err := ours.File()
	if err != nil {
		return nil, err
	}
	dir, err := w.set.file()
	if err == nil {
		err = (&conn{UnixConn: ours}).sendFile(&message{Setup: w.setup, Directory: true}, dir)
		err = errors.Join(err, dir.Close())
	}
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	cmd := command("/proc/self/exe", theirs)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	gone := make(chan struct{})
	w.child, w.childGone = cmd, gone
	go func() {
		defer close(gone)
		_ = cmd.Wait() // the capture notices
	}()
	return socket, nil
}

// kill kills the other helper process: the one that this one started, or that started it.
func (w *worker) kill() {
	switch {
	case w.child != nil:
		_ = w.child.Process.Kill() // it may have ended
	case w.sibling && os.Getppid() == w.parent:
		_ = syscall.Kill(w.parent, syscall.SIGKILL)
	}
}
