package filter

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// A testPacket is what was captured of a packet and how long it was.
type testPacket struct {
	data   []byte
	length int
}

// readPackets reads a capture. Damage ends it: the corpus has damaged files.
func readPackets(t testing.TB, path string, each func(LinkType, testPacket)) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := pcapfile.NewReader(bytes.NewReader(b))
	if err != nil {
		return
	}
	for {
		p, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Logf("%s: %v", filepath.Base(path), err)
			}
			return
		}
		each(LinkType(p.Interface.LinkType), testPacket{bytes.Clone(p.Data), int(p.Length)})
	}
}

// corpusPackets are the packets of all captures, by link type.
func corpusPackets(t testing.TB) map[LinkType][]testPacket {
	t.Helper()
	all := make(map[LinkType][]testPacket)
	for _, dir := range []string{"captures", filepath.Join("filter", "savefiles")} {
		entries, err := os.ReadDir(filepath.Join(testenv.Corpus(t), dir))
		require.NoError(t, err)
		for _, e := range entries {
			if !strings.Contains(e.Name(), "cap") {
				continue
			}
			readPackets(t, filepath.Join(testenv.Corpus(t), dir, e.Name()), func(link LinkType, p testPacket) {
				all[link] = append(all[link], p)
			})
		}
	}
	require.NotEmpty(t, all[LinkTypeEthernet])
	return all
}

// randomPacket is a packet of the corpus with some bytes changed, cut off or
// added, or bytes by chance.
func randomPacket(r *rand.Rand, from []testPacket) testPacket {
	var data []byte
	if len(from) > 0 && r.IntN(4) > 0 {
		data = bytes.Clone(from[r.IntN(len(from))].data)
		if len(data) > 400 {
			data = data[:400]
		}
	} else {
		data = make([]byte, r.IntN(200))
		for i := range data {
			if r.IntN(3) > 0 {
				data[i] = byte(r.Uint32())
			}
		}
	}
	for range r.IntN(4) {
		if len(data) > 0 {
			data[r.IntN(len(data))] = byte(r.Uint32())
		}
	}
	if r.IntN(3) == 0 && len(data) > 0 {
		data = data[:r.IntN(len(data))]
	}
	length := len(data)
	if r.IntN(4) == 0 {
		length += r.IntN(1000)
	}
	return testPacket{data, length}
}

// steer changes a packet so that it goes other ways through a program: at jumps,
// the bytes that decide are made to be what is asked for, or next to it.
func steer(r *rand.Rand, prog []bpf.RawInstruction, p testPacket) testPacket {
	data := bytes.Clone(p.data)
	if len(data) < 120 && r.IntN(3) > 0 {
		data = append(data, make([]byte, 120-len(data))...)
	}
	for range 12 {
		var set func()
		vm := testVM{prog: prog, network: true, extra: func(uint32) (uint32, bool) { return 0, true }}
		vm.jumped = func(from loadedFrom, i bpf.RawInstruction, a uint32) {
			if !from.ok || r.IntN(3) > 0 {
				return
			}
			want := i.K
			switch i.Op & opMask {
			case jmpJGt:
				want += uint32(r.IntN(2))
			case jmpJGe:
				want -= uint32(r.IntN(2))
			case jmpJSet:
				want &= r.Uint32()
			case jmpJEq:
				if r.IntN(8) == 0 {
					want ^= 1 << r.IntN(8*from.size)
				}
			}
			set = func() {
				for n := range from.size {
					shift := 8 * (from.size - 1 - n)
					m := byte(from.mask >> shift)
					if i.Op&opMask == jmpJSet {
						m = byte(i.K >> shift)
					}
					data[from.at+n] = data[from.at+n]&^m | byte(want>>shift)&m
				}
			}
		}
		vm.run(data, len(data))
		if set == nil {
			continue
		}
		set()
	}
	if r.IntN(6) == 0 {
		data = data[:r.IntN(len(data)+1)]
	}
	return testPacket{data, max(p.length, len(data))}
}
