package input

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// TestWindowClaims reads from what xz and zstd write what they were told to use.
func TestWindowClaims(t *testing.T) {
	content := bytes.Repeat([]byte("netcap "), 1<<20)
	head := func(command ...string) *bufio.Reader {
		cmd := exec.Command(testenv.Program(t, command[0]), command[1:]...)
		cmd.Stdin = bytes.NewReader(content)
		b, err := cmd.Output()
		require.NoError(t, err)
		return bufio.NewReaderSize(bytes.NewReader(b), 64<<10)
	}
	for _, mib := range []int64{1, 3, 8, 64, 128} {
		assert.Equal(t, mib<<20, xzWindow(head("xz", "-c", fmt.Sprintf("--lzma2=dict=%dMiB", mib))))
		assert.Equal(t, mib<<20, xzWindow(head("xz", "-c", "-T2", "--block-size=1MiB", "--x86", fmt.Sprintf("--lzma2=dict=%dMiB", mib))), "with sizes and another filter")
	}
	assert.EqualValues(t, maxWindow+1, xzWindow(head("xz", "-c", "--lzma2=dict=1GiB")))
	for _, bits := range []int{20, 23, 25, 27} {
		assert.EqualValues(t, 1<<bits, zstdWindow(head("zstd", "-c", "--zstd=wlog="+fmt.Sprint(bits), "--long="+fmt.Sprint(bits), "--stream-size=2000000000")))
	}
	for _, b := range []string{"", "\xfd7zXZ\x00", "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x28\xb5\x2f\xfd"} {
		assert.Zero(t, xzWindow(bufio.NewReader(bytes.NewReader([]byte(b)))))
		assert.Zero(t, zstdWindow(bufio.NewReader(bytes.NewReader([]byte(b)))))
	}
}

// TestWindows gives no more than there is, and with Wait when there is some again.
func TestWindows(t *testing.T) {
	w := &Windows{}
	require.NoError(t, w.take(100<<20))
	assert.EqualError(t, w.take(61<<20), "it takes 61 MiB of memory, and files that are read at the same time have 100 MiB: decompress some of them")
	require.NoError(t, w.take(60<<20))
	w.give(100 << 20)
	require.NoError(t, w.take(61<<20))

	w = &Windows{Wait: true}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			assert.NoError(t, w.take(maxWindow))
			time.Sleep(time.Millisecond)
			w.give(maxWindow)
		})
	}
	wg.Wait()
	assert.Zero(t, w.used)
}
