package filter

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"netcap/internal/testenv"
)

// askTcpdump compiles an expression with the libpcap that tcpdump has here. The
// program is nil if it refuses the expression, and says why.
func askTcpdump(t testing.TB, tcpdump string, link LinkType, expr string, options ...string) (prog []bpf.RawInstruction, says string) {
	t.Helper()
	out, says := runTcpdump(tcpdump, "-ddd", link, expr, options...)
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

func runTcpdump(tcpdump, format string, link LinkType, expr string, options ...string) (out, says string) {
	args := append(options, format, "-y", link.String(), "-s", "262144", "--", expr)
	cmd := exec.Command(tcpdump, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", strings.TrimSpace(stderr.String()) + " (" + err.Error() + ")"
	}
	return stdout.String(), ""
}

// fixOffsets does to a program what libpcap does to those for cooked captures when
// it gives them to the kernel: fix_offset of its pcap-linux.c. tcpdump -d shows them
// as they were before. It is false if libpcap would run the program itself.
func fixOffsets(link LinkType, prog []bpf.RawInstruction) bool {
	headers := map[LinkType]struct {
		length uint32
		beside map[uint32]uint32
	}{
		LinkTypeLinuxSLL:  {16, map[uint32]uint32{0: 4, 14: 0}},
		LinkTypeLinuxSLL2: {20, map[uint32]uint32{0: 0, 4: 8, 10: 4}},
	}
	h, ok := headers[link]
	for n := range prog {
		i := &prog[n]
		mode := i.Op & modeMask
		if class := i.Op & classMask; !ok || class > classLdx || mode != modeAbs && mode != modeInd && mode != modeMsh ||
			i.K >= extraOffset {
			continue
		}
		if i.K >= h.length {
			i.K -= h.length
			continue
		}
		at, ok := h.beside[i.K]
		if !ok || mode != modeAbs {
			return false
		}
		i.K = extraOffset + at
	}
	return true
}

// looksAtLink tells whether an expression may look at bytes of a cooked header.
func looksAtLink(expr string) bool {
	return strings.Contains(expr, "ether[") || strings.Contains(expr, "link[") || strings.Contains(expr, "byte ")
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
	// options are more options of tcpdump's, and live is set if they are about a
	// live capture.
	options []string
	live    bool

	compiled, refused, never, longer, ours, theirs int
	verdicts, short, chance                        int
	// mistaken counts the packets on which libpcap's optimiser changes the verdict:
	// there we agree with what it was given.
	mistaken int
}

// compare compiles an expression both ways, and runs both programs on packets.
func (v *rival) compare(r *rand.Rand, link LinkType, expr string) {
	name := link.String() + " " + expr
	live := v.live
	switch link {
	case LinkTypeNull, LinkTypeLoop, linkTypeEnc, linkTypePFLog:
		// What is compiled without a capture at hand is for this machine's
		// address families.
		live = true
	}
	p, err := Compile(expr, &Config{LinkType: link, Live: live, Resolver: Files{}})
	prog, says := askTcpdump(v.t, v.tcpdump, link, expr, v.options...)
	if v.live && prog != nil && !fixOffsets(link, prog) {
		return // libpcap runs it itself
	}
	switch {
	case prog == nil && err != nil:
		v.refused++
		return
	case prog == nil && strings.Contains(says, "rejects all"):
		v.never++
		if p.Never() {
			return
		}
		prog = []bpf.RawInstruction{{Op: classRet}} // maybe by mistake
	case prog == nil:
		assert.True(v.t, theirFault(says), "%s: tcpdump says %q", name, says)
		return
	case err != nil:
		assert.True(v.t, newerRefuses(err) || v.live && errors.Is(err, ErrNotForKernel) && looksAtLink(expr), "%s: %v", name, err)
		return
	}
	v.compiled++
	v.ours += len(p.Instructions())
	v.theirs += len(prog)
	if len(p.Instructions()) > len(prog) {
		v.longer++
		v.t.Logf("%s: %d instructions, libpcap's %d", name, len(p.Instructions()), len(prog))
	}
	beside := make(map[uint32]uint32)
	extra := func(k uint32) (uint32, bool) { v, ok := beside[k]; return v, ok }
	vm := testVM{prog: prog, extra: extra}
	match := p.Match
	if v.live {
		ours := testVM{prog: p.Instructions(), network: true, extra: extra}
		match = func(data []byte, length int) bool { return ours.run(data, length) != 0 }
	}
	var unoptimised *testVM
	differ := 0
	check := func(pk testPacket) {
		vm.touched, vm.short = false, false
		putBeside(r, beside)
		want := vm.run(pk.data, pk.length) != 0
		switch {
		case vm.touched:
			v.chance++
			return
		case link == LinkTypeIEEE80211 && strings.Contains(expr, "pppoes") && len(pk.data) > 0 && pk.data[0]&0x0c != 0x08:
			return // only a data frame has a place for PPP
		case vm.short:
			// We leave out tests that make no difference, and don't reject a
			// packet for ending before them.
			v.short++
			return
		}
		v.verdicts++
		if match(pk.data, pk.length) == want {
			return
		}
		if unoptimised == nil {
			prog, says := askTcpdump(v.t, v.tcpdump, link, expr, append([]string{"-O"}, v.options...)...)
			require.Empty(v.t, says, name)
			if v.live {
				require.True(v.t, fixOffsets(link, prog), name)
			}
			unoptimised = &testVM{prog: prog, extra: extra}
		}
		if unoptimised.run(pk.data, pk.length) != 0 != want {
			v.mistaken++
			return
		}
		if differ++; differ == 1 {
			assert.Failf(v.t, "verdicts differ", "%s: libpcap %v for a packet of %d bytes: %x", name, want, pk.length, pk.data)
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
	for _, part := range []string{
		" of at most ", "no DECnet address", "needs the network mask", "in files", "division by zero", "shift by more than 31 bits",
	} {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// TestTcpdump compares with tcpdump on expressions made by chance.
func TestTcpdump(t *testing.T) {
	t.Parallel()
	v := &rival{t: t, tcpdump: testenv.Program(t, "tcpdump"), packets: corpusPackets(t)}
	sentences := uint64(600)
	if testing.Short() {
		sentences = 200
	}
	for seed := range sentences {
		r := rand.New(rand.NewPCG(7, seed))
		link := tcpdumpLinks[r.IntN(len(tcpdumpLinks))]
		v.compare(r, link, (&sentence{r, link}).expr(2))
	}
	t.Logf("%d expressions compiled by both, %d refused by both, %d never match; %d instructions, libpcap's %d, %d programs longer; %d verdicts, and %d of packets that end too early for libpcap",
		v.compiled, v.refused, v.never, v.ours, v.theirs, v.longer, v.verdicts, v.short)
	require.Greater(t, v.compiled, int(sentences)/2)
	assert.Less(t, v.ours, v.theirs)
	assert.Less(t, 100*v.longer, v.compiled, "programs longer than libpcap's")
	assert.Less(t, 1000*v.mistaken, v.verdicts, "verdicts that libpcap's optimiser changes")
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
