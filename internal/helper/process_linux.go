package helper

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"netcap/internal/seqpacket"
)

// A process is one of a helper's, seen from the capture.
type process struct {
	conn  *conn
	spare bool          // it wasn't the first
	ready chan error    // of being set up
	ran   chan error    // of the command
	ended chan error    // of the work
	over  chan struct{} // it has gone, or is given up
	// unanswered is how often it was asked since it said something.
	unanswered atomic.Int32
	pid        atomic.Int64
	finished   atomic.Bool // it has said that the work has ended
}

// sendPatience is how long a process may leave no room in its socket: one that is stopped does.
const sendPatience = time.Second

func newProcess(u *net.UnixConn) *process {
	return &process{
		conn:  &conn{UnixConn: u, patience: sendPatience},
		ready: make(chan error, 1), ran: make(chan error, 1), ended: make(chan error, 1), over: make(chan struct{}),
	}
}

// listen takes what a process says, until it has gone.
func (h *Helper) listen(p *process) {
	defer close(p.over)
	for {
		m, f, err := p.conn.receive()
		if err != nil {
			return
		}
		p.unanswered.Store(0)
		if m.PID != 0 {
			p.pid.Store(int64(m.PID))
		}
		err = nil
		if m.Error != "" {
			err = errors.New(m.Error)
		}
		switch {
		case m.Log != nil:
			var attrs []any
			for _, a := range m.Log.Attrs {
				attrs = append(attrs, a[0], a[1])
			}
			h.cfg.Log.Log(context.Background(), m.Log.Level, m.Log.Text, attrs...)
		case m.Reading != "":
			h.reading(m.Reading)
		case m.Ready && err != nil && p.spare:
			h.cfg.Log.Error("a helper process can't do its work", "error", err)
		case m.Ready && p.spare:
			h.cfg.Log.Debug("a helper process is ready", "pid", m.PID)
		case m.Ready:
			tell(p.ready, err)
		case m.Ran:
			tell(p.ran, err)
		case m.Ended:
			p.finished.Store(true)
			tell(p.ended, err)
		case m.Spare:
			h.arrived <- h.spareOf(f, err)
		}
	}
}

// spareOf is the process at the other end of a socket, nil if there is none.
func (h *Helper) spareOf(socket *os.File, err error) *process {
	if socket == nil {
		err = errors.Join(err, errors.New("no socket came"))
	}
	var u *net.UnixConn
	if err == nil {
		u, err = seqpacket.Conn(socket)
	}
	if err != nil {
		h.cfg.Log.Warn("there is no spare helper process yet", "error", err)
		return nil
	}
	return newProcess(u)
}

// tell says something to whoever waits for it. What comes twice, as nothing should, is passed
// over.
func tell(to chan<- error, err error) {
	select {
	case to <- err:
	default:
	}
}

// giveUp lets go of a process that doesn't answer: its socket is closed.
func (p *process) giveUp() { _ = p.conn.Close() }

// settled waits until a process has done what it was told, which it says in a channel.
func (p *process) settled(said <-chan error) error {
	select {
	case err := <-said:
		return err
	case <-p.over:
		select { // what it said last
		case err := <-said:
			return err
		default:
			return errGone
		}
	}
}

// run has a process run the command on a path.
func (p *process) run(ctx context.Context, path string) error {
	err := p.conn.send(&message{Run: path})
	for errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil { // until it is found not to answer
		err = p.conn.send(&message{Run: path})
	}
	if err != nil {
		p.giveUp()
		return errGone
	}
	stop := context.AfterFunc(ctx, func() { _ = p.conn.send(&message{Cancel: true}) }) // or it has gone
	defer stop()
	return p.settled(p.ran)
}

// How long is waited before a process is started in the place of one that ended.
const (
	firstPause = time.Second
	lastPause  = 10 * time.Minute
)

// mostUnanswered is how often a process is asked in vain before it is given up.
const mostUnanswered = 3

// hurry is how often it is asked at the end of the capture.
const hurry = time.Second

// watch has another process take the place of one that has ended or doesn't answer, until the
// helper is closed.
func (h *Helper) watch() {
	defer close(h.unwatched)
	ticker := time.NewTicker(h.cfg.Patience / mostUnanswered)
	defer ticker.Stop()
	pause, since := firstPause, time.Now()
	wanted := time.NewTimer(time.Hour) // of another spare
	wanted.Stop()
	hurried, named := h.hurried, h.named
	again := func() {
		if time.Since(since) > lastPause {
			pause = firstPause
		}
		wanted.Reset(pause)
		pause, since = min(2*pause, lastPause), time.Now()
	}
	for {
		work, spare := h.processes()
		var spareOver <-chan struct{}
		if spare != nil {
			spareOver = spare.over
		}
		select {
		case <-h.closed:
			if spare != nil {
				spare.giveUp()
			}
			return
		case <-named:
			named = nil
			wanted.Reset(0)
		case <-hurried:
			hurried = nil
			ticker.Reset(hurry)
		case <-work.over:
			if work.finished.Load() {
				<-h.closed
				continue
			}
			if spare == nil {
				select {
				case spare = <-h.arrived: // just before
					h.take(spare)
				default:
				}
			}
			if h.replace(spare); spare == nil {
				return
			}
			again()
		case <-spareOver:
			h.cfg.Log.Warn("the spare helper process has ended, and another is started", "pid", spare.pid.Load())
			h.standBy(nil)
			again()
		case <-wanted.C:
			_ = work.conn.send(&message{Spare: true}) // or it is found not to answer
		case p := <-h.arrived:
			if spare != nil {
				spare.giveUp()
			}
			h.take(p)
			if h.standBy(p); p == nil {
				again()
			}
		case <-ticker.C:
			h.ask(work, spare)
			if spare != nil {
				h.ask(spare, work)
			}
		}
	}
}

// processes are the one at work, or the last that was, and the spare one, nil for none.
func (h *Helper) processes() (work, spare *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.work, h.spare
}

// standBy has a process be the spare one.
func (h *Helper) standBy(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spare = p
}

// take listens to a spare process.
func (h *Helper) take(p *process) {
	if p != nil {
		p.spare = true
		go h.listen(p)
	}
}

// ask asks a process whether it does well. One that hasn't answered for long is killed, by
// another one: who captures may signal nobody.
func (h *Helper) ask(p, other *process) {
	if p.unanswered.Load() < mostUnanswered {
		p.unanswered.Add(1)
		_ = p.conn.send(&message{Ping: true}) // or it doesn't answer
		return
	}
	h.cfg.Log.Error("a helper process doesn't answer: it is killed", "pid", p.pid.Load())
	if other != nil {
		_ = other.conn.send(&message{Kill: true}) // or it has gone too
	}
	p.giveUp()
}

// replace has another process go on with the work, if there is one.
func (h *Helper) replace(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p == nil {
		h.cfg.Log.Error("the helper process has ended, and its spare: -z and the DICOM journal have nobody left until the capture is started again")
		h.gone = true
	} else {
		h.restarts++
		h.cfg.Log.Error("the helper process has ended: another goes on where it was", "pid", h.work.pid.Load(), "other", p.pid.Load())
		if err := p.conn.send(&message{Work: &work{Again: true, Given: h.given}}); err != nil {
			p.giveUp()
		}
		h.work, h.spare, h.told, h.ending = p, nil, 0, false
	}
	h.wake()
}
