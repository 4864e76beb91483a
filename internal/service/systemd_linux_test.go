package service

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// A machine on which netcap is installed, with the interface c0 to capture on, whose
// other end is the peer's p0.
type booted struct {
	*testenv.Systemd
	peer *testenv.Namespace
}

func boot(t *testing.T) *booted {
	here, peer := testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, peer, here, "p0", "c0")
	b := &booted{here.BootSystemd(t), peer}
	b.Put(t, testenv.Netcap(t), "/usr/local/bin/netcap")
	return b
}

type packets struct {
	Received, Written int64
	DroppedKernel     int64 `json:"dropped_kernel"`
	DroppedDisk       int64 `json:"dropped_disk"`
}

// packets is what netcap status, run by root beside the service, says of c0.
func (b *booted) packets(t *testing.T) packets {
	var all []struct {
		Name, State string
		Packets     packets
	}
	require.NoError(t, json.Unmarshal([]byte(b.Run(t, "netcap", "status", "--json", "c0")), &all))
	require.Len(t, all, 1)
	return all[0].Packets
}

// flood sends n packets and waits until the service has them.
func (b *booted) flood(t *testing.T, n int) {
	before := b.packets(t).Written
	require.Equal(t, n, b.peer.Flood(t, "p0", 200, n))
	b.await(t, func() bool { return b.packets(t).Written == before+int64(n) })
}

// await waits for what comes by itself; the limit is for when it doesn't.
func (b *booted) await(t *testing.T, done func() bool) {
	t.Helper()
	require.Eventually(t, done, time.Minute, 50*time.Millisecond)
}

func (b *booted) property(t *testing.T, name string) string {
	return b.Run(t, "systemctl", "show", "--value", "--property", name, "netcap-c0.service")
}

// journal is what systemd's journal has of c0's service.
func (b *booted) journal(t *testing.T, args ...string) string {
	return b.Run(t, append([]string{"journalctl", "--unit", "netcap-c0.service", "--output", "cat"}, args...)...)
}

// files counts, by capinfos, the packets in the files of c0.
func (b *booted) files(t *testing.T) (total int) {
	files, err := filepath.Glob(b.Path("/var/lib/netcap/c0/*.pcapng"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		out, err := exec.Command(testenv.Program(t, "capinfos"), "-TrcM", f).CombinedOutput()
		require.NoError(t, err, "%s", out)
		fields := strings.Fields(string(out))
		n, err := strconv.Atoi(fields[len(fields)-1])
		require.NoError(t, err, "%s", out)
		total += n
	}
	return total
}

// What netcap service install writes is run by systemd as it says: confined, watched,
// started again when it is killed, and stopped without a loss.
func TestService(t *testing.T) {
	testenv.Root(t)
	testenv.Program(t, "capinfos")
	b := boot(t)
	out := b.Run(t, "netcap", "service", "install", "-i", "c0", "--keep-free", "1", "udp")
	assert.Contains(t, out, "netcap-c0.service runs (/etc/systemd/system/netcap-c0.service)")
	assert.Equal(t, "active", b.Run(t, "systemctl", "is-active", "netcap-c0.service"))
	assert.Equal(t, "enabled", b.Run(t, "systemctl", "is-enabled", "netcap-c0.service"))
	assert.Equal(t, "1min", b.property(t, "WatchdogUSec"))
	assert.NotEmpty(t, b.property(t, "WatchdogTimestamp"), "it is alive")
	b.flood(t, 1000)

	pid := b.property(t, "MainPID")
	status := b.Run(t, "cat", "/proc/"+pid+"/status")
	for _, set := range []string{"CapPrm", "CapEff", "CapBnd"} {
		assert.Contains(t, status, set+":\t0000000000002000\n", "CAP_NET_RAW is bit 13, capability.h")
	}
	assert.Contains(t, status, "CapInh:\t0000000000000000\n")
	assert.Contains(t, status, "CapAmb:\t0000000000000000\n")
	assert.Contains(t, status, "NoNewPrivs:\t1\n")
	assert.Contains(t, status, "Seccomp:\t2\n")
	assert.Contains(t, b.journal(t), `msg=confined enforced="Landlock, no_new_privs, capabilities CAP_NET_RAW, seccomp"`)
	assert.Equal(t, []string{"netcap", "netcap"}, strings.Fields(b.Run(t, "ps", "-o", "user=,group=", "-p", pid)))
	assert.Equal(t, "netcap 700", b.Run(t, "stat", "-c", "%U %a", "/var/lib/netcap/c0"))
	assert.Equal(t, "netcap:x", strings.Join(strings.Split(b.Run(t, "getent", "passwd", "netcap"), ":")[:2], ":"))

	// SIGHUP re-opens a log: the journal is one.
	b.Run(t, "systemctl", "reload", "netcap-c0.service")
	b.flood(t, 1)
	assert.Equal(t, pid, b.property(t, "MainPID"))

	b.Run(t, "kill", "-KILL", pid)
	b.await(t, func() bool {
		again := b.property(t, "MainPID")
		return again != pid && again != "0" && b.property(t, "ActiveState") == "active"
	})
	assert.Equal(t, "1", b.property(t, "NRestarts"))
	b.flood(t, 500)
	var gaps []struct{ Cause string }
	text, err := b.Try(t, "netcap", "gaps", "--json", "c0")
	assert.Error(t, err, "there is a gap")
	require.NoError(t, json.Unmarshal([]byte(text), &gaps), text)
	require.Len(t, gaps, 1)
	assert.Equal(t, "killed", gaps[0].Cause)

	// The journal knows what is a warning.
	b.Run(t, "ip", "link", "set", "c0", "down")
	b.await(t, func() bool { return strings.Contains(b.journal(t), "the interface is down") })
	assert.NotContains(t, b.journal(t, "--priority", "warning"), "msg=capturing")
	assert.Equal(t, "msg=\"the interface is down; waiting for it to come up\" interface=c0", b.journal(t, "--priority", "warning", "--lines", "1"))
	assert.Contains(t, b.journal(t, "--priority", "info"), "msg=capturing")

	b.Run(t, "systemctl", "stop", "netcap-c0.service")
	assert.Equal(t, "success", b.property(t, "Result"))
	assert.Equal(t, "0", b.property(t, "ExecMainStatus"))
	assert.Equal(t, "inactive", b.property(t, "ActiveState"))
	assert.Contains(t, b.journal(t), "500 packets captured\n500 packets received by filter\n0 packets dropped by kernel\n")
	assert.Equal(t, 1501, b.files(t))

	b.Run(t, "systemctl", "start", "netcap-c0.service")
	b.Run(t, "netcap", "service", "uninstall", "c0")
	_, err = b.Try(t, "systemctl", "cat", "netcap-c0.service")
	assert.Error(t, err)
	assert.Equal(t, "inactive", b.property(t, "ActiveState"))
	_, err = os.Lstat(b.Path("/etc/systemd/system/multi-user.target.wants/netcap-c0.service"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, 1501, b.files(t), "what it captured stays")
}

// A service keeps a DICOM journal too: its sandbox lets the reading process have its own.
func TestServiceDICOMJournal(t *testing.T) {
	testenv.Root(t)
	f, err := os.Open(filepath.Join(testenv.Corpus(t), "dicom", "echo_ok.pcap"))
	require.NoError(t, err)
	defer f.Close()
	b := boot(t)
	b.Run(t, "netcap", "service", "install", "-i", "c0", "--keep-free", "1", "--dicom-journal", "/var/lib/netcap/dicom.jsonl")
	r, err := pcapfile.NewReader(f)
	require.NoError(t, err)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		b.peer.Send(t, "p0", p.Data)
	}
	path := b.Path("/var/lib/netcap/dicom.jsonl")
	b.await(t, func() bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.Count(string(text), "\n") == 1
	})
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"calling_ae":"CT01","called_ae":"PACS","result":"accepted"`)
	assert.Empty(t, b.journal(t, "--priority", "warning"))
	reader := b.Run(t, "pgrep", "--full", "dicom-journal-reader")
	status := b.Run(t, "cat", "/proc/"+reader+"/status")
	assert.Contains(t, status, "CapEff:\t0000000000000000\n")
	assert.Contains(t, status, "NoNewPrivs:\t1\n")
	b.Run(t, "systemctl", "stop", "netcap-c0.service")
	assert.Equal(t, "success", b.property(t, "Result"))
}

// What won't mend itself is not tried again.
func TestServiceRefused(t *testing.T) {
	testenv.Root(t)
	b := boot(t)
	require.NoError(t, os.Mkdir(b.Path("/srv/root"), 0o700))
	out, err := b.Try(t, "netcap", "service", "install", "-i", "c0", "--dir", "/srv/root")
	require.Error(t, err)
	assert.Contains(t, out, "/etc/systemd/system/netcap-c0.service is installed and doesn't run")
	assert.Contains(t, out, "see journalctl -u netcap-c0.service")
	assert.Equal(t, "failed", b.property(t, "ActiveState"), "and not activating")
	assert.Equal(t, "4", b.property(t, "ExecMainStatus"))
	assert.Contains(t, b.journal(t), "/srv/root: permission denied")

	// One that may write there is found by its name, by root and while it doesn't run too.
	b.Run(t, "netcap", "service", "uninstall", "c0")
	require.NoError(t, os.Mkdir(b.Path("/srv/own"), 0o700))
	b.Run(t, "chown", "netcap:", "/srv/own")
	b.Run(t, "netcap", "service", "install", "-i", "c0", "--keep-free", "1", "--dir", "/srv/own", "udp")
	b.flood(t, 100)
	assert.Equal(t, "complete: nothing is known to be missing", b.Run(t, "netcap", "gaps", "c0"))
	b.Run(t, "systemctl", "stop", "netcap-c0.service")
	assert.Contains(t, b.Run(t, "netcap", "list", "--json", "c0"), `"path": "/srv/own/c0-`)
	assert.NotContains(t, b.journal(t), "can't be noted")
}
