package pcapfile_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/pcapfile"
)

// FuzzReader: a packet or an error, never both and never neither; no packet
// larger than what the input has left; the end is reached; the valid prefix is
// valid, and ReadTail agrees wherever it gives an answer.
func FuzzReader(f *testing.F) {
	for _, file := range smallFiles() {
		f.Add(file)
		f.Add(file[:len(file)-3])
		f.Add(append(bytes.Clone(file), file...))
	}
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, input []byte) {
		r, err := pcapfile.NewReader(bytes.NewReader(input))
		if err != nil {
			if r != nil {
				t.Fatal("a Reader and an error")
			}
			var format *pcapfile.FormatError
			if !errors.Is(err, pcapfile.ErrFormat) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &format) {
				t.Fatalf("error of a strange kind: %v", err)
			}
			return
		}
		packets := 0
		before := r.Offset()
		for {
			p, err := r.Next()
			if (p == nil) == (err == nil) {
				t.Fatalf("packet %v and error %v", p, err)
			}
			if err != nil {
				checkEnd(t, r, err, input)
				break
			}
			packets++
			end := r.Offset()
			if p.Offset < before || p.Offset+16 > end || end > int64(len(input)) {
				t.Fatalf("packet at %d to %d, behind %d", p.Offset, end, before)
			}
			if int64(len(p.Data)) > end-p.Offset-16 {
				t.Fatalf("%d bytes of data from %d bytes", len(p.Data), end-p.Offset)
			}
			if p.Interface == nil || !p.HasTime && !p.Time.IsZero() || !p.HasTime && r.Format() == pcapfile.PCAP {
				t.Fatalf("packet without interface, or with a time it can't have: %v", p)
			}
			_ = p.Time.String()
			before = end
		}

		prefix, err := pcapfile.NewReader(bytes.NewReader(input[:r.Offset()]))
		if err != nil {
			t.Fatalf("the valid prefix: %v", err)
		}
		for range packets {
			if _, err := prefix.Next(); err != nil {
				t.Fatalf("the valid prefix: %v", err)
			}
		}
		if _, err := prefix.Next(); err != io.EOF {
			t.Fatalf("the valid prefix: %v", err)
		}
		if _, err := pcapfile.ReadTail(bytes.NewReader(input), int64(len(input))); err == nil && r.Format() != pcapfile.PCAPNG {
			t.Fatal("the tail of a pcap file")
		}
	})
}

func checkEnd(t *testing.T, r *pcapfile.Reader, err error, input []byte) {
	var format *pcapfile.FormatError
	var torn *pcapfile.TruncatedError
	switch {
	case err == io.EOF:
		if r.Offset() != int64(len(input)) {
			t.Fatalf("the end at %d of %d", r.Offset(), len(input))
		}
	case errors.As(err, &torn):
		if torn.Offset != r.Offset() || torn.Remaining != int64(len(input))-r.Offset() {
			t.Fatalf("%v, with %d of %d bytes valid", err, r.Offset(), len(input))
		}
	case errors.As(err, &format):
		if format.Offset != r.Offset() {
			t.Fatalf("%v, with %d of %d bytes valid", err, r.Offset(), len(input))
		}
	default:
		t.Fatalf("error of a strange kind: %v", err)
	}
}

// FuzzRoundTrip: what AppendPacket and AppendRecord write is what a Reader
// reads.
func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(aTime), []byte("abc"), uint32(60), uint32(1))
	f.Add(int64(-1), []byte{}, uint32(0), uint32(0))
	f.Add(int64(math.MaxInt64), []byte("abcd"), uint32(math.MaxUint32), uint32(math.MaxUint32))
	f.Fuzz(func(t *testing.T, ns int64, data []byte, length, flags uint32) {
		if len(data) > 256<<10 {
			return
		}
		length = max(length, uint32(len(data)))
		ng := pcapfile.AppendSection(nil, &pcapfile.Section{})
		ng = pcapfile.AppendInterface(ng, &pcapfile.Interface{LinkType: 1})
		ng = pcapfile.AppendPacket(ng, 0, ns, data, length, pcapfile.Flags(flags))
		pcap := pcapfile.AppendFileHeader(nil, 1, 0, true)
		pcap = pcapfile.AppendRecord(pcap, ns, data, length, true)

		for _, file := range [][]byte{ng, pcap} {
			records, r, err := readAll(t, bytes.NewReader(file))
			if r != nil && r.Format() == pcapfile.PCAP && ns <= 0 && length == 0 {
				require.ErrorContains(t, err, "zeros", "no packet has no length and no time")
				continue
			}
			require.NoError(t, err)
			require.Len(t, records, 1)
			got := records[0]
			require.True(t, bytes.Equal(data, got.Data))
			require.Equal(t, length, got.Length)
			if r.Format() == pcapfile.PCAPNG {
				require.Equal(t, pcapfile.Flags(flags), got.Flags)
				require.Equal(t, max(ns, 0), got.Time.UnixNano())
			} else if ns/1e9 <= math.MaxUint32 {
				require.Equal(t, max(ns, 0), got.Time.UnixNano())
			}
		}
	})
}
