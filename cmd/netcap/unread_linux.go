package main

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// whenUnread calls gone once nobody will read any more what is written to w, a pipe or a
// socket: to a pipe whose reader has gone one doesn't write, while there is nothing to write,
// and so wouldn't learn of it. Of what can't lose its reader, a file, nothing is told. stop
// ends the watch.
//
// An epoll(7) tells of EPOLLERR and EPOLLHUP without being asked to. It is waited for in Go's
// own, which takes neither a thread nor a wake-up.
func whenUnread(w io.Writer, gone func()) (stop func(), err error) {
	none := func() {}
	out, ok := w.(*os.File)
	if !ok {
		return none, nil
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return none, os.NewSyscallError("epoll_create1", err)
	}
	err = control(out, func(fd int) error {
		return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{})
	})
	if errors.Is(err, unix.EPERM) { // a file: epoll_ctl(2)
		return none, unix.Close(epoll)
	}
	if err = errors.Join(err, unix.SetNonblock(epoll, true)); err != nil {
		return none, errors.Join(os.NewSyscallError("epoll_ctl", err), unix.Close(epoll))
	}
	watch := os.NewFile(uintptr(epoll), "epoll")
	raw, err := watch.SyscallConn()
	if err != nil {
		return none, errors.Join(err, watch.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		unread := false
		_ = raw.Read(func(fd uintptr) bool { // its error is that of Close
			n, err := unix.EpollWait(int(fd), make([]unix.EpollEvent, 1), 0)
			unread = n > 0
			return unread || err != nil && !errors.Is(err, unix.EINTR)
		})
		if unread {
			gone()
		}
	}()
	return func() {
		watch.Close()
		<-done
	}, nil
}

func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return errors.Join(err, failed)
}

// untilUnread returns a context that ends when nobody will read any more what is written to w.
func untilUnread(ctx context.Context, w io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	// Without the watch, writing says so.
	stop, _ := whenUnread(w, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// inputFor returns in for a command of which nothing is wanted but what it writes to out: as
// soon as nobody reads that any more, reading fails with EPIPE, though nothing comes.
func inputFor(out io.Writer, in io.Reader) io.Reader {
	from, ok := in.(*os.File)
	to, isFile := out.(*os.File)
	if !ok || !isFile {
		return in
	}
	return &inputWhileRead{from, to}
}

type inputWhileRead struct{ in, out *os.File }

func (r *inputWhileRead) Read(b []byte) (int, error) {
	err := control(r.in, func(in int) error {
		return control(r.out, func(out int) error {
			for {
				fds := []unix.PollFd{{Fd: int32(in), Events: unix.POLLIN}, {Fd: int32(out)}}
				_, err := unix.Poll(fds, -1)
				switch {
				case errors.Is(err, unix.EINTR):
				case err == nil && fds[1].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
					return syscall.EPIPE
				default:
					return nil // what else is wrong, reading says
				}
			}
		})
	})
	if errors.Is(err, syscall.EPIPE) {
		return 0, syscall.EPIPE
	}
	return r.in.Read(b)
}
