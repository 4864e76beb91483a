package decode_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// talk has Go's client and server shake hands, exchange a line and close.
func talk(t testing.TB, clients, servers *tls.Config) [][]byte {
	c := &conversation{port: 8443}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b, err := listener.Accept()
		if err != nil {
			return
		}
		conn := tls.Server(c.side(server, b), servers)
		buf := make([]byte, 16)
		if n, err := conn.Read(buf); err == nil {
			_, _ = conn.Write(buf[:n])
		}
		conn.Close()
	}()
	a, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	conn := tls.Client(c.side(client, a), clients)
	if err := conn.Handshake(); err == nil {
		_, _ = conn.Write([]byte("hello"))
		_, _ = conn.Read(make([]byte, 16))
	}
	conn.Close()
	<-done
	return c.packets
}

func certificate(t testing.TB) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestTLSAgainstTshark holds what we name of Go's conversations to what tshark names.
func TestTLSAgainstTshark(t *testing.T) {
	serverConfig := func(change func(*tls.Config)) *tls.Config {
		c := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2"}}
		if change != nil {
			change(c)
		}
		return c
	}
	clientConfig := func(change func(*tls.Config)) *tls.Config {
		c := &tls.Config{ServerName: "pacs.example.org", InsecureSkipVerify: true, NextProtos: []string{"h2"}}
		if change != nil {
			change(c)
		}
		return c
	}
	for name, tt := range map[string]struct {
		client, server *tls.Config
		first, second  string // lines
		contains       string // in one of the others
	}{
		"1.3": {
			clientConfig(nil), serverConfig(nil),
			"TLS ClientHello 1.3 sni pacs.example.org alpn h2", "TLS ServerHello 1.3, ChangeCipherSpec, Application Data", "TLS Application Data",
		},
		"1.3, another curve": {
			clientConfig(nil), serverConfig(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }),
			"TLS ClientHello 1.3 sni pacs.example.org alpn h2", "TLS HelloRetryRequest 1.3", "ServerHello 1.3",
		},
		"1.2": {
			clientConfig(func(c *tls.Config) { c.NextProtos = nil }), serverConfig(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }),
			"TLS ClientHello 1.3 sni pacs.example.org", "TLS ServerHello 1.2, Certificate, ServerKeyExchange, ServerHelloDone", "ClientKeyExchange, ChangeCipherSpec, Handshake (encrypted)",
		},
		"version": {
			clientConfig(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), serverConfig(func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }),
			"TLS ClientHello 1.2 sni pacs.example.org alpn h2", "TLS Alert fatal protocol_version", "",
		},
		"protocol": {
			clientConfig(func(c *tls.Config) { c.NextProtos = []string{"dicom", "h3"} }), serverConfig(nil),
			"TLS ClientHello 1.3 sni pacs.example.org alpn dicom,h3", "TLS Alert fatal no_application_protocol", "",
		},
		"certificate": {
			clientConfig(func(c *tls.Config) { c.InsecureSkipVerify, c.MaxVersion = false, tls.VersionTLS12 }), serverConfig(nil),
			"TLS ClientHello 1.2 sni pacs.example.org alpn h2", "TLS ServerHello 1.2 alpn h2, Certificate, ServerKeyExchange, ServerHelloDone", "TLS Alert fatal bad_certificate",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, ours := made(t, talk(t, tt.client, tt.server))
			require.GreaterOrEqual(t, len(ours), 2)
			assert.Equal(t, tt.first, payloadOf(ours[0]))
			assert.Equal(t, tt.second, payloadOf(ours[1]))
			assert.Contains(t, strings.Join(ours[1:], "\n"), tt.contains)
			rows := tshark(t, path, "tcp", "_ws.col.Info", "tls.handshake.extensions_server_name")
			require.Len(t, rows, len(ours))
			for n, row := range rows {
				assert.Equal(t, plain(row[0]), plain(payloadOf(ours[n])), "packet %d", n+1)
				_, name, _ := strings.Cut(payloadOf(ours[n]), " sni ")
				name, _, _ = strings.Cut(name, " ")
				assert.Equal(t, row[1], name)
			}
			t.Logf("%d packets equal", len(rows))
		})
	}
}

var (
	ourDetails = regexp.MustCompile(`^TLS | 1\.\d| sni \S+| alpn [^\s,]+(,[^\s,]+)*`)
	ourAlert   = regexp.MustCompile(`Alert (fatal|warning) (\w+)`)
	theirAlert = regexp.MustCompile(`Alert \(Level: (\w+), Description: ([\w ]+)\)`)
	repeated   = regexp.MustCompile(`(, applicationdata)+$`)
)

// plain is the names of records and messages as both may write them.
func plain(text string) string {
	text = ourAlert.ReplaceAllString(theirAlert.ReplaceAllString(text, "alert$1$2"), "alert$1$2")
	text = ourDetails.ReplaceAllString(text, "")
	text = strings.NewReplacer("Encrypted Handshake Message", "Handshake(encrypted)", "Encrypted Alert", "Alert(encrypted)").Replace(text)
	text = strings.ToLower(strings.NewReplacer(", ", ", ", " ", "", "_", "").Replace(text))
	return repeated.ReplaceAllString(strings.ReplaceAll(text, "applicationdata, applicationdata", "applicationdata"), ", applicationdata")
}

// tlsSamples are a ClientHello and a record of data.
func tlsSamples(t testing.TB) (hello, data []byte) {
	packets := talk(t, &tls.Config{ServerName: "pacs.example.org", InsecureSkipVerify: true, NextProtos: []string{"h2"}},
		&tls.Config{Certificates: []tls.Certificate{certificate(t)}})
	return packets[0][40:], packets[3][40:]
}

// TestCorpusAgainstTshark holds TLS and QUIC in the corpus to tshark's fields.
func TestCorpusAgainstTshark(t *testing.T) {
	hellos := 0
	for _, name := range []string{"tls_ok.pcap", "tls_plain_server.pcap"} {
		path := filepath.Join(testenv.Corpus(t), "dicom", name)
		lines := oursOf(t, path)
		for _, row := range tshark(t, path, "tls.handshake.type", "frame.number", "tls.handshake.type") {
			want := map[string]string{"1": "TLS ClientHello 1.3", "2": "TLS ServerHello 1.3, ChangeCipherSpec, Application Data"}[row[1]]
			assert.Equal(t, want, payloadOf(lines[number(t, row[0])-1]), "%s packet %s", name, row[0])
			hellos++
		}
	}
	assert.Equal(t, 3, hellos)

	path := filepath.Join(testenv.Corpus(t), "captures", "quic_vn.pcap")
	lines := oursOf(t, path)
	long := make(map[int]bool)
	for _, row := range tshark(t, path, "quic.header_form == 1", "frame.number", "quic.version", "quic.long.packet_type") {
		n := number(t, row[0])
		long[n] = true
		got := payloadOf(lines[n-1])
		switch {
		case strings.HasPrefix(row[1], "0x00000000"):
			assert.Equal(t, "QUIC Version Negotiation", got)
		case strings.HasPrefix(row[1], "0x00000001"):
			want := make([]string, 0, 2)
			for kind := range strings.SplitSeq(row[2], ",") {
				want = append(want, map[string]string{"0": "Initial", "1": "0-RTT", "2": "Handshake", "3": "Retry"}[kind])
			}
			assert.Equal(t, "QUIC v1 "+strings.Join(want, ", "), got, "packet %d", n)
		default:
			assert.Equal(t, "QUIC reserved version "+strings.Split(row[1], ",")[0], got)
		}
	}
	for n, text := range lines {
		assert.Equal(t, long[n+1], strings.Contains(text, ": QUIC "), text)
	}
	t.Logf("%d datagrams of QUIC with long headers, %d hellos equal", len(long), hellos)
}

func number(t testing.TB, text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}
