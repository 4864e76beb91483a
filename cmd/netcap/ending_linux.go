package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"netcap/internal/daemon"
	"netcap/internal/record"
	"netcap/rotate"
)

// ending is the end of a capture. It takes as long as the disk takes something, and not longer:
// whatever hangs, the process ends, and says what is lost.
type ending struct {
	patience time.Duration // how long the disk may take nothing
	log      *daemon.Log
	stderr   *daemon.AsyncWriter
	o        *captureOptions
	cancel   context.CancelFunc
	written  chan struct{} // closed by over
	told     chan struct{} // closed once the sums are what they will be
	telling  sync.Once
	once     sync.Once // of giving up

	rec atomic.Pointer[record.Recorder] // nil before anything was captured
	// nil for none
	pid     atomic.Pointer[daemon.PIDFile]
	control atomic.Pointer[daemon.Control]
}

// newEnding returns that of a capture whose packets are at most so old when they are written.
func newEnding(flush time.Duration, log *daemon.Log, stderr *daemon.AsyncWriter, o *captureOptions) *ending {
	if flush == 0 {
		flush = rotate.DefaultFlush
	}
	return &ending{patience: max(0, flush) + patienceWithDisk, log: log, stderr: stderr, o: o, written: make(chan struct{}), told: make(chan struct{})}
}

// patienceWithDisk is how long the disk may take nothing at the end, beyond --flush, where
// what is said is read. With that of the ledger, a second, and of who asked, another one, all of
// it takes --flush and 5 seconds at most; with that of the last words too, if nobody reads.
const patienceWithDisk = 2500 * time.Millisecond

// twice is within how long two signals are one: timeout(1) signals its child, and then the
// group in which that is.
const twice = time.Second

// onSignal returns a context that ends with the first of some signals, or with begin. A
// SIGINT or SIGTERM that comes a second after another one, or later, ends the process.
// SIGHUP is no sign of impatience: shells send it again.
func (e *ending) onSignal(endings ...os.Signal) (ctx context.Context, stop func()) {
	ctx, e.cancel = context.WithCancel(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endings...)
	go func() {
		var first time.Time
		for s := range signals {
			switch {
			case s == syscall.SIGHUP:
				e.log.Debug("stopping", "signal", s.String())
				e.begin()
			case first.IsZero():
				first = time.Now()
				e.log.Debug("stopping", "signal", s.String())
				e.begin()
			case time.Since(first) >= twice:
				e.giveUp("at once")
			}
		}
	}()
	stopped := make(chan struct{})
	go e.watch(ctx, stopped)
	return ctx, func() {
		close(stopped)
		signal.Stop(signals)
		close(signals)
		e.cancel()
	}
}

// begin has the capture end.
func (e *ending) begin() { e.cancel() }

// over says that all is written that came.
func (e *ending) over() {
	close(e.written)
	e.tell()
}

// tell says that the sums won't change any more.
func (e *ending) tell() { e.telling.Do(func() { close(e.told) }) }

// watch ends the process if the disk takes nothing at the end.
func (e *ending) watch(ctx context.Context, stopped <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-stopped:
		return
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var before int64
	since := time.Now()
	for time.Since(since) < e.patience-e.unread() {
		select {
		case <-e.written:
			return
		case <-stopped:
			return
		case <-ticker.C:
		}
		if rec := e.rec.Load(); rec != nil {
			if f := rec.Status().Files; f.Bytes > before {
				before, since = f.Bytes, time.Now()
			}
		}
	}
	e.giveUp("since the disk takes nothing")
}

// unread is how long the last words will wait, where nobody reads those before.
func (e *ending) unread() time.Duration {
	if e.stderr.Behind() {
		return patienceAtEnd - time.Second // which who asked is waited for meanwhile
	}
	return 0
}

// giveUp ends the process, and says what is lost by that, unless it was said.
func (e *ending) giveUp(how string) { e.once.Do(func() { e.exit(how) }) }

func (e *ending) exit(how string) {
	rec := e.rec.Load()
	switch {
	case rec == nil:
		fmt.Fprintf(e.stderr, "netcap: stopped %s, before anything was captured\n", how)
	case closed(e.written):
		fmt.Fprintf(e.stderr, "netcap: stopped %s: finished files may be left as they are\n", how)
	default:
		s, lost := rec.Abandon()
		summarize(e.stderr, s, e.o)
		fmt.Fprintf(e.stderr, "netcap: stopped %s: %s not yet written, and lost\n", how, wasOrWere(lost))
	}
	e.tell()
	// A process that is in the midst of a write is kept by the kernel, with its locks and
	// sockets, until the disk answers.
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if control := e.control.Load(); control != nil {
			_ = control.Close() // a second at most; the process ends
		}
		if pid := e.pid.Load(); pid != nil {
			_ = pid.Release() // likewise
		}
	}()
	e.stderr.LastWords(patienceAtEnd)
	select {
	case <-answered:
	case <-time.After(patienceAtEnd):
	}
	os.Exit(exitFailed)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func wasOrWere(packets int64) string {
	if packets == 1 {
		return "1 packet was"
	}
	return count(packets, "packet") + " were"
}
