package scrub_test

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// TestOther has other protocols come out as what they are, without what they say.
func TestOther(t *testing.T) {
	for _, name := range []string{"tls_ok", "tls_plain_server", "http_on_dicom"} {
		packets := packetsOf(t, filepath.Join(testenv.Corpus(t), "dicom", name+".pcap"))
		_, stats := scrubbed(t, packets)
		require.Len(t, stats.Passed, 1, name)
		require.Contains(t, []string{"TLS", "HTTP"}, stats.Passed[0].Protocol)
		require.Positive(t, stats.Passed[0].Bytes)
		require.Less(t, stats.Passed[0].Bytes, int64(1000), "records' headers and the like")
	}
}

// TestUnread has nothing come out of what isn't read, however it comes: planted in datagrams,
// preambles, other protocols, padding, and options.
func TestUnread(t *testing.T) {
	all := pieces()
	preambles := preambles()
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 9))
		text := markers(1 + r.IntN(1500))
		text = text[min(r.IntN(16), len(text)-1):]
		var b []byte
		e := pcapfile.LinkTypeEthernet
		switch r.IntN(6) {
		case 0: // a frame of any type
			b = ethernet([]int{0x806, 0x88cc, 0x888e, 0x8863, 0x8847, 0x8864, 0x8100, 0x6558, 0x100, 0x800, 0x86dd, r.IntN(65536)}[r.IntN(12)], text)
		case 1: // IP of any protocol, with a tunnel's ports and header perhaps
			b = packetIP(r.IntN(2) == 0, 0, []byte{1, 2, 4, 17, 41, 47, 50, 51, 58, 60, 89, 132, byte(r.IntN(256))}[r.IntN(13)], 9, text, -1)
			b = ethernet(map[bool]int{true: 0x86dd, false: 0x800}[b[0] == 0x60], b)
		case 2:
			udp := append(append(u16(r.IntN(65536)), u16([]int{53, 68, 2152, 4789, 6081, 8472, 5246, 5247, 37008, r.IntN(65536)}[r.IntN(10)])...), u16(8+len(text)+r.IntN(100))...)
			b = ethernet(0x800, packetIP(false, 0, 17, 9, append(append(udp, 0, 0), text...), -1))
		default:
			s := newScene(r, wraps()["IPv4"])
			s.ports[1] = []uint16{80, 443, 2575, 5555, 11112, 22}[r.IntN(6)]
			for side := range s.texts {
				if r.IntN(3) > 0 {
					said := text2(preambles[r.IntN(len(preambles))], text)
					said.join(s.texts[side])
					s.texts[side] = said
				}
			}
			sent := s.play()
			if r.IntN(2) == 0 {
				sent = mangle(r, s, sent)
			}
			holds(t, sent, all)
			continue
		}
		out, _ := scrubbed(t, []pcapfile.Packet{{Data: b, Length: uint32(len(b)), Interface: &pcapfile.Interface{LinkType: e}}})
		require.Empty(t, leaks(out[0].Data, all), "seed %d: %x", seed, out[0].Data[:min(80, len(b))])
	}
}

func text2(first string, rest []byte) (x text) {
	x.add(false, []byte(first)...)
	x.add(false, rest...)
	return x
}

// TestPreceded has an association behind what a proxy says, be it the PROXY protocol in the
// same segment or a request for a tunnel, scrubbed, and that kept.
func TestPreceded(t *testing.T) {
	for name, first := range map[string]string{
		"version 1": "PROXY TCP4 192.0.2.1 192.0.2.2 40000 11112\r\n",
		"version 2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x2b\x68",
		"tunnel":    "CONNECT pacs:11112 HTTP/1.1\r\n\r\n", // of which the port's guard leaves the method
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(rand.New(rand.NewPCG(4, 4)), wraps()["IPv4"])
			s.acks = true
			said := plain(first)
			if name == "tunnel" {
				clear(said.keep[len("CONNECT "):])
			}
			said.join(s.texts[0])
			s.texts[0] = said
			all := []sent{s.segment(0, 0, 0, 2), s.segment(1, 0, 0, 0x12)}
			for at := 0; at < len(said.b); {
				n := min(1400, len(said.b)-at)
				if name == "tunnel" && at == 0 {
					n = len(first)
				}
				all = append(all, s.segment(0, at, n, 0x18))
				at += n
			}
			out, stats := scrubbed(t, packetsIn(all))
			require.EqualValues(t, 1, stats.DICOM.Connections)
			for i, p := range out {
				o := all[i]
				want := bytes.Clone(said.b[o.from : o.from+o.n])
				for j := range want {
					if !said.keep[o.from+j] {
						want[j] = 0
					}
				}
				require.Equal(t, string(want), string(p.Data[o.at:]), "packet %d", i)
			}
		})
	}
}
