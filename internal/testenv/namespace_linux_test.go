package testenv

import (
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func threadNamespace(t testing.TB) string {
	t.Helper()
	link, err := os.Readlink("/proc/thread-self/ns/net")
	require.NoError(t, err)
	return link
}

func TestNamespace(t *testing.T) {
	n := NewNamespace(t)
	outside := threadNamespace(t)
	var inside string
	n.Do(func() {
		inside = threadNamespace(t)
		interfaces, err := net.Interfaces()
		require.NoError(t, err)
		require.Len(t, interfaces, 1)
		assert.Equal(t, "lo", interfaces[0].Name)
		assert.NotZero(t, interfaces[0].Flags&net.FlagUp)

		disabled, err := os.ReadFile("/proc/sys/net/ipv6/conf/default/disable_ipv6")
		if err == nil {
			assert.Equal(t, "1\n", string(disabled))
		}
	})
	assert.NotEqual(t, outside, inside)
	assert.Equal(t, outside, threadNamespace(t))

	readlink := exec.Command("readlink", "/proc/self/ns/net")
	var output strings.Builder
	readlink.Stdout = &output
	require.NoError(t, n.Start(readlink))
	require.NoError(t, readlink.Wait())
	assert.Equal(t, inside, strings.TrimSpace(output.String()))
}

// A test that ends inside Do leaves no thread behind in the namespace.
func TestDoEndsTest(t *testing.T) {
	n := NewNamespace(t)
	outside := threadNamespace(t)
	after := make(chan string)
	go func() {
		defer func() { after <- threadNamespace(t) }()
		n.Do(func() { (&outcome{TB: t}).Fatalf("ends the goroutine") })
	}()
	assert.Equal(t, outside, <-after)
}

// pair returns two namespaces, joined by veth0 in the first and veth1 in the
// second.
func pair(t testing.TB) (a, b *Namespace) {
	t.Helper()
	a, b = NewNamespace(t), NewNamespace(t)
	NewVeth(t, a, b, "veth0", "veth1")
	return a, b
}

func TestLinks(t *testing.T) {
	a, b := pair(t)
	assert.Equal(t, "02:00:00:00:00:01", a.Link(t, "veth0").Attributes.Address.String())
	assert.Equal(t, "02:00:00:00:00:02", b.Link(t, "veth1").Attributes.Address.String())

	assert.Zero(t, b.Promiscuity(t, "veth1"))
	b.Do(func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		defer unix.Close(fd)
		require.NoError(t, unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(b.Link(t, "veth1").Index), Type: unix.PACKET_MR_PROMISC}))
		assert.Equal(t, 1, b.Promiscuity(t, "veth1"))
	})
	assert.Zero(t, b.Promiscuity(t, "veth1"))

	b.AddAddr(t, "veth1", "10.9.0.2/24")
	b.Do(func() {
		ifi, err := net.InterfaceByName("veth1")
		require.NoError(t, err)
		addrs, err := ifi.Addrs()
		require.NoError(t, err)
		require.Len(t, addrs, 1)
		assert.Equal(t, "10.9.0.2/24", addrs[0].String())
	})

	b.SetDown(t, "veth1")
	assert.Zero(t, b.Link(t, "veth1").Flags&unix.IFF_UP)
	b.Rename(t, "veth1", "uplink")
	b.SetUp(t, "uplink")
	assert.NotZero(t, b.Link(t, "uplink").Flags&unix.IFF_UP)

	a.Delete(t, "veth0")
	_, _, err := b.link("uplink")
	assert.ErrorContains(t, err, "no such link")
}

func TestSend(t *testing.T) {
	a, b := pair(t)
	a.Send(t, "veth0", UDPFrame(0, 64), UDPFrame(1, 1514))
	stats := b.Stats(t, "veth1")
	assert.EqualValues(t, 2, stats.RXPackets)
	assert.EqualValues(t, 64+1514, stats.RXBytes)
	assert.Equal(t, 10, a.Drip(t, "veth0", 100, 10, time.Millisecond))
	assert.EqualValues(t, 12, b.Stats(t, "veth1").RXPackets)

	a.SetDown(t, "veth0")
	assert.Zero(t, a.Drip(t, "veth0", 100, 3, time.Millisecond), "a link that is down loses what drips")
}

// Every frame of a flood arrives, in order, also over a link that comes up
// only after the flood's start. A packet socket's own copy is the witness.
func TestFlood(t *testing.T) {
	const count = 20_000
	a, b := pair(t)
	var fd int
	b.Do(func() {
		var protocol [2]byte // in network order, packet(7)
		binary.BigEndian.PutUint16(protocol[:], unix.ETH_P_ALL)
		var err error
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(binary.NativeEndian.Uint16(protocol[:])))
		require.NoError(t, err)
	})
	defer unix.Close(fd)
	require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))

	a.SetDown(t, "veth0")
	sent := make(chan int)
	go func() { sent <- a.Flood(t, "veth0", 64, count) }()
	time.Sleep(10 * time.Millisecond)
	a.SetUp(t, "veth0")
	require.Equal(t, count, <-sent)
	assert.EqualValues(t, count, b.Stats(t, "veth1").RXPackets)
	buf := make([]byte, 64)
	for want := range uint32(count) {
		_, err := unix.Read(fd, buf)
		require.NoError(t, err)
		got, ok := Seq(buf)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
}

func BenchmarkFlood(b *testing.B) {
	here, _ := pair(b)
	b.ResetTimer()
	here.Flood(b, "veth0", 64, b.N)
}
