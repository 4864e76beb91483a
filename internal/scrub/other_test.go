package scrub_test

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// TestOther has other protocols come out as they are.
func TestOther(t *testing.T) {
	for _, name := range []string{"tls_ok", "tls_plain_server", "http_on_dicom", "proxy_close", "probes", "server_down"} {
		packets := packetsOf(t, filepath.Join(testenv.Corpus(t), "dicom", name+".pcap"))
		out, _ := scrubbed(t, packets)
		require.Equal(t, packets, out, name)
	}
}

// TestPreceded has an association behind what a proxy says, be it the PROXY protocol in the
// same segment or a request for a tunnel, scrubbed, and that kept.
func TestPreceded(t *testing.T) {
	for name, first := range map[string]string{
		"version 1": "PROXY TCP4 192.0.2.1 192.0.2.2 40000 11112\r\n",
		"version 2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x2b\x68",
		"tunnel":    "CONNECT pacs:11112 HTTP/1.1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(rand.New(rand.NewPCG(4, 4)), wraps()["IPv4"])
			s.acks = true
			said := plain(first)
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
