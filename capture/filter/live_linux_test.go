package filter

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// liveExpressions ask for what the kernel keeps beside a packet, and for what lies
// where it lies only if a tag was taken off.
var liveExpressions = []string{
	"ip", "arp", "ip6", "tcp port 104", "not tcp port 104", "port 104 or arp", "udp and dst port 104", "host 10.0.0.1",
	"ip6 host 2001:db8::1", "inbound", "outbound", "inbound and tcp", "not outbound", "inbound or outbound and arp",
	"ifindex 1", "not ifindex 1", "len > 70", "ip[8] = 64 and tcp[tcpflags] & tcp-syn != 0",
}

var liveEthernet = []string{
	"vlan", "vlan 5", "vlan 100", "vlan 0", "not vlan", "vlan and ip", "vlan and tcp port 104", "vlan 5 and ip6",
	"vlan and vlan", "vlan 5 and vlan 100", "vlan 100 and vlan 5", "vlan and vlan and arp", "vlan or ip", "ip or vlan",
	"tcp port 104 or vlan and tcp port 104", "vlan and not ip", "not vlan and arp", "(vlan 5 or vlan 100) and ip",
	"vlan and vlan and tcp port 104", "vlan and host 10.0.0.1", "inbound and vlan 5", "ether host 2:0:0:0:0:1", "ether broadcast",
	"vlan and ether src 2:0:0:0:0:1", "ether[12:2] = 0x800", "ether proto 0x8100", "ether[14] = 0x45", "vlan and ip[0] = 0x45",
	"stp", "not stp", "vlan and stp", "llc", "not llc", "llc u or arp", "iso", "ipx", "ether proto 0x42", "ether multicast", "link[0] & 1 != 0 and vlan 5",
	"byte 14 = 0x45", "mpls", "vlan and mpls",
}

// TestLive has the kernel run our programs and those that tcpdump loads into it,
// on the same packets: coming and going, with VLAN tags and without.
func TestLive(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	tcpdump := testenv.Program(t, "tcpdump")
	there, here := testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, there, here, "veth0", "veth1")

	var watch int
	var taps []*tap
	t.Cleanup(func() { closeAll(taps) })
	here.Do(func() {
		veth1 := index(t, "veth1")
		watch = openTap(t, unix.SOCK_RAW, veth1, nil)
		t.Cleanup(func() { _ = unix.Close(watch) })
		for _, expr := range append(liveEthernet, liveExpressions...) {
			taps = append(taps, newTap(t, tcpdump, "veth1", LinkTypeEthernet, expr, veth1, unix.SOCK_RAW))
		}
		// A socket of all interfaces sees as much of Ethernet.
		for _, expr := range liveEthernet {
			taps = append(taps, newMixedTap(t, tcpdump, "veth1", expr, veth1))
		}
		for _, expr := range liveExpressions {
			taps = append(taps, newTap(t, tcpdump, "any", LinkTypeLinuxSLL2, expr, 0, unix.SOCK_DGRAM))
			if strings.HasPrefix(expr, "len") {
				continue // of what a socket shows, which isn't the same for the two kinds
			}
			taps = append(taps,
				newTap(t, tcpdump, "any", LinkTypeLinuxSLL2, expr, 0, unix.SOCK_RAW),
				newTap(t, tcpdump, "any", LinkTypeLinuxSLL, expr, 0, unix.SOCK_RAW))
		}
	})
	sent := uint32(0)
	send := func(ns *testenv.Namespace, name string) {
		ns.Do(func() {
			fd := openTap(t, unix.SOCK_RAW, index(t, name), nil)
			defer unix.Close(fd)
			for _, frame := range liveFrames() {
				sent++
				require.NoError(t, unix.Send(fd, binary.BigEndian.AppendUint32(frame, sent), 0))
			}
		})
	}
	send(there, "veth0")
	send(here, "veth1")

	// The first tap of an interface is the last to be given a packet.
	var seen []uint32
	require.Eventually(t, func() bool {
		seen = append(seen, drain(t, watch)...)
		return len(seen) == int(sent)
	}, 10*time.Second, time.Millisecond)
	matched := 0
	for _, p := range taps {
		want, got := drain(t, p.libpcaps), drain(t, p.ours)
		assert.Equal(t, want, got, "%s %s", p.link, p.expr)
		matched += len(want)
	}
	require.Greater(t, matched, 5*int(sent))
}

// A tap is a pair of sockets, one with our program for an expression.
type tap struct {
	link           LinkType
	expr           string
	libpcaps, ours int
}

// closeAll closes all at once: for each the kernel waits until nobody can be in it
// any more.
func closeAll(taps []*tap) {
	var wg sync.WaitGroup
	for _, p := range taps {
		for _, fd := range []int{p.libpcaps, p.ours} {
			wg.Go(func() { _ = unix.Close(fd) })
		}
	}
	wg.Wait()
}

func newTap(t *testing.T, tcpdump, name string, link LinkType, expr string, ifindex, kind int) *tap {
	t.Helper()
	prog := libpcapsProgram(t, tcpdump, name, link, expr)
	p, err := Compile(expr, &Config{LinkType: link, Live: true, Resolver: Files{}})
	require.NoError(t, err)
	libpcapsKind := unix.SOCK_RAW
	if link != LinkTypeEthernet {
		libpcapsKind = unix.SOCK_DGRAM
	}
	return &tap{
		link: link, expr: expr,
		libpcaps: openTap(t, libpcapsKind, ifindex, prog),
		ours:     openTap(t, kind, ifindex, p.Instructions()),
	}
}

// newMixedTap has our program on a socket of all interfaces, and libpcap's on one of an
// Ethernet interface.
func newMixedTap(t *testing.T, tcpdump, name, expr string, ifindex int) *tap {
	t.Helper()
	p, err := Compile(expr, &Config{LinkType: LinkTypeLinuxSLL2, Live: true, Mixed: true, Resolver: Files{}})
	require.NoError(t, err)
	return &tap{
		link: LinkTypeLinuxSLL2, expr: expr + " on any",
		libpcaps: openTap(t, unix.SOCK_RAW, ifindex, libpcapsProgram(t, tcpdump, name, LinkTypeEthernet, expr)),
		ours:     openTap(t, unix.SOCK_RAW, 0, p.Instructions()),
	}
}

func libpcapsProgram(t *testing.T, tcpdump, name string, link LinkType, expr string) []bpf.RawInstruction {
	t.Helper()
	out, err := exec.Command(tcpdump, "-i", name, "-y", link.String(), "-ddd", "--", expr).Output()
	require.NoError(t, err, expr)
	prog := decodeProgram(t, string(out))
	require.True(t, fixOffsets(link, prog), expr)
	return prog
}

func index(t *testing.T, name string) int {
	t.Helper()
	ifi, err := net.InterfaceByName(name)
	require.NoError(t, err)
	return ifi.Index
}

// openTap opens a packet socket of an interface, or of all for 0. The filter is
// there before any packet.
func openTap(t *testing.T, kind, ifindex int, prog []bpf.RawInstruction) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	if prog != nil {
		require.NoError(t, attachFilter(fd, prog))
	}
	all := uint16(unix.ETH_P_ALL)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: ifindex}))
	return fd
}

// drain reads the numbers of the frames that a socket has got.
func drain(t *testing.T, fd int) (numbers []uint32) {
	t.Helper()
	b := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			require.ErrorIs(t, err, unix.EAGAIN)
			return numbers
		}
		require.GreaterOrEqual(t, n, 4)
		numbers = append(numbers, binary.BigEndian.Uint32(b[n-4:n]))
	}
}

// liveFrames are frames with each kind of tagging around each kind of packet, to
// one host and to all.
func liveFrames() (frames [][]byte) {
	ipv4 := func(proto byte, src byte, port uint16) []byte {
		p := make([]byte, 40)
		p[0], p[8], p[9] = 0x45, 64, proto
		copy(p[12:], []byte{10, 0, 0, src, 10, 0, 0, 9})
		binary.BigEndian.PutUint16(p[22:], port)
		p[33] = 0x02
		return p
	}
	ipv6 := make([]byte, 60)
	ipv6[0], ipv6[6], ipv6[23] = 0x60, 6, 1
	copy(ipv6[8:], []byte{0x20, 0x01, 0x0d, 0xb8})
	ipv6[42], ipv6[43] = 0, 104
	tags := []string{
		"", "\x81\x00\x00\x05", "\x81\x00\x20\x64", "\x81\x00\x00\x00", "\x88\xa8\x00\x05",
		"\x88\xa8\x00\x05\x81\x00\x00\x64", "\x81\x00\x00\x64\x81\x00\x00\x05", "\x91\x00\x00\x05", "\x91\x00\x00\x05\x81\x00\x00\x64",
	}
	for _, tag := range tags {
		for _, inner := range []struct {
			kind    string
			payload []byte
		}{
			{"\x08\x00", ipv4(6, 1, 104)},
			{"\x08\x00", ipv4(17, 2, 104)},
			{"\x08\x00", ipv4(6, 3, 80)},
			{"\x08\x06", make([]byte, 46)},
			{"\x86\xdd", ipv6},
			{"\x00\x26", append([]byte{0x42, 0x42, 3}, make([]byte, 43)...)},
		} {
			for _, dst := range []string{"\x02\x00\x00\x00\x00\x02", "\xff\xff\xff\xff\xff\xff"} {
				frame := []byte(dst + "\x02\x00\x00\x00\x00\x01" + tag + inner.kind)
				frames = append(frames, append(frame, inner.payload...))
			}
		}
	}
	return frames
}

// TestLiveTcpdump compares with what tcpdump makes of expressions for interfaces, on
// packets with all that a kernel may keep beside them.
func TestLiveTcpdump(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	there, here := testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, there, here, "veth0", "veth1")
	all := corpusPackets(t)
	// A cooked socket's packets begin with the network layer.
	for _, link := range []LinkType{LinkTypeLinuxSLL, LinkTypeLinuxSLL2} {
		all[link] = all[LinkTypeRaw]
	}
	v := &rival{t: t, tcpdump: testenv.Program(t, "tcpdump"), packets: all, live: true}
	here.Do(func() {
		for seed := range uint64(120) {
			r := rand.New(rand.NewPCG(17, seed))
			link, name := LinkTypeEthernet, "veth1"
			if seed%4 == 0 {
				link, name = []LinkType{LinkTypeLinuxSLL, LinkTypeLinuxSLL2}[seed/4%2], "any"
			}
			expr := (&sentence{r, link}).expr(2)
			if strings.Contains(expr, "vlan") && strings.ContainsAny(expr, "[<=>") {
				// libpcap may keep where the packet begins in the word of scratch
				// memory that it gave to a relation further left.
				continue
			}
			v.options = []string{"-i", name}
			v.compare(r, link, expr)
		}
	})
	t.Logf("%d expressions compiled by both, %d refused by both, %d never match; %d verdicts, %d of which libpcap's optimiser changed", v.compiled, v.refused, v.never, v.verdicts, v.mistaken)
	require.Greater(t, v.compiled, 50)
}

// TestPassedBy loads programs in which packets get behind a tunnel's or a tag's
// keyword on a way that passes it by: what is read there must have a value, and
// that of the outermost header.
func TestPassedBy(t *testing.T) {
	k := newKernelFilter(t)
	tagged := func(k uint32) (uint32, bool) { return 1, k == extraVLANTagPresent }
	bare := func(k uint32) (uint32, bool) { return 0, k == extraVLANTagPresent }
	frame := make([]byte, 64)
	copy(frame[12:], "\x08\x00\x45")
	frame[23] = 6
	copy(frame[34:], "\x00\x50\x00\x50")
	for _, c := range []struct {
		expr         string
		live         bool
		bare, tagged bool
	}{
		{"(arp or vlan) and ip", true, false, true},
		{"arp or vlan and ip", true, false, true},
		{"(tcp or vlan) and ip", true, true, true},
		{"tcp port 80 or vlan and tcp port 80", true, true, true},
		{"tcp port 80 or vxlan and tcp port 80", false, true, true},
		{"tcp port 80 or geneve and tcp port 80", false, true, true},
		{"not vxlan and tcp port 80", false, true, true},
		{"not geneve and tcp port 80", false, true, true},
		{"udp or vxlan and tcp port 80", false, false, false},
	} {
		p, err := Compile(c.expr, &Config{LinkType: LinkTypeEthernet, Live: c.live})
		require.NoError(t, err, c.expr)
		require.NoError(t, k.attach(p.Instructions()), c.expr)
		for present, want := range map[bool]bool{false: c.bare, true: c.tagged} {
			vm := testVM{prog: p.Instructions(), network: true, extra: bare}
			if present {
				vm.extra = tagged
			}
			assert.Equal(t, want, vm.run(frame, len(frame)) != 0, "%s, tagged %v", c.expr, present)
			assert.False(t, vm.touched, c.expr)
		}
	}
}
