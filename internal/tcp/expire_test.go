package tcp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/tcp"
)

// TestExpiry has connections that nothing is heard of any more end: those that were never
// answered in any case, others only after the limit, and none that goes on.
func TestExpiry(t *testing.T) {
	ended := make(map[uint16]tcp.How)
	tracker := tcp.New(&tcp.Config{MaxIdle: int64(time.Hour), Open: func(c *tcp.Conn) tcp.Handler {
		return &ending{func(e tcp.End) { ended[c.Addr(tcp.Client).Port()] = e.How }}
	}})
	host := netip.MustParseAddr("10.0.0.1")
	server := netip.AddrPortFrom(host, 104)
	at := func(d time.Duration, port uint16, back bool, flags tcp.Flags) {
		s := tcp.Segment{Time: int64(time.Hour + d), Src: netip.AddrPortFrom(host, port), Dst: server, Flags: flags, Seq: uint32(port), Ack: 1, Window: 1}
		if back {
			s.Src, s.Dst, s.Seq, s.Ack = s.Dst, s.Src, 0, uint32(port)+1
		}
		tracker.Segment(&s)
	}
	at(0, 5001, false, tcp.SYN)
	at(0, 5002, false, tcp.SYN)
	at(0, 5002, true, tcp.SYN|tcp.ACK)
	at(0, 5003, false, tcp.SYN)
	at(0, 5004, false, tcp.ACK) // one direction of a connection is all that is captured
	at(2*time.Minute, 5003, false, tcp.SYN)
	assert.Empty(t, ended)
	at(4*time.Minute, 5005, false, tcp.SYN)
	assert.Equal(t, map[uint16]tcp.How{5001: tcp.Expired}, ended)
	at(5*time.Minute, 5006, false, tcp.SYN)
	assert.Equal(t, map[uint16]tcp.How{5001: tcp.Expired, 5003: tcp.Expired}, ended)
	at(59*time.Minute, 5002, false, tcp.ACK)
	at(61*time.Minute, 5007, false, tcp.SYN)
	assert.Equal(t, map[uint16]tcp.How{5001: tcp.Expired, 5003: tcp.Expired, 5004: tcp.Expired, 5005: tcp.Expired, 5006: tcp.Expired}, ended)
	tracker.Close()
	assert.Equal(t, tcp.CaptureEnd, ended[5002])
	assert.Equal(t, tcp.CaptureEnd, ended[5007])
}

// ending is a Handler that wants to know the end only.
type ending struct{ end func(tcp.End) }

func (*ending) Data(tcp.Side, *tcp.Segment, []byte)     {}
func (*ending) Missing(tcp.Side, int64, int64, tcp.Why) {}
func (*ending) Pause(tcp.Side, tcp.Pause)               {}
func (*ending) ICMP(tcp.Side, *tcp.Segment)             {}
func (h *ending) End(e tcp.End)                         { h.end(e) }
