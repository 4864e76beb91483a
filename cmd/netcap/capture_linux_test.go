package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

// summary reads the counts that a capture prints at its end.
func summary(t *testing.T, stderr string) (captured, received, dropped int) {
	t.Helper()
	m := regexp.MustCompile(`(?s)(\d+) packets? captured\n(\d+) packets? received by filter\n(\d+) packets? dropped by kernel\n`).FindStringSubmatch(stderr)
	require.NotNil(t, m, stderr)
	n := make([]int, 3)
	for i := range n {
		var err error
		n[i], err = strconv.Atoi(m[i+1])
		require.NoError(t, err)
	}
	return n[0], n[1], n[2]
}

// The operator's scene: a Docker engine, a DICOM server in a container, netcap
// without a flag.
func TestDocker0(t *testing.T) {
	n := testenv.NewNamespace(t)
	d := n.StartDocker(t)
	storescp := testenv.Program(t, "storescp")
	dictionary, err := filepath.Glob("/usr/share/libdcmtk*")
	require.NoError(t, err)
	d.Import(t, "pacs", append([]string{storescp}, dictionary...)...)
	d.Run(t, "run", "-d", "--name", "pacs", "--tmpfs", "/data", "pacs", storescp, "--fork", "-od", "/data", "104")
	address := d.Run(t, "inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "pacs")

	h := &host{t: t, net: n}
	h.makeDirs()
	p := h.capture()
	dicom := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(testenv.Program(t, name), args...)
		var out testenv.Output
		cmd.Stdout, cmd.Stderr = &out, &out
		require.NoError(t, n.Start(cmd))
		require.NoError(t, cmd.Wait(), out.String())
	}
	// The server may need a moment to listen.
	require.Eventually(t, func() bool {
		cmd := exec.Command(testenv.Program(t, "echoscu"), address, "104")
		require.NoError(t, n.Start(cmd))
		return cmd.Wait() == nil
	}, patience, 100*time.Millisecond)
	dicom("storescu", address, "104", dicomImage(t))
	captured, received, dropped := summary(t, p.stop())
	assert.Equal(t, received, captured)
	assert.Zero(t, dropped)

	path := h.merged(filepath.Join(h.lib, "netcap/docker0"))
	seen := run1(t, "tshark", "-r", path, "-Y", "dicom")
	for _, pdu := range []string{"A-ASSOCIATE request ECHOSCU", "C-ECHO-RSP", "A-ASSOCIATE request STORESCU", "C-STORE-RSP ID=1 (Success)", "A-RELEASE response"} {
		assert.Contains(t, seen, pdu)
	}
	assert.Equal(t, captured, tcpdumpLines(t, path))
	assert.Equal(t, captured, netcapLines(t, path))
	assert.Contains(t, run1(t, "capinfos", path), "Name = docker0")
}

// dicomImage makes a small image.
func dicomImage(t *testing.T) string {
	dump := filepath.Join(t.TempDir(), "image.dump")
	image := filepath.Join(t.TempDir(), "image.dcm")
	text := `(0008,0016) UI =SecondaryCaptureImageStorage
(0008,0018) UI [1.2.826.0.1.3680043.10.1.1]
(0010,0010) PN [Nobody^Invented]
(0010,0020) LO [0]
(0020,000d) UI [1.2.826.0.1.3680043.10.1.2]
(0020,000e) UI [1.2.826.0.1.3680043.10.1.3]
(0028,0002) US 1
(0028,0010) US 2
(0028,0011) US 2
(0028,0100) US 8
(7fe0,0010) OB 00\01\02\03
`
	require.NoError(t, os.WriteFile(dump, []byte(text), 0o600))
	run1(t, "dump2dcm", dump, image)
	return image
}

// At full rate nothing is lost, and every reader counts the same. What else
// runs on the machine may take the processor away for long enough; a loss in
// each of three runs is netcap's.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: a flood's losses under the race detector say nothing")
	}
	const count = 100_000
	for _, size := range []int{64, 1514} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			h := newHost(t)
			for try := 1; ; try++ {
				path := filepath.Join(h.dir, fmt.Sprintf("%d.pcapng", try))
				p := h.capture("-i", "c0", "-w", path)
				require.Equal(t, count, h.peer.Flood(t, "g0", size, count))
				peak := testenv.UsageOf(t, p.cmd.Process.Pid).PeakMemory
				captured, received, dropped := summary(t, p.stop())
				assert.Equal(t, count, received)
				assert.Equal(t, received, captured+dropped)
				assert.Equal(t, captured, tcpdumpLines(t, path))
				assert.Equal(t, captured, netcapLines(t, path))
				assert.Contains(t, run1(t, "capinfos", "-M", "-c", path), fmt.Sprintf("%d\n", captured))
				assert.Less(t, peak, int64(64<<20))
				if dropped == 0 || t.Failed() {
					break
				}
				t.Logf("run %d lost %d packets", try, dropped)
				require.Less(t, try, 3, "packets were lost in every run")
			}
		})
	}
}

// Without traffic hardly anything happens, and the file stays as it is.
func TestIdle(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "c0", "-w", path)
	size := func() int64 {
		st, err := os.Stat(path)
		require.NoError(t, err)
		return st.Size()
	}
	time.Sleep(2 * time.Second) // what belongs to the start is over
	switches, bytes := testenv.UsageOf(t, p.cmd.Process.Pid).Voluntary, size()
	const seconds = 4
	time.Sleep(seconds * time.Second)
	assert.Less(t, testenv.UsageOf(t, p.cmd.Process.Pid).Voluntary-switches, int64(5*seconds))
	assert.Equal(t, bytes, size())
	captured, received, dropped := summary(t, p.stop())
	assert.Equal(t, []int{0, 0, 0}, []int{captured, received, dropped})
	assert.Equal(t, 0, tcpdumpLines(t, path))
}

// A stop keeps the tail of the ring.
func TestTail(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.dir, "x.pcap")
	p := h.capture("-i", "c0", "-w", path)
	for seq := range uint32(7) {
		h.peer.Send(t, "g0", testenv.UDPFrame(seq, 100))
	}
	p.signal(syscall.SIGTERM)
	p.wait()
	assert.Equal(t, 0, p.cmd.ProcessState.ExitCode())
	captured, _, _ := summary(t, p.stderr.String())
	assert.Equal(t, 7, captured)
	assert.Equal(t, 7, tcpdumpLines(t, path))
	assert.Contains(t, run1(t, "capinfos", "-t", path), "nanosecond", "by its extension it is a pcap file")
}

// Packets are in the file, for other programs to read, a moment after they
// came.
func TestFlush(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "c0", "-w", path, "-U")
	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100), testenv.UDPFrame(2, 100))
	require.Eventually(t, func() bool { return tcpdumpLines(t, path) == 2 }, patience, 10*time.Millisecond)
	p.stop()
}

func TestStream(t *testing.T) {
	h := newHost(t)
	netcap := h.command("-i", "c0", "-c", "20", "-w", "-")
	tcpdump := exec.Command(testenv.Program(t, "tcpdump"), "-nr", "-")
	var out testenv.Output
	tcpdump.Stdout = &out
	pipe, err := tcpdump.StdinPipe()
	require.NoError(t, err)
	netcap.Stdout = pipe.(*os.File)
	require.NoError(t, tcpdump.Start())
	p := h.start(netcap)
	require.NoError(t, pipe.Close())
	p.says(isCapturing)
	h.peer.Flood(t, "g0", 100, 50)
	p.wait()
	require.Equal(t, 0, netcap.ProcessState.ExitCode(), p.stderr.String())
	require.NoError(t, tcpdump.Wait())
	assert.Equal(t, 20, strings.Count(out.String(), "\n"))
}

// Whoever reads the stream may have enough of it.
func TestStreamReaderGoes(t *testing.T) {
	h := newHost(t)
	netcap := h.command("-i", "c0", "-U", "-w", "-")
	head := exec.Command(testenv.Program(t, "head"), "-c", "100")
	pipe, err := head.StdinPipe()
	require.NoError(t, err)
	netcap.Stdout = pipe.(*os.File)
	require.NoError(t, head.Start())
	p := h.start(netcap)
	require.NoError(t, pipe.Close())
	require.NoError(t, head.Wait())
	h.peer.Drip(t, "g0", 100, 50, 10*time.Millisecond)
	p.wait()
	assert.Equal(t, 0, netcap.ProcessState.ExitCode(), p.stderr.String())
	assert.NotContains(t, p.stderr.String(), "pipe")
}

func TestSignals(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(h.dir, "log")
	set := []string{"-i", "c0", "--dir", h.dir + "/set", "-G", "8760h"} // the hour may be over soon
	p := h.start(h.command(append(set, "--log-file", log, "--flush", "20ms")...))
	logged := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			b, err := os.ReadFile(log)
			return err == nil && strings.Contains(string(b), text)
		}, patience, 2*time.Millisecond)
	}
	logged("capturing")
	pid, err := os.ReadFile(filepath.Join(h.run, "netcap/c0.pid"))
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(p.cmd.Process.Pid)+"\n", string(pid))

	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100))
	files := func() int {
		all, err := filepath.Glob(h.dir + "/set/c0-*.pcapng")
		require.NoError(t, err)
		return len(all)
	}
	assert.Equal(t, 1, files())
	p.signal(unix.SIGUSR2)
	require.Eventually(t, func() bool { return files() == 2 }, patience, 2*time.Millisecond)

	// The packet needs a moment to leave the ring, and signals have no order.
	counted := func() {
		t.Helper()
		require.Eventually(t, func() bool {
			p.signal(unix.SIGUSR1)
			b, err := os.ReadFile(log)
			return err == nil && strings.Contains(string(b), "packets.received=1 ")
		}, patience, 10*time.Millisecond)
	}
	counted()
	require.NoError(t, os.Rename(log, log+".moved"))
	p.signal(unix.SIGHUP)
	counted()

	status, stderr := h.fails(h.command("-i", "c0", "--dir", h.dir+"/other"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "already running as PID "+strings.TrimSpace(string(pid)))
	status, stderr = h.fails(h.command("-i", "c0", "--dir", h.dir+"/set", "--pid-file", h.dir+"/other.pid"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "another netcap is writing this set")
	isEmpty(t, h.dir+"/other")
	p.stop()

	// The lock went with the process, and the sequence goes on.
	p = h.capture(set...)
	p.stop()
	h.file(h.dir + "/set/c0-*-000003.pcapng")
}

// A second signal ends the process though it can't finish, unless it comes at once. It says
// what is lost.
func TestSecondSignal(t *testing.T) {
	h := newHost(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := h.command("-i", "c0", "-U", "-w", "-")
	cmd.Stdout = w // nobody reads it: writing comes to a stand
	p := h.start(cmd)
	require.NoError(t, w.Close())
	p.says(isCapturing)
	h.peer.Flood(t, "g0", 1514, 1000)
	p.signal(syscall.SIGINT)
	p.signal(syscall.SIGTERM)
	time.Sleep(1200 * time.Millisecond)
	require.False(t, p.over(), "two at once are one")
	p.signal(syscall.SIGINT)
	p.wait()
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	captured, received, dropped := summary(t, p.stderr.String())
	assert.Equal(t, 1000, received)
	assert.Contains(t, p.stderr.String(), fmt.Sprintf("stopped at once: %d packets were not yet written, and lost", 1000-captured-dropped))
}

// TestTimeout is ended by GNU timeout, which signals twice within microseconds: everything is
// written.
func TestTimeout(t *testing.T) {
	h := newHost(t)
	for n := range 8 {
		path := filepath.Join(h.dir, fmt.Sprintf("%d.pcapng", n))
		p := h.start(h.program(testenv.Program(t, "timeout"), "-s", []string{"INT", "TERM"}[n%2], "1", testenv.Netcap(t), "-i", "c0", "-w", path, "--name", fmt.Sprint(n)))
		p.says(isCapturing)
		sent := h.peer.Flood(t, "g0", 1514, 5000)
		p.wait()
		captured, received, dropped := summary(t, p.stderr.String())
		assert.Equal(t, sent, received)
		assert.Equal(t, sent, captured+dropped)
		assert.NotContains(t, p.stderr.String(), "stopped at once")
	}
}

// TestDuration ends by itself.
func TestDuration(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "c0", "-w", path, "--duration", "500ms")
	h.peer.Send(t, "g0", testenv.UDPFrame(0, 100))
	p.wait()
	require.Zero(t, p.cmd.ProcessState.ExitCode(), p.stderr.String())
	captured, received, _ := summary(t, p.stderr.String())
	assert.Equal(t, []int{1, 1}, []int{captured, received})
	assert.Equal(t, 1, tcpdumpLines(t, path))

	status, stderr := h.fails(h.command("-i", "c0", "-w", path+"2", "--duration", "0s"))
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--duration 0s: no time to capture in")
}

func TestDownInterface(t *testing.T) {
	h := newHost(t)
	h.net.SetDown(t, "c0")
	p := h.capture("-i", "c0", "-w", filepath.Join(h.dir, "x.pcapng"))
	p.says("is down; waiting")
	h.net.SetUp(t, "c0")
	p.says("is up again")
	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100))
	captured, received, _ := summary(t, p.stop())
	assert.Equal(t, []int{1, 1}, []int{captured, received})
}

// Docker makes its bridges anew: the capture goes on with the interface of the
// same name.
func TestRecreatedInterface(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "c0", "-w", path)
	h.peer.Send(t, "g0", testenv.UDPFrame(0, 100))
	h.net.Delete(t, "c0")
	p.says("was deleted")
	testenv.NewVeth(t, h.peer, h.net, "g0", "c0")
	p.says("is back")
	assert.Equal(t, 1, h.net.Promiscuity(t, "c0"))
	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100), testenv.UDPFrame(2, 100))
	captured, received, dropped := summary(t, p.stop())
	assert.Equal(t, []int{3, 3, 0}, []int{captured, received, dropped})
	assert.Equal(t, 3, tcpdumpLines(t, path))
	assert.Contains(t, run1(t, "capinfos", path), "Number of interfaces in file: 2")
}

// TestThreads has several rings share a flood of several flows, an interface that is made
// anew, and a stop: the sums are exact, and each packet is in the file once.
func TestThreads(t *testing.T) {
	for _, threads := range []string{"2", "4"} {
		t.Run(threads, func(t *testing.T) {
			h := newHost(t)
			path := filepath.Join(h.dir, "x.pcapng")
			p := h.capture("-i", "c0", "-w", path, "--threads", threads, "-v")
			assert.Contains(t, p.stderr.String(), "threads="+threads)
			flows := func(first, count uint32) (frames [][]byte) {
				for i := range count {
					f := testenv.UDPFrame(first+i, 400)
					f[35] = byte(i) // of the source port
					frames = append(frames, f)
				}
				return frames
			}
			var floods sync.WaitGroup
			floods.Go(func() { h.peer.Flood(t, "g0", 100, 100_000) })
			floods.Go(func() { h.peer.Send(t, "g0", flows(100_000, 20_000)...) })
			floods.Wait()
			h.net.Delete(t, "c0")
			p.says("was deleted")
			testenv.NewVeth(t, h.peer, h.net, "g0", "c0")
			p.says("is back")
			assert.Equal(t, 1, h.net.Promiscuity(t, "c0"))
			h.peer.Send(t, "g0", flows(120_000, 1000)...)
			captured, received, dropped := summary(t, p.stop())
			assert.Equal(t, 121_000, received)
			assert.Equal(t, 121_000, captured+dropped)
			assert.Equal(t, 1, strings.Count(p.stderr.String(), "was deleted"))
			assert.Equal(t, 1, strings.Count(p.stderr.String(), "is back"))

			f, err := os.Open(path)
			require.NoError(t, err)
			defer f.Close()
			r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{})
			require.NoError(t, err)
			seen := make(map[uint32]bool)
			for {
				data, _, err := r.ReadPacketData()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				data[35] = 0 // as testenv.UDPFrame has it
				seq, ok := testenv.Seq(data)
				require.True(t, ok)
				require.False(t, seen[seq], "packet %d is there twice", seq)
				seen[seq] = true
			}
			assert.Len(t, seen, captured)
		})
	}
}

// TestOrderOfRings has two interfaces give packets, one in full blocks and one in blocks that
// wait until they are old: what is read of the files is in the order of the times, and the
// files tell by which ring each packet came.
func TestOrderOfRings(t *testing.T) {
	h := newHost(t)
	testenv.NewVeth(t, h.peer, h.net, "g1", "c1")
	dir := filepath.Join(h.dir, "set")
	p := h.capture("-i", "c0", "-i", "c1", "--threads", "2", "--dir", dir, "-C", "2", "udp")
	for i := range 20 {
		h.peer.Flood(t, "g0", 500, 1000)
		h.peer.Send(t, "g1", testenv.UDPFrame(uint32(i), 400))
	}
	captured, received, dropped := summary(t, p.stop())
	assert.Equal(t, []int{20_020, 20_020, 0}, []int{captured, received, dropped})
	files := filepathGlob(t, dir+"/*.pcapng")
	require.Greater(t, len(files), 3)
	merged := filepath.Join(h.dir, "merged.pcapng")
	run1(t, "mergecap", append([]string{"-a", "-w", merged}, files...)...)
	assert.Contains(t, run1(t, "capinfos", "-o", merged), "Strict time order:   False", "the files' own order")

	read := filepath.Join(h.dir, "read.pcapng")
	h.does("read", "-w", read, dir)
	assert.Contains(t, run1(t, "capinfos", "-o", read), "Strict time order:   True")
	assert.Equal(t, 20_020, capinfosPackets(t, read))
	rings := make(map[string]int)
	for _, ring := range strings.Fields(run1(t, "tshark", "-r", read, "-T", "fields", "-E", "separator=,", "-e", "frame.interface_name", "-e", "frame.interface_queue")) {
		rings[ring]++
	}
	assert.Equal(t, 20, rings["c1,0"]+rings["c1,1"], "%v", rings)
	assert.Equal(t, 20_000, rings["c0,0"]+rings["c0,1"], "%v", rings)
}

// With as many packets as are asked for all threads end.
func TestThreadsCount(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "c0", "-w", path, "--threads", "3", "-c", "500")
	h.peer.Flood(t, "g0", 100, 5000)
	p.wait()
	require.Zero(t, p.cmd.ProcessState.ExitCode(), p.stderr.String())
	assert.Equal(t, 500, tcpdumpLines(t, path))
}

// An interface that is renamed is the same one: the capture goes on with it, and the
// file says how it is called.
func TestRenamedInterface(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "c0", "-w", path, "--name", "x")
	h.peer.Send(t, "g0", testenv.UDPFrame(0, 100))
	h.awaitWritten("x", 1)
	h.net.SetDown(t, "c0") // older kernels rename no other
	p.says("is down")
	h.net.Rename(t, "c0", "c1")
	p.says("was renamed")
	h.net.SetUp(t, "c1")
	p.says("is up again")
	assert.Equal(t, []string{"c1"}, h.statusOf("x").Devices)
	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100), testenv.UDPFrame(2, 100))
	captured, received, dropped := summary(t, p.stop())
	assert.Equal(t, []int{3, 3, 0}, []int{captured, received, dropped})
	interfaces := run1(t, "tshark", "-r", path, "-T", "fields", "-e", "frame.interface_name")
	assert.Equal(t, "c0\nc1\nc1\n", interfaces)
}

func TestBadInput(t *testing.T) {
	h := newHost(t)
	existing := filepath.Join(h.dir, "existing.pcap")
	require.NoError(t, os.WriteFile(existing, []byte("evidence"), 0o600))
	work := filepath.Join(h.dir, "work")
	set := []string{"-i", "c0", "--dir", work}
	for name, test := range map[string]struct {
		args   []string
		status int
		says   []string
	}{
		"unknown interface":    {[]string{"-i", "nonesuch0", "--format", "pcap", "--dir", work}, 1, []string{"nonesuch0", "there are", "c0", "lo"}},
		"no default route":     {[]string{"--dir", work}, 1, []string{"-i"}},
		"existing file":        {[]string{"-i", "c0", "-w", existing}, 1, []string{existing, "never overwritten|nothing is ever overwritten", "-C"}},
		"directory as file":    {[]string{"-i", "c0", "-w", h.dir}, 2, []string{"--dir"}},
		"file as directory":    {[]string{"-i", "c0", "-w", existing + "/x"}, 1, []string{"not a directory"}},
		"missing directory":    {[]string{"-i", "c0", "-w", h.dir + "/none/x.pcap"}, 1, []string{"no such file or directory"}},
		"impossible size":      {append(set, "-C", "many"), 2, []string{"many", "100M"}},
		"negative size":        {append(set, "--disk-budget", "-5GB"), 2, []string{"-5GB"}},
		"tiny segment":         {append(set, "-C", "1KB"), 1, []string{"segment size"}},
		"small budget":         {append(set, "-C", "100M", "--disk-budget", "150M"), 1, []string{"two segments", "150 MB"}},
		"large keep-free":      {append(set, "--keep-free", "100%"), 1, []string{"keep", "free", "--keep-free"}},
		"impossible duration":  {append(set, "-G", "soon"), 2, []string{"soon", "1h"}},
		"one file":             {append(set, "-W", "1"), 2, []string{"at least 2"}},
		"negative snap length": {append(set, "-s", "-1"), 2, []string{"snap|-s"}},
		"large snap length":    {append(set, "-s", "999999"), 2, []string{"262144"}},
		"no count":             {append(set, "-c", "-1"), 2, []string{"-c"}},
		"no ring":              {append(set, "-B", "0"), 2, []string{"-B"}},
		"no threads":           {append(set, "--threads", "0"), 2, []string{"--threads 0: not auto or a number between 1 and 256"}},
		"too many threads":     {append(set, "--threads", "257"), 2, []string{"--threads 257"}},
		"word for threads":     {append(set, "--threads", "all"), 2, []string{"--threads all"}},
		"direction":            {append(set, "-Q", "up"), 2, []string{"inout"}},
		"format":               {append(set, "--format", "erf"), 2, []string{"pcapng"}},
		"name":                 {append(set, "--name", "../x"), 2, []string{"--name"}},
		"unknown flag":         {append(set, "--frobnicate"), 2, []string{"frobnicate", "--help"}},
		"filter":               {append(set, "tcp", "port", "10400000"), 2, []string{"expected a port of at most 65535", `at "10400000"`}},
		"filter for files":     {append(set, "link[0:70]", "=", "1"), 2, []string{"1, 2 or 4 bytes"}},
		"filter of no use":     {[]string{"-i", "any", "type", "mgt"}, 2, []string{"LINUX_SLL2"}},
		"link type":            {append(set, "-y", "EN10MB"), 2, []string{"-y is for -d"}},
		"unknown link type":    {append(set, "-d", "-y", "EN10GB"), 2, []string{"EN10GB"}},
		"misspelt command":     {[]string{"lisst"}, 2, []string{"netcap list"}},
		"no command":           {[]string{"-i", "c0", "frobnicate"}, 2, []string{"frobnicate"}},
		"filter file":          {append(set, "-F", existing), 2, []string{"evidence"}},
		"both filters":         {append(set, "-F", existing, "ip"), 2, []string{"not both"}},
		"missing filter file":  {append(set, "-F", h.dir+"/none"), 1, []string{h.dir + "/none"}},
		"stream with bounds":   {[]string{"-i", "c0", "-w", "-", "-C", "5"}, 2, []string{"stream"}},
		"-w and --dir":         {append(set, "-w", "x"), 2, []string{"--dir"}},
		"named twice":          {append(set, "-i", "c0"), 1, []string{"twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			begun := time.Now()
			status, stderr := h.fails(h.command(test.args...))
			t.Logf("%v: %s", time.Since(begun).Round(time.Millisecond), stderr)
			assert.Equal(t, test.status, status)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "it says so in one line: %s", stderr)
			assert.True(t, strings.HasPrefix(stderr, "netcap: "))
			for _, text := range test.says {
				assert.Regexp(t, text, stderr)
			}
			isEmpty(t, work)
		})
	}
	b, err := os.ReadFile(existing)
	require.NoError(t, err)
	assert.Equal(t, "evidence", string(b))
}

const nobody = 65534

// A user without rights is told which one is missing; one with the right to
// capture but none to the directory, who owns it.
func TestPermissions(t *testing.T) {
	h := newHost(t)
	theirs := filepath.Join(h.dir, "theirs")
	require.NoError(t, os.Mkdir(theirs, 0o700))
	for _, dir := range []string{h.dir, filepath.Dir(h.dir)} { // of the test's own making
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	as := func(caps []uintptr, args ...string) *exec.Cmd {
		cmd := exec.Command(testenv.Netcap(t), args...)
		cmd.Env = []string{"HOME=" + theirs}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: caps}
		return cmd
	}
	status, stderr := h.fails(as(nil, "-i", "c0", "-w", theirs+"/x.pcap"))
	assert.Equal(t, 4, status)
	assert.Contains(t, stderr, "CAP_NET_RAW")
	assert.Contains(t, stderr, "sudo")
	assert.Equal(t, 1, strings.Count(stderr, "\n"))

	status, stderr = h.fails(as(nil, "list", theirs))
	assert.Equal(t, 4, status)
	assert.Contains(t, stderr, theirs)

	raw := []uintptr{unix.CAP_NET_RAW}
	for _, args := range [][]string{{"-w", theirs + "/x.pcap"}, {"--dir", theirs + "/set"}} {
		status, stderr = h.fails(as(raw, append([]string{"-i", "c0", "--pid-file", "/tmp/netcap-test-nobody.pid"}, args...)...))
		assert.Equal(t, 4, status)
		for _, text := range []string{theirs, "owned by root", "running as nobody", "--dir"} {
			assert.Contains(t, stderr, text)
		}
		assert.Equal(t, 1, strings.Count(stderr, "\n"))
	}
	require.NoError(t, os.Remove("/tmp/netcap-test-nobody.pid"))
	isEmpty(t, theirs)

	// With the capability alone it captures.
	open := filepath.Join(h.dir, "open")
	require.NoError(t, os.Mkdir(open, 0o777))
	require.NoError(t, os.Chmod(open, 0o777))
	p := h.start(as(raw, "-i", "c0", "--pid-file", open+"/pid", "-w", open+"/x.pcapng"))
	p.says(isCapturing)
	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100))
	captured, _, _ := summary(t, p.stop())
	assert.Equal(t, 1, captured)
}

// tmpfs mounts a small file system for the test.
func tmpfs(t *testing.T, options string) string {
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, options))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func TestFullDisk(t *testing.T) {
	h := newHost(t)
	small := tmpfs(t, "size=1m")
	require.NoError(t, os.WriteFile(small+"/full", make([]byte, 1<<20), 0o600))
	for _, args := range [][]string{{"-w", small + "/x.pcap"}, {"--dir", small + "/set"}, {"--dir", small + "/set", "--disk-budget", "2MB", "-C", "1"}} {
		status, stderr := h.fails(h.command(append([]string{"-i", "c0"}, args...)...))
		assert.Equal(t, 1, status)
		assert.Regexp(t, "full|free|budget", stderr)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
	left, err := os.ReadDir(small)
	require.NoError(t, err)
	require.Len(t, left, 1)
	st, err := left[0].Info()
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20, st.Size())
}

// A set stays inside its budget while far more than that comes by, earlier
// runs' files go first, and every file that is left is whole.
func TestBudget(t *testing.T) {
	h := newHost(t)
	dir := filepath.Join(h.dir, "set")
	args := []string{"-i", "c0", "--dir", dir, "-C", "1", "--disk-budget", "4MB", "--keep-free", "1KB", "-U"}
	const count = 3000
	total := 0
	for range 2 {
		p := h.capture(args...)
		for range 10 {
			h.peer.Flood(t, "g0", 1514, count/10)
			set := int64(0)
			files, err := filepath.Glob(dir + "/c0-*.pcapng")
			require.NoError(t, err)
			for _, f := range files {
				if st, err := os.Stat(f); err == nil {
					set += st.Size()
					assert.LessOrEqual(t, st.Size(), int64(1_000_000))
				}
			}
			assert.LessOrEqual(t, set, int64(4_000_000))
		}
		captured, received, _ := summary(t, p.stop())
		assert.Equal(t, count, received)
		total += captured
	}
	files, err := filepath.Glob(dir + "/c0-*.pcapng")
	require.NoError(t, err)
	left := 0
	for _, f := range files {
		left += tcpdumpLines(t, f)
	}
	assert.Less(t, left, total)
	assert.Greater(t, left, 1500, "the budget is made use of")
	assert.Empty(t, filepathGlob(t, dir+"/c0-*-000001.pcapng"))
}

func filepathGlob(t *testing.T, pattern string) []string {
	all, err := filepath.Glob(pattern)
	require.NoError(t, err)
	return all
}

func TestAny(t *testing.T) {
	h := newHost(t)
	ng, classic := filepath.Join(h.dir, "x.pcapng"), filepath.Join(h.dir, "x.pcap")
	p := h.capture("-i", "any", "-w", ng)
	q := h.capture("-i", "any", "-w", classic, "--name", "second")
	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100), testenv.UDPFrame(2, 100))
	for _, p := range []*process{p, q} {
		captured, received, dropped := summary(t, p.stop())
		assert.Equal(t, []int{2, 2, 0}, []int{captured, received, dropped})
	}
	assert.Equal(t, "c0\nc0\n", run1(t, "tshark", "-r", ng, "-T", "fields", "-e", "frame.interface_name"))
	assert.Equal(t, 2, tcpdumpLines(t, ng))
	assert.Equal(t, 2, tcpdumpLines(t, classic))
	assert.Contains(t, run1(t, "capinfos", "-E", classic), "Linux cooked-mode capture v2")
}

// TestFilter captures what a filter accepts: on an interface with VLAN tags, which
// the kernel takes off before it, on all of them, and from a file of the filter's.
func TestFilter(t *testing.T) {
	h := newHost(t)
	tagged := func(seq uint32, tci string) []byte {
		frame := testenv.UDPFrame(seq, 100)
		return slices.Concat(frame[:12], []byte("\x81\x00"+tci), frame[12:])
	}
	arp := slices.Concat(testenv.UDPFrame(0, 100)[:12], []byte{0x08, 0x06}, make([]byte, 46))
	rules := filepath.Join(h.dir, "rules")
	require.NoError(t, os.WriteFile(rules, []byte("udp dst port discard # RFC 863\n\tand not host 10.0.0.9\n"), 0o600))
	for n, test := range []struct {
		args []string
		want int
	}{
		// Filters see a frame without the tag that the kernel took off it.
		{[]string{"-i", "c0", "udp", "and", "dst port 9"}, 4},
		{[]string{"-i", "c0", "not udp"}, 1},
		{[]string{"-i", "c0", "vlan"}, 2},
		{[]string{"-i", "c0", "vlan 5 and udp dst port 9"}, 1},
		{[]string{"-i", "c0", "ip broadcast"}, 0},
		{[]string{"-i", "c0", "-F", rules}, 4},
		{[]string{"-i", "any", "arp"}, 1},
		// What only Ethernet has, all interfaces together have too.
		{[]string{"-i", "any", "vlan"}, 2},
		{[]string{"-i", "any", "vlan 5"}, 1},
		{[]string{"-i", "any", "not vlan"}, 3},
		{[]string{"-i", "any", "vlan", "and", "udp dst port 9"}, 2},
		{[]string{"-i", "any", "arp or vlan 6"}, 2},
		{[]string{"-i", "any", "ether src 02:00:00:00:00:01"}, 5},
		{[]string{"-i", "any", "ether[12:2] = 0x806"}, 1},
		{[]string{"-i", "any", "--format", "pcap", "vlan 5"}, 1},
	} {
		h.net.AddAddr(t, "c0", fmt.Sprintf("10.0.0.%d/24", n+1))
		path := filepath.Join(h.dir, fmt.Sprintf("%d.pcapng", n))
		p := h.capture(append([]string{"-w", path}, test.args...)...)
		h.peer.Send(t, "g0", testenv.UDPFrame(1, 100), testenv.UDPFrame(2, 100), tagged(3, "\x00\x05"), tagged(4, "\x00\x06"), arp)
		captured, received, dropped := summary(t, p.stop())
		assert.Equal(t, []int{test.want, test.want, 0}, []int{captured, received, dropped}, "%q", test.args)
		assert.Equal(t, test.want, tcpdumpLines(t, path))
		if test.args[1] == "any" && test.args[2] != "--format" {
			// tcpdump, which has no such filters for any, has them for the file.
			read := append([]string{"-nr", path}, test.args[2:]...)
			assert.Equal(t, test.want, strings.Count(run1(t, "tcpdump", read...), "\n"), "%q", test.args)
		}
	}
	assert.Contains(t, run1(t, "capinfos", filepath.Join(h.dir, "3.pcapng")), "vlan 5 and udp dst port 9")
}

// TestDump prints programs as tcpdump does, here of an expression that compiles to
// the same.
func TestDump(t *testing.T) {
	h := newHost(t)
	for _, option := range []string{"-d", "-dd", "-ddd"} {
		for _, args := range [][]string{{"-y", "EN10MB"}, {"-i", "c0"}} {
			args = append(args, option, "ip6", "or", "arp")
			cmd := exec.Command(testenv.Program(t, "tcpdump"), args...)
			var theirs testenv.Output
			cmd.Stdout = &theirs
			require.NoError(t, h.net.Start(cmd))
			require.NoError(t, cmd.Wait())
			p := h.start(h.command(args...))
			p.wait()
			assert.Equal(t, theirs.String(), p.stdout.String(), "%v", args)
		}
	}
}

func TestWithoutPacketsToPrint(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"man"}, {"man", "read"}, {"completion", "bash"}, {"--help"}} {
		out, err := exec.Command(testenv.Netcap(t), args...).CombinedOutput()
		assert.NoError(t, err)
		assert.Contains(t, string(out), "netcap")
	}
	out, err := exec.Command(testenv.Netcap(t), "man").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "--disk-budget")
}
