package input_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"netcap/internal/input"
)

// TestAt reads a compressed file here and there, as bytes.Reader does.
func TestAt(t *testing.T) {
	const size = 40 << 20 // more than is kept
	want := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 1))
	for i := 0; i < size; i += 1000 {
		want[i] = byte(r.Uint32())
	}
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	require.NoError(t, err)
	_, err = w.Write(want)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	path := filepath.Join(t.TempDir(), "x.zst")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))

	for _, known := range []int64{size, size - 12345, -1} {
		at, err := input.NewAt(path, nil, known)
		require.NoError(t, err)
		same := bytes.NewReader(want)
		if known >= 0 {
			same = bytes.NewReader(want[:known])
		}
		got, expected := make([]byte, 3<<20), make([]byte, 3<<20)
		read := func(off int64, n int) {
			t.Helper()
			theirs, theirErr := same.ReadAt(expected[:n], off)
			ours, err := at.ReadAt(got[:n], off)
			require.Equal(t, theirs, ours)
			require.Equal(t, theirErr, err)
			require.True(t, bytes.Equal(expected[:theirs], got[:ours]))
		}
		pos := int64(0)
		for pos < size+1000 { // forwards, and a little back
			read(pos, 1+r.IntN(len(got)))
			pos = max(0, pos+r.Int64N(5<<20)-(1<<20))
		}
		total, err := at.Size()
		require.NoError(t, err)
		require.EqualValues(t, same.Size(), total)
		for range 4 {
			read(0, 100)
			read(total-1000, 2000)
		}
		_, err = at.ReadAt(got[:1], 0)
		require.True(t, errors.Is(err, input.ErrTooMuch), err)
		require.NoError(t, at.Close())
	}
	_, err = input.NewAt(path, nil, 1<<40)
	require.ErrorIs(t, err, input.ErrTooMuch)
	_, err = input.NewAt(t.TempDir(), nil, -1)
	require.ErrorContains(t, err, "no regular file")

	// Its bytes end where they can't be decompressed any more.
	require.NoError(t, os.WriteFile(path, b.Bytes()[:b.Len()/2], 0o600))
	at, err := input.NewAt(path, nil, -1)
	require.NoError(t, err)
	total, err := at.Size()
	require.NoError(t, err)
	require.Less(t, total, int64(size))
	_, err = at.ReadAt(make([]byte, 10), total-5)
	require.Equal(t, io.EOF, err)
	require.NoError(t, at.Close())
}
