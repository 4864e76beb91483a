package diagnosis_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
)

// BenchmarkAdd is how fast an analysis takes captures, in bytes of packets: a large transfer
// on a bridge, with segments of up to 65 kB, and others; each again and again.
func BenchmarkAdd(b *testing.B) {
	_, dir := corpus(b)
	for _, name := range []string{"store_big", "store_ok", "loss_before_tap", "find_ok"} {
		b.Run(name, func(b *testing.B) {
			file, err := os.ReadFile(filepath.Join(dir, name+".pcap"))
			require.NoError(b, err)
			list := packets(b, bytes.NewReader(file))
			var size int64
			for n := range list {
				size += int64(len(list[n].Data))
			}
			b.SetBytes(size)
			b.ReportAllocs()
			a := diagnosis.New(&diagnosis.Config{Ended: func(*diagnosis.Association, []*diagnosis.Finding) {}})
			f := a.File(name)
			took := list[len(list)-1].Time.Sub(list[0].Time)
			for b.Loop() {
				for n := range list {
					a.Add(f, &list[n])
					list[n].Time = list[n].Time.Add(took + time.Minute)
				}
			}
			a.Close()
			b.ReportMetric(float64(b.N*len(list))/b.Elapsed().Seconds()/1e6, "Mpkt/s")
		})
	}
}
