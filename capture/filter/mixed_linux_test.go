package filter

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// TestMixedWithoutEthernet has a socket of all interfaces get packets of one without a
// link-layer header, whose first bytes could be addresses and tags.
func TestMixedWithoutEthernet(t *testing.T) {
	testenv.Root(t)
	here := testenv.NewNamespace(t)
	packet := make([]byte, 40)
	packet[0], packet[8], packet[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	copy(packet[12:], []byte{0x81, 0, 0, 5, 10, 0, 0, 9}) // where Ethernet has type and tag
	here.Do(func() {
		tun := openTun(t, "tun0")
		here.SetUp(t, "tun0")
		for expr, want := range map[string]bool{
			"vlan": false, "vlan 5": false, "not vlan": true, "not vlan 5": true, "vlan or udp": true, "vlan and udp": false,
			"udp and not vlan":                      true,
			"ether host 45:00:00:28:00:00":          false,
			"not ether host 45:00:00:28:00:00":      true,
			"ether dst 45:00:00:28:00:00 or ip":     true,
			"ether multicast":                       false,
			"ether[0] = 0x45":                       false,
			"not ether[0] = 0x45":                   true,
			"ether[60] = 0 or udp":                  true, // beyond the end
			"ip[12] = 0x81 and not ether broadcast": true,
		} {
			p, err := Compile(expr, &Config{LinkType: LinkTypeLinuxSLL2, Live: true, Mixed: true, Resolver: Files{}})
			require.NoError(t, err, expr)
			fd := openTap(t, unix.SOCK_RAW, 0, p.Instructions())
			all := openTap(t, unix.SOCK_RAW, index(t, "tun0"), nil)
			_, err = tun.Write(packet)
			require.NoError(t, err)
			b := make([]byte, 100)
			require.Eventually(t, func() bool {
				n, _, err := unix.Recvfrom(all, b, 0)
				return err == nil && string(b[:n]) == string(packet)
			}, 10*time.Second, time.Millisecond)
			got := 0
			for {
				n, _, err := unix.Recvfrom(fd, b, 0)
				if err != nil {
					break
				}
				if string(b[:n]) == string(packet) { // and none that the kernel sends by itself
					got++
				}
			}
			assert.Equal(t, want, got == 1, expr)
			require.NoError(t, unix.Close(all))
			require.NoError(t, unix.Close(fd))
		}
	})
	for expr, text := range map[string]string{"type data": "type is not supported on link type LINUX_SLL2", "vlan 5000": "expected a VLAN number of at most 4095, not 5000"} {
		_, err := Compile(expr, &Config{LinkType: LinkTypeLinuxSLL2, Live: true, Mixed: true})
		assert.ErrorContains(t, err, text)
	}
	// What needs no Ethernet is the program that it would be without Mixed.
	plain, err := Compile("tcp port 104", &Config{LinkType: LinkTypeLinuxSLL2, Live: true})
	require.NoError(t, err)
	mixed, err := Compile("tcp port 104", &Config{LinkType: LinkTypeLinuxSLL2, Live: true, Mixed: true})
	require.NoError(t, err)
	assert.Equal(t, plain.Instructions(), mixed.Instructions())
}

// openTun makes an interface without link-layer header, whose packets are written to a file.
func openTun(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "/dev/net/tun")
	t.Cleanup(func() { f.Close() })
	r, err := unix.NewIfreq(name)
	require.NoError(t, err)
	r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	require.NoError(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, r))
	return f
}
