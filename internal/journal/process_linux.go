package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"netcap/internal/seqpacket"
)

// Argument makes a netcap that is started with it run Main.
const Argument = "dicom-journal-reader"

// patience is how long a process that was killed may take to end.
const patience = 5 * time.Second

// process runs a process, beginning with the files that another was given last, until all is
// read. It returns what it had when it ended. A nil error says that all is read.
func (k *Keeper) process(ctx context.Context) (current string, err error) {
	ours, theirs, err := seqpacket.Pair()
	if err != nil {
		return "", err
	}
	defer ours.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.cfg.Command[0], k.cfg.Command[1:]...)
	cmd.WaitDelay = patience
	cmd.Stdin = theirs
	cmd.Env = []string{"GOMEMLIMIT=200MiB", "GOTRACEBACK=none"}
	// Ctrl-C at the terminal isn't for it: it ends when it has read all.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", errors.Join(err, theirs.Close())
	}
	complaints, err := cmd.StderrPipe()
	if err != nil {
		return "", errors.Join(err, theirs.Close())
	}
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		return "", err
	}
	k.cfg.Log.Debug("the DICOM journal's process", "pid", cmd.Process.Pid)
	printed, said := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(printed)
		if err := k.lines.copy(out); err != nil {
			k.cfg.Log.Error("the DICOM journal's process writes what is no line", "error", err)
			cancel()
		}
	}()
	go func() { said <- k.listen(complaints) }()
	s := &session{keeper: k, conn: ours, again: slices.Clone(k.given), ended: printed}
	serveErr := s.serve()
	switch {
	case s.cause != nil: // killed, and not told to end: it would take what it has for all there is
		cancel()
	case serveErr != nil: // it is about to end, if it hasn't
		stop := time.AfterFunc(patience, cancel)
		defer stop.Stop()
	}
	<-printed
	last := <-said
	if err := cmd.Wait(); err != nil && s.cause == nil {
		if last != "" {
			err = fmt.Errorf("%w: %s", err, last)
		}
		return s.current, err
	}
	return s.current, serveErr
}

// listen logs what a process says of what it can't do, and returns what it said last.
func (k *Keeper) listen(r io.Reader) (last string) {
	const most = 100 // of lines: the rest is the same again
	n := 0
	for s := bufio.NewScanner(r); s.Scan(); n++ {
		if last == "" || n < most {
			last = s.Text()
		}
		if n < most {
			k.cfg.Log.Warn("the DICOM journal's process says", "text", s.Text())
		}
	}
	_, _ = io.Copy(io.Discard, r)
	return last
}

// session is what is said with one process.
type session struct {
	keeper  *Keeper
	conn    *net.UnixConn
	again   []string        // the files to begin with
	current string          // the one that it has
	ended   <-chan struct{} // the process writes no more
	cause   error           // why it can't go on, though the process could
}

// serve gives the process files as it asks for them. A nil error says that there are no
// more, and that the process knows.
func (s *session) serve() error {
	asked := make(chan error, 1)
	go func() {
		defer close(asked)
		for {
			kind, _, _, err := receive(s.conn)
			if err != nil || kind != askNext {
				return
			}
			asked <- nil
		}
	}()
	for {
		select {
		case _, ok := <-asked:
			if !ok {
				return errors.New("it ended")
			}
		case <-s.ended:
			return errors.New("it ended")
		}
		more, err := s.give()
		if err != nil {
			return err
		}
		if !more {
			return s.conn.CloseWrite()
		}
	}
}

// give waits for a file, gives it to the process, and tells it once that file is whole. It
// returns false if no more come.
func (s *session) give() (more bool, err error) {
	for {
		waiting, over, changed := s.keeper.state()
		switch {
		case len(s.again) > 0:
			s.current, s.again = s.again[0], s.again[1:]
			if err := s.hand(s.current); !errors.Is(err, errGone) {
				return err == nil, err
			}
			if len(s.again) == 0 { // the one before was read
				s.keeper.lines.skipped([]string{s.current}, "it was deleted before it could be read again")
			}
		case waiting > 0:
			path, lost := s.keeper.next()
			if lost > 0 {
				s.keeper.lines.skipped(nil, fmt.Sprintf("%d files before %s were left out: reading is slower than the capture", lost, path))
			}
			s.current = path
			s.keeper.lines.next()
			if err := s.hand(path); !errors.Is(err, errGone) {
				return err == nil, err
			}
			s.keeper.lines.skipped([]string{path}, "it was deleted before it could be read: reading is slower than the capture")
		case over:
			return false, nil
		default:
			select {
			case <-changed:
			case <-s.ended:
				return false, errors.New("it ended")
			}
		}
	}
}

var errGone = errors.New("the file is gone")

// hand gives a file, and waits until it is whole.
func (s *session) hand(path string) error {
	f, err := s.keeper.open(path)
	if errors.Is(err, os.ErrNotExist) {
		return errGone
	}
	if err != nil {
		s.cause = err
		return err
	}
	if err := errors.Join(send(s.conn, giveFile, path, f), f.Close()); err != nil {
		return err
	}
	for {
		waiting, over, changed := s.keeper.state()
		if waiting > 0 || over || len(s.again) > 0 {
			return send(s.conn, tellWhole, "", nil)
		}
		select {
		case <-changed:
		case <-s.ended:
			return errors.New("it ended")
		}
	}
}
