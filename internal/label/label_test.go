package label

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// file is one in memory.
type file struct{ b []byte }

func (f *file) ReadAt(b []byte, at int64) (int, error) { return bytes.NewReader(f.b).ReadAt(b, at) }

func (f *file) WriteAt(b []byte, at int64) (int, error) {
	if n := int(at) + len(b); n > len(f.b) {
		f.b = append(f.b, make([]byte, n-len(f.b))...)
	}
	return copy(f.b[at:], b), nil
}

// heads are what compressors write at the beginning, RFC 1952 section 2.3 and RFC 8878 section 3.1.1.
func heads() [][]byte {
	return [][]byte{
		append([]byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 4 + Size, 0}, GzipExtra()...),
		append([]byte{0x28, 0xb5, 0x2f, 0xfd}, make([]byte, 20)...),
	}
}

func TestPut(t *testing.T) {
	five := uint64(5)
	at := time.Date(2026, 11, 30, 1, 2, 3, 456789, time.UTC)
	for _, head := range heads() {
		for _, l := range []Label{
			{},
			{Plain: 24, Whole: true, Closed: true},
			{Packets: 1000, First: at, Last: at.Add(time.Hour), Dropped: &five, Plain: 1 << 40, Whole: true},
			{Packets: 1, First: time.Unix(0, math.MinInt64).UTC(), Last: time.Unix(0, math.MaxInt64).UTC(), Plain: 16},
		} {
			f := &file{append(bytes.Clone(head), "and more"...)}
			size, err := l.Put(f, int64(len(f.b)))
			require.NoError(t, err)
			require.EqualValues(t, len(f.b), size)
			got, err := Read(f, size)
			require.NoError(t, err)
			assert.Equal(t, &l, got)

			_, err = Read(f, size+1)
			require.Error(t, err, "a file of another length")
			for i := range f.b { // whatever is changed in it, no other label comes of it
				f.b[i] ^= 0x40
				if got, err := Read(f, size); err == nil {
					require.Equal(t, &l, got, "byte %d", i)
				}
				f.b[i] ^= 0x40
			}
		}
	}
	// Times that 64 bits don't hold are left out.
	f := &file{heads()[1]}
	size, err := (&Label{Packets: 1, First: time.Unix(1<<40, 0), Last: time.Unix(1<<40, 0), Plain: 100}).Put(f, int64(len(f.b)))
	require.NoError(t, err)
	got, err := Read(f, size)
	require.NoError(t, err)
	assert.Equal(t, &Label{Packets: 1, Plain: 100}, got)

	_, err = (&Label{}).Put(&file{[]byte("no compressed file at all")}, 25)
	require.Error(t, err)
	_, err = (&Label{}).Put(&file{append([]byte{0x1f, 0x8b, 8}, make([]byte, 30)...)}, 33)
	require.ErrorContains(t, err, "no room")
}

// bounded counts what is read of it.
type bounded struct {
	file
	n int
}

func (f *bounded) ReadAt(b []byte, at int64) (int, error) {
	f.n += len(b)
	return f.file.ReadAt(b, at)
}

// FuzzRead reads any file: next to nothing of it, and a label that is believed is one that Put
// writes.
func FuzzRead(f *testing.F) {
	five := uint64(5)
	for _, head := range heads() {
		x := &file{head}
		l := &Label{Packets: 3, First: time.Unix(1, 0), Last: time.Unix(2, 0), Dropped: &five, Plain: 1000, Whole: true}
		_, err := l.Put(x, int64(len(x.b)))
		require.NoError(f, err)
		f.Add(x.b)
		f.Add(x.b[:len(x.b)-3])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x := &bounded{file: file{b}}
		l, err := Read(x, int64(len(b)))
		require.LessOrEqual(t, x.n, maxExtra+100)
		if err != nil {
			require.True(t, errors.Is(err, ErrNone) || errors.Is(err, ErrOther), err)
			return
		}
		require.False(t, l.Last.Before(l.First))
		require.LessOrEqual(t, l.Packets, uint64(l.Plain))
		require.True(t, bytes.Contains(b, l.append(nil, int64(len(b)))))
	})
}
