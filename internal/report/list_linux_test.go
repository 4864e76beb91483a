package report_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"golang.org/x/sys/unix"

	"netcap/internal/report"
	"netcap/pcapfile"
)

// TestListOpen holds the lock of one set of two. Such a lock belongs to the
// open file: it is another's as well if it was opened in this process.
func TestListOpen(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a-20261123T130405Z-000001.pcapng", "a-20261123T130505Z-000002.pcapng", "b-20261123T130405Z-000001.pcapng"} {
		write(t, dir, name, packetsOfTwo())
	}
	states := func() (s []report.State) {
		for _, f := range files(t, dir) {
			s = append(s, f.state)
		}
		return s
	}
	unlocked := []report.State{report.Recovered, report.Recovered, report.Recovered}
	assert.Equal(t, unlocked, states(), "no lock file")

	lock, err := os.OpenFile(filepath.Join(dir, ".a.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer lock.Close()
	assert.Equal(t, unlocked, states(), "a lock file that nobody holds")

	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	assert.Equal(t, []report.State{report.Recovered, report.Open, report.Recovered}, states())

	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_UN))
	assert.Equal(t, unlocked, states())
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), "List lets go of the lock")
}

// TestListHole takes blocks of a closed file away, as a power cut does: what the file system
// knows to be missing is looked at, however much there is to read.
func TestListHole(t *testing.T) {
	report.JudgeByEnds(t)
	dir := t.TempDir()
	ns := start.UnixNano()
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap 1.0"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet})
	for n := range int64(1000) {
		b = pcapfile.AppendPacket(b, 0, ns+n, make([]byte, 1000), 1000, 0)
	}
	b = pcapfile.AppendStatistics(b, 0, ns, &pcapfile.Statistics{Delivered: pcapfile.Count(1000), DroppedByOS: pcapfile.Count(0)})
	path := write(t, dir, "eth0-20261123T130405Z-000001.pcapng", b)
	all, err := report.List(report.Place{Path: dir})
	require.NoError(t, err)
	assert.Equal(t, report.Closed, all[0].State)

	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 1<<19, 1<<16))
	info, err := report.Info(path, nil)
	require.Error(t, err)
	all, err = report.List(report.Place{Path: dir})
	require.NoError(t, err)
	assert.Equal(t, report.Suspect, all[0].State)
	assert.Equal(t, info.Reason, all[0].Reason)
	assert.Equal(t, report.ByContent, all[0].JudgedBy)
	assert.Equal(t, info.Packets, *all[0].Packets)
}
