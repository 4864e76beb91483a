package input

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCutWhileItBeginsToWait cuts a file between the moment in which its end was reached and the
// one in which what stands there is remembered.
func TestCutWhileItBeginsToWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(path, make([]byte, 1000), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	was, err := f.Stat()
	require.NoError(t, err)
	tail := &tail{f: f, was: was, n: 1000, w: &follower{path: path}}
	require.NoError(t, os.Truncate(path, 10))
	tail.mark()
	assert.Equal(t, truncated, tail.over())
	require.NoError(t, os.Truncate(path, 2000))
	assert.Equal(t, truncated, tail.rewritten(), "it was written on since")
}
