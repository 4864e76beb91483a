package filter

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"netcap/internal/testenv"
)

// askTcpdump compiles an expression with the libpcap that tcpdump has here. The
// program is nil if it refuses the expression, and says why.
func askTcpdump(t testing.TB, tcpdump string, link LinkType, expr string, args ...string) (prog []bpf.RawInstruction, says string) {
	t.Helper()
	out, says := runTcpdump(tcpdump, "-ddd", link, expr, args...)
	if says != "" {
		return nil, says
	}
	return decodeProgram(t, out), ""
}

// decodeProgram reads what tcpdump -ddd prints.
func decodeProgram(t testing.TB, out string) []bpf.RawInstruction {
	t.Helper()
	r := strings.NewReader(out)
	var n int
	_, err := fmt.Fscan(r, &n)
	require.NoError(t, err)
	prog := make([]bpf.RawInstruction, n)
	for i := range prog {
		_, err := fmt.Fscan(r, &prog[i].Op, &prog[i].Jt, &prog[i].Jf, &prog[i].K)
		require.NoError(t, err)
	}
	return prog
}

func runTcpdump(tcpdump, format string, link LinkType, expr string, args ...string) (out, says string) {
	cmd := exec.Command(tcpdump, append(args, format, "-y", link.String(), "-s", "262144", "--", expr)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", strings.TrimSpace(stderr.String()) + " (" + err.Error() + ")"
	}
	return stdout.String(), ""
}

// withoutCookedHeader does what libpcap does to a program before it gives it to the
// kernel, whose packets have no cooked header. tcpdump -ddd prints it as it is
// before. It is false if libpcap would run the program itself.
func withoutCookedHeader(link LinkType, prog []bpf.RawInstruction) bool {
	length := uint32(16)
	extra := map[uint32]uint32{0: 4, 14: 0} // packet type, protocol
	if link == LinkTypeLinuxSLL2 {
		length, extra = 20, map[uint32]uint32{0: 0, 4: 8, 10: 4} // protocol, interface, packet type
	}
	for i := range prog {
		switch {
		case prog[i].K >= 0xfffff000:
		case prog[i].Op&7 == 0 && prog[i].Op&0xe0 == 0x20 && prog[i].K < length:
			k, ok := extra[prog[i].K]
			if !ok {
				return false
			}
			prog[i].K = 0xfffff000 + k
		case prog[i].Op&7 == 0 && (prog[i].Op&0xe0 == 0x20 || prog[i].Op&0xe0 == 0x40), prog[i].Op == 0xb1:
			if prog[i].K < length {
				return false
			}
			prog[i].K -= length
		}
	}
	return true
}

// tcpdumpLinks are what expressions are made for, Ethernet most often.
var tcpdumpLinks = []LinkType{
	LinkTypeEthernet, LinkTypeEthernet, LinkTypeEthernet, LinkTypeRaw, LinkTypeLinuxSLL, LinkTypeLinuxSLL2,
	LinkTypePPP, LinkTypeIEEE80211, LinkTypeIEEE80211Radio, LinkTypeNull, LinkTypeLoop, LinkTypeIPv4, LinkTypeIPv6,
}

// A rival compares our programs with those of tcpdump's libpcap.
type rival struct {
	t       testing.TB
	tcpdump string
	packets map[LinkType][]testPacket
	// args are more arguments of tcpdump's, and live is set if they are about a
	// live capture.
	args []string
	live bool

	compiled, refused, never, longer, ours, theirs int
	verdicts, short, chance, optimiser             int
}

// compare compiles an expression both ways, and runs both programs on packets.
func (v *rival) compare(r *rand.Rand, link LinkType, expr string) {
	name := link.String() + " " + expr
	// What is compiled without a capture at hand is for this machine's address
	// families.
	live := v.live || slices.Contains([]LinkType{LinkTypeNull, LinkTypeLoop, linkTypeEnc, linkTypePFLog}, link)
	p, err := Compile(expr, &Config{LinkType: link, Live: live, Resolver: Files{}})
	prog, says := askTcpdump(v.t, v.tcpdump, link, expr, v.args...)
	switch {
	case prog == nil && err != nil:
		v.refused++
		return
	case prog == nil:
		if strings.Contains(says, "rejects all") {
			v.never++
			assert.True(v.t, p.Never(), name)
			return
		}
		assert.True(v.t, theirFault(says), "%s: tcpdump says %q", name, says)
		return
	case err != nil:
		userSpace := v.live && errors.Is(err, ErrNotForKernel) &&
			(strings.Contains(expr, "ether[") || strings.Contains(expr, "link[") || strings.Contains(expr, "byte "))
		assert.True(v.t, userSpace || newerRefuses(err), "%s: %v", name, err)
		return
	}
	if v.live && link != LinkTypeEthernet && !withoutCookedHeader(link, prog) {
		return
	}
	v.compiled++
	v.ours += len(p.Instructions())
	v.theirs += len(prog)
	if len(p.Instructions()) > len(prog) {
		v.longer++
	}
	beside := make(map[uint32]uint32)
	extra := func(k uint32) (uint32, bool) { v, ok := beside[k]; return v, ok }
	vm := testVM{prog: prog, extra: extra}
	match := p.Match
	if v.live {
		ours := testVM{prog: p.Instructions(), network: true, extra: extra}
		match = func(data []byte, length int) bool { return ours.run(data, length) != 0 }
	}
	differ := 0
	var plain *testVM
	check := func(pk testPacket) {
		vm.touched, vm.short = false, false
		putBeside(r, beside)
		want := vm.run(pk.data, pk.length) != 0
		switch {
		case vm.touched:
			v.chance++
			return
		case vm.short:
			// We leave out tests that make no difference, and don't reject a
			// packet for ending before them.
			v.short++
			return
		}
		v.verdicts++
		if got := match(pk.data, pk.length); got != want {
			if plain == nil {
				plain = v.plain(link, expr, extra)
			}
			if (plain.run(pk.data, pk.length) != 0) == got {
				v.optimiser++
				return
			}
			if differ++; differ == 1 {
				assert.Failf(v.t, "verdicts differ", "%s: libpcap %v for a packet of %d bytes: %x", name, want, pk.length, pk.data)
			}
		}
	}
	for range 30 {
		pk := randomPacket(r, v.packets[link])
		long := testPacket{append(bytes.Clone(pk.data), make([]byte, 300)...), pk.length + 300}
		for _, pk := range []testPacket{pk, long} {
			check(pk)
			check(steer(r, prog, pk))
			check(steer(r, p.Instructions(), pk))
		}
	}
}

// plain is libpcap's program as it is before libpcap optimises it, with other
// verdicts sometimes: (0 << tcp[0]) = 0 optimised accepts what isn't TCP.
func (v *rival) plain(link LinkType, expr string, extra func(uint32) (uint32, bool)) *testVM {
	v.t.Helper()
	prog, says := askTcpdump(v.t, v.tcpdump, link, expr, append([]string{"-O"}, v.args...)...)
	require.Empty(v.t, says)
	if v.live && link != LinkTypeEthernet {
		require.True(v.t, withoutCookedHeader(link, prog))
	}
	return &testVM{prog: prog, extra: extra}
}

// theirFault tells errors of libpcap's: it takes the first number of a divisor or
// a shift for its whole value, as in len / ip[0].
func theirFault(says string) bool {
	return strings.Contains(says, "division by zero") || strings.Contains(says, "modulus by zero") ||
		strings.Contains(says, "shift by more than 31 bits")
}

// newerRefuses tells what libpcap 1.11 refuses and 1.10 doesn't, and what we
// refuse because the value is constant though it isn't written so.
func newerRefuses(err error) bool {
	s := err.Error()
	return strings.Contains(s, "LLC service access point") || strings.Contains(s, "in files") ||
		strings.Contains(s, "division by zero") || strings.Contains(s, "shift by more than 31 bits")
}

// TestTcpdump compares with tcpdump on expressions made by chance.
func TestTcpdump(t *testing.T) {
	v := &rival{t: t, tcpdump: testenv.Program(t, "tcpdump"), packets: corpusPackets(t)}
	sentences := uint64(1500)
	if testing.Short() {
		sentences = 200
	}
	for seed := range sentences {
		r := rand.New(rand.NewPCG(7, seed))
		link := tcpdumpLinks[r.IntN(len(tcpdumpLinks))]
		v.compare(r, link, (&sentence{r, link}).expr(2))
	}
	t.Logf("%d expressions compiled by both, %d refused by both, %d never match; %d instructions, libpcap's %d, %d programs longer; %d verdicts, %d of which libpcap's optimiser changed, and %d of packets that end too early for libpcap",
		v.compiled, v.refused, v.never, v.ours, v.theirs, v.longer, v.verdicts, v.optimiser, v.short)
	require.Greater(t, v.compiled, int(sentences)/2)
	assert.Less(t, v.ours, v.theirs)
	assert.Less(t, 100*v.longer, v.compiled, "programs longer than libpcap's")
}

// FuzzTcpdump lets the fuzzer choose the expressions' parts.
func FuzzTcpdump(f *testing.F) {
	v := &rival{tcpdump: testenv.Program(f, "tcpdump"), packets: corpusPackets(f)}
	f.Add(uint64(1), uint64(2), uint8(0))
	f.Add(uint64(7), uint64(42), uint8(7))
	f.Fuzz(func(t *testing.T, a, b uint64, link uint8) {
		r := rand.New(rand.NewPCG(a, b))
		v := &rival{t: t, tcpdump: v.tcpdump, packets: v.packets}
		l := tcpdumpLinks[int(link)%len(tcpdumpLinks)]
		v.compare(r, l, (&sentence{r, l}).expr(3))
	})
}

// TestDump prints programs of tcpdump's as it does.
func TestDump(t *testing.T) {
	tcpdump := testenv.Program(t, "tcpdump")
	exprs := []string{"", "ip", "len > 5 and ip[2:2] % 7 = 3", "vlan and tcp port 80", "ether[0] ^ 5 = - ip[3]"}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(11, seed))
		exprs = append(exprs, (&sentence{r, LinkTypeEthernet}).expr(2))
	}
	compared := 0
	for _, expr := range exprs {
		prog, says := askTcpdump(t, tcpdump, LinkTypeEthernet, expr)
		if says != "" {
			continue
		}
		compared++
		p := &Program{raw: prog}
		for option, format := range map[string]Format{"-d": Text, "-dd": C, "-ddd": Decimal} {
			want, _ := runTcpdump(tcpdump, option, LinkTypeEthernet, expr)
			assert.Equal(t, want, p.Dump(format), "%s %s", option, expr)
		}
	}
	require.Greater(t, compared, 20)
}
