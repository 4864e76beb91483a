package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// TestAs tries as another user, in many goroutines at once, while others stay root.
func TestAs(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	try := func() error {
		f, err := os.Create(filepath.Join(dir, "x"))
		if err != nil {
			return err
		}
		return f.Close()
	}
	u := &User{Name: "nobody", UID: nobody, GID: nobody, Groups: []int{nobody, 12345}}
	groups, err := os.Getgroups()
	require.NoError(t, err)
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			if n%2 == 0 {
				assert.NoError(t, try())
				assert.Zero(t, os.Geteuid())
				return
			}
			err := As(u, func() error {
				assert.Equal(t, nobody, os.Geteuid())
				assert.Equal(t, nobody, os.Getegid())
				now, err := os.Getgroups()
				assert.NoError(t, err)
				assert.ElementsMatch(t, u.Groups, now)
				runtime.Gosched()
				return try()
			})
			assert.ErrorIs(t, err, os.ErrPermission)
			assert.NoError(t, try())
		})
	}
	wg.Wait()
	now, err := os.Getgroups()
	require.NoError(t, err)
	assert.Equal(t, groups, now)
	failed := errors.New("why")
	require.ErrorIs(t, As(nil, func() error { return failed }), failed)
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	require.NoError(t, err)
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err == nil { // else the thread has ended
			assert.Contains(t, string(b), "\nUid:\t0\t0\t0\t0\n")
		}
	}
}
