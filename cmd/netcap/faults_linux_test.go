package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/ledger"
	"netcap/internal/testenv"
)

// The tests here, and those of faults_disk_linux_test.go, do to a capture what happens to
// it in years. docs/reliability.md says what held.

// seen is a numbered frame in a file.
type seen struct {
	seq uint32
	at  time.Time
}

// framesOf reads the numbered frames of a file by gopacket's reader, up to its end or to
// a record that isn't whole.
func framesOf(t *testing.T, path string) (all []seen, whole bool) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{})
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, false
	}
	require.NoError(t, err, path)
	for {
		data, info, err := r.ReadPacketData()
		if err != nil {
			require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "%s: %v", path, err)
			return all, errors.Is(err, io.EOF)
		}
		if seq, ok := testenv.Seq(data); ok {
			all = append(all, seen{seq, info.Timestamp})
		}
	}
}

// inOrder sees that frames come one after the other, and returns where some are missing:
// the indexes of those behind the hole.
func inOrder(t *testing.T, frames []seen) (holes []int) {
	t.Helper()
	for i := 1; i < len(frames); i++ {
		require.Greater(t, frames[i].seq, frames[i-1].seq, "in order, each once")
		if frames[i].seq != frames[i-1].seq+1 {
			holes = append(holes, i)
		}
	}
	return holes
}

// The interface goes down and up under load: only what came meanwhile is missing, and the
// ledger says when that was.
func TestDownUnderLoad(t *testing.T) {
	h := newOperated(t)
	const n = 3000
	p := h.capture("-i", "c0", "--keep-free", "1", "-G", "8760h", "--flush", "20ms")
	dripped := make(chan int, 1)
	go func() { dripped <- h.peer.Drip(t, "g0", 100, n, time.Millisecond) }()
	require.Eventually(t, func() bool { return h.statusOf("c0").Packets.Written > 100 }, patience, 5*time.Millisecond)
	down := time.Now()
	h.net.SetDown(t, "c0")
	isDown := time.Now()
	p.says("is down")
	up := time.Now()
	h.net.SetUp(t, "c0")
	p.says("is up again")
	accepted := <-dripped
	captured, received, dropped := summary(t, p.stop())
	assert.Equal(t, []int{received, 0}, []int{captured, dropped})
	assert.LessOrEqual(t, captured, accepted)

	frames, whole := framesOf(t, h.file(h.lib+"/netcap/c0/*.pcapng"))
	require.True(t, whole)
	require.Len(t, frames, captured)
	assert.Equal(t, seen{0, frames[0].at}, frames[0], "from the first")
	assert.EqualValues(t, n-1, frames[len(frames)-1].seq, "to the last")
	holes := inOrder(t, frames)
	require.Len(t, holes, 1, "one hole")
	before, after := frames[holes[0]-1], frames[holes[0]]
	assert.True(t, before.at.Before(isDown), "%v: all until it was down", before.at.Sub(isDown))
	assert.True(t, after.at.After(up), "%v: none before it was up", after.at.Sub(up))
	gaps, _ := h.gaps("--to", after.at.Format(time.RFC3339Nano))
	require.Equal(t, "interface_down", causesOf(gaps))
	assert.True(t, gaps[0].From.After(down) && gaps[0].From.Before(up), "%v", gaps[0])
	assert.True(t, gaps[0].To.After(up), "%v", gaps[0])
}

// rounds is how often something is tried, and less under the race detector.
func rounds(n int) int {
	if testing.Short() {
		return max(n/10, 2)
	}
	return n
}

// Signals at moments of the start: once there is a file, SIGHUP and SIGINT end the capture
// well.
func TestSignalsAtStart(t *testing.T) {
	h := newOperated(t)
	set := h.lib + "/netcap/c0"
	files, ended, n := 0, 0, rounds(60)
	for round := range n {
		p := h.start(h.command("-i", "c0", "--keep-free", "1", "-G", "8760h", "--flush", "10ms", "udp"))
		time.Sleep(time.Duration(round) * 100 * time.Millisecond / time.Duration(n))
		p.signal(syscall.SIGHUP)
		_ = p.cmd.Process.Signal(syscall.SIGINT) // it may have ended by then
		p.wait()
		now := filepathGlob(t, set+"/*.pcapng")
		if len(now) > files {
			require.Equal(t, 0, p.cmd.ProcessState.ExitCode(), "round %d: %s", round, p.stderr.String())
			require.Contains(t, p.stderr.String(), "\n1 file: ", "round %d", round)
			_, whole := framesOf(t, now[len(now)-1])
			require.True(t, whole, "round %d", round)
			ended++
		}
		files = len(now)
	}
	t.Logf("%d of %d had begun a file", ended, n)
	p := h.capture("-i", "c0", "--keep-free", "1", "-G", "8760h", "udp")
	p.stop()
	gaps, _ := h.gaps()
	assert.NotContains(t, causesOf(gaps), "killed")
}

// SIGKILL at random moments under load: what others could read before is there after, the
// file can be repaired, the promiscuous mode is over, the next start gets the locks.
func TestKilledAtRandom(t *testing.T) {
	h := newOperated(t)
	set := h.lib + "/netcap/c0"
	n := rounds(50)
	torn, frames := 0, 0
	for round := range n {
		p := h.capture("-i", "c0", "--keep-free", "1", "--disk-budget", "100MB", "-G", "8760h", "--flush", "10ms", "udp")
		files := filepathGlob(t, set+"/*.pcapng")
		require.Len(t, files, round+1, "each run begins another file")
		path := files[round]
		stop := make(chan struct{})
		flooded := make(chan struct{})
		go func() {
			defer close(flooded)
			h.sendUntil(stop)
		}()
		delay := rand.N(150 * time.Millisecond)
		time.Sleep(delay)
		before, _ := framesOf(t, path)
		p.signal(syscall.SIGKILL)
		p.wait()
		close(stop)
		<-flooded
		after, whole := framesOf(t, path)
		if !whole {
			torn++
		}
		require.GreaterOrEqual(t, len(after), len(before), "killed after %v", delay)
		require.Empty(t, inOrder(t, after), "killed after %v", delay)
		frames += len(after)
		require.Zero(t, h.net.Promiscuity(t, "c0"))
	}
	t.Logf("%d kills: %d frames survived, %d files ended in a torn record", n, frames, torn)
	assert.Positive(t, frames)

	h.does("start", "-i", "c0", "--keep-free", "1", "-G", "8760h", "udp")
	h.does("stop")
	gaps, _ := h.gaps()
	causes := causesOf(gaps)
	assert.Equal(t, n, strings.Count(causes, "killed"), causes)
	files := filepathGlob(t, set+"/*.pcapng")
	require.Len(t, files, n+1)
	for i, f := range files {
		files[i] = strings.Replace(f, h.lib, "/var/lib", 1)
	}
	status, _, stderr := h.netcap(append([]string{"repair"}, files...)...)
	assert.Equal(t, 0, status, stderr)
	assert.Equal(t, frames, capinfosPackets(t, filepathGlob(t, set+"/*.pcapng")...))
}

// Two are started at once, again and again, for the same files or with the same PID file:
// exactly one runs.
func TestRaces(t *testing.T) {
	h := newHost(t)
	program := testenv.Netcap(t)
	for round := range rounds(100) {
		args := [2][]string{}
		want := "another netcap is writing this set"
		for i, name := range []string{"a", "b"} {
			dir, pid := h.dir+"/set", h.dir+"/"+name+".pid"
			if round%2 == 1 { // the same PID file instead
				dir, pid = h.dir+"/"+name, h.dir+"/x.pid"
				want = "already running as PID"
			}
			args[i] = []string{"-i", "c0", "--dir", dir, "--pid-file", pid, "--keep-free", "1", "--flush", "20ms"}
		}
		one, two := h.start(exec.Command(program, args[0]...)), h.start(exec.Command(program, args[1]...))
		loser, winner := one, two
		select {
		case <-one.ended:
		case <-two.ended:
			loser, winner = two, one
		case <-time.After(patience):
			require.Fail(t, "both run", "round %d:\n%s\n%s", round, one.stderr.String(), two.stderr.String())
		}
		require.Equal(t, 1, loser.cmd.ProcessState.ExitCode(), "round %d: %s", round, loser.stderr.String())
		require.Contains(t, loser.stderr.String(), want, "round %d", round)
		winner.says(isCapturing)
		winner.stop()
	}
}

// Frames with VLAN tags that the kernel takes off before it shows them are in the file as
// they were sent.
func TestTaggedFrames(t *testing.T) {
	h := newHost(t)
	frame := testenv.UDPFrame(1, 100)
	tagged := func(tags string) []byte {
		return append(append(append([]byte(nil), frame[:12]...), tags...), frame[12:]...)
	}
	sent := [][]byte{
		tagged("\x81\x00\x00\x07"),                 // VID 7
		tagged("\x81\x00\xa0\x00"),                 // PCP 5 only
		tagged("\x81\x00\x00\x00"),                 // TCI 0
		tagged("\x88\xa8\x00\x64\x81\x00\x00\x07"), // QinQ, IEEE 802.1ad
		tagged("\x81\x00\x00\x64\x81\x00\x00\x07"), // two of 802.1Q
		frame,
	}
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "c0", "-w", path)
	h.peer.Send(t, "g0", sent...)
	p.stop()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{})
	require.NoError(t, err)
	for i := range sent {
		data, info, err := r.ReadPacketData()
		require.NoError(t, err)
		assert.Equal(t, sent[i], data, "frame %d", i)
		assert.Equal(t, len(sent[i]), info.Length, "frame %d", i)
	}
	_, _, err = r.ReadPacketData()
	assert.ErrorIs(t, err, io.EOF)
}

// TCP with segmentation offload, cut at 64 bytes: lengths are those of the wire, and tshark
// finds nothing malformed.
func TestOffloadCut(t *testing.T) {
	h := newHost(t)
	h.net.AddAddr(t, "c0", "10.9.0.1/24")
	h.peer.AddAddr(t, "g0", "10.9.0.2/24")
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "c0", "-s", "64", "-w", path, "-B", "65536", "tcp")
	const sent = 8 << 20
	python := testenv.Program(t, "python3")
	serve := `import socket
s = socket.create_server(("10.9.0.1", 104)); print("ready", flush=True); c, _ = s.accept(); n = 0
while b := c.recv(1 << 20): n += len(b)
print(n)`
	server := h.start(exec.Command(python, "-c", serve))
	require.Eventually(t, func() bool { return strings.Contains(server.stdout.String(), "ready") }, patience, time.Millisecond, &server.stderr)
	client := exec.Command(python, "-c", `import socket; c = socket.create_connection(("10.9.0.1", 104)); c.sendall(bytes(8 << 20))`)
	require.NoError(t, h.peer.Start(client))
	require.NoError(t, client.Wait())
	server.wait()
	assert.Contains(t, server.stdout.String(), "8388608")
	captured, _, dropped := summary(t, p.stop())
	require.Zero(t, dropped)
	fields := run1(t, "tshark", "-r", path, "-o", "tcp.desegment_tcp_streams:FALSE", "-T", "fields", "-e", "frame.len", "-e", "frame.cap_len", "-e", "tcp.len", "-e", "tcp.dstport", "-e", "_ws.malformed")
	longest, payload, lines := 0, 0, 0
	for line := range strings.Lines(fields) {
		var length, kept, carried, port int
		n, err := fmt.Sscan(line, &length, &kept, &carried, &port)
		require.Equal(t, 4, n, "%q: %v (a fifth field would be a malformed packet)", line, err)
		assert.Equal(t, min(length, 64), kept)
		longest = max(longest, length)
		if port == 104 {
			payload += carried
		}
		lines++
	}
	assert.Equal(t, captured, lines)
	assert.Greater(t, longest, 9000, "no segment was offloaded: the test shows nothing")
	assert.GreaterOrEqual(t, payload, sent)
}

// Each datagram once: lo's, and any's of lo, with the interface that each is of.
func TestLoopbackOnce(t *testing.T) {
	h := newHost(t)
	one, all := filepath.Join(h.dir, "lo.pcapng"), filepath.Join(h.dir, "any.pcapng")
	p := h.capture("-i", "lo", "-w", one, "udp")
	q := h.capture("-i", "any", "-w", all, "udp")
	const n = 20
	send := exec.Command(testenv.Program(t, "python3"), "-c", `import socket
r = socket.socket(type=socket.SOCK_DGRAM); r.bind(("127.0.0.1", 9))
s = socket.socket(type=socket.SOCK_DGRAM)
for i in range(20): s.sendto(b"%03d" % i, ("127.0.0.1", 9))`)
	require.NoError(t, h.net.Start(send))
	require.NoError(t, send.Wait())
	h.peer.Send(t, "g0", testenv.UDPFrame(1, 100))
	p.stop()
	q.stop()
	payloads := func(path string) string {
		return run1(t, "tshark", "-r", path, "-Y", "udp.length == 11", "-T", "fields", "-e", "frame.interface_name", "-e", "udp.payload")
	}
	want := ""
	for i := range n {
		want += "lo\t" + fmt.Sprintf("%x", fmt.Appendf(nil, "%03d", i)) + "\n"
	}
	assert.Equal(t, want, payloads(one))
	assert.Equal(t, want, payloads(all))
	assert.Equal(t, "c0\n", run1(t, "tshark", "-r", all, "-Y", "udp.length > 11", "-T", "fields", "-e", "frame.interface_name"))
	assert.Equal(t, n, tcpdumpLines(t, one))
	assert.Equal(t, n+1, tcpdumpLines(t, all))
}

// A capture that was stopped by SIGSTOP under a flood for ten seconds loses packets: what
// was seen and what is counted as lost are all that were sent, exactly.
func TestStoppedUnderFlood(t *testing.T) {
	h := newOperated(t)
	pause := 10 * time.Second
	if testing.Short() {
		pause = time.Second
	}
	p := h.capture("-i", "c0", "--keep-free", "1", "-G", "8760h", "-B", "1024", "udp")
	sent := h.peer.Flood(t, "g0", 128, 1000)
	h.awaitWritten("c0", 1000)
	before := time.Now()
	p.signal(unix.SIGSTOP)
	for time.Since(before) < pause {
		sent += h.peer.Flood(t, "g0", 128, 10_000)
		time.Sleep(50 * time.Millisecond)
	}
	p.signal(unix.SIGCONT)
	sent += h.peer.Flood(t, "g0", 128, 1000)
	captured, received, dropped := summary(t, p.stop())
	t.Logf("%d sent, %d captured, %d dropped", sent, captured, dropped)
	assert.Equal(t, sent, received)
	assert.Equal(t, sent, captured+dropped)
	assert.Positive(t, dropped)
	assert.Equal(t, captured, capinfosPackets(t, h.file(h.lib+"/netcap/c0/*.pcapng")))
	gaps, _ := h.gaps("--to", time.Now().Format(time.RFC3339Nano))
	lost := int64(0)
	for _, g := range gaps {
		if g.Cause == ledger.RingFull {
			lost += g.Lost
		}
	}
	assert.EqualValues(t, dropped, lost)
}
