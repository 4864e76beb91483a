package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/journal"
	"netcap/internal/testenv"
)

const patience = 30 * time.Second

// line is what a line of a journal holds, of which the tests look at some.
type line struct {
	Start, Ended time.Time
	Client       struct {
		Address netip.Addr
		Port    uint16
	}
	CallingAE  string `json:"calling_ae"`
	CalledAE   string `json:"called_ae"`
	Result     string
	Incomplete bool
	Packet     struct {
		File   string
		Packet int64
	}
	Findings []struct{ ID string }
	Skipped  *struct {
		Files  []string
		Reason string
	}
}

// expectation is what of an association expected.json says.
type expectation struct {
	Client     string `json:"client"`
	ClientPort uint16 `json:"client_port"`
	Calling    string `json:"calling"`
	Called     string `json:"called"`
}

func expected(t *testing.T) map[string][]expectation {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "dicom", "expected.json"))
	require.NoError(t, err)
	var all struct {
		Captures map[string]struct {
			Wire struct{ Associations []expectation }
		}
	}
	require.NoError(t, json.Unmarshal(b, &all))
	list := make(map[string][]expectation)
	for name, c := range all.Captures {
		list[name] = c.Wire.Associations
	}
	return list
}

// keeper is a journal.Keeper of a test, and what it logs.
type keeper struct {
	*journal.Keeper
	t    *testing.T
	path string
	log  *testenv.Output
}

func newKeeper(t *testing.T, command ...string) *keeper {
	t.Helper()
	return newKeeperIn(t, t.TempDir(), command...)
}

func newKeeperIn(t *testing.T, dir string, command ...string) *keeper {
	t.Helper()
	if len(command) == 0 {
		command = []string{testenv.Netcap(t), journal.Argument}
	}
	k := &keeper{t: t, path: filepath.Join(dir, "journal.jsonl"), log: &testenv.Output{}}
	var err error
	k.Keeper, err = journal.New(&journal.Config{
		Path: k.path, Command: command, Log: slog.New(slog.NewTextHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	return k
}

// lines are those of the journal by now.
func (k *keeper) lines() (all []line) {
	k.t.Helper()
	b, err := os.ReadFile(k.path)
	require.NoError(k.t, err)
	for text := range strings.Lines(string(b)) {
		var l line
		require.NoError(k.t, json.Unmarshal([]byte(text), &l), text)
		all = append(all, l)
	}
	return all
}

func (k *keeper) close() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(k.t, k.Close(ctx), k.log)
}

// associations are the lines of associations by now.
func (k *keeper) associations() (some []line) {
	k.t.Helper()
	for _, l := range k.lines() {
		if !l.Start.IsZero() {
			some = append(some, l)
		}
	}
	return some
}

// reader is the process that reads now.
func (k *keeper) reader() (pid int) {
	k.t.Helper()
	require.Eventually(k.t, func() bool {
		text := k.log.String()
		_, err := fmt.Sscanf(text[strings.LastIndex(text, "pid=")+1:], "id=%d", &pid)
		return err == nil && syscall.Kill(pid, 0) == nil
	}, patience, time.Millisecond)
	return pid
}

// copyOf is a copy of a capture of the corpus, as root would write it.
func copyOf(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "dicom", name))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

// TestJournal has each of the corpus's captures be what is captured: each association has
// its line.
func TestJournal(t *testing.T) {
	testenv.Root(t)
	for name, want := range expected(t) {
		k := newKeeper(t)
		k.Start()
		path := copyOf(t, name)
		k.Began(path)
		k.close()
		switch name {
		case "container_gone.pcap":
			require.Len(t, k.lines(), 1)
			assert.Equal(t, "arp-unanswered", k.lines()[0].Findings[0].ID)
		case "server_down.pcap":
			require.Len(t, k.lines(), 1)
			assert.Equal(t, "connection-refused", k.lines()[0].Findings[0].ID)
		}
		lines := k.associations()
		slices.SortFunc(lines, func(x, y line) int { return x.Start.Compare(y.Start) })
		if !assert.Len(t, lines, len(want), name) {
			continue
		}
		var ids []string
		for n, w := range want {
			got := &lines[n]
			assert.Equal(t, w.Client, got.Client.Address.String(), name)
			assert.Equal(t, w.ClientPort, got.Client.Port, name)
			assert.Equal(t, w.Calling, got.CallingAE, name)
			assert.Equal(t, w.Called, got.CalledAE, name)
			assert.Equal(t, path, got.Packet.File, name)
			for _, f := range got.Findings {
				ids = append(ids, f.ID)
			}
		}
		switch name {
		case "rj_called_ae.pcap":
			assert.Equal(t, []string{"association-rejected"}, ids)
		case "store_big.pcap":
			assert.Empty(t, ids)
		}
	}
}

// TestGrowing has a file grow, in pieces that end anywhere: lines come while it does, of
// what has ended though no later packet shows it.
func TestGrowing(t *testing.T) {
	testenv.Root(t)
	k := newKeeper(t)
	k.Start()
	b, err := os.ReadFile(copyOf(t, "mixed.pcap"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "growing.pcap")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	k.Began(path)
	const pieces = 7
	for n := range pieces {
		_, err := f.Write(b[len(b)*n/pieces : len(b)*(n+1)/pieces])
		require.NoError(t, err)
		time.Sleep(50 * time.Millisecond)
	}
	require.NoError(t, f.Close())
	require.Eventually(t, func() bool { return len(k.lines()) == 4 }, patience, 10*time.Millisecond, k.log)
	k.close()
	assert.Len(t, k.lines(), 4)
}

// TestKilled has the reading process killed again and again while a file grows: each
// association has its line, once.
func TestKilled(t *testing.T) {
	testenv.Root(t)
	k := newKeeper(t)
	k.Start()
	last := 0
	dir := t.TempDir()
	names := []string{"find_ok.pcap", "mixed.pcap", "rj_table.pcap"} // in the order of time
	want := 0
	for n, name := range names {
		want += len(expected(t)[name])
		path := filepath.Join(dir, fmt.Sprintf("%d-%s", n, name))
		b, err := os.ReadFile(copyOf(t, name))
		require.NoError(t, err)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		k.Began(path)
		_, err = f.Write(b[:len(b)/2])
		require.NoError(t, err)
		require.Eventually(t, func() bool { return k.has(path) }, patience, 5*time.Millisecond, k.log)
		pid := k.reader()
		require.NotEqual(t, last, pid)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		last = pid
		_, err = f.Write(b[len(b)/2:])
		require.NoError(t, errors.Join(err, f.Close()))
		require.Eventually(t, func() bool { return k.reader() != pid && k.has(path) }, patience, 5*time.Millisecond, k.log)
	}
	k.close()
	lines := k.associations()
	assert.Len(t, lines, want, k.log)
	for _, l := range lines {
		assert.Nil(t, l.Skipped)
		assert.False(t, l.Incomplete)
	}
	assert.Equal(t, len(names), strings.Count(k.log.String(), "signal: killed"))
}

// has reports whether the reading process has a file open.
func (k *keeper) has(path string) bool {
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", k.reader()))
	require.NoError(k.t, err)
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == path {
			return true
		}
	}
	return false
}

// TestPoison has a process die of each file that it is given: after the second death of one
// the next is tried, and the journal says what it lacks.
func TestPoison(t *testing.T) {
	testenv.Root(t)
	// A process that asks as Main does, and dies with the file in its hands.
	const script = `import socket, sys
s = socket.socket(fileno=0)
s.send(b"n")
print("key {\"calling_ae\":\"once\"}", flush=True)
data, fds, _, _ = socket.recv_fds(s, 5000, 1)
if not data: sys.exit(0)
sys.exit("dies of " + data[1:].decode().rsplit("/", 1)[-1])`
	k := newKeeper(t, testenv.Program(t, "python3"), "-c", script)
	one, two := copyOf(t, "echo_ok.pcap"), copyOf(t, "find_ok.pcap")
	k.Began(one)
	k.Began(two)
	k.Start()
	require.Eventually(t, func() bool { return len(k.lines()) >= 3 }, patience, 10*time.Millisecond, k.log)
	k.close()
	var skipped []string
	lines := 0
	for _, l := range k.lines() {
		if l.Skipped == nil {
			lines++
			continue
		}
		skipped = append(skipped, l.Skipped.Files...)
		assert.Contains(t, l.Skipped.Reason, "dies of "+filepath.Base(l.Skipped.Files[0]))
	}
	assert.Equal(t, []string{one, two}, skipped)
	assert.LessOrEqual(t, lines, 3) // once a file, though each process says it
}

// TestDeleted has a file be deleted before it is read.
func TestDeleted(t *testing.T) {
	testenv.Root(t)
	k := newKeeper(t)
	gone, there := filepath.Join(t.TempDir(), "gone.pcapng"), copyOf(t, "echo_ok.pcap")
	k.Began(gone)
	k.Began(there)
	k.Start()
	k.close()
	lines := k.lines()
	require.Len(t, lines, 2)
	require.NotNil(t, lines[0].Skipped)
	assert.Equal(t, []string{gone}, lines[0].Skipped.Files)
	assert.Equal(t, "CT01", lines[1].CallingAE)
}

// TestCompressed has a file be compressed before it is read.
func TestCompressed(t *testing.T) {
	testenv.Root(t)
	k := newKeeper(t)
	path := copyOf(t, "echo_ok.pcap")
	require.NoError(t, exec.Command(testenv.Program(t, "gzip"), path).Run())
	k.Began(path)
	k.Start()
	k.close()
	require.Len(t, k.lines(), 1)
	assert.Equal(t, path, k.lines()[0].Packet.File)
}

// TestFull has no room for the journal: that is said once, and nothing else happens.
func TestFull(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	require.NoError(t, unix.Mount("netcap-test", dir, "tmpfs", 0, "size=4k"))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, 0)) })
	k := newKeeperIn(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 4096), 0o600))
	for range 3 {
		k.Began(copyOf(t, "echo_ok.pcap"))
	}
	k.Start()
	k.close()
	assert.Equal(t, 1, strings.Count(k.log.String(), "level=ERROR"), k.log)
	assert.Contains(t, k.log.String(), "no space left on device")
}

// TestRefused has journals that can't be, and one that somebody else has put there.
func TestRefused(t *testing.T) {
	victim, link := filepath.Join(t.TempDir(), "victim"), filepath.Join(t.TempDir(), "journal")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	require.NoError(t, os.Symlink(victim, link))
	_, err := journal.New(&journal.Config{Path: link})
	assert.ErrorContains(t, err, "alone, and is left as it is: choose another with --dicom-journal")
	b, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(b))
	_, err = journal.New(&journal.Config{Path: filepath.Join(t.TempDir(), "no", "journal")})
	assert.ErrorContains(t, err, "no such file or directory: choose another with --dicom-journal")
}

// TestDamaged has a file that is none: it is said, and the next one is read.
func TestDamaged(t *testing.T) {
	testenv.Root(t)
	k := newKeeper(t)
	bad := filepath.Join(t.TempDir(), "bad.pcapng")
	require.NoError(t, os.WriteFile(bad, []byte(strings.Repeat("no capture ", 100)), 0o600))
	k.Began(bad)
	k.Began(copyOf(t, "echo_ok.pcap"))
	k.Start()
	k.close()
	assert.Contains(t, k.log.String(), "bad.pcapng")
	assert.Len(t, k.lines(), 1)
}
