package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestActs has acts come from a run, and from others between runs: they change no gap, the last
// of them are kept, and what somebody else made of the file is left alone.
func TestActs(t *testing.T) {
	dir := t.TempDir()
	open := func() *Ledger {
		l, err := Open(&Config{Dir: dir, Name: "x", Beat: time.Hour, Flush: time.Second, Sync: 5 * time.Second})
		require.NoError(t, err)
		return l
	}
	read := func() *Record {
		r, err := Read(dir, "x", false, time.Now())
		require.NoError(t, err)
		return r
	}
	require.ErrorIs(t, Append(dir, "x", Act{What: "extract"}), os.ErrNotExist)
	l := open()
	l.Did(Act{What: "hold", Text: strings.Repeat("ä", 1000)})
	require.NoError(t, l.Close())
	r := read()
	require.Len(t, r.Acts, 1)
	assert.Less(t, len(r.Acts[0].Text), 300)
	gaps := len(r.Gaps)
	for n := range mostActs + 100 {
		require.NoError(t, Append(dir, "x", Act{What: "extract", Text: fmt.Sprint(n)}))
	}
	r = read()
	assert.Len(t, r.Gaps, gaps)
	require.Len(t, r.Acts, mostActs)
	assert.Equal(t, fmt.Sprint(mostActs+99), r.Acts[mostActs-1].Text)
	require.NoError(t, open().Close())
	require.Len(t, read().Acts, mostActs)

	path := filepath.Join(dir, "x.ledger")
	require.NoError(t, os.Truncate(path, 4*most+1))
	require.ErrorIs(t, Append(dir, "x", Act{What: "extract"}), errFull)
	require.NoError(t, os.Rename(path, path+".real"))
	require.NoError(t, os.Symlink(path+".real", path))
	require.Error(t, Append(dir, "x", Act{What: "extract"}), "a link isn't followed")
}
