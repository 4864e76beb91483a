package pcapfile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// counter counts reads, which give a few bytes each.
type counter struct {
	r     io.Reader
	reads int
}

func (c *counter) Read(b []byte) (int, error) {
	c.reads++
	return c.r.Read(b[:min(len(b), 1000)])
}

// When Buffered says so, Next reads nothing; and it says so of most packets.
func TestBuffered(t *testing.T) {
	dir := testenv.Corpus(t)
	for _, name := range []string{"dicom/echo_ok.pcap", "captures/OSPFv2_Capture_FINAL.pcapng", "captures/EIGRP_adjacency.pcap"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		in := &counter{r: bytes.NewReader(content)}
		r, err := pcapfile.NewReader(in)
		require.NoError(t, err)
		buffered, packets := 0, 0
		for {
			was, reads := r.Buffered(), in.reads
			_, err := r.Next()
			if was {
				assert.Equal(t, reads, in.reads, name)
				buffered++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			packets++
		}
		assert.Greater(t, packets, 10, name)
		assert.GreaterOrEqual(t, buffered, packets/2, name)
	}
}
