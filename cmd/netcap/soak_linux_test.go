package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/ledger"
	"netcap/internal/testenv"
)

// soakTime is how long TestSoak takes: make soak has it take longer.
var soakTime = flag.Duration("soak", 20*time.Second, "how long TestSoak goes on")

// soak is a capture that goes on while all kinds of things happen to it.
type soak struct {
	*host
	p       *process
	pid     int
	small   string // the file system that the set is on
	log     *disk  // that of the log
	random  *rand.Rand
	sent    int64 // frames that the interface took while it was captured on
	floods  int
	happens map[string]int
}

// TestSoak has a capture rotate, delete, be flooded, stopped, and lose its interface and its
// disk, at random, again and again. At the end the sums are right to the packet, and
// descriptors, goroutines and memory are what they were.
func TestSoak(t *testing.T) {
	d := *soakTime
	if testing.Short() {
		d = 5 * time.Second
	}
	h, start := newHost(t), time.Now()
	s := &soak{host: h, small: tmpfs(t, "size=96m"), log: newDisk(t, filepath.Join(h.dir, "log"), 16<<20, "defaults"), random: rand.New(rand.NewPCG(1, 2)), happens: make(map[string]int)}
	log := filepath.Join(s.log.dir, "log")
	s.p = h.start(h.command("-i", "c0", "--name", "s", "--dir", filepath.Join(s.small, "s"), "--disk-budget", "40M", "--segment-size", "4M", "--keep-free", "1",
		"--write-buffer", "16MiB", "--fsync", "1s", "-z", "true", "--dicom-journal", filepath.Join(h.dir, "journal"), "--log-file", log))
	t.Cleanup(func() {
		if said := s.said(log); t.Failed() {
			t.Logf("%v; what it said last:\n%s", s.happens, said[max(0, len(said)-5000):])
		}
	})
	require.Eventually(t, func() bool {
		status, _, _ := h.netcap("status", "s")
		return status == 0
	}, patience, 20*time.Millisecond)
	s.pid = h.statusOf("s").PID
	s.round() // everything was used once
	before := s.measure()
	for end := time.Now().Add(d); time.Now().Before(end); {
		s.round()
	}
	after := s.measure()
	t.Logf("%v: %d frames in %d floods; %v", d, s.sent, s.floods, s.happens)
	t.Logf("before: %v, after: %v", before, after)
	assert.LessOrEqual(t, after["descriptors"], before["descriptors"]+2)
	assert.LessOrEqual(t, after["goroutines"], before["goroutines"]+2)
	assert.LessOrEqual(t, after["resident MiB"], before["resident MiB"]+24)
	s.p.signal(syscall.SIGTERM)
	s.p.wait() // with status 1 where the disk failed
	said := s.said(log)
	number := func(text string) int64 {
		m := regexp.MustCompile(`(\d+) ` + text).FindStringSubmatch(said)
		require.NotNil(t, m, said)
		n, err := strconv.ParseInt(m[1], 10, 64)
		require.NoError(t, err)
		return n
	}
	assert.NotContains(t, said, "not permitted", "a system call that the sandbox lacks")
	written, received, dropped := number("packets captured"), number("packets received by filter"), number("packets dropped by kernel")
	const unwritten = "packets dropped because they could not be written"
	if strings.Contains(said, unwritten) {
		dropped += number(unwritten)
	}
	assert.Equal(t, s.sent, received, said)
	assert.Equal(t, received, written+dropped, said)

	// What isn't in the files was deleted, and the ledger has that.
	set := filepath.Join(s.small, "s")
	gaps, _ := h.gapsOf(set, "--from", start.Format(time.RFC3339))
	deleted := int64(0)
	for _, g := range gaps {
		assert.NotEqual(t, ledger.MissingFile, g.Cause, "%+v", g)
		if g.Cause == ledger.Deleted {
			require.True(t, g.Known, "%+v", g)
			deleted += g.Lost
		}
	}
	// What couldn't be cut back to its last whole record, or be removed though it is empty.
	h.does(append([]string{"repair"}, filepathGlob(t, set+"/*.pcapng")...)...)
	assert.Equal(t, written, deleted+int64(capinfosPackets(t, filepathGlob(t, set+"/*.pcapng")...)))
}

// said is what the capture said, on standard error and in its log.
func (s *soak) said(log string) string {
	b, err := os.ReadFile(log)
	require.NoError(s.t, err)
	return s.p.stderr.String() + string(b)
}

// round floods while one thing or another happens.
func (s *soak) round() {
	events := map[string]func(){
		"rotation":           func() { s.does("rotate", "s") },
		"stop and go":        s.stopAndGo,
		"interface down":     s.down,
		"interface deleted":  s.recreate,
		"disk full":          s.fill,
		"hold":               s.hold,
		"system calls fail":  s.refuse,
		"log frozen":         s.freezeLog,
		"helper stopped":     s.stopHelper,
		"many questions":     func() { s.ask(10) },
		"statistics logged":  func() { s.p.signal(syscall.SIGUSR1) },
		"nothing in between": func() {},
	}
	for _, name := range []string{
		"rotation", "stop and go", "interface down", "interface deleted", "disk full", "hold", "system calls fail", "log frozen", "helper stopped", "many questions", "statistics logged", "nothing in between",
	} {
		if s.random.IntN(3) == 0 && s.floods > 8 { // not always in the same order
			continue
		}
		s.flood(2000 + s.random.IntN(20_000))
		events[name]()
		s.happens[name]++
	}
}

// flood sends frames, which all are received.
func (s *soak) flood(n int) {
	s.t.Helper()
	sizes := []int{64, 512, 1514}
	require.Equal(s.t, n, s.peer.Flood(s.t, "g0", sizes[s.random.IntN(len(sizes))], n))
	s.sent += int64(n)
	s.floods++
}

// state waits until the capture is in a state.
func (s *soak) state(want string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.statusOf("s").State == want }, patience, 20*time.Millisecond)
}

// stopAndGo stops the process in the midst of a flood: the ring fills, and what it has no
// room for is counted.
func (s *soak) stopAndGo() {
	require.NoError(s.t, syscall.Kill(s.pid, syscall.SIGSTOP))
	s.flood(30_000)
	require.NoError(s.t, syscall.Kill(s.pid, syscall.SIGCONT))
	s.state(stateCapturing)
}

func (s *soak) down() {
	s.net.SetDown(s.t, "c0")
	s.state(stateWaiting)
	s.net.SetUp(s.t, "c0")
	s.state(stateCapturing)
}

func (s *soak) recreate() {
	s.net.Delete(s.t, "c0")
	s.state(stateWaiting)
	testenv.NewVeth(s.t, s.peer, s.net, "g0", "c0")
	s.state(stateCapturing)
}

// fill leaves the file system no room, floods, and makes room again.
func (s *soak) fill() {
	filler := filepath.Join(s.small, "filler")
	f, err := os.Create(filler)
	require.NoError(s.t, err)
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	require.ErrorIs(s.t, err, syscall.ENOSPC)
	require.NoError(s.t, f.Close())
	for range 3 {
		s.flood(20_000)
	}
	require.NoError(s.t, os.Remove(filler))
	s.state(stateCapturing)
}

// refuse has some of the system calls by which files are written fail, on all threads: not
// write(2), by which Go wakes its threads.
func (s *soak) refuse() {
	calls := []string{"openat", "newfstatat", "getdents64", "unlinkat", "fallocate", "ftruncate", "fsync", "fdatasync", "fstatfs", "pwrite64", "pwritev", "renameat2"}
	s.random.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	calls = calls[:1+s.random.IntN(len(calls))]
	failure := []string{"EIO", "ENOSPC", "EMFILE"}[s.random.IntN(3)]
	end := s.inject(s.pid, strings.Join(calls, ","), failure)
	s.happens[failure+" "+strings.Join(calls, ",")]++
	for range 3 {
		s.flood(5000)
	}
	end()
	s.state(stateCapturing)
}

// freezeLog has nothing be written to the file system of the log.
func (s *soak) freezeLog() {
	run1(s.t, "fsfreeze", "-f", s.log.dir)
	s.p.signal(syscall.SIGUSR1)
	s.flood(20_000)
	s.does("rotate", "s")
	run1(s.t, "fsfreeze", "-u", s.log.dir)
}

// stopHelper stops the helper process at work, or its spare, and kills it after a flood, if
// another can go on: that is started later each time.
func (s *soak) stopHelper() {
	pids := s.helpers("s")
	if len(pids) != 2 {
		return
	}
	pid := pids[s.random.IntN(2)]
	require.NoError(s.t, syscall.Kill(pid, syscall.SIGSTOP))
	s.flood(20_000)
	s.does("rotate", "s")
	require.NoError(s.t, syscall.Kill(pid, syscall.SIGKILL))
	s.happens["helper killed"]++
}

func (s *soak) hold() {
	dir := filepath.Join(s.small, "s")
	s.does("hold", dir, "--from", "2s", "--reason", "soak")
	s.flood(5000)
	out := s.does("hold", dir, "--json")
	for _, m := range regexp.MustCompile(`"id": (\d+)`).FindAllStringSubmatch(out, -1) {
		s.does("release", dir, m[1])
	}
}

func (s *soak) ask(times int) {
	for range times {
		s.statusOf("s")
	}
}

// measure is what of the process should stay as it is.
func (s *soak) measure() map[string]int {
	s.t.Helper()
	time.Sleep(2 * time.Second) // what rides out a slow disk is given back
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	require.NoError(s.t, err)
	m := map[string]int{"descriptors": len(fds)}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	require.NoError(s.t, err)
	var kib int
	_, err = fmt.Sscanf(regexp.MustCompile(`VmRSS:.*`).FindString(string(b)), "VmRSS: %d kB", &kib)
	require.NoError(s.t, err)
	m["resident MiB"] = kib >> 10
	_, text := s.get("unix", s.run+"/netcap/s.sock", "/metrics")
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			m["goroutines"], err = strconv.Atoi(n)
			require.NoError(s.t, err)
		}
	}
	require.NotZero(s.t, m["goroutines"])
	return m
}
