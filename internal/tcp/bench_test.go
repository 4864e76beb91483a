package tcp_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"netcap/internal/tcp"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// BenchmarkRead reads the packets of a bulk transfer, BenchmarkTracker follows them.
func BenchmarkRead(b *testing.B) {
	packets := bulk(b)
	b.ReportAllocs()
	var s tcp.Segment
	for b.Loop() {
		for i := range packets {
			s.Read(&packets[i])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
}

func BenchmarkTracker(b *testing.B) {
	packets := bulk(b)
	segments := make([]tcp.Segment, len(packets))
	for i := range packets {
		segments[i].Read(&packets[i])
	}
	b.ReportAllocs()
	for b.Loop() {
		tracker := tcp.New(nil)
		for i := range segments {
			tracker.Segment(&segments[i])
		}
		tracker.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
}

func bulk(b *testing.B) (packets []pcapfile.Packet) {
	each(b, filepath.Join(testenv.Corpus(b), "dicom", "store_big.pcap"), func(p *pcapfile.Packet) {
		kept := *p
		kept.Data = bytes.Clone(p.Data)
		packets = append(packets, kept)
	})
	return packets
}
