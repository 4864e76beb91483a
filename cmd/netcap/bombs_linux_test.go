package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// bomb compresses a capture of large packets, and of garbage behind it, to a fraction
// of its size.
func bomb(t *testing.T, path string, mib int, command ...string) string {
	t.Helper()
	in, out, err := os.Pipe()
	require.NoError(t, err)
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	cmd := exec.Command(testenv.Program(t, command[0]), command[1:]...)
	cmd.Stdin, cmd.Stdout = in, file
	require.NoError(t, cmd.Start())
	require.NoError(t, in.Close())
	b := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 262144, true)
	zeros := make([]byte, 256<<10)
	for n := range 4 * mib {
		b = pcapfile.AppendRecord(b, testStart.UnixNano()+int64(n), zeros, uint32(len(zeros)), true)
		_, err := out.Write(b)
		require.NoError(t, err)
		b = b[:0]
	}
	_, err = out.Write([]byte(strings.Repeat("\xff", 1<<20)))
	require.NoError(t, err)
	require.NoError(t, out.Close())
	require.NoError(t, cmd.Wait())
	st, err := file.Stat()
	require.NoError(t, err)
	require.Less(t, st.Size(), int64(mib)<<20/100)
	return path
}

// TestBombs reads small files that expand to hundreds of megabytes, one after the other and
// several at once, whose decompressors want 128 MiB each.
func TestBombs(t *testing.T) {
	dir := t.TempDir()
	for name, command := range map[string][]string{
		"gzip": {"gzip", "-1c"}, "lz4": {"lz4", "-c"}, "bzip2": {"bzip2", "-1c"},
		"zstd": {"zstd", "-c", "--long=27"}, "xz": {"xz", "-c", "-T1", "--lzma2=preset=0,dict=128MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			mib := 140 // so that the windows are full
			if name == "bzip2" {
				mib = 30 // it takes its time
			}
			path := bomb(t, filepath.Join(dir, name), mib, command...)
			for _, flags := range []string{"read -q", "info --top", "dicom"} {
				o := runHostile(t, append(strings.Fields(flags), path)...)
				assert.Equal(t, exitFailed, o.status, flags)
				saysWhere(t, o, []string{path})
			}
			if name != "zstd" && name != "xz" {
				return
			}
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			var several []string
			for n := range 4 {
				several = append(several, writeTestFile(t, filepath.Join(dir, fmt.Sprint(name, n)), b))
			}
			o := runHostile(t, append([]string{"info"}, several...)...)
			assert.Equal(t, 4, strings.Count(o.stderr, "pcap record at offset"), "info reads them one after the other: %s", o.stderr)
			o = runHostile(t, append([]string{"read", "-q"}, several...)...)
			assert.Equal(t, 1, strings.Count(o.stderr, "pcap record at offset"), "read needs them at once: %s", o.stderr)
			assert.Equal(t, 3, strings.Count(o.stderr, "decompress some of them"), o.stderr)
		})
	}
}
