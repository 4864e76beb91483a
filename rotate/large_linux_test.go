package rotate

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLargeFile has a file grow beyond 2 GiB, and be opened then, where os.Root doesn't ask for
// that by itself: on 32-bit processors.
func TestLargeFile(t *testing.T) {
	d, err := openDirectory(t.TempDir(), false, 0)
	require.NoError(t, err)
	defer d.close()
	f, err := d.create("x")
	require.NoError(t, err)
	const beyond = 3 << 30
	n, err := f.WriteAt([]byte("end"), beyond)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	require.NoError(t, f.Close())
	st, err := d.root.Stat("x")
	require.NoError(t, err)
	assert.EqualValues(t, int64(beyond)+3, st.Size())
	require.NoError(t, d.shareFile("x", os.Getegid()))
	require.NoError(t, HandOverFile(d.path, "x", os.Geteuid(), os.Getegid()))
}
