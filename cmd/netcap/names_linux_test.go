package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// TestNames has names that no interface can have: that is an error of usage for every
// command, and nothing waits for one. The kernel is asked whether it takes them.
func TestNames(t *testing.T) {
	h := newHost(t)
	ip := testenv.Program(t, "ip")
	can := func(name string) bool {
		p := h.start(h.program(ip, "link", "add", "name", name, "type", "veth"))
		p.wait()
		if p.cmd.ProcessState.ExitCode() != 0 {
			return false
		}
		h.net.Delete(t, name)
		return true
	}
	for _, name := range []string{"", ".", "..", "a/b", "/", "a:b", "a b", " a", "a\t", "a\n", "a\u00a0b", "sixteen-bytes-16", strings.Repeat("x", 200)} {
		if name != "a\u00a0b" { // the kernel's isspace is Latin-1's; this isn't what somebody means
			assert.False(t, can(name), "%q", name)
		}
		for _, command := range [][]string{{}, {"check"}, {"start"}, {"service", "show"}, {"service", "install"}, {"-d"}} {
			status, _, stderr := h.netcap(append(command, "-i", name)...)
			assert.Equal(t, exitUsage, status, "%q %v", name, command)
			assert.Regexp(t, `^netcap: -i: .*(no interface can have that name|the name is empty)`, stderr)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		}
	}
	for _, name := range []string{"docker:", "container:", "container:a b"} {
		status, _, stderr := h.netcap("-i", name)
		assert.Equal(t, exitUsage, status, name)
		assert.Contains(t, stderr, "a network or container has a name")
	}
	for _, name := range []string{"fifteen-bytes-1", "a,b", "eth0.5", "ä"} {
		assert.True(t, can(name), name)
		assert.Contains(t, h.does("check", "-i="+name), "no such interface; there are ", "a capture waits for it")
	}
	for _, name := range []string{"docker:none", "container:none", "container:none/net"} {
		assert.Contains(t, h.does("check", "-i", name), "warning  interface "+name)
	}
}

// TestAltName captures on an interface by the alternative names that the kernel knows, of up
// to 127 bytes, and follows it when it is deleted and made anew.
func TestAltName(t *testing.T) {
	h := newHost(t)
	ip := testenv.Program(t, "ip")
	long := "enx-" + strings.Repeat("x", 123)
	add := func(names ...string) {
		for _, name := range names {
			p := h.start(h.program(ip, "link", "property", "add", "dev", "c0", "altname", name))
			p.wait()
			require.Equal(t, 0, p.cmd.ProcessState.ExitCode(), p.stderr.String())
		}
	}
	status, _, _ := h.netcap("check", "-i", long)
	assert.Equal(t, exitUsage, status)
	add("short", long)
	assert.Contains(t, h.does("check", "-i", long), "is c0 now, which can be captured by ring")
	for _, name := range []string{"short", long} {
		dir := h.dir + "/" + name[:4]
		p := h.capture("--name", "alt", "-i", name, "--dir", dir, "udp")
		h.peer.Flood(t, "g0", 100, 5)
		h.awaitWritten("alt", 5)
		h.net.Delete(t, "c0")
		p.says("the interface was deleted")
		testenv.NewVeth(t, h.peer, h.net, "g0", "c0")
		add("short", long)
		require.Eventually(t, func() bool { return h.statusOf("alt").State == stateCapturing }, patience, patience/1000)
		h.peer.Flood(t, "g0", 100, 5)
		h.awaitWritten("alt", 10)
		p.stop()
		file := h.file(dir + "/*.pcapng")
		assert.Contains(t, run1(t, "capinfos", file), "Name = c0")
		assert.Contains(t, run1(t, "capinfos", file), "Description = "+name)
		assert.Equal(t, 10, tcpdumpLines(t, file))
	}
}
