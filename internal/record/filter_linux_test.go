package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netcap/capture"
	"netcap/internal/testenv"
	"netcap/pcapfile"
	"netcap/rotate"
)

// setOptmem sets net.core.optmem_max of the namespace, and of no other: kernels before
// 6.7 have one for all of them, and don't show it there.
func setOptmem(t *testing.T, n *testenv.Namespace, bytes int64) {
	t.Helper()
	n.Do(func() {
		err := os.WriteFile("/proc/sys/net/core/optmem_max", []byte(strconv.FormatInt(bytes, 10)), 0)
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("not run: needs a net.core.optmem_max of the namespace's own (Linux 6.7)")
		}
		require.NoError(t, err)
	})
}

// Expressions whose programs have instructions of each kind.
func longExpressions() map[string]string {
	list := func(format string) string {
		var words []string
		for i := range 150 {
			words = append(words, fmt.Sprintf(format, i%250, i*7%250, i%16+1))
		}
		return strings.Join(words, " or ")
	}
	return map[string]string{
		"hosts": list("host 10.%d.%d.%d"),
		"ports": list("(ip[%d] = %d and tcp port %d)"),
		"sums":  list("ip[%d] + ip[%d] * len / ip[%d] > 7"),
		"vlans": list("(ether[%d] = %d and vlan %d)"),
		"ip6":   list("ip6 host 2001:db8::%d:%d:%d"),
		"short": "tcp port 104",
	}
}

// TestOptmem has the kernel refuse programs, ours and tcpdump's, for net.core.optmem_max,
// and take them with the value that is named: it is no more than needed either.
func TestOptmem(t *testing.T) {
	n := testenv.NewNamespace(t)
	tcpdump := testenv.Program(t, "tcpdump")
	for name, expr := range longExpressions() {
		programs := map[string][]bpf.RawInstruction{}
		n.Do(func() {
			p, err := CompileFilter(expr, "lo", capture.MaxSnapLen)
			require.NoError(t, err)
			programs["ours"] = p.Instructions()
			if out, err := exec.Command(tcpdump, "-i", "lo", "-ddd", expr).Output(); err == nil { // it refuses some
				programs["tcpdump's"] = decimal(t, string(out))
			}
		})
		for whose, program := range programs {
			check := func(optmem int64) (e *capture.FilterError) {
				setOptmem(t, n, optmem)
				n.Do(func() {
					err := capture.CheckFilter(&capture.Config{Interface: "lo", Filter: program})
					if !errors.As(err, &e) {
						require.NoError(t, err)
					}
				})
				return e
			}
			what := name + ", " + whose
			for _, small := range []int64{500, 100, 0} {
				e := check(small)
				require.NotNil(t, e, what)
				assert.Equal(t, small, e.Has, what)
				require.Greater(t, e.Needs, small, what)
				assert.Nil(t, check(e.Needs), what)
				if small == 500 { // a piece fits, so that it is known and no bound
					const page, exact = 4096, 64
					assert.NotNil(t, check(max(0, e.Needs-page-exact)), "%s: less than %d bytes would do", what, e.Needs)
				}
			}
		}
	}
}

// decimal reads what tcpdump -ddd prints.
func decimal(t *testing.T, text string) (program []bpf.RawInstruction) {
	t.Helper()
	_, lines, _ := strings.Cut(text, "\n")
	for line := range strings.Lines(lines) {
		var i bpf.RawInstruction
		_, err := fmt.Sscan(line, &i.Op, &i.Jt, &i.Jf, &i.K)
		require.NoError(t, err, line)
		program = append(program, i)
	}
	return program
}

// What a filter can ask for, in files of this kind of interface and of all of them.
var liveExpressions = []string{
	"", "ip", "arp", "ip6", "tcp port 104", "not tcp port 104", "port 104 or arp", "host 10.0.0.1", "ip6 host 2001:db8::1",
	"inbound", "outbound", "inbound and tcp", "not outbound", "ifindex 1", "not ifindex 1", "len > 70", "greater 300",
	"ip[8] = 64 and tcp[tcpflags] & tcp-syn != 0", "tcp[(tcp[12] >> 2):4] = 0x2a2a2a2a", "ip[2:2] - ip[0] & 15 > 20", "ip[9] * 3 = 18",
	"ip[300] = 42",
}

var etherExpressions = []string{
	"vlan", "vlan 5", "vlan 100", "vlan 0", "not vlan", "vlan and ip", "vlan and tcp port 104", "vlan 5 and ip6", "vlan and vlan",
	"vlan 5 and vlan 100", "vlan 100 and vlan 5", "vlan or ip", "ip or vlan", "tcp port 104 or vlan and tcp port 104", "inbound and vlan 5",
	"ether broadcast", "ether[12:2] = 0x800", "ether proto 0x8100", "ether[14] = 0x45", "vlan and ip[0] = 0x45",
}

// frames are packets with each kind of tags, to one host and to all.
func frames() (all [][]byte) {
	ipv4 := func(proto, src byte, port uint16) []byte {
		p := make([]byte, 340)
		for i := range p[40:] {
			p[40+i] = 42
		}
		p[0], p[8], p[9] = 0x45, 64, proto
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		copy(p[12:], []byte{10, 0, 0, src, 10, 0, 0, 9})
		binary.BigEndian.PutUint16(p[22:], port)
		p[32], p[33] = 0x50, 0x02
		return p
	}
	ipv6 := make([]byte, 60)
	ipv6[0], ipv6[6], ipv6[23], ipv6[43] = 0x60, 6, 1, 104
	copy(ipv6[8:], []byte{0x20, 0x01, 0x0d, 0xb8})
	for _, tag := range []string{"", "\x81\x00\x00\x05", "\x81\x00\x20\x64", "\x81\x00\x00\x00", "\x88\xa8\x00\x05\x81\x00\x00\x64", "\x91\x00\x00\x05"} {
		for _, inner := range []string{
			"\x08\x00" + string(ipv4(6, 1, 104)), "\x08\x00" + string(ipv4(17, 2, 104)), "\x08\x00" + string(ipv4(6, 3, 80)[:60]),
			"\x08\x06" + string(make([]byte, 46)), "\x86\xdd" + string(ipv6),
		} {
			for _, to := range []string{"\x02\x00\x00\x00\x00\x02", "\xff\xff\xff\xff\xff\xff"} {
				all = append(all, []byte(to+"\x02\x00\x00\x00\x00\x01"+tag+inner))
			}
		}
	}
	return all
}

// TestOwnFilter has the kernel choose packets, and a socket without a filter have all of
// which MatchLive and Peek choose: they agree, on each packet, coming and going, with and
// without tags, on an interface, on the loopback and on all of them, from the ring and
// from recvmsg, for each direction, and for a snapshot that is shorter than what is asked
// for.
func TestOwnFilter(t *testing.T) {
	there, here := testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, there, here, "t0", "h0")
	type rival struct {
		what        string
		kernel, own *drain
	}
	var rivals []rival
	here.Do(func() {
		for name, expressions := range map[string][]string{
			"h0": append(etherExpressions, liveExpressions...), capture.Any: append(etherExpressions, liveExpressions...), "lo": {"", "udp", "outbound", "len > 70"},
		} {
			for n, expr := range expressions {
				cfg := capture.Config{
					Interface: name, RingSize: capture.MinRingSize, Direction: capture.Direction(n % 3), NoRing: n%5 == 0, SnapLen: 128,
					RetireTimeout: 10 * time.Millisecond, NoPromiscuous: true,
				}
				own := &ownFilter{}
				unfiltered := cfg
				unfiltered.Unfiltered = true
				if expr != "" {
					var err error
					own.program, err = CompileFilter(expr, name, cfg.SnapLen)
					require.NoError(t, err, expr)
					cfg.Filter = own.program.Instructions()
				}
				rivals = append(rivals, rival{
					what:   fmt.Sprintf("%s %s %q, without a ring: %v", name, cfg.Direction, expr, cfg.NoRing),
					kernel: open(t, cfg, nil), own: open(t, unfiltered, own),
				})
			}
		}
	})
	all := frames()
	there.Send(t, "t0", all...)
	here.Send(t, "h0", all...)
	here.Do(func() {
		c, err := net.Dial("udp4", "127.0.0.1:9")
		require.NoError(t, err)
		defer c.Close()
		for range 3 {
			_, err := c.Write(make([]byte, 100))
			_ = err // nobody listens
		}
	})
	time.Sleep(50 * time.Millisecond)
	taken := 0
	for _, r := range rivals {
		want, got := r.kernel.end(), r.own.end()
		assert.Equal(t, want, got, r.what)
		taken += len(want)
	}
	require.Greater(t, taken, 1000)
}

// A drain takes what a handle has of packets that are wanted, as a file would have them.
type drain struct {
	t   *testing.T
	h   *capture.Handle
	own *ownFilter // nil where the kernel has chosen
	all []string
	eof chan error
}

func open(t *testing.T, cfg capture.Config, own *ownFilter) *drain {
	h, err := capture.Open(&cfg)
	require.NoError(t, err)
	d := &drain{t: t, h: h, own: own, eof: make(chan error, 1)}
	go func() { d.eof <- d.run() }()
	return d
}

func (d *drain) run() error {
	var raw capture.Raw
	var p capture.Packet
	for {
		batch, err := d.h.Next()
		if err != nil {
			return err
		}
		for batch.Len() > 0 {
			wanted := d.own == nil || batch.Peek(&raw) && d.own.accepts(&raw)
			if batch.Next(&p) && wanted {
				d.all = append(d.all, fmt.Sprintf("%d %d %d %x", p.Interface, p.Type, p.Length, p.Data))
			}
		}
		batch.Release()
	}
}

func (d *drain) end() []string {
	require.NoError(d.t, d.h.Stop())
	require.ErrorIs(d.t, <-d.eof, io.EOF)
	stats, err := d.h.Stats()
	require.NoError(d.t, err)
	require.Zero(d.t, stats.Dropped)
	require.NoError(d.t, d.h.Close())
	return d.all
}

// TestRefusedCounts has a kernel that refuses the filter, a ring that overflows and a disk
// that fills up: what matches is counted as it is where the kernel filters, all else apart.
func TestRefusedCounts(t *testing.T) {
	// The name is of an interface that there is, of which the filter's kind comes.
	n := newNetwork(t)
	refusing := func(c *capture.Config, threads int) ([]Source, error) {
		if !c.Unfiltered {
			return nil, &capture.FilterError{Interface: c.Interface, Instructions: 1, Err: unix.ENOMEM, Needs: 4096, Has: 1}
		}
		require.Nil(t, c.Filter)
		return n.open(c, threads)
	}
	dir := t.TempDir()
	rec := startWith(t, refusing, Config{Interfaces: []string{"lo"}, Filter: "greater 150", Files: rotate.Config{
		Dir: dir, Name: "x", Ext: ".pcapng", KeepFree: rotate.Amount{Bytes: 1}, SegmentCount: 9,
	}})
	const half = 50
	send := func(big int) {
		for i := range half {
			n.link("lo").Send(frame(uint32(2*i), 100), frame(uint32(2*i+1), big))
		}
		n.link("lo").Retire()
	}
	send(200)
	require.Eventually(t, func() bool { return rec.Status().Rejected == half && rec.Status().Written == half }, 5*time.Second, time.Millisecond)
	first, err := rec.Rotate(t.Context())
	require.NoError(t, err)
	rec.mu.Lock() // nobody empties the ring
	for range 4 {
		for range 2000 {
			send(1500)
			if s := rec.sources[0]; func() bool { stats, _ := s.stats(); return stats.Dropped > 1000 }() {
				break
			}
		}
	}
	rec.mu.Unlock()
	s := rec.finish()
	require.Greater(t, s.DroppedKernel, int64(1000))
	assert.Equal(t, s.Written+s.DroppedKernel, s.Received)
	stats, _ := rec.sources[0].stats()
	assert.EqualValues(t, stats.Received, s.Received+s.Rejected, "all that the kernel counted")
	assert.EqualValues(t, s.Received, s.Interfaces[0].Received)
	assert.Contains(t, s.Interfaces[0].Refused, "cannot allocate memory (net.core.optmem_max is 1)")
	assert.Equal(t, 1, s.Gaps, "what was dropped may have matched")

	written, rejected, kernel := uint64(0), uint64(0), uint64(0)
	paths, err := filepath.Glob(dir + "/*.pcapng")
	require.NoError(t, err)
	require.Contains(t, paths, first)
	for _, path := range paths {
		r, all := readAll(t, path)
		for _, p := range all {
			assert.Greater(t, p.Length, uint32(150))
		}
		i := r.Interfaces()[0]
		assert.Equal(t, "greater 150", i.Filter)
		assert.Contains(t, i.Comments[0], "netcap ran the filter itself: interface \"lo\": the kernel refuses")
		c := r.Statistics()[0]
		assert.Equal(t, pcapfile.Count(uint64(len(all))), c.Delivered)
		assert.Equal(t, c.Delivered, c.FilterAccepted)
		assert.Contains(t, strings.Join(c.Comments, "\n"), "whether it would have taken those dropped because the ring was full isn't known")
		written += c.Delivered.Value
		kernel += c.DroppedByOS.Value
		rejected += c.Received.Value - c.Delivered.Value - c.DroppedByOS.Value
		if path == first {
			assert.EqualValues(t, half, rejected)
			assert.EqualValues(t, 2*half, c.Received.Value)
		}
	}
	assert.EqualValues(t, s.Written, written)
	assert.EqualValues(t, s.DroppedKernel, kernel)
	assert.EqualValues(t, s.Rejected, rejected)
}

// TestRefusedCount ends after -c packets that match, where the disk has no room too.
func TestRefusedCount(t *testing.T) {
	n := newNetwork(t)
	refusing := func(c *capture.Config, threads int) ([]Source, error) {
		if !c.Unfiltered {
			return nil, &capture.FilterError{Interface: c.Interface, Err: unix.EINVAL}
		}
		return n.open(c, threads)
	}
	dir := t.TempDir()
	rec := startWith(t, refusing, Config{Interfaces: []string{"lo"}, Filter: "greater 150", Count: 7, Files: single(dir, "x.pcapng")})
	for i := range uint32(20) {
		n.link("lo").Send(frame(2*i, 100), frame(2*i+1, 200))
	}
	n.link("lo").Retire()
	require.NoError(t, <-rec.ended)
	s := rec.Status()
	assert.EqualValues(t, 7, s.Written)
	assert.EqualValues(t, 7, s.Rejected)
	require.NoError(t, rec.Close())
	_, all := readAll(t, dir+"/x.pcapng")
	require.Len(t, all, 7)
	last := all[6].Time.UnixNano()
	assert.Equal(t, last, s.LastPacket.UnixNano())
}

// TestTooLong runs what no kernel takes for its length or for a loop.
func TestTooLong(t *testing.T) {
	n := testenv.NewNamespace(t)
	var hosts []string
	for i := range 9000 {
		hosts = append(hosts, fmt.Sprintf("10.%d.%d.%d", i/2500, i/10%250, i%10*3+1))
	}
	long := "host " + strings.Join(hosts, " or ")
	for expr, want := range map[string]int{
		long: 0, long + " or 127.0.0.1": 2, "protochain 17": 1, "ip protochain 17 and not host 127.0.0.9": 1, "protochain 6": 0,
	} {
		for _, name := range []string{"lo", capture.Any} {
			n.Do(func() {
				p, err := CompileFilter(expr, name, capture.MaxSnapLen)
				require.NoError(t, err)
				require.Error(t, Refusal(p, name))
				assert.Less(t, len(Refusal(p, name).Error()), 150)
				assert.NotEmpty(t, Mend(Refusal(p, name)))
				d := open(t, capture.Config{Interface: name, Unfiltered: true}, &ownFilter{program: p})
				c, err := net.ListenPacket("udp4", "127.0.0.1:0")
				require.NoError(t, err)
				_, err = c.WriteTo(make([]byte, 9), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
				require.NoError(t, err)
				require.NoError(t, c.Close())
				assert.Len(t, d.end(), want, "%s: %.20s: the datagram, and ICMP's answer", name, expr)
			})
		}
	}
}
