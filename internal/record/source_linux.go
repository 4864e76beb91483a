package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"netcap/capture"
	"netcap/capture/filter"
	"netcap/internal/ledger"
	"netcap/pcapfile"
)

// source is an interface that is recorded, through all the sockets that it may
// take when it goes and comes again.
type source struct {
	name string
	r    *Recorder
	// programs are what the filter was compiled to: an interface that comes back
	// may be of another kind.
	programs map[pcapfile.LinkType]*filter.Program
	// own is the filter if the kernel refused it, and nil, as a rule, if it runs
	// there. It changes only when the interface is opened.
	own      atomic.Pointer[ownFilter]
	rejected atomic.Int64 // packets that own didn't take
	threads  int          // how many rings it gets, the same all the time; 0 before it was opened

	mu     sync.Mutex
	device string        // the interface that name means, as it is called now; "" while there is none
	in     []Source      // its rings; none while there is no such interface
	before capture.Stats // of the sockets before
	told   uint64        // drops that a trailer has counted
	passed int64         // rejected packets that a trailer has counted
	missed uint64        // the interface's own, that a trailer has counted
	away   int64         // the gap that lasts while it gives no packets; 0 for none
	state  State
}

// State is how an interface does.
type State string

// States.
const (
	Up     State = "up"
	Down   State = "down"
	Absent State = "absent"
)

// open opens the interface, and makes it known to the encoder.
func (s *source) open() error {
	device, err := s.r.cfg.Device(s.name)
	if err != nil {
		return err
	}
	return s.openDevice(device)
}

func (s *source) openDevice(device string) error {
	c := s.r.cfg.Capture
	c.Interface = device
	if s.threads == 0 {
		s.threads = s.r.threads(device)
	}
	in, err := s.openFiltered(&c)
	if err != nil {
		return err
	}
	link, err := in[0].Link()
	if err != nil {
		return errors.Join(err, closeAll(in))
	}
	if link.Index != 0 {
		s.r.enc.attach(s, device, link.Index, link.HardwareType)
	} else {
		// Of all interfaces this is the one that is always there. The others
		// are described when packets come from them.
		s.r.enc.device(s, 1, loopbackType)
	}
	mode, reason := in[0].Mode()
	if reason != nil {
		s.r.log.Warn("capturing without the ring that was asked for", "interface", device, "with", mode, "because", reason)
	} else {
		s.r.log.Debug("capturing", "interface", device, "with", mode, "threads", len(in))
	}
	s.mu.Lock()
	s.in, s.state, s.device = in, Up, device
	s.mu.Unlock()
	return nil
}

// expect has the source wait for an interface that isn't there yet, where all else is
// in order. err is the error that says so.
func (s *source) expect(err error) error {
	if s.r.enc.format == pcapfile.PCAP && !s.r.enc.cooked {
		return fmt.Errorf("%w: a pcap file begins with its kind, so it can't be waited for: use --format pcapng", err)
	}
	if s.r.cfg.Filter != "" {
		// Its kind isn't known either: most are like Ethernet.
		if _, err := compileFilter(s.r.cfg.Filter, s.name, pcapfile.LinkTypeEthernet, s.r.enc.snapLen); err != nil {
			return err
		}
	}
	// Whoever may not capture need not wait.
	c := s.r.cfg.Capture
	c.Interface, c.NoPromiscuous, c.Unfiltered = "lo", true, true
	switch in, openErr := s.r.cfg.Open(&c, 1); {
	case openErr == nil:
		if err := closeAll(in); err != nil {
			return err
		}
	case errors.Is(openErr, fs.ErrPermission):
		return openErr
	}
	s.state = Absent
	s.threads = max(1, s.r.cfg.Threads) // once confined, nobody can ask how fast it is
	s.r.enc.await(s)
	s.r.log.Warn("the interface is not there; waiting for it to come", "interface", s.name, "error", err)
	return nil
}

// loopbackType is ARPHRD_LOOPBACK.
const loopbackType = 772

// run takes packets until ctx is done and the rings are empty. Where nothing can
// be written any more it goes on until then too, so that what was lost is known.
func (s *source) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.stop)()
	if s.sockets() == nil {
		s.missing(ledger.InterfaceGone)
		if err := s.replace(ctx); err != nil {
			return err
		}
	}
	var failed error
	for {
		in := s.sockets()
		if in == nil {
			return failed
		}
		err := s.empty(in)
		if !errors.Is(err, capture.ErrInterfaceGone) {
			return errors.Join(failed, err)
		}
		s.r.log.Warn("the interface was deleted; waiting for it to come back", "interface", s.name)
		s.missing(ledger.InterfaceGone)
		if err := s.replace(ctx); err != nil {
			return errors.Join(failed, err)
		}
	}
}

// empty takes packets out of all rings of an interface until they end. The error is why one
// failed; else that the packets asked for are there; else that the interface is gone.
func (s *source) empty(in []Source) error {
	ends := make([]error, len(in))
	var others sync.WaitGroup
	one := func(i int) {
		ends[i] = s.emptyOne(in[i], i)
		if ends[i] != nil && !errors.Is(ends[i], capture.ErrInterfaceGone) {
			s.r.stopping(ends[i])
		}
	}
	for i := 1; i < len(in); i++ {
		others.Go(func() { one(i) })
	}
	one(0)
	others.Wait()
	var failed, ended error
	for _, err := range ends {
		switch {
		case errors.Is(err, errCounted), ended == nil && errors.Is(err, capture.ErrInterfaceGone):
			ended = err
		case errors.Is(err, capture.ErrInterfaceGone):
		default:
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return failed
	}
	return ended
}

// emptyOne takes packets out of one of the rings until that ends. The first tells how the
// interface is.
func (s *source) emptyOne(in Source, ring int) error {
	first := ring == 0
	var failed error
	for {
		batch, err := in.Next()
		switch {
		case err == nil:
			err = s.r.take(s, ring, batch)
			batch.Release()
			if errors.Is(err, errCounted) {
				return err
			}
			if err != nil && failed == nil {
				failed = err
				s.r.stopping(err)
			}
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
			return failed
		case errors.Is(err, capture.ErrInterfaceDown):
			if first {
				s.setState(Down)
				s.missing(ledger.InterfaceDown)
				s.r.log.Warn("the interface is down; waiting for it to come up", "interface", s.name)
			}
		case errors.Is(err, capture.ErrInterfaceUp):
			if first {
				s.setState(Up)
				s.available()
				s.r.log.Info("the interface is up again", "interface", s.name)
			}
		case errors.Is(err, capture.ErrInterfaceGone) && failed != nil:
			return failed
		default:
			return errors.Join(failed, err)
		}
	}
}

func (s *source) sockets() []Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in
}

// called is the name that the interface has now, "" while there is none.
func (s *source) called() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.device
}

func (s *source) setState(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

func (s *source) stop() {
	for _, in := range s.sockets() {
		if err := in.Stop(); err != nil {
			s.r.log.Error("stopping without the packets that are still in the ring", "interface", s.name, "error", err)
			if err := in.Close(); err != nil {
				s.r.log.Error("closing", "interface", s.name, "error", err)
			}
		}
	}
}

// retryInterval is how often an interface that is gone is looked for.
const retryInterval = 500 * time.Millisecond

// replace waits until an interface of the name is there again, and opens it.
func (s *source) replace(ctx context.Context) error {
	if err := s.close(); err != nil {
		return err
	}
	s.r.mu.Lock()
	s.r.enc.await(s)
	s.r.mu.Unlock()
	ticker := time.NewTicker(retryInterval)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		// Whoever is asked may take a while: nothing waits for that.
		device, err := s.r.cfg.Device(s.name)
		if err != nil {
			// What couldn't be known at the start would have ended it there.
			if text := err.Error(); text != said {
				said = text
				s.r.log.Info("still waiting", "interface", s.name, "because", text)
			}
			continue
		}
		s.r.mu.Lock()
		err = s.openDevice(device)
		s.r.mu.Unlock()
		if err == nil {
			s.available()
			s.r.log.Info("the interface is back", "interface", s.name, "device", device)
			if ctx.Err() != nil { // stop came before there was a socket
				s.stop()
			}
			return nil
		}
		// It may be deleted again while it is opened.
		if !errors.Is(err, capture.ErrNoInterface) && !errors.Is(err, syscall.ENODEV) && !errors.Is(err, syscall.ENXIO) {
			return fmt.Errorf("going on: %w", err)
		}
	}
}

// close closes the sockets and keeps their counts.
func (s *source) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := closeAll(s.in)
	for _, in := range s.in {
		stats, statsErr := in.Stats()
		s.before.Received += stats.Received
		s.before.Dropped += stats.Dropped
		err = errors.Join(err, statsErr)
	}
	if s.in != nil {
		s.in, s.state, s.missed, s.device = nil, Absent, 0, ""
	}
	return err
}

func closeAll(in []Source) (err error) {
	for _, one := range in {
		err = errors.Join(err, one.Close())
	}
	return err
}

// stats returns the counts of all sockets together.
func (s *source) stats() (capture.Stats, State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := s.before
	for _, in := range s.in {
		if now, err := in.Stats(); err == nil {
			total.Received += now.Received
			total.Dropped += now.Dropped
		}
	}
	return total, s.state
}

// newDrops returns the drops since it was last called.
func (s *source) newDrops() uint64 {
	stats, _ := s.stats()
	n := stats.Dropped - s.told
	s.told = stats.Dropped
	return n
}

// newRejected returns how many packets its own filter didn't take since it was last called.
func (s *source) newRejected() uint64 {
	now := s.rejected.Load()
	n := now - s.passed
	s.passed = now
	return uint64(n)
}

// newMissed returns what the interface itself missed since it was last called,
// if it says.
func (s *source) newMissed() pcapfile.Counter {
	in := s.sockets()
	if in == nil {
		return pcapfile.Counter{}
	}
	now, err := in[0].InterfaceDrops()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || now < s.missed {
		return pcapfile.Counter{}
	}
	n := now - s.missed
	s.missed = now
	return pcapfile.Count(n)
}
