package testenv

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Send sends frames, each from its Ethernet header on, out of a link. Captures
// on that link see them go out.
func (n *Namespace) Send(t testing.TB, ifname string, frames ...[]byte) {
	t.Helper()
	s, err := n.newSender(ifname)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for i, frame := range frames {
		if err := s.send(frame); err != nil {
			t.Fatalf("frame %d of %d: %v", i, len(frames), err)
		}
	}
}

// floodLimit bounds a flood: a million frames take a second or two.
const floodLimit = time.Minute

// Flood sends count frames of UDPFrame, of size bytes and numbered from 0, as
// fast as one thread can, and returns how many the kernel accepted: those from
// 0 up to there, each once. Frames it has no room for are sent again, also
// while the link is down. It ends early with the test, and after a minute, when
// the test has failed. The other end's Stats say how many came across. Captures on the link
// itself don't see a flood (PACKET_QDISC_BYPASS).
//
// Other goroutines than the test's may call Flood and Drip.
func (n *Namespace) Flood(t testing.TB, ifname string, size, count int) (accepted int) {
	t.Helper()
	s, err := n.newSender(ifname)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer s.close()
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		t.Error(os.NewSyscallError("setsockopt PACKET_QDISC_BYPASS", err))
		return 0
	}
	frame := UDPFrame(0, size)
	payload := payloadSum(frame)
	deadline := time.Now().Add(floodLimit)
	for accepted < count {
		setSeq(frame, uint32(accepted), payload)
		err := s.send(frame)
		switch {
		case err == nil:
			accepted++
			if accepted%1024 != 0 {
				continue
			}
		case errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENETDOWN):
			time.Sleep(100 * time.Microsecond)
		default:
			t.Errorf("frame %d of %d: %v", accepted, count, err)
			return accepted
		}
		if t.Context().Err() != nil {
			return accepted
		}
		if time.Now().After(deadline) {
			t.Errorf("send on %s: %d of %d frames accepted in %v", ifname, accepted, count, floodLimit)
			return accepted
		}
	}
	return accepted
}

// Drip sends count frames like Flood's, but one every gap, and none of them
// twice: those the kernel refuses because the link is down, or gone, are lost.
// It returns how many were accepted, and ends early with the test.
func (n *Namespace) Drip(t testing.TB, ifname string, size, count int, gap time.Duration) (accepted int) {
	t.Helper()
	s, err := n.newSender(ifname)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer s.close()
	tick := time.NewTicker(gap)
	defer tick.Stop()
	for i := range count {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			return accepted
		}
		err := s.send(UDPFrame(uint32(i), size))
		switch {
		case err == nil:
			accepted++
		case errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENXIO):
		default:
			t.Errorf("frame %d of %d: %v", i, count, err)
			return accepted
		}
	}
	return accepted
}

// A sender is a packet socket bound to one link, which receives nothing.
type sender struct {
	fd     int
	ifname string
}

func (n *Namespace) newSender(ifname string) (s *sender, err error) {
	n.Do(func() { s, err = newSender(ifname) })
	if err != nil {
		return nil, fmt.Errorf("send on %s: %w", ifname, err)
	}
	return s, nil
}

func newSender(ifname string) (*sender, error) {
	ifi, err := net.InterfaceByName(ifname)
	if err != nil {
		return nil, err
	}
	// Protocol 0 is what makes it receive nothing, packet(7).
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return &sender{fd: fd, ifname: ifname}, nil
}

func (s *sender) close() { unix.Close(s.fd) }

func (s *sender) send(frame []byte) error {
	for {
		_, err := unix.Write(s.fd, frame)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("send on %s: %w", s.ifname, os.NewSyscallError("write", err))
		}
		return nil
	}
}
