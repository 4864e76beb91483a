package holds

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func holdOf(from, to string) Hold {
	at := func(s string) time.Time {
		t, err := time.Parse(time.TimeOnly, s)
		if err != nil {
			panic(err)
		}
		return t
	}
	return Hold{From: at(from), To: at(to), Reason: "r"}
}

func TestCovers(t *testing.T) {
	h := holdOf("14:00:00", "14:05:00")
	for _, tt := range []struct {
		start, end string
		want       bool
	}{
		{"13:00:00", "13:59:59", false},
		{"13:00:00", "14:00:00", true},
		{"14:01:00", "14:02:00", true},
		{"13:00:00", "15:00:00", true},
		{"14:05:00", "15:00:00", true},
		{"14:05:01", "15:00:00", false},
		{"13:00:00", "", true}, // it is being written
		{"14:06:00", "", false},
	} {
		file := holdOf(tt.start, "00:00:00")
		var end time.Time
		if tt.end != "" {
			end = holdOf(tt.end, "00:00:00").From
		}
		assert.Equal(t, tt.want, h.Covers(file.From, end), "%s to %s", tt.start, tt.end)
	}
}

// Of holds that are made at the same time each has a number of its own, and none is
// lost.
func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			h, err := Add(dir, "x", holdOf("10:00:00", "11:00:00"))
			assert.NoError(t, err)
			if h.ID%2 == 0 {
				_, err = Release(dir, "x", h.ID)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	all, err := List(dir, "x")
	require.NoError(t, err)
	ids := map[int]bool{}
	for _, h := range all {
		ids[h.ID] = true
	}
	assert.Len(t, ids, 10)
	h, err := Add(dir, "x", holdOf("10:00:00", "11:00:00"))
	require.NoError(t, err)
	assert.Equal(t, 21, h.ID, "a number isn't given out again")
	_, err = Release(dir, "x", 2)
	assert.ErrorIs(t, err, ErrNone)
}

// identity changes with whatever is done to a file.
func identity(t *testing.T, path string) string {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Lstat(path, &st))
	return fmt.Sprint(st.Ino, st.Mode, st.Uid, st.Nlink, st.Size, st.Mtim, st.Ctim)
}

// Nothing is followed or overwritten where others can write.
func TestForeign(t *testing.T) {
	for _, name := range []string{"x.holds", ".x.holds.lock", ".x.holds.new"} {
		dir := t.TempDir()
		victim := filepath.Join(dir, "victim")
		require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
		require.NoError(t, os.Symlink(victim, filepath.Join(dir, name)))
		_, err := Add(dir, "x", holdOf("10:00:00", "11:00:00"))
		assert.Error(t, err, name)
		b, err := os.ReadFile(victim)
		require.NoError(t, err)
		assert.Equal(t, "precious", string(b), name)
	}
	// Nor is anybody waited for, or believed, whose directory it isn't.
	for _, name := range []string{"x.holds", ".x.holds.lock"} {
		for what, make := range map[string]func(path string) error{
			"fifo": func(path string) error { return unix.Mkfifo(path, 0o600) },
			"hard link": func(path string) error {
				victim := filepath.Join(t.TempDir(), "victim")
				return errors.Join(os.WriteFile(victim, []byte("{}"), 0o600), os.Link(victim, path))
			},
			"other's": func(path string) error {
				if os.Geteuid() != 0 {
					return unix.Mkfifo(path, 0o600)
				}
				return errors.Join(os.WriteFile(path, []byte("{}"), 0o666), os.Chown(path, 65534, 65534))
			},
		} {
			dir := t.TempDir()
			require.NoError(t, make(filepath.Join(dir, name)))
			before := identity(t, filepath.Join(dir, name))
			_, err := Add(dir, "x", holdOf("10:00:00", "11:00:00"))
			assert.ErrorContains(t, err, "it is no regular file of this user alone: move it away", "%s, %s", name, what)
			assert.Equal(t, before, identity(t, filepath.Join(dir, name)))
		}
	}
	for _, h := range []Hold{{}, {Reason: "r"}, holdOf("11:00:00", "10:00:00")} {
		_, err := Add(t.TempDir(), "y", h)
		assert.ErrorContains(t, err, "hold: ")
	}
}

// TestDamaged: a file that doesn't say what is held is an error, and never none.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	const hold = `{"id":1,"from":"2026-11-24T10:00:00Z","to":"2026-11-24T10:05:00Z","reason":"r"}`
	for content, want := range map[string]string{
		``: "unexpected end", `[]`: "cannot unmarshal", `{"holds":5}`: "no array", `{"holds":{}}`: "no array", `{"holds":[5]}`: "cannot unmarshal",
		`{"last":-1}`: "-1 can't be the last hold", `{"last":1,"holds":[` + hold + `,` + hold + `]}`: "1 can't be the number of a hold",
		`{"last":0,"holds":[` + hold + `]}`:                          "1 can't be the number of a hold",
		`{"last":1,"holds":[{"id":1}]}`:                              "times of hold 1",
		`{"last":1,"holds":[` + strings.Repeat(`{},`, 2000) + `{}]}`: "more than 1000 holds",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "x.holds"), []byte(content), 0o600))
		_, err := List(dir, "x")
		assert.ErrorContains(t, err, "it is damaged: ", content)
		assert.ErrorContains(t, err, want)
		_, err = Add(dir, "x", holdOf("14:00:00", "14:05:00"))
		assert.Error(t, err)
	}
	for _, content := range []string{`{}`, `{"last":3,"holds":null}`, `{"last":3,"holds":[]}`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "x.holds"), []byte(content), 0o600))
		all, err := List(dir, "x")
		require.NoError(t, err)
		assert.Empty(t, all)
	}
}
