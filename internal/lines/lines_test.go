package lines_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/internal/lines"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// packets calls do with each packet of a file, over and over.
func packets(t *testing.T, path string, times int, do func(n int64, p *pcapfile.Packet)) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	n := int64(0)
	for range times {
		r, err := pcapfile.NewReader(bytes.NewReader(content))
		require.NoError(t, err)
		for {
			p, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			n++
			do(n, p)
		}
	}
}

// Many goroutines print what one does, in the same order; times since the packet before
// too.
func TestOrder(t *testing.T) {
	path := filepath.Join(testenv.Corpus(t), "captures", "EIGRP_adjacency.pcap")
	for _, style := range []decode.TimeStyle{decode.TimeUnix, decode.TimeDelta, decode.TimeOffset} {
		one := decode.Printer{Time: style, Location: time.UTC}
		var want, got bytes.Buffer
		l := lines.New(&lines.Config{Out: &got, Number: true, Workers: 8, Decode: decode.Printer{Time: style, Location: time.UTC}})
		packets(t, path, 200, func(n int64, p *pcapfile.Packet) {
			fmt.Fprintf(&want, "%5d  %s\n", n, one.Append(nil, p))
			require.NoError(t, l.Print(n, p))
			if n%1000 == 0 {
				require.NoError(t, l.Flush())
			}
		})
		require.NoError(t, l.Close())
		require.NotZero(t, want.Len())
		assert.True(t, want.String() == got.String(), "style %d", style)
	}
}

type failing struct{ after int }

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// What can't be written ends the printing, and nothing hangs.
func TestWriteFails(t *testing.T) {
	path := filepath.Join(testenv.Corpus(t), "captures", "EIGRP_adjacency.pcap")
	l := lines.New(&lines.Config{Out: &failing{100_000}})
	var failed error
	packets(t, path, 500, func(n int64, p *pcapfile.Packet) {
		if failed == nil {
			failed = l.Print(n, p)
		}
	})
	assert.ErrorIs(t, failed, errFull)
	assert.ErrorIs(t, l.Close(), errFull)
}
