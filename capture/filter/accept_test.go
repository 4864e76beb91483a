package filter

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readsGarbage are the programs of libpcap's that read scratch memory which they
// never wrote: those that look for a tunnel behind a radio header. Its verdict is
// chance there, and a kernel refuses them. A packet for which they do is left out.
var readsGarbage = map[string]bool{
	"IEEE802_11_RADIO geneve and tcp[0xab] == 0xcd": true,
	"IEEE802_11_RADIO vxlan and tcp[0xab] == 0xcd":  true,
}

// TestAccept compiles what libpcap accepts. Our program is never longer. On the
// captures of that link type, on mutated and random packets, and on packets that
// are led through each other's branches, the verdicts are the same.
func TestAccept(t *testing.T) {
	t.Parallel()
	resolver := corpusResolver(t)
	packets := corpusPackets(t)
	var cases, others, ours, theirs, compared, accepted, garbage int
	for _, c := range readCases(t, "filter-cases.jsonl", "accept") {
		if !c.applies() {
			others++
			continue
		}
		cases++
		name := c.DLT + " " + c.Expr
		cfg := c.config(t, resolver)
		p, err := Compile(c.Expr, cfg)
		if !assert.NoError(t, err, name) {
			continue
		}
		assert.Equal(t, c.OptRejects, p.Never(), name)
		if c.OptRejects {
			continue
		}
		beside := make(map[uint32]uint32)
		extra := func(k uint32) (uint32, bool) { v, ok := beside[k]; return v, ok }
		want := testVM{prog: c.program(), extra: extra}
		got := p.Match
		if c.LinuxExt {
			// Only the kernel can run it: TestKernel and TestLive let it.
			ours := testVM{prog: p.Instructions(), network: true, extra: extra}
			got = func(data []byte, length int) bool { return ours.run(data, length) != 0 }
		}
		if p.Kernel() == nil {
			ours += len(p.Instructions())
			theirs += len(want.prog)
			assert.LessOrEqual(t, len(p.Instructions()), len(want.prog), name)
		}
		differ := 0
		r := rand.New(rand.NewPCG(1, uint64(cases)))
		check := func(pk testPacket) {
			want.touched = false
			putBeside(r, beside)
			snap := want.run(pk.data, pk.length)
			if want.touched {
				garbage++
				assert.True(t, readsGarbage[name], name)
				return
			}
			compared++
			if snap != 0 {
				accepted++
				assert.EqualValues(t, c.SnapLen, snap, name)
			}
			if got(pk.data, pk.length) != (snap != 0) && !shortGeneve(c.Expr, pk) {
				if differ++; differ == 1 {
					assert.Failf(t, "verdicts differ", "%s: libpcap %d for a packet of %d bytes: %x", name, snap, pk.length, pk.data)
				}
			}
		}
		for _, pk := range packets[cfg.LinkType] {
			check(pk)
		}
		rounds := 80
		if testing.Short() {
			rounds = 20
		}
		for range rounds {
			pk := randomPacket(r, packets[cfg.LinkType])
			check(pk)
			check(steer(r, want.prog, pk))
			check(steer(r, p.Instructions(), pk))
		}
	}
	t.Logf("%d cases, %d of other systems left out; %d instructions, libpcap's %d; %d verdicts compared, %d of them accept; %d left out as chance",
		cases, others, ours, theirs, compared, accepted, garbage)
	require.Positive(t, accepted)
	require.Less(t, ours, theirs)
}

// putBeside makes up what the kernel keeps beside a packet: its protocol, which way
// it goes, its interface, and the VLAN tag that was taken off it.
func putBeside(r *rand.Rand, beside map[uint32]uint32) {
	pick := func(values ...uint32) uint32 { return values[r.IntN(len(values))] }
	beside[extraProtocol] = pick(0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806, 4, 1, r.Uint32()&0xffff)
	beside[extraPacketType] = pick(0, 1, 2, 3, 4)
	beside[extraInterface] = pick(1, 10, 0xabcd1234)
	beside[extraVLANTagPresent] = pick(0, 1)
	beside[extraVLANTag] = pick(0, 10, 10|0x2000, 5, 0xfff, r.Uint32()&0xffff)
}

// shortGeneve tells whether a packet ends in a Geneve header, or in the first
// bytes behind: libpcap then looks at fields that it has no use for.
func shortGeneve(expr string, p testPacket) bool {
	return (expr == "geneve" || expr == "geneve and geneve") && len(p.data) < 140
}

// TestReject compiles what libpcap refuses.
func TestReject(t *testing.T) {
	resolver := corpusResolver(t)
	var cases, others int
	for _, c := range readCases(t, "filter-cases.jsonl", "reject") {
		if !c.applies() {
			others++
			continue
		}
		name := c.DLT + " " + c.Expr
		cases++
		p, err := Compile(c.Expr, c.config(t, resolver))
		if c.ErrorSubstr == "expression rejects all packets" {
			// For us that is a program that says so.
			if assert.NoError(t, err, name) {
				assert.True(t, p.Never(), name)
			}
			continue
		}
		if !assert.Error(t, err, "%s: libpcap says %q", name, c.ErrorSubstr) {
			continue
		}
		var e *Error
		require.ErrorAs(t, err, &e, name)
		assert.Nil(t, p, name)
		assert.Equal(t, c.Expr, e.Expr, name)
		assert.True(t, e.Pos >= 0 && e.Len >= 0 && e.Pos+e.Len <= len(e.Expr), name)
		assert.NotEmpty(t, e.Msg, name)
	}
	t.Logf("%d cases, %d of other systems left out", cases, others)
}
