package filter

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
)

// xnet is the VM of golang.org/x/net/bpf for a program, or nil if it doesn't take
// it: it has neither backward jumps nor most of what the kernel keeps.
func xnet(prog []bpf.RawInstruction) *bpf.VM {
	list, ok := bpf.Disassemble(prog)
	if !ok {
		return nil
	}
	vm, err := bpf.NewVM(list)
	if err != nil {
		return nil
	}
	return vm
}

// TestVM holds the matcher, and the VM that other tests use, against the one of
// golang.org/x/net/bpf. For that one the length of a packet is what was captured.
func TestVM(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("the VM of golang.org/x/net/bpf adds offsets as int, which is too small here")
	}
	resolver := corpusResolver(t)
	packets := corpusPackets(t)
	var programs, compared, accepted int
	for n, c := range readCases(t, "filter-cases.jsonl", "accept") {
		if !c.applies() || c.OptRejects {
			continue
		}
		cfg := c.config(t, resolver)
		p, err := Compile(c.Expr, cfg)
		require.NoError(t, err)
		ours, theirs := xnet(p.Instructions()), xnet(c.program())
		if ours == nil || theirs == nil || readsGarbage[c.DLT+" "+c.Expr] {
			continue
		}
		programs++
		r := rand.New(rand.NewPCG(5, uint64(n)))
		libpcaps := testVM{prog: c.program()}
		for range 30 {
			pk := steer(r, c.program(), randomPacket(r, packets[cfg.LinkType]))
			compared++
			got, err := ours.Run(pk.data)
			require.NoError(t, err)
			if got != 0 {
				accepted++
			}
			assert.Equal(t, got != 0, p.Match(pk.data, len(pk.data)), "%s %s: %x", c.DLT, c.Expr, pk.data)
			want, err := theirs.Run(pk.data)
			require.NoError(t, err)
			assert.EqualValues(t, want, libpcaps.run(pk.data, len(pk.data)), "%s %s: %x", c.DLT, c.Expr, pk.data)
		}
	}
	t.Logf("%d programs, %d verdicts compared, %d of them accept", programs, compared, accepted)
	require.Greater(t, programs, 100)
	require.Positive(t, accepted)
}

// TestConcurrent uses a program with scratch memory from several goroutines.
func TestConcurrent(t *testing.T) {
	p, err := Compile("ip[2:2] * ip[4:2] = (ip[6:2] + ip[8:2]) * (ip[10:2] + ip[12:2])", nil)
	require.NoError(t, err)
	reference := xnet(p.Instructions())
	require.NotNil(t, reference)
	packets := corpusPackets(t)[LinkTypeEthernet][:500]
	want := make([]bool, len(packets))
	for i, pk := range packets {
		n, err := reference.Run(pk.data)
		require.NoError(t, err)
		want[i] = n != 0
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, pk := range packets {
				if p.Match(pk.data, pk.length) != want[i] {
					t.Errorf("packet %d: not %v", i, want[i])
				}
			}
		})
	}
	wg.Wait()
}
