package scrub_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// wraps are the ways in which TCP comes.
func wraps() map[string]wrap {
	udp := func(port int, payload []byte) []byte {
		b := append(append(u16(40000), u16(port)...), u16(8+len(payload))...)
		return packetIP(false, 0, 17, 9, append(append(b, 0, 0), payload...), 6)
	}
	vxlan := []byte{8, 0, 0, 0, 0, 0, 7, 0}
	gre := func(header ...byte) func(b []byte) []byte {
		return func(b []byte) []byte {
			g := append(header, b...)
			if header[0]&0x80 != 0 {
				g[4], g[5] = 0, 0
				c := checksum(g)
				g[4], g[5] = byte(c>>8), byte(c)
			}
			return ethernet(0x800, packetIP(false, 0, 47, 9, g, -1))
		}
	}
	return map[string]wrap{
		"IPv4":                {pcapfile.LinkTypeEthernet, false, func(b []byte) []byte { return ethernet(0x800, b) }},
		"IPv6":                {pcapfile.LinkTypeEthernet, true, func(b []byte) []byte { return ethernet(0x86dd, b) }},
		"raw":                 {pcapfile.LinkTypeRaw, false, nil},
		"VLAN":                {pcapfile.LinkTypeEthernet, false, func(b []byte) []byte { return ethernet(0x8100, append([]byte{0, 5, 8, 0}, b...)) }},
		"MPLS":                {pcapfile.LinkTypeEthernet, false, func(b []byte) []byte { return ethernet(0x8847, append([]byte{0, 1, 1, 64}, b...)) }},
		"VXLAN":               {pcapfile.LinkTypeEthernet, false, func(b []byte) []byte { return ethernet(0x800, udp(4789, append(vxlan, ethernet(0x800, b)...))) }},
		"IPv6 in VXLAN":       {pcapfile.LinkTypeEthernet, true, func(b []byte) []byte { return ethernet(0x800, udp(4789, append(vxlan, ethernet(0x86dd, b)...))) }},
		"IP in IP":            {pcapfile.LinkTypeEthernet, false, func(b []byte) []byte { return ethernet(0x800, packetIP(false, 0, 4, 9, b, -1)) }},
		"GRE":                 {pcapfile.LinkTypeEthernet, false, gre(0, 0, 8, 0)},
		"GRE with a checksum": {pcapfile.LinkTypeEthernet, false, gre(0x80, 0, 8, 0, 0, 0, 0, 0)},
	}
}

// opaque are ways in which TCP can't be followed.
func opaques() map[string]wrap {
	all := wraps()
	udp := all["VXLAN"].outs
	e := pcapfile.LinkTypeEthernet
	return map[string]wrap{
		"VXLAN elsewhere": {e, false, func(b []byte) []byte { f := udp(b); f[14+20+2], f[14+20+3] = 0x30, 0x39; return f }},
		"IPv6 in VXLAN elsewhere": {e, true, func(b []byte) []byte {
			f := all["IPv6 in VXLAN"].outs(b)
			f[14+20+2], f[14+20+3] = 0x30, 0x39
			return f
		}},
		"ERSPAN": {e, false, func(b []byte) []byte {
			return ethernet(0x800, packetIP(false, 0, 47, 9, append([]byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0}, ethernet(0x800, b)...), -1))
		}},
		"MACsec":    {e, false, func(b []byte) []byte { return ethernet(0x88e5, append(make([]byte, 8), b...)) }},
		"link type": {pcapfile.LinkType(147), false, nil},
		"null ESP": {e, false, func(b []byte) []byte {
			return ethernet(0x800, packetIP(false, 0, 50, 9, append(make([]byte, 8), b...), -1))
		}},
		"later fragment": {e, false, func(b []byte) []byte {
			f := packetIP(false, 0, 6, 9, b, -1)
			f[6], f[7] = 0, 100
			return ethernet(0x800, f)
		}},
		"ICMP quotes": {e, false, func(b []byte) []byte {
			return ethernet(0x800, packetIP(false, 1, 1, 9, append([]byte{3, 4, 0, 0, 0, 0, 5, 0xdc}, b...), -1))
		}},
		"ICMP quotes VXLAN": {e, false, func(b []byte) []byte {
			return ethernet(0x800, packetIP(false, 1, 1, 9, append([]byte{3, 4, 0, 0, 0, 0, 5, 0xdc}, udp(b)[14:]...), -1))
		}},
		"ICMP redirects": {e, false, func(b []byte) []byte {
			return ethernet(0x800, packetIP(false, 1, 1, 9, append([]byte{5, 1, 0, 0, 10, 0, 0, 9}, b...), -1))
		}},
		"ICMPv6 redirects": {e, true, func(b []byte) []byte {
			return ethernet(0x86dd, packetIP(true, 1, 58, 9, append(append([]byte{137, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 32)...), b...), 2))
		}},
		"padding": {e, false, func(b []byte) []byte { return ethernet(0x800, append(b, markers(40)...)) }},
	}
}

func packetsIn(all []sent) (packets []pcapfile.Packet) {
	for i := range all {
		packets = append(packets, all[i].packet)
	}
	return packets
}

// TestPlain has of each byte what is to be had of it: protocol as it was, zeros for the rest,
// where nothing is lost, though segments overtake one another and come twice, or in other
// pieces.
func TestPlain(t *testing.T) {
	for name, w := range wraps() {
		for seed := range uint64(40) {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				s := newScene(r, w)
				all := s.play()
				if seed%2 == 1 {
					for range 20 {
						i := 4 + r.IntN(len(all)-4)
						again := s.resend(all[:i])
						if r.IntN(2) == 0 {
							again = all[i-1] // a copy
						}
						all = slices.Insert(all, i, again)
					}
					for range 10 { // none overtakes the other side's, which is an answer
						i := 4 + r.IntN(len(all)-5)
						if all[i].side == all[i+1].side {
							all[i], all[i+1] = all[i+1], all[i]
						}
					}
					for i := range all {
						all[i].packet.Time = all[0].packet.Time
					}
				}
				out, stats := scrubbed(t, packetsIn(all))
				for i, p := range out {
					o := &all[i]
					want := bytes.Clone(s.texts[o.side].b[o.from : o.from+o.n])
					for j := range want {
						if !s.texts[o.side].keep[o.from+j] {
							want[j] = 0
						}
					}
					require.Equal(t, want, p.Data[o.at:], "packet %d", i)
				}
				require.Zero(t, stats.Unread)
			})
		}
	}
}

// TestOpaque has nothing come out of what isn't understood.
func TestOpaque(t *testing.T) {
	for name, w := range opaques() {
		t.Run(name, func(t *testing.T) {
			s := newScene(rand.New(rand.NewPCG(1, 1)), w)
			packets := packetsIn(s.play())
			require.NotEmpty(t, leaks(joined(packets), pieces()), "there is something to be seen")
			out, _ := scrubbed(t, packets)
			require.Empty(t, leaks(joined(out), pieces()))
		})
	}
}

func joined(packets []pcapfile.Packet) (b []byte) {
	for i := range packets {
		b = append(append(b, packets[i].Data...), "  "...)
	}
	return b
}

// mangle loses, repeats, reorders and cuts.
func mangle(r *rand.Rand, s *scene, all []sent) []sent {
	if r.IntN(3) == 0 {
		all = all[r.IntN(len(all)):]
	}
	if r.IntN(3) == 0 {
		all = slices.Clone(all[min(len(all), 1+r.IntN(3)):]) // without some of the handshake
	}
	one := r.IntN(3)
	all = slices.DeleteFunc(all, func(p sent) bool { return one == 0 && p.side == 1 || one == 1 && r.IntN(12) == 0 })
	for range r.IntN(40) {
		if len(all) < 3 {
			break
		}
		i := 1 + r.IntN(len(all)-2)
		switch r.IntN(7) {
		case 0:
			all = slices.Delete(all, i, i+1)
		case 1:
			all = slices.Insert(all, i, all[r.IntN(i)])
		case 2:
			all = slices.Insert(all, i, s.resend(all[:i]))
		case 3:
			all[i], all[i-1] = all[i-1], all[i]
		case 4:
			j := r.IntN(len(all))
			p := all[i]
			all = slices.Insert(slices.Delete(all, i, i+1), min(j, len(all)-1), p)
		case 5:
			p := &all[i].packet
			p.Data = p.Data[:min(len(p.Data), 20+r.IntN(300))]
		case 6:
			side := r.IntN(2)
			end := len(s.texts[side].b)
			from := r.IntN(end)
			all = slices.Insert(all, i, s.segment(side, from, min(r.IntN(1500), end-from), []byte{0x10, 0x11, 0x14, 0x18}[r.IntN(4)]))
		}
	}
	if r.IntN(4) == 0 {
		most := 60 + r.IntN(1400)
		for i := range all {
			p := &all[i].packet
			p.Data = p.Data[:min(len(p.Data), most)]
		}
	}
	return all
}

// lossy is several connections between the same ports, one after the other or at once,
// mangled. Those at once don't share sequence numbers too, and one after another begins
// behind it, as RFC 6528 has it: nothing would tell them apart.
func lossy(r *rand.Rand, w wrap) (all []sent) {
	first := newScene(r, w)
	all = mangle(r, first, first.play())
	for range r.IntN(3) {
		next := newScene(r, w)
		next.now = first.now
		near := false
		if r.IntN(2) == 0 {
			next.ports = first.ports
			if near = r.IntN(2) == 0; near {
				for side := range next.isn {
					next.isn[side] = first.isn[side] + uint32(len(first.texts[side].b)+2+r.IntN(200_000))
				}
				first = next
			}
		}
		more := mangle(r, next, next.play())
		if near || r.IntN(2) == 0 {
			all = append(all, more...)
			continue
		}
		var both []sent
		for len(all) > 0 && len(more) > 0 {
			if r.IntN(2) == 0 {
				all, more = more, all
			}
			both, all = append(both, all[0]), all[1:]
		}
		all = append(append(both, all...), more...)
	}
	return all
}

// holds says that nothing planted comes out, and that each byte of payload is what it was or
// 0. Headers aren't searched: of their numbers any may come about.
func holds(t testing.TB, packets []sent, all [][4]byte) {
	out, _ := scrubbed(t, packetsIn(packets))
	for i := range out {
		at := min(packets[i].at, len(out[i].Data))
		require.Empty(t, leaks(out[i].Data[at:], all), "packet %d: %q", i, out[i].Data[at:])
		for j, b := range out[i].Data[at:] {
			if b != 0 && b != packets[i].packet.Data[at+j] {
				t.Fatalf("packet %d: byte %d of its payload is new", i, j)
			}
		}
	}
}

// TestPlanted searches what comes out of mangled captures for what was planted.
func TestPlanted(t *testing.T) {
	all := pieces()
	names := wraps()
	for name, w := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := uint64(40)
			if name == "IPv4" {
				n = 300
			}
			for seed := range n {
				holds(t, lossy(rand.New(rand.NewPCG(seed, 2)), w), all)
			}
		})
	}
}

// bits are what a fuzzer decides by.
type bits struct {
	b    []byte
	rest *rand.PCG
}

func (s *bits) Uint64() uint64 {
	if len(s.b) == 0 {
		return s.rest.Uint64()
	}
	v := uint64(s.b[0])
	s.b = s.b[1:]
	return v<<56 | v<<24 // IntN looks at high or at low bits
}

// FuzzPlanted does what TestPlanted does, as the fuzzer likes it.
func FuzzPlanted(f *testing.F) {
	f.Add(uint64(1), []byte("abc"))
	f.Add(uint64(7), []byte{0, 255, 3, 9, 200, 40, 40, 40, 1, 2, 3})
	w := wraps()["IPv4"]
	all := pieces()
	f.Fuzz(func(t *testing.T, seed uint64, b []byte) {
		holds(t, lossy(rand.New(&bits{b, rand.NewPCG(seed, 3)}), w), all)
	})
}

// FuzzAnything takes packets of any bytes: they come out as many, as long, and in order,
// whatever they are, and nothing changes but to zeros, and two bytes of each checksum.
func FuzzAnything(f *testing.F) {
	for _, w := range wraps() {
		s := newScene(rand.New(rand.NewPCG(3, 3)), w)
		all := s.play()
		f.Add(uint16(w.link), all[0].packet.Data, all[3].packet.Data, all[4].packet.Data)
	}
	for _, w := range opaques() {
		s := newScene(rand.New(rand.NewPCG(3, 3)), w)
		all := s.play()
		f.Add(uint16(w.link), all[0].packet.Data, all[3].packet.Data, all[4].packet.Data)
	}
	f.Fuzz(func(t *testing.T, link uint16, a, b, c []byte) {
		i := &pcapfile.Interface{LinkType: pcapfile.LinkType(link)}
		var packets []pcapfile.Packet
		for _, data := range [][]byte{a, b, c, a, c, b} {
			packets = append(packets, pcapfile.Packet{Data: data, Length: uint32(len(data)), Interface: i})
		}
		out, _ := scrubbed(t, packets)
		for n := range out {
			changed := 0
			for j, was := range packets[n].Data {
				if is := out[n].Data[j]; is != was && is != 0 {
					changed++
				}
			}
			require.LessOrEqual(t, changed, 2*20)
		}
	})
}

// TestWrapsTshark holds to tshark that the checksums of each layer stay right, of whole
// packets, and wrong those that were.
func TestWrapsTshark(t *testing.T) {
	tshark := testenv.Program(t, "tshark")
	said := func(packets []pcapfile.Packet) []string {
		link := packets[0].Interface.LinkType
		b := pcapfile.AppendFileHeader(nil, link, 262144, true)
		for i := range packets {
			p := &packets[i]
			b = pcapfile.AppendRecord(b, pcapfile.UnixNano(p.Time), p.Data, p.Length, true)
		}
		path := filepath.Join(t.TempDir(), "x.pcap")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		args := []string{"-n", "-r", path, "-T", "fields"}
		for _, o := range []string{"tcp.check_checksum", "ip.check_checksum", "udp.check_checksum"} {
			args = append(args, "-o", o+":TRUE")
		}
		for _, e := range []string{"tcp.checksum.status", "udp.checksum.status", "ip.checksum.status", "gre.checksum.status", "icmp.checksum.status", "tcp.len", "tcp.seq_raw"} {
			args = append(args, "-e", e)
		}
		out, err := exec.Command(tshark, args...).Output()
		require.NoError(t, err)
		return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	}
	for name, w := range wraps() {
		t.Run(name, func(t *testing.T) {
			s := newScene(rand.New(rand.NewPCG(5, 5)), w)
			all := s.play()
			packets := packetsIn(all)
			good := said(packets)[len(packets)-1]
			for i := range packets {
				if i%3 == 1 { // one in three is wrong
					b := bytes.Clone(packets[i].Data)
					b[all[i].at-4] ^= 0x55
					packets[i].Data = b
				}
			}
			out, stats := scrubbed(t, packets)
			require.NotZero(t, stats.DICOM.Bytes)
			want, got := said(packets), said(out)
			require.Len(t, want, len(packets))
			for i := range want {
				require.Equal(t, want[i], got[i], "packet %d", i+1)
			}
			require.Contains(t, good, "1", "a right one is called so")
			require.NotEqual(t, strings.Split(want[3], "\t")[0], strings.Split(want[4], "\t")[0], "right and wrong ones are told apart")
		})
	}
}
