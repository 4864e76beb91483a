package repair_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/internal/input"
	"netcap/internal/repair"
	"netcap/pcapfile"
)

// FuzzFile repairs any file. It is left as it was, with a reason, or it is what was told: a
// prefix of what it was that is read to its end, with as many packets, which a second time
// is whole. What force is needed for, force does.
func FuzzFile(f *testing.F) {
	for _, c := range captures(3) {
		f.Add(c.content)
		f.Add(c.content[:len(c.content)-5])
		f.Add(append(bytes.Clone(c.content), make([]byte, 40)...))
		damaged := bytes.Clone(c.content)
		damaged[len(damaged)/2] ^= 0xff
		f.Add(damaged)
	}
	f.Add([]byte("\x1f\x8b\x08\x00"))
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, content []byte) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		r, err := repair.File(path, false)
		var damage *repair.DamageError
		if err != nil {
			var file *input.FileError
			require.Nil(t, r)
			require.ErrorAs(t, err, &file)
			now, readErr := os.ReadFile(path)
			require.NoError(t, readErr)
			require.True(t, bytes.Equal(content, now), "%v", err)
			if !errors.As(err, &damage) {
				return
			}
			require.True(t, damage.End <= damage.At && damage.At < damage.Size && damage.Size == int64(len(content)), "%v", err)
			r, err = repair.File(path, true)
			require.NoError(t, err)
			require.Equal(t, damage.Packets, r.Packets)
			require.Equal(t, damage.End, r.Offset)
		}
		require.Equal(t, len(content) == 0, r.Removed)
		if r.Removed {
			require.NoFileExists(t, path)
			return
		}
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(content, now))
		require.EqualValues(t, len(now), r.Offset)
		require.EqualValues(t, len(content)-len(now), r.Cut)
		require.Equal(t, r.Cut > 0, r.Reason != nil)
		require.Equal(t, r.Packets, packetsOf(t, now))
		again, err := repair.File(path, false)
		require.NoError(t, err)
		require.Equal(t, repair.Result{Packets: r.Packets, Offset: r.Offset}, *again)
	})
}

// packetsOf reads a whole capture.
func packetsOf(t testing.TB, content []byte) (n int64) {
	t.Helper()
	r, err := pcapfile.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	for {
		_, err := r.Next()
		if err == io.EOF {
			return n
		}
		require.NoError(t, err)
		n++
	}
}

// FuzzSalvage salvages any file: there is nothing to write, or a capture that is whole, with
// as many packets as were told.
func FuzzSalvage(f *testing.F) {
	for _, c := range captures(4) {
		f.Add(c.content)
		f.Add(append(bytes.Clone(c.content[:len(c.content)-7]), c.content...))
		holed := bytes.Clone(c.content)
		clear(holed[len(holed)/2 : len(holed)/2+30])
		f.Add(holed)
		f.Add(holed[10:])
	}
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, content []byte) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		var out bytes.Buffer
		s, err := repair.Salvage(path, &out)
		if err != nil {
			var file *input.FileError
			require.ErrorAs(t, err, &file)
			return
		}
		require.Positive(t, s.Packets)
		require.LessOrEqual(t, s.Skipped, int64(len(content)))
		require.Equal(t, s.Packets, packetsOf(t, out.Bytes()))
	})
}
