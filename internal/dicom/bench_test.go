package dicom_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"netcap/internal/dicom"
)

// discard is a handler that does nothing.
type discard struct{}

func (discard) Begin()                     {}
func (discard) Associate(*dicom.Associate) {}
func (discard) Reject(dicom.Reject)        {}
func (discard) ReleaseRQ()                 {}
func (discard) ReleaseRP()                 {}
func (discard) Abort(dicom.Abort)          {}
func (discard) PData(uint32)               {}
func (discard) Command(*dicom.Command)     {}
func (discard) DataSet(dicom.Part)         {}
func (discard) Lost(int64)                 {}
func (discard) Broken(dicom.Fault, int64)  {}

// dataPDUs are P-DATA-TFs of some 16 KiB with fragments of one data set, as dcmtk sends
// them by default.
func dataPDUs(n int) []byte {
	const fragment = 16 << 10
	pdu := binary.BigEndian.AppendUint32([]byte{4, 0}, fragment+dicom.ValueHeaderSize)
	pdu = binary.BigEndian.AppendUint32(pdu, fragment+2)
	pdu = append(pdu, 1, 0)
	return slices.Repeat(append(pdu, make([]byte, fragment)...), n)
}

// BenchmarkDataSet decodes data sets in segments of a network's size, and as a Docker
// bridge carries them.
func BenchmarkDataSet(b *testing.B) {
	stream := dataPDUs(64)
	for _, size := range []int{1460, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d := dicom.New(discard{})
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				for segment := range slices.Chunk(stream, size) {
					d.Write(segment)
				}
			}
		})
	}
}

// BenchmarkEcho decodes a request of one segment.
func BenchmarkEcho(b *testing.B) {
	echo := unhex(b, echoRQ)
	d := dicom.New(discard{})
	b.SetBytes(int64(len(echo)))
	b.ReportAllocs()
	for b.Loop() {
		d.Write(echo)
	}
}

// BenchmarkSearch looks for a PDU where there is none.
func BenchmarkSearch(b *testing.B) {
	segment := make([]byte, 1460)
	segment[0] = 4
	d := dicom.New(discard{})
	d.Join()
	b.SetBytes(int64(len(segment)))
	b.ReportAllocs()
	for b.Loop() {
		d.Write(segment)
	}
}

// TestNoAllocations holds that data sets and what is lost cost no memory.
func TestNoAllocations(t *testing.T) {
	stream := dataPDUs(4)
	d := dicom.New(discard{})
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		for segment := range slices.Chunk(stream, 1000) {
			d.Write(segment)
		}
		d.Missing(int64(len(stream)))
		d.Join()
		for segment := range slices.Chunk(stream, 7) {
			d.Write(segment)
		}
	}))
}
