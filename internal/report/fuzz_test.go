package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/internal/report"
)

// FuzzInfo sums up any file: what is said of it can be written as JSON, is of a file that is
// whole exactly if there is no error, and adds up. As a file of a set it is listed.
func FuzzInfo(f *testing.F) {
	for _, b := range [][]byte{twoInterfaces(), packetsOfTwo(), foreign(), pcap(), pcap()[:50], {}} {
		f.Add(b)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := report.Info("-", &report.InfoConfig{Stdin: bytes.NewReader(b), Top: 3})
		require.True(t, info != nil || err != nil)
		if err != nil {
			require.ErrorContains(t, err, "standard input: ")
		}
		if info != nil {
			require.Equal(t, err == nil, info.Complete)
			_, jsonErr := json.Marshal(info)
			require.NoError(t, jsonErr)
			var packets uint64
			for _, i := range info.Interfaces {
				packets += i.Packets
			}
			require.LessOrEqual(t, packets, info.Packets)
			require.Equal(t, info.FirstPacket == nil, info.LastPacket == nil)
			if info.FirstPacket != nil {
				require.False(t, info.LastPacket.Before(*info.FirstPacket))
				require.GreaterOrEqual(t, *info.Duration, 0.0)
			}
			require.GreaterOrEqual(t, info.TruncatedBytes, int64(0))
		}
		for _, ext := range []string{".pcap", ".pcapng"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x-20261123T130405Z-000001"+ext), b, 0o600))
		}
		files, err := report.List(report.Place{Path: dir})
		require.NoError(t, err)
		require.Len(t, files, 2)
		for _, file := range files {
			require.NoError(t, file.Err)
			require.EqualValues(t, len(b), file.Bytes)
		}
		_, err = json.Marshal(files)
		require.NoError(t, err)
	})
}
