package scrub_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/input"
	"netcap/internal/rewrite"
	"netcap/internal/scrub"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// frames are packets of one link type, in the order of a capture.
type frames struct {
	link pcapfile.LinkType
	all  [][]byte
	what string
}

// preambles are what may come before an association.
func preambles() []string {
	return []string{
		"", "\x05\x01\x00", "\x04\x01\x2b\x68", "CONNECT pacs:11112 HTTP/1.1\r\nX-Patient: " + marker + "\r\n\r\n", "GET /" + marker + " HTTP/1.1\r\nHost: " + marker + "\r\n\r\n" + marker,
		"HTTP/1.1 200 " + marker + "\r\n\r\n", "SSH-2.0-" + marker + "\r\n", "\vMSH|^~\\&|" + marker + marker + marker + "\r", "PROXY UNKNOWN " + marker + "\r\n", "PROXY TCP4 192.0.2.1",
		"PROXY TCP4 192.0.2.1 192.0.2.2 40000 11112\r\nPROXY TCP4 192.0.2.1 192.0.2.2 40000 11112\r\n", "\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x40", "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", "\x17\x03\x03\x02\x00",
		"\x01\x00\x00\x40\x00\x00", "\x01\x05\x00\x00\x01\x00\x00\x01", "\x01\x00\x00\x00\x01\x00\x00\x02\x00\x00", "\x04\x00PLANTED^", "EHLO " + marker + "\r\n",
	}
}

// connection is what is captured of an association in the packets of a stack, as whole as it
// comes: behind other words perhaps, with losses, cut, in another order, or over several ways.
func (g *generator) connection(s stack) (all [][]byte, cuts map[*byte]bool) {
	cuts = make(map[*byte]bool)
	w := wrap{link: pcapfile.LinkTypeRaw, six: g.IntN(3) == 0}
	sc := newScene(g.Rand, w)
	sc.ports[1] = []uint16{80, 443, 2575, 5555, 11112, 22}[g.IntN(6)]
	if g.IntN(3) == 0 {
		said := text2(preambles()[g.IntN(len(preambles()))], g.text(g.IntN(300)))
		said.join(sc.texts[0])
		sc.texts[0] = said
	}
	for i := range sc.texts { // short: there are thousands
		sc.texts[i] = text{sc.texts[i].b[:min(len(sc.texts[i].b), 4000)], sc.texts[i].keep[:min(len(sc.texts[i].keep), 4000)]}
	}
	var sent []sent
	var options [][]byte
	if g.IntN(4) == 0 {
		sent, options = g.ways(sc, w)
	} else {
		sent = sc.play()
		if g.IntN(2) == 0 {
			sent = mangle(g.Rand, sc, sent)
		}
		options = make([][]byte, len(sent))
	}
	for i, p := range sent {
		// What mangle cut goes whole into its layers, and is cut there: nothing follows a cut.
		full := int(p.packet.Length)
		b, cut := p.packet.Data[:full], full-len(p.packet.Data)
		if options[i] != nil || g.IntN(3) == 0 {
			b = g.dress(b, options[i])
		}
		for _, f := range s.around(g, b) {
			f = f[:max(0, len(f)-cut)]
			if cut > 0 && len(f) > 0 {
				cuts[&f[0]] = true
			}
			all = append(all, f)
		}
	}
	return all, cuts
}

// ways has a stream go over several connections of MPTCP, RFC 8684, cut where it pleases, which
// is where there is text, often.
func (g *generator) ways(first *scene, w wrap) (all []sent, options [][]byte) {
	whole := first.texts[0]
	var cuts []int
	for i := 1; i < len(whole.b); i++ {
		if titles := bytes.HasPrefix(whole.b[i:], []byte("ARCHIVE ")); titles && g.IntN(2) == 0 || bytes.HasPrefix(whole.b[i:], []byte("all is well")) || g.IntN(400) == 0 {
			cuts = append(cuts, i, min(i+g.IntN(40), len(whole.b)))
		}
	}
	slices.Sort(cuts)
	cuts = append(cuts, len(whole.b))
	scenes := []*scene{first, newScene(g.Rand, w), newScene(g.Rand, w)}
	add := func(p sent, o []byte) { all, options = append(all, p), append(options, o) }
	for n, s := range scenes {
		s.texts[0], s.sent = text{}, [2]int{}
		if g.IntN(5) > 0 { // else the beginning isn't captured
			hello := join([]byte{30, 12, 0, 0x81}, g.text(8)) // MP_CAPABLE: a key
			if n > 0 {
				hello = join([]byte{30, 12, 0x10, 1}, g.text(8)) // MP_JOIN: token and nonce
			}
			add(s.segment(0, 0, 0, 2), hello)
			add(s.segment(1, 0, 0, 0x12), hello)
		}
	}
	from := 0
	for _, to := range cuts {
		s := scenes[g.IntN(3)]
		for from < to {
			n := min(to-from, 1+g.IntN(1400))
			at := len(s.texts[0].b)
			s.texts[0].join(text{whole.b[from : from+n], whole.keep[from : from+n]})
			var dss []byte
			if g.IntN(2) == 0 {
				dss = join([]byte{30, 16, 0x20, 4}, u32(1000+from), u32(1+at), u16(n), []byte{0, 0})
			} else {
				dss = join([]byte{30, 28, 0x20, 0xf}, g.text(8), u32(7), u32(1000+from), u32(1+at), u16(n), []byte{0, 0})
			}
			p := s.segment(0, at, n, 0x18)
			if from += n; g.IntN(20) > 0 {
				add(p, dss)
			}
		}
	}
	return all, options
}

// make are some frames in which text is planted. Of all layers one after another is among
// theirs.
func (g *generator) make(seed uint64) frames {
	s := g.stack(&layers[seed%uint64(len(layers))])
	f := frames{link: s.link(), what: s.String()}
	cut := make(map[*byte]bool) // frames that are: nothing is behind a cut
	if s[len(s)-1].carries == nothing {
		for range 3 {
			f.all = append(f.all, s.around(g, g.text(1+g.IntN(1500)))...)
		}
	} else {
		f.all, cut = g.connection(s)
	}
	for range g.IntN(4) {
		i, j := g.IntN(len(f.all)+1), g.IntN(len(f.all)+1)
		if max(i, j) >= len(f.all) || len(f.all[i]) == 0 {
			continue
		}
		switch b := f.all[i]; g.IntN(5) {
		case 0:
			f.all[i], f.all[j] = f.all[j], f.all[i]
		case 1:
			f.all = slices.Delete(f.all, i, i+1)
		case 2:
			f.all = slices.Insert(f.all, i, f.all[j])
		case 3:
			f.all[i] = b[:g.IntN(len(b)+1)]
			cut[&b[0]] = true
		case 4: // padded
			if !cut[&b[0]] {
				f.all[i] = join(b, g.text(g.IntN(60)))
			}
		}
	}
	if g.IntN(5) == 0 { // a snap length
		for i, b := range f.all {
			f.all[i] = b[:min(len(b), 40+g.IntN(200))]
		}
	}
	return f
}

// file is a pcapng file made by hand, little-endian, of blocks that have text wherever they
// have room for it.
type file struct {
	*generator
	b []byte
}

func le(numbers ...uint32) (b []byte) {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func (f *file) block(typ uint32, parts ...[]byte) {
	body := join(parts...)
	body = append(body, make([]byte, -len(body)&3)...)
	size := le(uint32(len(body) + 12))
	f.b = append(append(append(append(f.b, le(typ)...), size...), body...), size...)
}

func option(code int, parts ...[]byte) []byte {
	value := join(parts...)
	b := binary.LittleEndian.AppendUint16(nil, uint16(code))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(append(b, value...), make([]byte, -len(value)&3)...)
}

// options are those that may be anywhere, those of which only the size is given, and some that
// nobody has defined.
func (f *file) options(sizes map[int]int) (b []byte) {
	for _, code := range []int{1, 2988, 2989, 19372, 19373, 2987, 77, 32768} {
		if f.IntN(3) == 0 {
			b = append(b, option(code, le(32473), f.text(4+f.IntN(60)))...)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(sizes)) { // the same for each seed
		size := sizes[code]
		if size == 0 {
			size = 1 + f.IntN(80)
		}
		if f.IntN(3) == 0 {
			b = append(b, option(code, f.text(size))...)
		}
	}
	return append(b, option(0)...)
}

// beside is a block that isn't a packet.
func (f *file) beside(interfaces int) {
	text := f.text(1 + f.IntN(200))
	switch f.IntN(9) {
	case 0: // names, and who told them
		v4 := join([]byte{10, 0, 0, byte(f.IntN(200))}, text, []byte{0})
		v6 := join(make([]byte, 16), text, []byte{0})
		mac := join([]byte{2, 0, 0, 0, 0, byte(f.IntN(200))}, text, []byte{0})
		f.block(4, option(1, v4), option(2, v6), option(3, mac), option(f.any(5, 99), text), le(0), f.options(map[int]int{2: 0}))
	case 1: // statistics
		f.block(5, le(uint32(f.IntN(interfaces)), 0x61000, 5), f.options(map[int]int{4: 8, 5: 8, 9: 0}))
	case 2: // secrets
		f.block(10, le(uint32(f.any(0x544c534b, 0x57474b4c, 0x50414e54)), uint32(len(text))), text, make([]byte, -len(text)&3), f.options(nil))
	case 3: // an entry of a journal
		f.block(9, []byte("__REALTIME_TIMESTAMP=1\nMESSAGE="), text, []byte("\n"))
	case 4: // that may be copied, and that may not
		f.block(uint32(f.any(0xbad, 0x40000bad)), le(32473), text)
	case 5: // for local use, such as Darwin's of processes
		f.block(0x80000000|uint32(f.any(1, 0x123)), le(1234), text)
	case 6: // sysdig's of processes and events, and types that nobody has
		f.block(uint32(f.any(0x101, 0x102, 0x201, 0x208, 0x212, 0x20e, 0x7777, 7, 8)), text)
	case 7: // an interface that has no packets
		f.iface(pcapfile.LinkTypeEthernet)
	case 8: // a section's end and the next one's beginning are elsewhere
		f.block(3, le(uint32(len(text))), text)
	}
}

func (f *file) section() {
	f.block(0x0a0d0d0a, le(0x1a2b3c4d), []byte{1, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 8), f.options(map[int]int{2: 0, 3: 0, 4: 0}))
}

func (f *file) iface(link pcapfile.LinkType) {
	filter := option(11, []byte{byte(f.IntN(3))}, f.text(8*(1+f.IntN(5))))
	f.block(1, binary.LittleEndian.AppendUint16(nil, uint16(link)), []byte("PL"), le(uint32(f.any(0, 262144, 0x4e414c50))),
		filter, f.options(map[int]int{2: 0, 3: 0, 7: 8, 8: 8, 10: 4, 12: 0, 15: 0, 16: 8, 17: 8, 18: 0}))
}

func (f *file) packet(id int, at time.Time, b []byte) {
	us := uint64(at.UnixMicro())
	if f.IntN(10) == 0 { // the obsolete block
		drops := uint32(f.any(0, 0xffff))
		f.block(2, le(uint32(id)|drops<<16, uint32(us>>32), uint32(us), uint32(len(b)), uint32(len(b))), b, make([]byte, -len(b)&3), f.options(map[int]int{2: 4, 3: 0}))
		return
	}
	// The padding too is planted.
	f.block(6, le(uint32(id), uint32(us>>32), uint32(us), uint32(len(b)), uint32(len(b))), b, f.text(-len(b)&3), f.options(map[int]int{2: 4, 3: 0, 4: 8, 5: 8, 6: 4, 7: 0, 8: 8}))
}

// scrubbedFile is what extract --scrub writes of a capture, and what it says of that.
func scrubbedFile(t testing.TB, in []byte, format pcapfile.Format, bare bool) (out []byte, lost string) {
	var b bytes.Buffer
	var w *rewrite.Writer
	var s *scrub.Scrubber[*input.File]
	stream := input.NewStream([]string{"-"}, &input.Config{Stdin: bytes.NewReader(in), Ended: func(f *input.File) {
		s.After(func() { w.Ended(f) })
	}})
	defer stream.Close()
	w = rewrite.New(&b, format, &rewrite.Config{Application: "netcap test", Files: stream.Open(), Scrub: true, Bare: bare})
	s = scrub.New(func(p *pcapfile.Packet, f *input.File) error { return w.Add(f, p) })
	for {
		p, f, err := stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, s.Add(p, f))
	}
	require.NoError(t, s.Close())
	require.NoError(t, w.Close())
	return b.Bytes(), w.Lost()
}

// search finds what is planted faster than leaks.
type search [1 << 16]bool

func newSearch() *search {
	s := new(search)
	for _, p := range pieces() {
		s[binary.BigEndian.Uint16(p[:])] = true
	}
	return s
}

// in returns where a piece is, or -1.
func (s *search) in(b []byte) int {
	for i := 0; i+4 <= len(b); i++ {
		if s[uint16(b[i])<<8|uint16(b[i+1])] && s[uint16(b[i+2])<<8|uint16(b[i+3])] && strings.Contains(marker+marker, string(b[i:i+4])) {
			return i
		}
	}
	return -1
}

// TestEverywhere plants text in every place of every layer, in what is said beside the packets,
// and in streams, and looks for it in the bytes of the file that is written.
func TestEverywhere(t *testing.T) {
	const files, shards = 330, 2 // of 12 scenes, or of 1 for pcap: some 2,700
	counts := make([]map[string]int, shards)
	t.Run("files", func(t *testing.T) {
		for shard := range counts {
			counts[shard] = make(map[string]int)
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				everywhere(t, uint64(shard), shards, files, counts[shard])
			})
		}
	})
	for _, l := range layers {
		seen := 0
		for _, c := range counts {
			seen += c[l.name]
		}
		require.GreaterOrEqual(t, seen, 10, l.name)
	}
}

// everywhere looks at every so many files, and counts layers.
func everywhere(t *testing.T, first, step, files uint64, seen map[string]int) {
	const scenes = 12
	look := newSearch()
	for seed := first; seed < files; seed += step {
		g := &generator{rand.New(rand.NewPCG(seed, 18))}
		all := make([]frames, scenes)
		format := []pcapfile.Format{pcapfile.PCAPNG, pcapfile.PCAPNG, pcapfile.PCAP}[seed%3]
		f := file{generator: g}
		f.section()
		for n := range all {
			all[n] = g.make(seed*scenes + uint64(n))
			for _, name := range strings.Split(all[n].what, ", ") {
				seen[name]++
			}
			f.iface(all[n].link)
			if format == pcapfile.PCAP { // of one link type
				all = all[:1]
				break
			}
		}
		at := time.Unix(1_800_000_000, 0)
		planted := 0
		for id, some := range all {
			for _, b := range some.all {
				if look.in(b) >= 0 {
					planted++
				}
				f.packet(id, at, b)
				if at = at.Add(time.Millisecond); g.IntN(12) == 0 && format == pcapfile.PCAPNG {
					f.beside(len(all))
				}
			}
		}
		require.True(t, planted > 0 || format == pcapfile.PCAP, "there is something to be seen")
		out, _ := scrubbedFile(t, f.b, format, true)
		if at := look.in(out); at >= 0 {
			t.Errorf("file %d as %v: %q at %d of %d", seed, format, out[max(0, at-40):min(len(out), at+40)], at, len(out))
			explain(t, all, out, look)
		}
	}
}

// explain says of which layers the packets are in which something was found.
func explain(t testing.TB, all []frames, out []byte, look *search) {
	r, err := pcapfile.NewReader(bytes.NewReader(out))
	require.NoError(t, err)
	for _, some := range all {
		for range some.all {
			p, err := r.Next()
			if err != nil {
				return
			}
			if at := look.in(p.Data); at >= 0 {
				t.Errorf("%s: at %d of %x", some.what, at, p.Data[:min(len(p.Data), at+40)])
				return
			}
		}
	}
}

// plainLayers are those behind which tshark goes on.
var plainLayers = []string{"Ethernet", "IPv4", "UDP", "VLAN", "GRE", "VXLAN", "Linux cooked", "raw"}

// TestEverywhereIsRead has tshark take the generator's packets for what they are called.
func TestEverywhereIsRead(t *testing.T) {
	tshark := testenv.Program(t, "tshark")
	want := map[string]string{
		"VLAN": "vlan", "MPLS": "mpls", "PPPoE": "pppoes", "ARP": "arp", "GRE": "gre", "VXLAN": "vxlan", "Geneve": "geneve", "GTP": "gtp", "TZSP": "tzsp",
		"CAPWAP": "capwap.data", "L2TP": "l2tp", "SCTP": "sctp", "ICMP error": "icmp", "ICMPv6 error": "icmpv6", "UDP": "udp", "IPv4": "ip", "IPv6": "ipv6",
		"Linux cooked": "sll", "Linux cooked 2": "sll", "loopback of BSD": "null", "raw": "raw", "SNAP": "llc", "802.11": "wlan", "radiotap": "radiotap",
		"USB": "usb", "AH": "ah", "ESP": "esp", "MACsec": "macsec", "PPP": "ppp", "LISP": "lisp-data", "PPTP": "gre",
	}
	g := &generator{rand.New(rand.NewPCG(1, 1))}
	f := file{generator: g}
	f.section()
	var names []string
	id := 0
	for i := 0; len(names) < len(want); i++ {
		l := &layers[i%len(layers)]
		if want[l.name] == "" || slices.Contains(names, l.name) {
			continue
		}
		s := g.stack(l)
		around := s[:slices.Index(s, l)]
		if slices.ContainsFunc(around, func(l *layer) bool { return !slices.Contains(plainLayers, l.name) }) {
			continue
		}
		inner := g.text(200)
		if s[len(s)-1].carries != nothing {
			sc := newScene(g.Rand, wrap{link: pcapfile.LinkTypeRaw})
			inner = sc.segment(0, 0, 100, 0x18).packet.Data
		}
		made := s.around(g, inner)
		if len(made) != 1 { // of fragments tshark shows what is in them at the last
			continue
		}
		f.iface(s.link())
		f.packet(id, time.Unix(1_800_000_000, 0), made[0])
		names = append(names, l.name)
		id++
	}
	path := filepath.Join(t.TempDir(), "x.pcapng")
	require.NoError(t, os.WriteFile(path, f.b, 0o600))
	out, err := exec.Command(tshark, "-n", "-r", path, "-T", "fields", "-e", "frame.protocols").Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	require.Len(t, lines, len(names))
	for i, name := range names {
		assert.Contains(t, strings.Split(lines[i], ":"), want[name], fmt.Sprintf("%s: %s", name, lines[i]))
	}
}
