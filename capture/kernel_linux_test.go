package capture_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netcap/capture"
	"netcap/internal/testenv"
)

// What only the kernel does: direction, promiscuous mode, loopback, filters,
// offloaded segments, interfaces that go.

func pair(t *testing.T) (a, b *testenv.Namespace) {
	a, b = testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, b, a, "b", "a") // frames go to the second
	return a, b
}

func TestDirection(t *testing.T) {
	a, b := pair(t)
	in, out := testenv.UDPFrame(1, 64), testenv.UDPFrame(2, 64)
	for d, want := range map[capture.Direction][][]byte{
		capture.In: {in}, capture.Out: {out}, capture.InOut: {in, out},
	} {
		t.Run(d.String(), func(t *testing.T) {
			h := openIn(t, a, capture.Config{Interface: "a", Direction: d})
			b.Send(t, "b", in)
			a.Send(t, "a", out)
			var all [][]byte
			for _, p := range drain(t, h) {
				all = append(all, p.data)
				assert.Equal(t, p.packet.Type == capture.Outgoing, string(p.data) == string(out))
			}
			assert.Equal(t, want, all)
		})
	}
}

// TestTimedOut tells the block that the kernel filled from the one that it gave
// up half empty.
func TestTimedOut(t *testing.T) {
	a, b := pair(t)
	h := openIn(t, a, capture.Config{Interface: "a", RetireTimeout: time.Second})
	b.Flood(t, "b", 1500, 400) // of some 1600 bytes in the ring each: more than a block
	full, err := h.Next()
	require.NoError(t, err)
	assert.False(t, full.TimedOut())
	first := full.Len()
	full.Release()
	rest, err := h.Next()
	require.NoError(t, err)
	assert.True(t, rest.TimedOut())
	assert.Equal(t, 400, first+rest.Len())
	rest.Release()
}

func TestPromiscuous(t *testing.T) {
	a, b := pair(t)
	assert.Zero(t, a.Promiscuity(t, "a"))
	h := openIn(t, a, capture.Config{Interface: "a"})
	assert.Equal(t, 1, a.Promiscuity(t, "a"))
	other := testenv.UDPFrame(1, 64)
	other[5]++ // another host's
	b.Send(t, "b", other)
	packets := drain(t, h)
	require.Len(t, packets, 1)
	assert.Equal(t, capture.OtherHost, packets[0].packet.Type)
	require.NoError(t, h.Close())
	assert.Zero(t, a.Promiscuity(t, "a"), "it ends with the socket")

	openIn(t, a, capture.Config{Interface: "a", NoPromiscuous: true})
	assert.Zero(t, a.Promiscuity(t, "a"))
}

// On the loopback interface and on all of them, each datagram is seen once.
func TestLoopbackOnce(t *testing.T) {
	n := testenv.NewNamespace(t)
	for _, name := range []string{"lo", capture.Any} {
		for _, noRing := range []bool{false, true} {
			h := openIn(t, n, capture.Config{Interface: name, NoRing: noRing})
			sendDatagrams(t, n, "127.0.0.1:9", 5)
			packets := drain(t, h)
			require.Len(t, packets, 5)
			for _, p := range packets {
				assert.Equal(t, 1, p.packet.Interface)
				assert.Equal(t, uint16(unix.ARPHRD_LOOPBACK), p.packet.HardwareType)
			}
		}
	}
}

func sendDatagrams(t *testing.T, n *testenv.Namespace, to string, count int) {
	var err error
	n.Do(func() {
		var c net.Conn
		// A port that is listened to, lest ICMP errors come back.
		l, lerr := net.ListenPacket("udp", to)
		if lerr == nil {
			defer l.Close()
		}
		if c, err = net.Dial("udp", to); err != nil {
			return
		}
		defer c.Close()
		for range count {
			if _, err = c.Write([]byte("datagram")); err != nil {
				return
			}
		}
	})
	require.NoError(t, err)
}

func TestAnyTellsInterfaces(t *testing.T) {
	a, b := pair(t)
	h := openIn(t, a, capture.Config{Interface: capture.Any})
	assert.Zero(t, a.Promiscuity(t, "a"))
	b.Send(t, "b", testenv.UDPFrame(1, 64))
	sendDatagrams(t, a, "127.0.0.1:9", 1)
	var indexes []int
	for _, p := range drain(t, h) {
		indexes = append(indexes, p.packet.Interface)
	}
	assert.ElementsMatch(t, []int{int(a.Link(t, "a").Index), 1}, indexes)
}

// The filter stands before the first packet, and the snap length behind it.
func TestFilter(t *testing.T) {
	a, b := pair(t)
	// Frames longer than 100 bytes.
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 100, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: capture.MaxSnapLen},
	})
	require.NoError(t, err)
	for _, noRing := range []bool{false, true} {
		for _, d := range []capture.Direction{capture.In, capture.InOut} {
			h := openIn(t, a, capture.Config{Interface: "a", Filter: program, SnapLen: 80, Direction: d, NoRing: noRing})
			b.Send(t, "b", testenv.UDPFrame(1, 64), testenv.UDPFrame(2, 200))
			packets := drain(t, h)
			require.Len(t, packets, 1)
			assert.Equal(t, 200, packets[0].length)
			assert.Len(t, packets[0].data, 80)
			stats, err := h.Stats()
			require.NoError(t, err)
			assert.Equal(t, uint64(1), stats.Received, "received is what passed the filter")
		}
	}
}

func TestFilterTooLong(t *testing.T) {
	n := testenv.NewNamespace(t)
	var err error
	n.Do(func() {
		_, err = capture.Open(&capture.Config{Interface: "lo", Filter: make([]bpf.RawInstruction, 5000)})
	})
	assert.ErrorContains(t, err, "4096")
}

// With segmentation offload frames far longer than the MTU come by: they are
// kept whole, and their length is told when they are cut.
func TestOffloadedSegments(t *testing.T) {
	a, b := pair(t)
	a.AddAddr(t, "a", "10.9.0.1/24")
	b.AddAddr(t, "b", "10.9.0.2/24")
	const sent = 4 << 20
	for _, snapLen := range []int{0, 64} {
		h := openIn(t, a, capture.Config{Interface: "a", SnapLen: snapLen, Direction: capture.In})
		bulk(t, b, a, "10.9.0.1:104", sent)
		longest, payload := 0, 0
		for _, p := range drain(t, h) {
			longest = max(longest, p.length)
			if snapLen == 0 {
				assert.Len(t, p.data, p.length)
			} else {
				assert.LessOrEqual(t, len(p.data), snapLen)
			}
			payload += tcpPayload(p)
		}
		assert.Greater(t, longest, 9000, "no segment was offloaded: the test shows nothing")
		assert.GreaterOrEqual(t, payload, sent)
	}
}

// tcpPayload is the length of what a TCP segment carries, by its length on the
// wire and its headers.
func tcpPayload(p got) int {
	const ethernet = 14
	if len(p.data) < ethernet+40 || p.data[ethernet+9] != unix.IPPROTO_TCP {
		return 0
	}
	ip := int(p.data[ethernet]&15) * 4
	tcp := int(p.data[ethernet+ip+12]>>4) * 4
	return p.length - ethernet - ip - tcp
}

// bulk sends n bytes over TCP from one namespace to another.
func bulk(t *testing.T, from, to *testenv.Namespace, address string, n int64) {
	var l net.Listener
	var err error
	to.Do(func() { l, err = net.Listen("tcp", address) })
	require.NoError(t, err)
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, err := l.Accept()
		if assert.NoError(t, err) {
			_, err = io.Copy(io.Discard, c)
			assert.NoError(t, errors.Join(err, c.Close()))
		}
	})
	var c net.Conn
	from.Do(func() {
		// Not net.Dial, which dials on goroutines of its own.
		c, err = dialHere(address)
	})
	require.NoError(t, err)
	_, err = io.Copy(c, io.LimitReader(zeros{}, n))
	require.NoError(t, errors.Join(err, c.Close()))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// dialHere connects on the calling thread, which may be in another namespace.
func dialHere(address string) (net.Conn, error) {
	a, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	sa := &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}
	if err := unix.Connect(fd, sa); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

func TestInterfaceDownAndUp(t *testing.T) {
	a, b := pair(t)
	for _, noRing := range []bool{false, true} {
		h := openIn(t, a, capture.Config{Interface: "a", NoRing: noRing})
		a.SetDown(t, "a")
		_, err := h.Next()
		require.ErrorIs(t, err, capture.ErrInterfaceDown)
		a.SetUp(t, "a")
		_, err = h.Next()
		require.ErrorIs(t, err, capture.ErrInterfaceUp)
		b.Send(t, "b", testenv.UDPFrame(1, 64))
		assert.Len(t, drain(t, h), 1)
	}
}

// An interface that is down can be opened; that it is down is told at once.
func TestStartsOnDownInterface(t *testing.T) {
	a, _ := pair(t)
	a.SetDown(t, "a")
	h := openIn(t, a, capture.Config{Interface: "a"})
	_, err := h.Next()
	require.ErrorIs(t, err, capture.ErrInterfaceDown)
	assert.Empty(t, drain(t, h))
}

// A packet that was still in the ring when the interface went is handed out,
// and hides neither that it went down nor that it was deleted after that.
func TestInterfaceDeleted(t *testing.T) {
	for _, downFirst := range []bool{false, true} {
		for _, noRing := range []bool{false, true} {
			a, b := pair(t)
			h := openIn(t, a, capture.Config{Interface: "a", NoRing: noRing, NoPromiscuous: true})
			b.Send(t, "b", testenv.UDPFrame(1, 64))
			if downFirst {
				a.SetDown(t, "a")
			} else {
				a.Delete(t, "a")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			defer context.AfterFunc(ctx, func() { h.Close() })()
			packets, down, deleted := 0, false, !downFirst
			for {
				if packets == 1 && down && !deleted {
					a.Delete(t, "a")
					deleted = true
				}
				batch, err := h.Next()
				if errors.Is(err, capture.ErrInterfaceGone) {
					break
				}
				if down = down || errors.Is(err, capture.ErrInterfaceDown); err != nil {
					require.ErrorIs(t, err, capture.ErrInterfaceDown)
					continue
				}
				packets += len(keep(t, batch))
			}
			assert.True(t, deleted)
			for _, p := range drain(t, h) {
				require.NotNil(t, p)
				packets++
			}
			assert.Equal(t, 1, packets)
		}
	}
}

func TestDefaultRoute(t *testing.T) {
	n := testenv.NewNamespace(t)
	var err error
	n.Do(func() { _, err = capture.DefaultRoute() })
	assert.ErrorIs(t, err, capture.ErrNoInterface)
}

// A process without CAP_NET_RAW is told what it lacks.
func TestPermission(t *testing.T) {
	n := testenv.NewNamespace(t)
	var err error
	n.Do(func() {
		// Capabilities are the thread's, and this one is given up with the test.
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var was, none [2]unix.CapUserData
		if err = unix.Capget(&hdr, &was[0]); err != nil {
			return
		}
		none = was
		none[0].Effective &^= 1 << unix.CAP_NET_RAW
		if err = unix.Capset(&hdr, &none[0]); err != nil {
			return
		}
		_, err = capture.Open(&capture.Config{Interface: "lo"})
		if capErr := unix.Capset(&hdr, &was[0]); capErr != nil {
			panic(capErr)
		}
	})
	require.ErrorIs(t, err, os.ErrPermission)
	assert.ErrorContains(t, err, "CAP_NET_RAW")
	assert.ErrorContains(t, err, "sudo")
}

// The loopback interface misses nothing, and says so; of all interfaces
// together nobody counts.
func TestInterfaceDrops(t *testing.T) {
	testenv.Root(t)
	for name, want := range map[string]error{"lo": nil, capture.Any: capture.ErrNoCount} {
		h, err := capture.Open(&capture.Config{Interface: name})
		require.NoError(t, err)
		n, err := h.InterfaceDrops()
		assert.Zero(t, n)
		assert.ErrorIs(t, err, want)
		require.NoError(t, h.Close())
	}
}
