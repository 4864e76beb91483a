package fileset_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/fileset"
)

// write makes files in a new directory.
func write(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	return dir
}

func names(entries []fileset.Entry) (names []string) {
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestList(t *testing.T) {
	dir := write(t, "x-20261123T130405Z-1000000.pcapng", "x-20261123T130405Z-999999.pcapng.zst", "x-20261123T130405Z-000002.pcap",
		"x-20261123T130405Z-000002.pcap.gz", "x-20261122T130405Z-000002.pcapng", "x-y-20261123T130405Z-000001.pcapng",
		"x.ledger", ".x.lock", "other.pcapng")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "x-20261123T130405Z-000003.pcapng"), 0o700))
	got, err := fileset.List(dir, "x")
	require.NoError(t, err)
	assert.Equal(t, []string{
		"x-20261122T130405Z-000002.pcapng", "x-20261123T130405Z-000002.pcap", "x-20261123T130405Z-000002.pcap.gz",
		"x-20261123T130405Z-000003.pcapng", "x-20261123T130405Z-999999.pcapng.zst", "x-20261123T130405Z-1000000.pcapng",
	}, names(got), "by number, not by letter")
	assert.True(t, got[3].IsDir())
	all, err := fileset.List(dir, "")
	require.NoError(t, err)
	assert.Len(t, all, 7)
	assert.Equal(t, "x-y", all[6].Set)
	_, err = fileset.List(dir+"/none", "x")
	assert.ErrorIs(t, err, fs.ErrNotExist)

	for _, e := range got {
		newest, err := fileset.Newest(dir, e.File)
		require.NoError(t, err)
		assert.Equal(t, e.Seq == 1000000, newest, e.Name())
	}
}

func TestNames(t *testing.T) {
	dir := write(t, "b-20261123T130405Z-000001.pcapng", "b-20261123T130405Z-000002.pcapng.gz", "a.ledger", "-.ledger", ".c.lock", "d.holds", "e.pcapng")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "f.ledger"), 0o700))
	got, err := fileset.Names(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, got)
	_, err = fileset.Names(dir + "/none")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// TestVariants has each name that a file may have be a name of the same file.
func TestVariants(t *testing.T) {
	const begun = "x-20261123T130405Z-000001.pcapng"
	got := fileset.Variants(begun)
	assert.Equal(t, []string{begun, begun + ".gz", begun + ".zst"}, got)
	first, ok := fileset.Parse(begun)
	require.True(t, ok)
	for _, name := range got {
		f, ok := fileset.Parse(name)
		require.True(t, ok)
		assert.Equal(t, first, f.Begun())
		assert.Equal(t, first.Key(), f.Key())
		assert.True(t, f.IsCapture(""))
	}
}

func TestIsCapture(t *testing.T) {
	for ext, is := range map[string]bool{".pcapng": true, ".pcap": true, ".pcap.zst": true, ".cap": false, ".pcapng.txt": false, ".pcapng.xz": false, ".txt": false} {
		f, ok := fileset.Parse("x-20261123T130405Z-000001" + ext)
		require.True(t, ok, ext)
		assert.Equal(t, is, f.IsCapture(""), ext)
	}
	f, _ := fileset.Parse("x-20261123T130405Z-000001.cap.gz")
	assert.True(t, f.IsCapture(".cap"))
}

func TestHas(t *testing.T) {
	for _, name := range []string{"x-20261123T130405Z-000001.pcapng", "x-20261123T130405Z-000001.pcap.zst", "x.ledger", "x.holds", ".x.lock", ".x.holds.lock"} {
		assert.True(t, fileset.Has("x", name), name)
	}
	for _, name := range []string{"y-20261123T130405Z-000001.pcapng", "x-y-20261123T130405Z-000001.pcapng", "y.ledger", "x", "x.pcapng", "x.ledger.damaged-1"} {
		assert.False(t, fileset.Has("x", name), name)
	}
}
