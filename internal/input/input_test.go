package input_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/input"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

var start = time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)

// capture is a pcapng file with a packet at each of the seconds behind start. The number
// of the packet is in its data.
func capture(seconds ...float64) []byte {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap test"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: "eth0", LinkType: pcapfile.LinkTypeEthernet})
	return appendPackets(b, seconds...)
}

func appendPackets(b []byte, seconds ...float64) []byte {
	for _, s := range seconds {
		data := testenv.UDPFrame(uint32(s*10), 60)
		b = pcapfile.AppendPacket(b, 0, start.Add(time.Duration(s*float64(time.Second))).UnixNano(), data, 60, 0)
	}
	return b
}

// many is a capture of n packets, large enough to need several reads.
func many(n int) []byte {
	b := capture()
	for i := range n {
		b = pcapfile.AppendPacket(b, 0, start.Add(time.Duration(i)*time.Millisecond).UnixNano(), testenv.UDPFrame(uint32(i), 300+i%1000), 1500, 0)
	}
	return b
}

func write(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// compress has a program compress what it is given.
func compress(t testing.TB, content []byte, command ...string) []byte {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, command[0]), command[1:]...)
	cmd.Stdin = bytes.NewReader(content)
	b, err := cmd.Output()
	require.NoError(t, err)
	return b
}

var programs = map[string][]string{
	"gzip":  {"gzip", "-c"},
	"zstd":  {"zstd", "-c", "-q"},
	"lz4":   {"lz4", "-c", "-q"},
	"xz":    {"xz", "-c"},
	"bzip2": {"bzip2", "-c"},
}

// packetsOf reads to the end.
func packetsOf(f *input.File) (n int, err error) {
	for {
		if _, err := f.Next(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		n++
	}
}

func TestCompression(t *testing.T) {
	const packets = 1000
	plain := many(packets)
	dir := t.TempDir()
	for name, command := range programs {
		t.Run(name, func(t *testing.T) {
			whole := compress(t, plain, command...)
			half := len(plain) / 2
			concatenated := append(compress(t, plain[:half], command...), compress(t, plain[half:], command...)...)
			for what, b := range map[string][]byte{"one": whole, "concatenated": concatenated} {
				path := write(t, dir, what+".pcapng", b) // the name says nothing
				f, err := input.Open(path, nil)
				require.NoError(t, err, what)
				assert.Equal(t, name, f.Compression)
				n, err := packetsOf(f)
				assert.NoError(t, err, what)
				assert.Equal(t, packets, n, what)
				assert.EqualValues(t, len(b), f.BytesRead(), what)
				assert.EqualValues(t, len(b), f.Size())
				assert.NoError(t, f.Close())
				assert.Equal(t, "eth0", f.Interfaces()[0].Name, "known after Close")
			}
			f, err := input.Open("-", iotestOneByte{bytes.NewReader(whole)})
			require.NoError(t, err)
			n, err := packetsOf(f)
			assert.NoError(t, err)
			assert.Equal(t, packets, n)
			assert.NoError(t, f.Close())

			// Torn: what precedes is delivered, and the end isn't taken for one.
			for _, size := range []int{len(whole) - 1, len(whole) - 9, len(whole) * 3 / 4, len(whole) / 2} {
				f, err := input.Open(write(t, dir, "torn", whole[:size]), nil)
				n := 0
				if err == nil { // its first block is whole
					n, err = packetsOf(f)
					assert.NoError(t, f.Close())
				}
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d of %d bytes", size, len(whole))
				var damage *input.CompressionError
				if assert.ErrorAs(t, err, &damage) {
					assert.Contains(t, err.Error(), "the "+name+" data is cut short, after ")
				}
				if size == len(whole)-1 && name != "bzip2" { // whose blocks are of 900 kB
					assert.Greater(t, n, packets*9/10, "%d of %d bytes", size, len(whole))
				}
			}
			for size := range 40 {
				f, err := input.Open(write(t, dir, "torn", whole[:size]), nil)
				if err == nil {
					_, err = packetsOf(f)
					f.Close()
				}
				assert.Error(t, err, "%d bytes", size)
			}

			// Damaged.
			for at := 50; at < len(whole); at += len(whole) / 40 {
				damaged := bytes.Clone(whole)
				damaged[at] ^= 0x55
				f, err := input.Open(write(t, dir, "damaged", damaged), nil)
				if err == nil {
					_, err = packetsOf(f)
					f.Close()
				}
				assert.Error(t, err, "byte %d of %d", at, len(whole))
			}
		})
	}
}

// iotestOneByte reads a byte at a time, as the slowest of pipes.
type iotestOneByte struct{ r io.Reader }

func (r iotestOneByte) Read(b []byte) (int, error) { return r.r.Read(b[:min(1, len(b))]) }

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	plain := capture(1, 2, 3)
	skippable := append(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0x184d2a53), 5), "hello"...)
	for name, tt := range map[string]struct {
		content     []byte
		compression string
		packets     int
		err         string
	}{
		"plain":              {content: plain, compression: "none", packets: 3},
		"skippable and zstd": {content: append(bytes.Clone(skippable), compress(t, plain, "zstd", "-c")...), compression: "zstd", packets: 3},
		"skippable and lz4":  {content: append(bytes.Clone(skippable), compress(t, plain, "lz4", "-c")...), compression: "lz4", packets: 3},
		"lz4 legacy":         {content: compress(t, plain, "lz4", "-l", "-c"), compression: "lz4", packets: 3},
		"padded gzip":        {content: append(compress(t, plain, "gzip", "-c"), make([]byte, 1000)...), compression: "gzip", packets: 3},
		"padded xz":          {content: append(compress(t, plain, "xz", "-c"), make([]byte, 1000)...), compression: "xz", packets: 3},
		"gzip and text":      {content: append(compress(t, plain, "gzip", "-c"), "text"...), compression: "gzip", packets: 3, err: "something that isn't gzip follows"},
		"zstd --long=31":     {content: compress(t, many(20000), "zstd", "-c", "--long=31", "--stream-size=2000000000"), err: "more than 128 MiB of memory"},
		"xz of 1 GiB":        {content: compress(t, plain, "xz", "-c", "--lzma2=dict=1GiB"), err: "more than 128 MiB of memory"},
		"empty":              {err: "not a pcap or pcapng file: it is empty"},
		"text":               {content: []byte("hello, world"), err: "not a pcap or pcapng file: it begins with bytes 68656c6c"},
		"gzip of text":       {content: compress(t, []byte("hello, world"), "gzip", "-c"), err: "not a pcap or pcapng file: it begins with bytes 68656c6c"},
		"gzip twice":         {content: compress(t, compress(t, plain, "gzip", "-c"), "gzip", "-c"), err: "it is compressed with gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, dir, "file", tt.content)
			f, err := input.Open(path, nil)
			n := 0
			if err == nil {
				defer f.Close()
				n, err = packetsOf(f)
				assert.Equal(t, tt.compression, f.Compression)
			}
			assert.Equal(t, tt.packets, n)
			if tt.err == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, tt.err)
		})
	}
	_, err := input.Open(filepath.Join(dir, "a\nb"), nil)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, `a\nb": open: `)
	_, err = input.Open(dir, nil)
	assert.EqualError(t, err, dir+": is a directory")
	_, err = input.Open("-", nil)
	assert.EqualError(t, err, "standard input: there is none")
}

// TestRest counts what is behind damage.
func TestRest(t *testing.T) {
	b := capture(1, 2)
	whole := len(b)
	b = append(append(b, make([]byte, 12)...), capture(3)...)
	path := write(t, t.TempDir(), "damaged.gz", compress(t, b, "gzip", "-c"))
	f, err := input.Open(path, nil)
	require.NoError(t, err)
	defer f.Close()
	n, err := packetsOf(f)
	assert.Equal(t, 2, n)
	assert.ErrorContains(t, err, fmt.Sprintf("at offset %d", whole))
	rest, err := f.Rest()
	assert.NoError(t, err)
	assert.EqualValues(t, len(b)-whole, rest)
}

// TestClose closes before the end: the goroutine that decompresses ends.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	for name, command := range programs {
		path := write(t, t.TempDir(), "file", compress(t, many(4000), command...))
		for range 3 {
			f, err := input.Open(path, nil)
			require.NoError(t, err, name)
			for range 1000 {
				_, err = f.Next()
				require.NoError(t, err, name)
			}
			assert.NoError(t, f.Close())
			assert.NoError(t, f.Close(), "twice")
		}
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
}

// FuzzOpen holds what hostile data costs to a bound.
func FuzzOpen(f *testing.F) {
	plain := capture(1, 2, 3)
	f.Add(plain)
	for _, command := range programs {
		if path, err := exec.LookPath(command[0]); err == nil {
			cmd := exec.Command(path, command[1:]...)
			cmd.Stdin = bytes.NewReader(plain)
			if b, err := cmd.Output(); err == nil {
				f.Add(b)
				f.Add(append(bytes.Clone(b), b...))
				f.Add(b[:len(b)-5])
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := input.Open("-", bytes.NewReader(b))
		if err == nil {
			for range 100_000 { // a bomb may hold any number
				var p *pcapfile.Packet
				if p, err = file.Next(); err != nil {
					assert.Nil(t, p)
					break
				}
			}
			assert.NoError(t, file.Close())
		} else {
			assert.Nil(t, file)
			assert.True(t, strings.HasPrefix(err.Error(), "standard input: "), err)
			var e *input.FileError
			assert.True(t, errors.As(err, &e))
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 600<<20 {
			t.Errorf("%d bytes of memory for %d bytes of input", used, len(b))
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	plain := many(200_000)
	for _, name := range []string{"none", "gzip", "zstd", "lz4", "xz", "bzip2"} {
		content := plain
		if name != "none" {
			if name == "xz" || name == "bzip2" {
				content = many(20_000)
			}
			content = compress(b, content, programs[name]...)
		}
		path := write(b, b.TempDir(), "file", content)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := input.Open(path, nil)
				require.NoError(b, err)
				_, err = packetsOf(f)
				require.NoError(b, err)
				b.SetBytes(f.Offset())
				f.Close()
			}
		})
	}
}
