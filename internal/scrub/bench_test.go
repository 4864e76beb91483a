package scrub_test

import (
	"path/filepath"
	"testing"

	"netcap/internal/scrub"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// BenchmarkScrub scrubs a bulk transfer in segments of the network card's size, and one in
// segments of the wire's.
func BenchmarkScrub(b *testing.B) {
	for _, name := range []string{"store_big", "loss_after_tap"} {
		b.Run(name, func(b *testing.B) {
			packets := packetsOf(b, filepath.Join(testenv.Corpus(b), "dicom", name+".pcap"))
			bytes := int64(0)
			for i := range packets {
				bytes += int64(len(packets[i].Data))
			}
			b.SetBytes(bytes)
			b.ReportAllocs()
			for b.Loop() {
				s := scrub.New(func(*pcapfile.Packet, int) error { return nil })
				for i := range packets {
					if err := s.Add(&packets[i], i); err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
		})
	}
}
