package pcapfile_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/pcapfile"
)

func TestEncodersDontAllocate(t *testing.T) {
	b := make([]byte, 0, 1<<20)
	data := make([]byte, 1514)
	section := &pcapfile.Section{Application: "netcap", Comments: []string{"a"}}
	iface := &pcapfile.Interface{Name: "eth0", Filter: "tcp", MAC: make([]byte, 6)}
	stats := &pcapfile.Statistics{Received: pcapfile.Count(1)}
	for name, encode := range map[string]func(){
		"packet":     func() { b = pcapfile.AppendPacket(b[:0], 0, aTime, data, 1514, pcapfile.FlagInbound) },
		"record":     func() { b = pcapfile.AppendRecord(b[:0], aTime, data, 1514, true) },
		"section":    func() { b = pcapfile.AppendSection(b[:0], section) },
		"interface":  func() { b = pcapfile.AppendInterface(b[:0], iface) },
		"statistics": func() { b = pcapfile.AppendStatistics(b[:0], 0, aTime, stats) },
		"custom":     func() { b = pcapfile.AppendCustom(b[:0], 1, data, true) },
	} {
		assert.Zero(t, testing.AllocsPerRun(1000, encode), name)
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	for _, format := range []pcapfile.Format{pcapfile.PCAP, pcapfile.PCAPNG} {
		r, err := pcapfile.NewReader(endless(format, 1514))
		require.NoError(t, err)
		assert.Zero(t, testing.AllocsPerRun(5000, func() {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}), format)
	}
}

// endless returns a capture of packets of the given size without an end.
func endless(format pcapfile.Format, size int) io.Reader {
	head := pcapfile.AppendFileHeader(nil, 1, 262144, true)
	one := pcapfile.AppendRecord(nil, aTime, make([]byte, size), uint32(size), true)
	if format == pcapfile.PCAPNG {
		head = pcapfile.AppendSection(nil, &pcapfile.Section{})
		head = pcapfile.AppendInterface(head, &pcapfile.Interface{LinkType: 1})
		one = pcapfile.AppendPacket(nil, 0, aTime, make([]byte, size), uint32(size), pcapfile.FlagInbound)
	}
	return io.MultiReader(bytes.NewReader(head), &loop{b: bytes.Repeat(one, 100)})
}

// loop delivers b again and again.
type loop struct {
	b  []byte
	at int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.b[l.at:])
	l.at = (l.at + n) % len(l.b)
	return n, nil
}

var sizes = []int{64, 512, 1514}

func BenchmarkAppendPacket(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := make([]byte, size)
			buf := make([]byte, 0, 4<<20)
			b.SetBytes(int64(pcapfile.PacketSize(size, 0)))
			b.ReportAllocs()
			for ns := range int64(b.N) {
				if cap(buf)-len(buf) < 2048 {
					buf = buf[:0]
				}
				buf = pcapfile.AppendPacket(buf, 0, aTime+ns, data, uint32(size), 0)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := make([]byte, size)
			buf := make([]byte, 0, 4<<20)
			b.SetBytes(int64(pcapfile.RecordSize(size)))
			b.ReportAllocs()
			for ns := range int64(b.N) {
				if cap(buf)-len(buf) < 2048 {
					buf = buf[:0]
				}
				buf = pcapfile.AppendRecord(buf, aTime+ns, data, uint32(size), false)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

func BenchmarkNext(b *testing.B) {
	for _, format := range []pcapfile.Format{pcapfile.PCAP, pcapfile.PCAPNG} {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%v/%d", format, size), func(b *testing.B) {
				r, err := pcapfile.NewReader(endless(format, size))
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(size))
				for range b.N {
					if _, err := r.Next(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
