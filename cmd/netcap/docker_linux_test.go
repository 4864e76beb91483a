package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// dockerHost is a host with a Docker engine, and an image pacs of a DICOM server.
type dockerHost struct {
	*host
	docker *testenv.Docker
}

func newDockerHost(t *testing.T) *dockerHost {
	h := &dockerHost{host: &host{t: t, net: testenv.NewNamespace(t)}}
	h.docker = h.net.StartDocker(t)
	t.Setenv("DOCKER_HOST", h.docker.Host)
	h.makeDirs()
	dictionary, err := filepath.Glob("/usr/share/libdcmtk*")
	require.NoError(t, err)
	h.docker.Import(t, "pacs", append([]string{testenv.Program(t, "storescp")}, dictionary...)...)
	return h
}

// runServer runs the DICOM server in a container with more arguments for docker run.
func (h *dockerHost) runServer(args ...string) {
	h.t.Helper()
	args = append([]string{"run", "-d", "--tmpfs", "/data"}, args...)
	// It would ask the network's name server, which has nobody to ask.
	h.docker.Run(h.t, append(args, "pacs", testenv.Program(h.t, "storescp"), "--disable-host-lookup", "--fork", "-od", "/data", "104")...)
}

func (h *dockerHost) address(container, network string) string {
	h.t.Helper()
	return h.docker.Run(h.t, "inspect", "-f", fmt.Sprintf("{{(index .NetworkSettings.Networks %q).IPAddress}}", network), container)
}

// echo sends a DICOM echo to a server, as soon as it listens.
func (h *dockerHost) echo(address string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		cmd := exec.Command(testenv.Program(h.t, "echoscu"), address, "104")
		require.NoError(h.t, h.net.Start(cmd))
		return cmd.Wait() == nil
	}, patience, 100*time.Millisecond)
}

// echoes is how many DICOM echoes of a capture were answered, as tshark sees it.
func echoes(t *testing.T, path string) int {
	return strings.Count(run1(t, "tshark", "-r", path, "-Y", "dicom"), "C-ECHO-RSP")
}

// A container is followed through a restart, after which its interface is another, and
// its name is in the files.
func TestFollowContainer(t *testing.T) {
	h := newDockerHost(t)
	h.runServer("--name", "pacs")
	h.runServer("--name", "other")
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "container:pacs", "-w", path)
	h.echo(h.address("pacs", "bridge"))
	h.echo(h.address("other", "bridge")) // which is another's
	h.docker.Run(t, "restart", "-t", "0", "pacs")
	p.says("was deleted")
	p.says("is back")
	h.echo(h.address("pacs", "bridge"))
	captured, received, dropped := summary(t, p.stop())
	assert.Equal(t, received, captured)
	assert.Zero(t, dropped)
	assert.Equal(t, 2, echoes(t, path))
	assert.Equal(t, captured, tcpdumpLines(t, path))

	info := run1(t, "capinfos", path)
	assert.Contains(t, info, "Number of interfaces in file: 2")
	assert.Contains(t, info, "Description = container:pacs")
	assert.Contains(t, run1(t, "tshark", "-r", path, "-N", "n", "-T", "fields", "-e", "ip.dst_host"), "pacs\n")
	read := h.does("read", path, "tcp port 104")
	assert.Regexp(t, ` > pacs:104: Flags \[S\]`, read)
	assert.Regexp(t, ` pacs:104 > `, read)
	numbers := h.does("read", "-n", path, "tcp port 104")
	assert.NotContains(t, numbers, "pacs")
	assert.Equal(t, strings.Count(read, "\n"), strings.Count(numbers, "\n"))
}

// The bridge of a network that is removed and made anew has another name.
func TestFollowNetwork(t *testing.T) {
	h := newDockerHost(t)
	p := h.capture("-i", "docker:lab", "--name", "lab", "tcp", "port", "104")
	p.says("there are bridge, host, none")
	for range 2 {
		h.docker.Run(t, "network", "create", "lab")
		p.says("is back")
		p.stderr.Forget()
		h.runServer("--name", "pacs", "--network", "lab")
		h.echo(h.address("pacs", "lab"))
		assert.Equal(t, []string{"docker:lab"}, h.statusOf("lab").Interfaces)
		bridge := h.statusOf("lab").Devices[0]
		assert.Regexp(t, `^br-[0-9a-f]{12}$`, bridge)
		assert.Equal(t, 1, h.net.Promiscuity(t, bridge))
		h.docker.Run(t, "rm", "-f", "pacs")
		h.docker.Run(t, "network", "rm", "lab")
		p.says("was deleted")
	}
	captured, _, dropped := summary(t, p.stop())
	assert.NotZero(t, captured)
	assert.Zero(t, dropped)
	path := h.merged(filepath.Join(h.lib, "netcap/lab"))
	assert.Equal(t, 2, echoes(t, path))
	gaps, complete := h.gapsOf("lab")
	assert.False(t, complete)
	// A bridge may be seen to go down before it goes.
	assert.Regexp(t, `^interface_gone( interface_down)? interface_gone( interface_down)? interface_gone not_running$`, causesOf(gaps))
}

// What can't be captured by such a name is refused with the way out, and what isn't
// there yet is waited for.
func TestDockerNames(t *testing.T) {
	h := newDockerHost(t)
	h.docker.Run(t, "network", "create", "a")
	h.docker.Run(t, "network", "create", "b")
	h.docker.Run(t, "network", "create", "-d", "macvlan", "-o", "parent=docker0", "vlan")
	h.runServer("--name", "pacs", "--network", "a")
	h.docker.Run(t, "network", "connect", "b", "pacs")
	h.runServer("--name", "hosted", "--network", "host")
	h.runServer("--name", "plain")
	work := filepath.Join(h.dir, "work")
	for name, says := range map[string]string{
		"container:pacs":     "-i container:pacs/a, -i container:pacs/b",
		"container:hosted":   "--network host",
		"docker:host":        "the machine's own interfaces",
		"docker:vlan":        "-i docker0",
		"docker:none":        "no bridge",
		"container:pacs/c%0": "-i container:pacs/a",
	} {
		args := []string{"-i", name, "--dir", work}
		if strings.HasSuffix(name, "%0") { // which may come yet
			args = append(args, "--format", "pcap")
		}
		status, _, stderr := h.netcap(args...)
		assert.Equal(t, exitFailed, status, name)
		assert.Contains(t, stderr, says)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}

	path := filepath.Join(h.dir, "b.pcapng")
	p := h.capture("-i", "container:pacs/b", "-w", path)
	h.echo(h.address("pacs", "a"))
	h.echo(h.address("pacs", "b"))
	summary(t, p.stop())
	assert.Equal(t, 1, echoes(t, path))

	// The list of interfaces says what they can be called.
	var all []interfaceReport
	require.NoError(t, json.Unmarshal([]byte(h.does("interfaces", "--json")), &all))
	behind := make(map[string]interfaceReport)
	for _, i := range all {
		behind[i.Name] = i
	}
	assert.Equal(t, "bridge", behind["docker0"].Network)
	assert.Equal(t, []string{"plain"}, behind["docker0"].Containers)
	assert.Equal(t, []string{"172.17.0.1/16"}, behind["docker0"].Addresses)
	assert.Equal(t, "up", behind["any"].State)
	veths := 0
	for name, i := range behind {
		if i.Kind != "veth" {
			continue
		}
		veths++
		link := h.net.Link(t, name)
		require.NotNil(t, link.Attributes.Master)
		assert.Len(t, i.Containers, 1)
		for _, bridge := range all {
			if bridge.Index == int(*link.Attributes.Master) {
				assert.Contains(t, bridge.Containers, i.Containers[0])
				assert.Equal(t, bridge.Network, i.Network)
			}
		}
	}
	assert.Equal(t, 3, veths)
	text := h.does("interfaces")
	assert.Regexp(t, `(?m)^docker0 +up +bridge +172\.17\.0\.1/16 +docker:bridge container:plain$`, text)

	// Without an engine there are still interfaces.
	t.Setenv("DOCKER_HOST", "unix://"+h.dir+"/none")
	assert.Contains(t, h.does("interfaces"), "docker0")
	status, _, stderr := h.netcap("-i", "container:pacs", "--format", "pcap", "--dir", work)
	assert.Equal(t, exitFailed, status)
	assert.Contains(t, stderr, "DOCKER_HOST")
	t.Setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
	status, _, stderr = h.netcap("-i", "container:pacs", "--dir", work)
	assert.Equal(t, exitUsage, status)
	assert.Contains(t, stderr, "unix:///PATH")
}

// Names come into the file that is being written.
func TestNamesOfNewContainers(t *testing.T) {
	h := newDockerHost(t)
	path := filepath.Join(h.dir, "x.pcapng")
	p := h.capture("-i", "docker0", "-w", path)
	h.runServer("--name", "late")
	h.echo(h.address("late", "bridge"))
	require.Eventually(t, func() bool {
		return strings.Contains(h.does("read", path), " > late:104: ")
	}, patience, 100*time.Millisecond)
	// A bridge made by other hands has no containers, and is captured all the same.
	h.net.Delete(t, "docker0")
	p.says("was deleted")
	ip := h.start(h.program("ip", "link", "add", "docker0", "type", "bridge"))
	ip.wait()
	require.Equal(t, "", ip.stderr.String())
	h.net.SetUp(t, "docker0")
	p.says("is back")
	p.stop()
	assert.Contains(t, run1(t, "tshark", "-r", path, "-N", "n", "-T", "fields", "-e", "ip.dst_host"), "late\n")
}
