package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
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

	"netcap/internal/testenv"
)

// The tests here have the kernel refuse the filter.

// setOptmem bounds the memory that a socket may have for its filter, on this host alone:
// kernels before 6.7 have one bound for all namespaces, and don't show it there.
func (h *host) setOptmem(bytes int) {
	h.t.Helper()
	h.net.Do(func() {
		err := os.WriteFile("/proc/sys/net/core/optmem_max", []byte(strconv.Itoa(bytes)), 0)
		if errors.Is(err, os.ErrNotExist) {
			h.t.Skip("not run: needs a net.core.optmem_max of the namespace's own (Linux 6.7)")
		}
		require.NoError(h.t, err)
	})
}

// bigFilter takes UDP of more than 150 bytes, by some 600 instructions.
func bigFilter() string {
	words := []string{"udp"}
	for i := range 100 {
		words = append(words, fmt.Sprintf("ip[%d] + ip[%d] * len > 70000000", i%60+8, i*7%60+8))
	}
	return "greater 150 and (" + strings.Join(words, " or ") + ")"
}

// TestRefusedFilter captures with a filter that the kernel refuses, and what it takes is
// what the kernel takes of it, by tcpdump's word.
func TestRefusedFilter(t *testing.T) {
	const small, big = 40, 60
	for name, tt := range map[string]struct {
		args   []string
		optmem int
	}{
		"interface": {[]string{"-i", "c0"}, 4000},
		"nothing":   {[]string{"-i", "c0"}, 0}, // not even what tells directions apart
		"threads":   {[]string{"-i", "c0", "--threads", "2"}, 4000},
		"one":       {[]string{"-i", "c0", "--threads", "2"}, 0},
		"in":        {[]string{"-i", "c0", "-Q", "in"}, 0},
		"any":       {[]string{"-i", "any"}, 0},
		"several":   {[]string{"-i", "c0", "-i", "lo"}, 4000},
		"snaplen":   {[]string{"-i", "c0", "-s", "60"}, 4000},
		"pcap":      {[]string{"-i", "c0", "--format", "pcap"}, 4000},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.setOptmem(tt.optmem)
			dir := filepath.Join(h.dir, "set")
			p := h.capture(append(append([]string{"--name", "r", "--dir", dir, "-W", "20"}, tt.args...), bigFilter())...)
			p.says("netcap runs the filter itself, on every packet of the interface: the kernel refuses it")
			send := func() {
				require.Equal(t, small, h.peer.Flood(t, "g0", 100, small))
				require.Equal(t, big, h.peer.Flood(t, "g0", 200, big))
				if name == "in" { // what goes out isn't wanted
					h.net.Send(t, "c0", testenv.UDPFrame(1, 200))
				}
			}
			wait := func(n int64) (s captureStatus) {
				require.Eventually(t, func() bool {
					s = h.statusOf("r")
					return s.Packets.Written == n*big && s.Packets.Rejected >= n*small
				}, patience, 10*time.Millisecond)
				return s
			}
			send()
			s := wait(1)
			assert.Equal(t, "netcap", s.FilteredBy)
			assert.Contains(t, s.FilterRefused[0], "the kernel refuses the filter's program of ")
			assert.Contains(t, h.does("status", "r"), "r runs the filter itself, which did not take ")
			h.does("rotate", "r")
			if name == "several" { // each datagram there is seen once
				h.net.Do(func() {
					c, err := net.Dial("udp4", "127.0.0.1:9")
					require.NoError(t, err)
					_, err = c.Write(make([]byte, 200))
					require.NoError(t, err)
					require.NoError(t, c.Close())
				})
			}
			if strings.Contains(name, "interface") { // it goes and comes back
				h.net.Delete(t, "c0")
				p.says("the interface was deleted")
				testenv.NewVeth(t, h.peer, h.net, "g0", "c0")
				require.Eventually(t, func() bool { return h.statusOf("r").State == stateCapturing }, patience, 10*time.Millisecond)
				send()
				wait(2)
			}
			captured, received, dropped := summary(t, p.stop())
			assert.Regexp(t, `\d+ packets not taken by the filter, which the kernel refused and netcap ran`, p.stderr.String())
			assert.Equal(t, received, captured+dropped)
			assert.Zero(t, dropped)
			files := filepathGlob(t, dir+"/r-*")
			lines, matching := 0, 0
			for _, f := range files {
				lines += tcpdumpLines(t, f)
				matching += strings.Count(run1(t, "tcpdump", "-nr", f, "udp and greater 150 or icmp"), "\n")
			}
			assert.Equal(t, captured, lines)
			assert.Equal(t, captured, matching)
			if name == "pcap" {
				return
			}
			assert.Contains(t, run1(t, "capinfos", files[0]), `Comment = netcap ran the filter itself: interface`)
			assert.Contains(t, run1(t, "capinfos", files[0]), "Filter string = greater 150 and (udp or ")
		})
	}
}

// TestRefusedFilterDisk has no room on the disk either: nothing that matches is uncounted.
func TestRefusedFilterDisk(t *testing.T) {
	h := newHost(t)
	h.setOptmem(4000)
	dir := tmpfs(t, "size=3m")
	p := h.capture("--name", "r", "-i", "c0", "-w", dir+"/x.pcapng", "--keep-free", "1MB", bigFilter())
	const small, big = 4000, 3000
	require.Equal(t, big, h.peer.Flood(t, "g0", 1500, big))
	require.Eventually(t, func() bool { return h.statusOf("r").State == statePaused }, patience, 10*time.Millisecond)
	require.Equal(t, small, h.peer.Flood(t, "g0", 100, small))
	require.Equal(t, big, h.peer.Flood(t, "g0", 1500, big))
	var s captureStatus
	require.Eventually(t, func() bool {
		s = h.statusOf("r")
		return s.Packets.Received+s.Packets.Rejected == 2*big+small
	}, patience, 10*time.Millisecond)
	p.signal(syscall.SIGINT)
	p.wait()
	assert.Positive(t, s.Packets.DroppedDisk)
	captured, received, dropped := summary(t, p.stderr.String())
	if dropped == 0 { // else nobody knows of which kind those were
		assert.Equal(t, 2*big, received)
		assert.Regexp(t, fmt.Sprintf(`(?m)^%d packets not taken by the filter`, small), p.stderr.String())
	}
	disk := 0
	if m := regexp.MustCompile(`(?m)^(\d+) packets dropped because`).FindStringSubmatch(p.stderr.String()); m != nil {
		disk, _ = strconv.Atoi(m[1])
	}
	assert.Equal(t, received, captured+dropped+disk)
	assert.Equal(t, captured, tcpdumpLines(t, dir+"/x.pcapng"))
}

// TestCheckFilter has check say what the kernel refuses, and what to set for it to take it.
func TestCheckFilter(t *testing.T) {
	h := newHost(t)
	check := func(args ...string) (filter string, out string) {
		out = h.does(append([]string{"check", "-i", "c0", "--json"}, args...)...)
		var c checkReport
		require.NoError(t, json.Unmarshal([]byte(out), &c))
		assert.True(t, c.Works)
		for _, r := range c.Checks {
			if r.Check == "filter" {
				filter = string(r.Verdict) + ": " + r.Text + " → " + r.Mend
			}
		}
		return filter, out
	}
	says, _ := check(bigFilter())
	assert.Regexp(t, `^ok: is \d+ instructions in the kernel`, says)
	h.setOptmem(4000)
	says, _ = check(bigFilter())
	m := regexp.MustCompile(`^warning: runs in netcap, on every packet of c0, at a higher cost: interface "c0": the kernel refuses the filter's program of \d+ instructions: cannot allocate memory \(net\.core\.optmem_max is 4000\) → sysctl -w net\.core\.optmem_max=(\d+)$`).FindStringSubmatch(says)
	require.NotNil(t, m, says)
	needs, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	h.setOptmem(needs)
	says, _ = check(bigFilter())
	assert.Regexp(t, `^ok: `, says)
	p := h.capture("-i", "c0", "-w", h.dir+"/x.pcapng", bigFilter())
	assert.NotContains(t, p.stop(), "itself", "and so does a capture, which ends with what it has")
	says, _ = check("protochain 6")
	assert.Contains(t, says, "warning: runs in netcap, on every packet of c0, at a higher cost: interface \"c0\": protochain needs a loop, which the kernel's filters don't have → make the filter shorter, or do without protochain")
	h.setOptmem(0)
	says, _ = check()
	assert.Contains(t, says, "warning: runs in netcap", "what tells directions apart")
}
