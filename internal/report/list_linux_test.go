package report_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/report"
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
