package report_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/report"
	"netcap/internal/testenv"
)

// TestCompressedDamage says of damaged captures what it says of them when they are compressed,
// what whole packets follow the damage included.
func TestCompressedDamage(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testenv.Corpus(t), "bugs", "*.pcap*"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	following := 0
	for n, path := range paths {
		want, wantErr := report.Info(path, nil)
		require.NotNil(t, want)
		for _, method := range []string{"gzip", methods[n%len(methods)]} {
			cmd := exec.Command(testenv.Program(t, method), "-c", "-q")
			in, err := os.Open(path)
			require.NoError(t, err)
			defer in.Close()
			cmd.Stdin = in
			b, err := cmd.Output()
			require.NoError(t, err)
			name := write(t, t.TempDir(), "compressed", b)
			got, gotErr := report.Info(name, nil)
			assert.Equal(t, wantErr == nil, gotErr == nil, path)
			assert.Equal(t, report.Following(path), report.Following(name), path)
			got.Path, got.Compression, got.BytesFile = want.Path, want.Compression, want.BytesFile
			assert.Equal(t, want, got, "%s %s", method, path)
			if got.Following > 0 {
				following++
			}

			// What can't be read twice isn't searched, and that is said.
			piped, err := report.Info("-", &report.InfoConfig{Stdin: bytes.NewReader(b)})
			if want.Following > 0 {
				require.Error(t, err)
				assert.Equal(t, "it can be read only once", piped.NotSearched)
			}
			// Nor is what can't be decompressed.
			torn, err := report.Info(write(t, t.TempDir(), "torn", b[:len(b)-9]), nil)
			if torn != nil {
				require.Error(t, err)
				assert.Equal(t, "it can't be decompressed any further", torn.NotSearched, path)
				assert.False(t, torn.Complete)
				assert.Contains(t, torn.Reason, "data is cut short", path)
			}
		}
	}
	assert.Greater(t, following, 8)
}
