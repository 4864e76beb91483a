package holds

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzHolds reads a file of holds that anybody may have written: it is refused, and left as
// it is, or more holds are added to those in it, and read again as they are.
func FuzzHolds(f *testing.F) {
	f.Add([]byte(`{"last":2,"holds":[{"id":2,"from":"2026-11-24T10:00:00Z","to":"2026-11-24T10:05:00Z","reason":"r","by":"root","made":"2026-11-24T10:06:00Z"}]}`), "ticket", "root")
	f.Add([]byte(`{"last":-1,"holds":null}`), "\x1b[2J", "")
	f.Add([]byte(`{"last":9223372036854775807}`), "\xff", "x")
	f.Add([]byte(`{"holds":[{"from":"9999-12-31T23:00:00-23:00"}]}`), "a", "b")
	f.Add([]byte(``), "", "")
	dir := f.TempDir()
	path := filepath.Join(dir, "x.holds")
	f.Fuzz(func(t *testing.T, content []byte, reason, by string) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		before, err := List(dir, "x")
		if err != nil {
			require.ErrorContains(t, err, path)
		}
		from := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
		added, addErr := Add(dir, "x", Hold{From: from, To: from.Add(time.Minute), Reason: reason, By: by, Made: from})
		if addErr != nil {
			now, readErr := os.ReadFile(path)
			require.NoError(t, readErr)
			require.Equal(t, string(content), string(now), "%v", addErr)
			return
		}
		require.NoError(t, err)
		require.Positive(t, added.ID)
		after, err := List(dir, "x")
		require.NoError(t, err)
		require.Len(t, after, len(before)+1)
		for i := range before {
			require.NotEqual(t, added.ID, before[i].ID)
			require.True(t, before[i].From.Equal(after[i].From) && before[i].To.Equal(after[i].To))
		}
		released, err := Release(dir, "x", added.ID)
		require.NoError(t, err)
		require.True(t, released.From.Equal(from))
	})
}
