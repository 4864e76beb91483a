package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/capture"
	"netcap/capture/capturetest"
	"netcap/internal/testenv"
	"netcap/pcapfile"
	"netcap/rotate"
)

// network is a set of fake interfaces by name. Each time one is opened it is
// made anew, with the next index.
type network struct {
	t       testing.TB
	indexes int

	mu   sync.Mutex
	made map[string][]*capturetest.Interface
	gone map[string]bool
}

func newNetwork(t testing.TB) *network {
	return &network{t: t, indexes: 7, made: map[string][]*capturetest.Interface{}, gone: map[string]bool{}}
}

func (n *network) open(c *capture.Config, _ int) ([]Source, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone[c.Interface] {
		return nil, capture.ErrNoInterface
	}
	h, i, err := capturetest.Open(c, capturetest.Options{Blocks: 16, Index: n.indexes})
	n.indexes++
	n.made[c.Interface] = append(n.made[c.Interface], i)
	return []Source{h}, err
}

// link returns the interface that was made last under a name.
func (n *network) link(name string) *capturetest.Interface {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.made[name]
	return all[len(all)-1]
}

func (n *network) times(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.made[name])
}

func (n *network) setGone(name string, gone bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone[name] = gone
}

// recording is a Recorder at work.
type recording struct {
	*Recorder
	t     testing.TB
	stop  context.CancelFunc
	ended chan error
}

func start(t testing.TB, n *network, cfg Config) *recording { return startWith(t, n.open, cfg) }

func startWith(t testing.TB, open func(*capture.Config, int) ([]Source, error), cfg Config) *recording {
	cfg.Open = open
	cfg.Capture.RetireTimeout = 5 * time.Millisecond
	if cfg.Format == 0 {
		cfg.Format = pcapfile.PCAPNG
	}
	r, err := New(&cfg)
	require.NoError(t, err)
	require.NoError(t, r.Begin())
	ctx, cancel := context.WithCancel(context.Background())
	rec := &recording{Recorder: r, t: t, stop: cancel, ended: make(chan error, 1)}
	go func() { rec.ended <- r.Run(ctx) }()
	return rec
}

// finish stops the recording and returns its last status.
func (r *recording) finish() Status {
	r.stop()
	require.NoError(r.t, <-r.ended)
	require.NoError(r.t, r.Close())
	s := r.Status()
	assert.Equal(r.t, s.Received, s.Written+s.DroppedKernel+s.DroppedDisk)
	return s
}

func single(dir, name string) rotate.Config {
	return rotate.Config{Dir: dir, File: name, KeepFree: rotate.Amount{Bytes: 1}}
}

func frame(seq uint32, size int) capturetest.Frame {
	return capturetest.Frame{Data: testenv.UDPFrame(seq, size), Time: 1_700_000_000_123_456_789 + int64(seq)}
}

func readAll(t testing.TB, path string) (*pcapfile.Reader, []pcapfile.Packet) {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := pcapfile.NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	var all []pcapfile.Packet
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r, all
		}
		require.NoError(t, err)
		kept := *p
		kept.Data = bytes.Clone(p.Data)
		all = append(all, kept)
	}
}

// What is recorded is read back by a reader that isn't ours: data, time, length,
// interface.
func TestOneFileOfTwoInterfaces(t *testing.T) {
	n, path := newNetwork(t), filepath.Join(t.TempDir(), "x.pcapng")
	r := start(t, n, Config{Interfaces: []string{"a0", "b0"}, Files: single(filepath.Dir(path), "x.pcapng"), Application: "netcap test", Comment: "ticket 42"})
	n.link("a0").Send(frame(0, 64), frame(1, 1514))
	b := frame(2, 200)
	b.Type = capture.Outgoing
	n.link("b0").Send(b)
	require.Eventually(t, func() bool { return r.Status().Received == 3 }, 10*time.Second, time.Millisecond)
	s := r.finish()
	assert.EqualValues(t, 3, s.Written)

	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	g, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	require.NoError(t, err)
	seen := map[uint32]string{}
	for {
		data, ci, err := g.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		seq, ok := testenv.Seq(data)
		require.True(t, ok)
		want := frame(seq, len(data))
		assert.Equal(t, want.Data, data)
		assert.Equal(t, want.Time, ci.Timestamp.UnixNano())
		assert.Equal(t, len(data), ci.Length)
		ifi, err := g.Interface(ci.InterfaceIndex)
		require.NoError(t, err)
		seen[seq] = ifi.Name
	}
	assert.Equal(t, map[uint32]string{0: "a0", 1: "a0", 2: "b0"}, seen)
	assert.Equal(t, "netcap test", g.SectionInfo().Application)
	assert.Equal(t, "ticket 42", g.SectionInfo().Comment)

	reader, packets := readAll(t, path)
	require.Len(t, packets, 3)
	for _, p := range packets {
		want := pcapfile.FlagInbound
		if p.Interface.Name == "b0" {
			want = pcapfile.FlagOutbound
		}
		assert.Equal(t, want, p.Flags.Direction())
	}
	require.Len(t, reader.Statistics(), 2)
	assert.Equal(t, uint64(2), reader.Statistics()[0].Delivered.Value)
	assert.Equal(t, uint64(1), reader.Statistics()[1].Delivered.Value)
}

// capinfos reads how many packets a file has, and how many were dropped.
func capinfos(t testing.TB, path string) (packets int) {
	out, err := exec.Command(testenv.Program(t, "capinfos"), "-M", "-c", path).CombinedOutput()
	require.NoError(t, err, string(out))
	m := regexp.MustCompile(`Number of packets:\s+(\d+)`).FindSubmatch(out)
	require.NotNil(t, m, string(out))
	packets, err = strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return packets
}

// A set of small files: each stands alone and ends with its statistics, none is
// too large, and together they hold every packet once, in order.
func TestSet(t *testing.T) {
	const count, segment = 5000, 600_000
	for _, format := range []pcapfile.Format{pcapfile.PCAPNG, pcapfile.PCAP} {
		t.Run(format.String(), func(t *testing.T) {
			n, dir := newNetwork(t), t.TempDir()
			r := start(t, n, Config{
				Interfaces: []string{"a0"}, Format: format,
				Files: rotate.Config{Dir: dir, Name: "a0", Ext: "." + format.String(), SegmentSize: rotate.Amount{Bytes: segment}, Budget: rotate.Amount{Bytes: 1 << 30}, KeepFree: rotate.Amount{Bytes: 1}, Flush: 10 * time.Millisecond},
			})
			for seq := uint32(0); seq < count; seq += 100 {
				for k := range uint32(100) {
					n.link("a0").Send(frame(seq+k, 1000))
				}
				require.Eventually(t, func() bool { return r.Status().Received >= int64(seq) }, 10*time.Second, time.Millisecond)
			}
			require.Eventually(t, func() bool { return r.Status().Received == count }, 10*time.Second, time.Millisecond)
			s := r.finish()
			assert.EqualValues(t, count, s.Written)

			files, err := filepath.Glob(filepath.Join(dir, "a0-*"))
			require.NoError(t, err)
			sort.Strings(files)
			assert.EqualValues(t, len(files), s.Files.Files)
			assert.Greater(t, len(files), 8)
			next, bySum := uint32(0), 0
			for _, path := range files {
				st, err := os.Stat(path)
				require.NoError(t, err)
				assert.LessOrEqual(t, st.Size(), int64(segment))
				reader, packets := readAll(t, path)
				for _, p := range packets {
					seq, _ := testenv.Seq(p.Data)
					require.Equal(t, next, seq)
					next++
				}
				bySum += capinfos(t, path)
				if format == pcapfile.PCAPNG {
					require.Len(t, reader.Statistics(), 1)
					stats := reader.Statistics()[0]
					assert.Equal(t, pcapfile.Count(uint64(len(packets))), stats.Delivered)
					assert.Equal(t, pcapfile.Count(0), stats.DroppedByOS)
				}
			}
			assert.EqualValues(t, count, next)
			assert.Equal(t, count, bySum)
		})
	}
}

func TestCount(t *testing.T) {
	n, dir := newNetwork(t), t.TempDir()
	r := start(t, n, Config{Interfaces: []string{"a0", "b0"}, Count: 10, Files: single(dir, "x.pcapng")})
	for seq := range uint32(25) {
		n.link("a0").Send(frame(seq, 100))
		n.link("b0").Send(frame(seq, 100))
	}
	require.NoError(t, <-r.ended, "it ends by itself")
	require.NoError(t, r.Close())
	s := r.Status()
	assert.EqualValues(t, 10, s.Written)
	assert.EqualValues(t, 10, s.Received)
	assert.Equal(t, 10, capinfos(t, filepath.Join(dir, "x.pcapng")))
}

// A deleted interface is waited for; when it is back it has a new index, and
// the file another description of it.
func TestInterfaceComesBack(t *testing.T) {
	n, dir := newNetwork(t), t.TempDir()
	r := start(t, n, Config{Interfaces: []string{"a0"}, Files: single(dir, "x.pcapng")})
	n.link("a0").Send(frame(0, 100))
	require.Eventually(t, func() bool { return r.Status().Received == 1 }, 10*time.Second, time.Millisecond)
	n.setGone("a0", true)
	n.link("a0").Delete()
	require.Eventually(t, func() bool { return r.Status().Interfaces[0].State == Absent }, 10*time.Second, time.Millisecond)
	n.setGone("a0", false)
	require.Eventually(t, func() bool { return n.times("a0") == 2 && r.Status().Interfaces[0].State == Up }, 10*time.Second, time.Millisecond)
	n.link("a0").Send(frame(1, 100), frame(2, 100))
	require.Eventually(t, func() bool { return r.Status().Received == 3 }, 10*time.Second, time.Millisecond)
	s := r.finish()
	assert.EqualValues(t, 3, s.Interfaces[0].Received, "counts of both sockets")

	reader, packets := readAll(t, filepath.Join(dir, "x.pcapng"))
	require.Len(t, packets, 3)
	require.Len(t, reader.Interfaces(), 2)
	assert.Equal(t, []int{0, 1, 1}, []int{packets[0].InterfaceID, packets[1].InterfaceID, packets[2].InterfaceID})
	for _, i := range reader.Interfaces() {
		assert.Equal(t, "a0", i.Name)
	}
	assert.Equal(t, 3, capinfos(t, filepath.Join(dir, "x.pcapng")))
}

// What the ring drops is counted, in the status and in the file.
func TestDropsAreInTheFile(t *testing.T) {
	n, dir := newNetwork(t), t.TempDir()
	r := start(t, n, Config{Interfaces: []string{"a0"}, Files: single(dir, "x.pcapng")})
	r.mu.Lock() // the reader holds still
	const sent = 20_000
	for seq := range uint32(sent) {
		n.link("a0").Send(frame(seq, 1514))
	}
	r.mu.Unlock()
	s := r.finish()
	assert.EqualValues(t, sent, s.Received)
	assert.NotZero(t, s.DroppedKernel)
	reader, packets := readAll(t, filepath.Join(dir, "x.pcapng"))
	assert.EqualValues(t, sent, len(packets)+int(s.DroppedKernel))
	require.Len(t, reader.Statistics(), 1)
	stats := reader.Statistics()[0]
	assert.Equal(t, pcapfile.Count(sent), stats.Received)
	assert.Equal(t, pcapfile.Count(uint64(s.DroppedKernel)), stats.DroppedByOS)
	assert.Equal(t, pcapfile.Count(uint64(len(packets))), stats.Delivered)
}

// Packets of all interfaces go into a pcap file behind the header that libpcap
// itself writes there; tcpdump reads interface and payload out of it.
func TestCookedPcap(t *testing.T) {
	n, dir := newNetwork(t), t.TempDir()
	path := filepath.Join(dir, "x.pcap")
	r := start(t, n, Config{Interfaces: []string{capture.Any}, Format: pcapfile.PCAP, Files: single(dir, "x.pcap")})
	tagged := frame(1, 100)
	tagged.Data = append(append(bytes.Clone(tagged.Data[:12]), 0x81, 0, 0, 7), tagged.Data[12:]...)
	n.link(capture.Any).Send(frame(0, 100), tagged)
	require.Eventually(t, func() bool { return r.Status().Received == 2 }, 10*time.Second, time.Millisecond)
	r.finish()
	out, err := exec.Command(testenv.Program(t, "tcpdump"), "-enr", path).Output()
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	require.Len(t, lines, 2)
	const addresses = `198\.18\.0\.1\.49152 > 198\.18\.0\.2\.9: `
	assert.Regexp(t, `In  ifindex 7 02:00:00:00:00:01 ethertype IPv4 \(0x0800\), length 106: `+addresses, string(lines[0]))
	assert.Regexp(t, `In  ifindex 7 02:00:00:00:00:01 ethertype 802\.1Q \(0x8100\), length 110: vlan 7, .*`+addresses, string(lines[1]))
}

func TestErrorsBeforeItBegins(t *testing.T) {
	n, dir := newNetwork(t), t.TempDir()
	n.setGone("c0", true)
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"no interface":       {Config{}, "no interface"},
		"unknown, in pcap":   {Config{Interfaces: []string{"c0"}, Format: pcapfile.PCAP}, "no such interface: a pcap file begins with its kind"},
		"the same one twice": {Config{Interfaces: []string{"a0", "a0"}}, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			test.cfg.Open, test.cfg.Files = n.open, single(dir, "x")
			_, err := New(&test.cfg)
			assert.ErrorContains(t, err, test.want)
		})
	}
	empty, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, empty)
}

// The whole loop: ring blocks in, encoded records out.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{64, 512, 1514} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			n := newNetwork(b)
			cfg := Config{
				Interfaces: []string{"a0"}, Format: pcapfile.PCAPNG, Open: n.open,
				Files: rotate.Config{Stream: io.Discard},
			}
			r, err := New(&cfg)
			require.NoError(b, err)
			require.NoError(b, r.Begin())
			defer r.Close()
			in := r.sources[0].sockets()[0]
			b.SetBytes(int64(size))
			b.ReportAllocs()
			f := frame(0, size)
			for done := 0; done < b.N; {
				b.StopTimer()
				for range 500 {
					n.link("a0").Send(f)
				}
				n.link("a0").Retire()
				b.StartTimer()
				batch, err := in.Next()
				if err != nil {
					b.Fatal(err)
				}
				done += batch.Len()
				if err := r.take(r.sources[0], 0, batch); err != nil {
					b.Fatal(err)
				}
				batch.Release()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

// TestNoAllocations holds that a packet allocates nothing on its way from the
// ring to the buffer that is written.
func TestNoAllocations(t *testing.T) {
	for _, format := range []pcapfile.Format{pcapfile.PCAPNG, pcapfile.PCAP} {
		n := newNetwork(t)
		r, err := New(&Config{
			Interfaces: []string{"a0"}, Format: format, Open: n.open,
			Files: rotate.Config{Stream: io.Discard, Flush: time.Hour, Sync: 3 * time.Hour},
		})
		require.NoError(t, err)
		require.NoError(t, r.Begin())
		for seq := range uint32(800) {
			n.link("a0").Send(frame(seq, 512))
		}
		n.link("a0").Retire()
		batch, err := r.sources[0].sockets()[0].Next()
		require.NoError(t, err)
		require.Equal(t, 800, batch.Len())
		assert.Zero(t, testing.AllocsPerRun(700, func() {
			if !batch.Next(&r.packet) {
				t.Fatal("too few packets")
			}
			if err := r.add(r.sources[0], &r.packet); err != nil {
				t.Fatal(err)
			}
		}), format)
		batch.Release()
		require.NoError(t, r.Close())
	}
}

func ExampleStatus() {
	s := Status{Received: 10, Written: 7, DroppedKernel: 2, DroppedDisk: 1}
	fmt.Println(s.Received == s.Written+s.DroppedKernel+s.DroppedDisk)
	// Output: true
}
