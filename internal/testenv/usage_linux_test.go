package testenv

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	memory := make([]byte, 32<<20)
	for i := range memory {
		memory[i] = 1
	}
	before := UsageOf(t, os.Getpid())
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
		memory[0]++
	}
	time.Sleep(time.Millisecond)
	after := UsageOf(t, os.Getpid())
	assert.GreaterOrEqual(t, after.PeakMemory, int64(len(memory)))
	assert.Greater(t, after.CPU(), before.CPU())
	assert.Greater(t, after.Voluntary, before.Voluntary)
}

// The example of proc_pid_stat(5)'s trap: a program's name with spaces and a
// parenthesis, which shifts the fields of whoever splits at spaces.
func TestParseStat(t *testing.T) {
	u, err := parseStat([]byte("42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 31 0 0 20 0 5 0 100 1000 10\n"))
	require.NoError(t, err)
	assert.Equal(t, Usage{User: 2500 * time.Millisecond, System: 310 * time.Millisecond}, u)
	for _, bad := range []string{"", "42 (a", "42 (a) S 1 2 3", "42 (a) S 1 42 42 0 -1 4194560 100 0 0 0 x 31 0"} {
		_, err := parseStat([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestUsageOfNobody(t *testing.T) {
	cmd := exec.Command("true")
	require.NoError(t, cmd.Run())
	_, err := usageOf(cmd.Process.Pid)
	assert.ErrorIs(t, err, os.ErrNotExist)
}
