package diagnosis_test

import (
	"bytes"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
	"netcap/pcapfile"
)

// packets are those of a capture, with data of their own.
func packets(t testing.TB, r io.Reader) []pcapfile.Packet {
	t.Helper()
	reader, err := pcapfile.NewReader(r)
	if err != nil {
		return nil
	}
	var list []pcapfile.Packet
	for {
		p, err := reader.Next()
		if err != nil {
			return list
		}
		own := *p
		own.Data = bytes.Clone(p.Data)
		list = append(list, own)
	}
}

// judged is what is made of packets, held to what is always true.
func judged(t testing.TB, list []pcapfile.Packet) *diagnosis.Report {
	t.Helper()
	a := diagnosis.New(&diagnosis.Config{Operations: true, Instances: true})
	f := a.File("mutated.pcap")
	for n := range list {
		a.Add(f, &list[n])
	}
	r := a.Close()
	if len(list) > 0 {
		holds(t, r)
	}
	return r
}

// mutations change packets as networks, capturing programs and evil senders do.
var mutations = map[string]func(*rand.Rand, []pcapfile.Packet) []pcapfile.Packet{
	"bits": func(r *rand.Rand, list []pcapfile.Packet) []pcapfile.Packet {
		for range 1 + len(list)/10 {
			p := &list[r.IntN(len(list))]
			p.Data = bytes.Clone(p.Data)
			// Mostly where headers are, or the beginnings of PDUs.
			p.Data[r.IntN(min(len(p.Data), 200))] ^= 1 << r.IntN(8)
		}
		return list
	},
	"bytes": func(r *rand.Rand, list []pcapfile.Packet) []pcapfile.Packet {
		for range 1 + len(list)/10 {
			p := &list[r.IntN(len(list))]
			p.Data = bytes.Clone(p.Data)
			p.Data[r.IntN(len(p.Data))] = byte(r.IntN(256))
		}
		return list
	},
	"drops": func(r *rand.Rand, list []pcapfile.Packet) []pcapfile.Packet {
		odds := 2 + r.IntN(30)
		return slices.DeleteFunc(list, func(pcapfile.Packet) bool { return r.IntN(odds) == 0 })
	},
	"copies": func(r *rand.Rand, list []pcapfile.Packet) []pcapfile.Packet {
		for range 1 + len(list)/5 {
			n := r.IntN(len(list))
			list = slices.Insert(list, min(len(list), n+r.IntN(5)), list[n])
		}
		return list
	},
	"order": func(r *rand.Rand, list []pcapfile.Packet) []pcapfile.Packet {
		for range 1 + len(list)/5 {
			n := r.IntN(len(list))
			m := min(len(list)-1, n+r.IntN(8))
			list[n], list[m] = list[m], list[n]
		}
		return list
	},
	"times": func(r *rand.Rand, list []pcapfile.Packet) []pcapfile.Packet {
		for range 1 + len(list)/5 {
			p := &list[r.IntN(len(list))]
			p.Time = p.Time.Add(time.Duration(r.Int64N(2e12) - 1e12))
		}
		return list
	},
	"snap": func(r *rand.Rand, list []pcapfile.Packet) []pcapfile.Packet {
		snap := 20 + r.IntN(200)
		for n := range list {
			list[n].Data = list[n].Data[:min(len(list[n].Data), snap)]
		}
		return list
	},
	"lengths": func(r *rand.Rand, list []pcapfile.Packet) []pcapfile.Packet {
		for range 1 + len(list)/10 {
			p := &list[r.IntN(len(list))]
			p.Data = p.Data[:r.IntN(len(p.Data)+1)]
		}
		return slices.DeleteFunc(list, func(p pcapfile.Packet) bool { return len(p.Data) == 0 })
	},
}

// TestMutations has captures of the corpus changed in many ways.
func TestMutations(t *testing.T) {
	all, dir := corpus(t)
	for _, name := range slices.Sorted(maps.Keys(all.Captures)) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		if len(b) > 1<<20 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			list := packets(t, bytes.NewReader(b))
			require.NotEmpty(t, list)
			for _, kind := range slices.Sorted(maps.Keys(mutations)) {
				for seed := range uint64(8) {
					r := rand.New(rand.NewPCG(seed, uint64(len(list))))
					changed := mutations[kind](r, slices.Clone(list))
					if seed%3 == 2 && len(changed) > 0 {
						changed = mutations["drops"](r, mutations["bits"](r, changed))
					}
					judged(t, changed)
					if t.Failed() {
						t.Fatalf("%s, seed %d", kind, seed)
					}
				}
			}
		})
	}
}

// TestTruncations ends and begins captures at every packet.
func TestTruncations(t *testing.T) {
	all, dir := corpus(t)
	for _, name := range slices.Sorted(maps.Keys(all.Captures)) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		list := packets(t, bytes.NewReader(b))
		if len(list) > 200 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			whole := judged(t, list)
			for n := range list {
				r := judged(t, list[:n])
				// What is there is no more than what the whole capture has.
				assert.LessOrEqual(t, total(r), total(whole), "the first %d packets", n)
				r = judged(t, list[n:])
				assert.LessOrEqual(t, total(r), total(whole), "without the first %d packets", n)
			}
		})
	}
}

// total is the bytes of all data sets.
func total(r *diagnosis.Report) (bytes int64) {
	for _, as := range r.Associations {
		bytes += as.Bytes
	}
	return bytes
}

// FuzzAnalysis has any file analyzed, and holds the report to what is always true.
func FuzzAnalysis(f *testing.F) {
	all, dir := corpus(f)
	for name := range all.Captures {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(f, err)
		if len(b) < 16<<10 {
			f.Add(b)
		}
	}
	for _, build := range []func(*traffic){
		func(tr *traffic) {
			p := tr.open(ct, pacs)
			p.store(client, 3000, 0xb000)
			p.store(server, 10, 0)
			p.release()
		},
		func(tr *traffic) { tr.connect(ct, pacs).refuse(storage(), 2, 3, 2); tr.arp(1, "10.0.0.1", "10.0.0.2") },
	} {
		tr := &traffic{}
		build(tr)
		f.Add(tr.file())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		judged(t, packets(t, bytes.NewReader(b)))
	})
}
