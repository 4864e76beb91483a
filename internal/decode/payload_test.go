package decode_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

// TestPayloadsAgainstTcpdump compares whole lines of packets with everything in them
// that a protocol knows.
func TestPayloadsAgainstTcpdump(t *testing.T) {
	for name, packets := range map[string][][]byte{
		"dns":    dnsPackets(t),
		"ntp":    numbered(123, 64, func(n int) []byte { return append([]byte{byte(n)}, make([]byte, 47)...) }),
		"syslog": numbered(514, 192, func(n int) []byte { return fmt.Appendf(nil, "<%d>text", n) }),
		"radius": numbered(1812, 46, func(n int) []byte { return append([]byte{byte(n), 7, 0, 20}, make([]byte, 16)...) }),
		"dhcp6":  numbered(547, 16, func(n int) []byte { return []byte{byte(n), 0, 0, 1, 0, 8, 0, 2, 0, 0} })[1:],
		"bootp":  numbered(67, 4, func(n int) []byte { return append([]byte{byte(n), 1, 6, 0}, make([]byte, 296)...) }),
		"tftp": numbered(69, 6, func(n int) []byte {
			return [][]byte{
				[]byte("\x00\x01boot/file\x00octet\x00"), []byte("\x00\x02f\x00netascii\x00"),
				[]byte("\x00\x03\x00\x07data"), []byte("\x00\x04\x00\x08"),
				[]byte("\x00\x01boot/file\x00octet\x00blksize\x001428\x00tsize\x000\x00"),
				[]byte("\x00\x01boot/fi"),
			}[n]
		}),
		"sip": {
			udpPacket(5060, 5060, []byte("INVITE sip:bob@example.org SIP/2.0\r\nVia: x\r\n\r\n")),
			udpPacket(5060, 5060, []byte("SIP/2.0 180 Ringing\r\nVia: x\r\n\r\n")),
		},
		"snmp": {
			udpPacket(40000, 161, snmp("\x01", "\xa0", "\x05\x00")),
			udpPacket(40000, 161, snmp("\x00", "\xa1", "\x05\x00")),
			udpPacket(40000, 161, snmp("\x01", "\xa5", "\x05\x00")),
		},
		"http": httpPackets(t),
	} {
		t.Run(name, func(t *testing.T) {
			path, ours := made(t, packets)
			theirs, ok := dump(t, "UTC", path)
			require.True(t, ok)
			for i := range theirs { // which prints it
				theirs[i] = strings.Replace(theirs[i], "?limit=1", "?…", 1)
			}
			assert.Equal(t, theirs, ours)
			t.Logf("%d packets equal", len(ours))
		})
	}
}

// numbered makes n datagrams to a port.
func numbered(port uint16, n int, payload func(int) []byte) (packets [][]byte) {
	for i := range n {
		packets = append(packets, udpPacket(40000, port, payload(i)))
	}
	return packets
}

// snmp makes a message with one variable, sysDescr.0, of a community that tcpdump,
// too, doesn't print.
func snmp(version, pdu, value string) []byte {
	tlv := func(tag, body string) string { return tag + string(rune(len(body))) + body }
	variable := tlv("\x30", tlv("\x06", "\x2b\x06\x01\x02\x01\x01\x01\x00")+value)
	number := tlv("\x02", "\x00")
	return []byte(tlv("\x30", tlv("\x02", version)+tlv("\x04", "public")+
		tlv(pdu, tlv("\x02", "\x07")+number+number+tlv("\x30", variable))))
}

// dnsPackets are made by golang.org/x/net.
func dnsPackets(t testing.TB) (packets [][]byte) {
	name := dnsmessage.MustNewName("www.example.com.")
	other := dnsmessage.MustNewName("a-longer.name.example.com.")
	add := func(h dnsmessage.Header, class dnsmessage.Class, types []dnsmessage.Type, answers ...dnsmessage.ResourceBody) []byte {
		b := dnsmessage.NewBuilder(nil, h)
		b.EnableCompression()
		require.NoError(t, b.StartQuestions())
		for _, typ := range types {
			require.NoError(t, b.Question(dnsmessage.Question{Name: name, Type: typ, Class: class}))
		}
		require.NoError(t, b.StartAnswers())
		for _, answer := range answers {
			h := dnsmessage.ResourceHeader{Name: name, Class: class, TTL: 60}
			switch r := answer.(type) {
			case *dnsmessage.AResource:
				require.NoError(t, b.AResource(h, *r))
			case *dnsmessage.AAAAResource:
				require.NoError(t, b.AAAAResource(h, *r))
			case *dnsmessage.CNAMEResource:
				require.NoError(t, b.CNAMEResource(h, *r))
			case *dnsmessage.NSResource:
				require.NoError(t, b.NSResource(h, *r))
			case *dnsmessage.PTRResource:
				require.NoError(t, b.PTRResource(h, *r))
			case *dnsmessage.MXResource:
				require.NoError(t, b.MXResource(h, *r))
			case *dnsmessage.SRVResource:
				require.NoError(t, b.SRVResource(h, *r))
			case *dnsmessage.SOAResource:
				require.NoError(t, b.SOAResource(h, *r))
			case *dnsmessage.TXTResource:
				require.NoError(t, b.TXTResource(h, *r))
			default:
				require.Failf(t, "unknown", "%T", r)
			}
		}
		message, err := b.Finish()
		require.NoError(t, err)
		return message
	}
	types := func(types ...dnsmessage.Type) []dnsmessage.Type { return types }
	question := dnsmessage.Header{ID: 2, RecursionDesired: true}
	answer := dnsmessage.Header{ID: 2, Response: true, RecursionAvailable: true}
	one := types(dnsmessage.TypeA)
	all := []dnsmessage.ResourceBody{
		&dnsmessage.CNAMEResource{CNAME: other}, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 9}},
		&dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}}, &dnsmessage.NSResource{NS: other},
		&dnsmessage.PTRResource{PTR: other}, &dnsmessage.MXResource{Pref: 10, MX: other},
		&dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 104, Target: other},
		&dnsmessage.SOAResource{NS: name, MBox: other}, &dnsmessage.TXTResource{TXT: []string{"v=spf1 -all", "b"}},
	}
	for typ := range dnsmessage.Type(260) {
		if typ >= 49 && typ <= 65 || typ == 257 {
			continue // DHCID to HTTPS, and CAA: tcpdump 4.99.3 has only numbers
		}
		packets = append(packets, udpPacket(40000, 53, add(question, dnsmessage.ClassINET, types(typ))))
	}
	for class := range dnsmessage.Class(256) {
		packets = append(packets, udpPacket(40000, 53, add(question, class, one)))
	}
	for code := range dnsmessage.OpCode(16) {
		for _, h := range []dnsmessage.Header{{ID: 9, OpCode: code}, {ID: 9, OpCode: code, Response: true}} {
			packets = append(packets, udpPacket(53, 40000, add(h, dnsmessage.ClassINET, one)))
		}
	}
	for code := range dnsmessage.RCode(16) {
		h := answer
		h.RCode = code
		packets = append(packets, udpPacket(53, 40000, add(h, dnsmessage.ClassINET, one)))
	}
	for n := range 32 {
		bit := func(i int) bool { return n>>i&1 != 0 }
		for _, response := range []bool{false, true} {
			packets = append(packets, udpPacket(53, 40000, add(dnsmessage.Header{
				ID: 9, Response: response, Authoritative: bit(0), Truncated: bit(1), RecursionAvailable: bit(2),
				AuthenticData: bit(3), CheckingDisabled: bit(4),
			}, dnsmessage.ClassINET, one)))
		}
	}
	packets = append(packets,
		udpPacket(53, 40000, add(answer, dnsmessage.ClassINET, one, all...)),
		udpPacket(53, 40000, add(answer, dnsmessage.ClassCHAOS, one, all[:2]...)),
		udpPacket(40000, 53, add(question, dnsmessage.ClassINET, types(dnsmessage.TypeA, dnsmessage.TypeAAAA))),
		udpPacket(40000, 53, add(question, dnsmessage.ClassINET, nil)),
		udpPacket(53, 40000, add(answer, dnsmessage.ClassINET, nil, all[1])),
		udpPacket(5353, 5353, add(dnsmessage.Header{}, dnsmessage.ClassINET, one)),
		udpPacket(5353, 5353, add(dnsmessage.Header{}, dnsmessage.ClassINET|1<<15, one)),
		udpPacket(5353, 5353, add(dnsmessage.Header{Response: true, Authoritative: true}, dnsmessage.ClassINET|1<<15, nil, all...)),
		udpPacket(53, 40000, nil),
		udpPacket(53, 40000, make([]byte, 11)),
	)
	message := add(question, dnsmessage.ClassINET, one)
	packets = append(packets, segment(53, append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)))
	message = add(answer, dnsmessage.ClassINET, one, all...)
	return append(packets, segment(53, append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)))
}

// httpPackets are a conversation between Go's client and server. Of each message only
// the segment with its head is kept: tcpdump names the others by the port.
func httpPackets(t testing.TB) (packets [][]byte) {
	c := &conversation{port: 80}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusForbidden)
		}
	})}
	go func() { _ = srv.Serve(&recordedListener{listener, c}) }()
	t.Cleanup(func() { srv.Close() })
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", listener.Addr().String())
		if err != nil {
			return nil, err
		}
		return c.side(client, conn), nil
	}}
	defer transport.CloseIdleConnections()
	for _, method := range []string{"GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "PROPFIND"} {
		request, err := http.NewRequest(method, "http://pacs.example.org/dicom-web/studies?limit=1", nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(request)
		require.NoError(t, err)
		response.Body.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packets
}

type recordedListener struct {
	net.Listener
	in *conversation
}

func (l *recordedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.in.side(server, conn), nil
}

// TestFirstLinesAgainstTshark holds the lines of HTTP and SSH to tshark's fields, in
// made traffic and in the files of the corpus in which we see any; tshark sees none in
// others of them but arcnet's, which are not decoded.
func TestFirstLinesAgainstTshark(t *testing.T) {
	path, _ := made(t, httpPackets(t))
	requests := tshark(t, path, "http.request", "frame.number")
	answers := tshark(t, path, "http.response", "frame.number")
	assert.Len(t, requests, 7)
	assert.Len(t, answers, 7)

	banners, heads := 0, 0
	for _, path := range append(captures(t), path) {
		lines := oursOf(t, path)
		if !strings.Contains(strings.Join(lines, "\n"), ": HTTP: ") && !strings.Contains(strings.Join(lines, "\n"), ": SSH: ") {
			continue
		}
		rows := tshark(t, path, "ssh.protocol or http.request or http.response",
			"frame.number", "ssh.protocol", "http.request.method", "http.request.uri", "http.response.code", "tcp.reassembled.length")
		for _, row := range rows {
			var n int
			_, err := fmt.Sscan(row[0], &n)
			require.NoError(t, err)
			text := lines[n-1]
			if !strings.Contains(text, ": Flags [") {
				continue // of a link type that is not decoded
			}
			switch {
			case row[1] != "":
				assert.Equal(t, "SSH: "+row[1], payloadOf(text), path)
				banners++
			case row[5] != "": // where the message ends, and not where it begins
			case row[2] != "":
				target, _, ok := strings.Cut(row[3], "?")
				if ok {
					target += "?…"
				}
				assert.True(t, strings.HasPrefix(payloadOf(text), "HTTP: "+row[2]+" "+target+" HTTP/1."), "%s %s", path, text)
				heads++
			default:
				assert.Regexp(t, `^HTTP: HTTP/1\.[01] `+row[4]+` `, payloadOf(text), path)
				heads++
			}
		}
	}
	t.Logf("%d banners, %d first lines equal", banners, heads)
	assert.Equal(t, 2, banners)
	assert.Greater(t, heads, 14)
}

// oursOf are our lines of a file.
func oursOf(t testing.TB, path string) (lines []string) {
	var p decode.Printer
	each(t, path, func(_ int, pk *pcapfile.Packet) bool {
		lines = append(lines, string(p.Append(nil, pk)))
		return true
	})
	return lines
}

// TestPayloads prints what tcpdump doesn't, and what none should print.
func TestPayloads(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		name, payload string
		port          uint16
		want          string
	}{
		{"hl7", "\x0bMSH|^~\\&|HIS|WARD|LAB|X|20261123||ADT^A01^ADT_A01|7|P|2.5\rPID|1||4711||Doe^John\r", 2575, "HL7 ADT^A01^ADT_A01"},
		{"hl7, other separator", "\x0bMSH#^~\\&#a#b#c#d#e##ACK#1\r", 2575, "HL7 ACK"},
		{"hl7, too few fields", "\x0bMSH|^~\\&|a|b\rPID|1||4711||Doe^John|||Doe\r", 2575, "HL7"},
		{"hl7, no type where it should be", "\x0bMSH|^~\\&|a|b|c|d|e||Doe, John|1\r", 2575, "HL7"},
		{"not hl7", "\x0bMSHA12345", 2575, ""},
		{"ssh, on another port", "SSH-2.0-OpenSSH_9.2p1 Debian\r\n", 2222, "SSH: SSH-2.0-OpenSSH_9.2p1 Debian"},
		{"what a terminal would act on", "SSH-2.0-\x1b[2J\u202e\xff\r\n", 22, `SSH: SSH-2.0-\x1b[2J\u202e\xff`},
		{"a long line", "GET /" + long + " HTTP/1.1\r\n\r\n", 80, "HTTP: GET /" + long[:maxText-5] + "…"},
		{"a long line, cut within a character", "GET /" + long[:maxText-7] + "äöü HTTP/1.1\r\n\r\n", 80, "HTTP: GET /" + long[:maxText-7] + "ä…"},
		{"a request that goes on", "GET /studies/", 8042, "HTTP: GET /studies/"},
		{"a query", "GET /studies?PatientID=4711&limit=1 HTTP/1.1\r\n\r\n", 80, "HTTP: GET /studies?… HTTP/1.1"},
		{"a query that goes on", "GET /studies?PatientID=47", 80, "HTTP: GET /studies?…"},
		{"a question mark in an answer", "HTTP/1.1 404 What?\r\n\r\n", 80, "HTTP: HTTP/1.1 404 What?"},
		{"rtsp", "DESCRIBE rtsp://cam/ RTSP/1.0\r\n\r\n", 554, "RTSP: DESCRIBE rtsp://cam/ RTSP/1.0"},
		{"sip", "OPTIONS sip:bob@example.org SIP/2.0\r\n", 5060, "SIP: OPTIONS sip:bob@example.org SIP/2.0"},
		{"no http", "THE QUICK BROWN FOX\n", 80, ""},
		{"the middle of a message", "Content-Type: text/html\r\n", 80, ""},
		{"ldap", "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", 389, "LDAP BindRequest"},
		{"ldap, other port", "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", 1000, ""},
		{"smb2", "\x00\x00\x00\x40\xfeSMB\x40\x00" + strings.Repeat("\x00", 6) + "\x05\x00\x00\x00\x01" + strings.Repeat("\x00", 47), 445, "SMB2 Create response"},
		{"alert", "\x15\x03\x03\x00\x02\x02\x28", 443, "TLS Alert fatal handshake_failure"},
		{"alert of a number", "\x15\x03\x03\x00\x02\x01\xc8", 443, "TLS Alert warning 200"},
		{"alert, encrypted", "\x15\x03\x03\x00\x13" + strings.Repeat("\xaa", 19), 443, "TLS Alert (encrypted)"},
		{"records", "\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x28" + strings.Repeat("\x00", 40), 443, "TLS ChangeCipherSpec, Handshake (encrypted)"},
		{"not tls", "\x17\x03\x03\x00\x01\x01\x99\x99\x99\x99\x99", 443, ""},
		{"not dicom", "\x04\x00\x00\x05\x00\x06\x00\x03\x00\x07\x05\x00\x01\x00", 104, ""},
		{"abort by the provider", "\x07\x00\x00\x00\x00\x04\x00\x00\x02\x02", 104, "DICOM A-ABORT by service-provider, unexpected-PDU"},
		{
			"titles", "\x01\x00\x00\x00\x00\x44\x00\x01\x00\x00PACS\x1b           CT\xff\x00            " + strings.Repeat("\x00", 32), 104,
			"",
		},
		{
			"titles of a site", "\x01\x00\x00\x00\x00\x44\x00\x01\x00\x00  PACS \xc3\xa4        CT\xff\x00            " + strings.Repeat("\x00", 32), 104,
			`DICOM A-ASSOCIATE-RQ CT\xff > PACS ä`,
		},
		{"an echo", "\x04\x00\x00\x00\x00\x4a\x00\x00\x00\x46\x01\x03" + echoRQ, 104, "DICOM P-DATA-TF C-ECHO-RQ id 7"},
		{"release behind a response", echoRSP + "\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00", 11112, "DICOM C-ECHO-RSP id 7 status 0x0122 SOP class not supported; A-RELEASE-RQ"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, payloadOf(printed(segment(tt.port, []byte(tt.payload)))))
		})
	}
	for _, tt := range []struct {
		name, payload string
		port          uint16
		want          string
	}{
		// RFC 9001 appendix A.4, and RFC 9369 appendix A.4.
		{"retry", "\xff\x00\x00\x00\x01\x00\x08\xf0\x67\xa5\x50\x2a\x42\x62\xb5token\x04\xa2\x65\xba\x2e\xff\x4d\x82\x90\x58\xfb\x3f\x0f\x24\x96\xba", 443, "QUIC v1 Retry"},
		{"retry of version 2", "\xcf\x6b\x33\x43\xcf\x00\x08\xf0\x67\xa5\x50\x2a\x42\x62\xb5token\xc8\x64\x6c\xe8\xbf\xe3\x39\x52\xd9\x55\x54\x36\x65\xdc\xc7\xb6", 8443, "QUIC v2 Retry"},
		{"snmpv3", "\x30\x03\x02\x01\x03", 161, "SNMPv3"},
	} {
		assert.Equal(t, tt.want, payloadOf(printed(udpPacket(40000, tt.port, []byte(tt.payload)))), tt.name)
	}
}

const maxText = 255

// Command sets after PS3.7 tables 9.3-12 and 9.3-13, without what is never printed.
const (
	echoRQ = "\x00\x00\x00\x00\x04\x00\x00\x00\x38\x00\x00\x00" + verification +
		"\x00\x00\x00\x01\x02\x00\x00\x00\x30\x00" + "\x00\x00\x10\x01\x02\x00\x00\x00\x07\x00" + "\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01"
	echoRSP = "\x00\x00\x00\x00\x04\x00\x00\x00\x42\x00\x00\x00" + verification +
		"\x00\x00\x00\x01\x02\x00\x00\x00\x30\x80" + "\x00\x00\x20\x01\x02\x00\x00\x00\x07\x00" +
		"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01" + "\x00\x00\x00\x09\x02\x00\x00\x00\x22\x01"
	verification = "\x00\x00\x02\x00\x12\x00\x00\x001.2.840.10008.1.1\x00"
)

// TestBadNames ends whatever the pointers in a name do.
func TestBadNames(t *testing.T) {
	header := "\x00\x02\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for name, want := range map[string]string{
		"\xc0\x0c\x00\x01\x00\x01":       "2+ A? <BAD PTR> [|domain]",
		"\xc0\xff\x00\x01\x00\x01":       "2+ A? <BAD PTR> [|domain]",
		"\x01a\xc0\x0c\x00\x01\x00\x01":  "2+ A? a.<BAD PTR> [|domain]",
		"\x03a.\x1b\x00\x00\x01\x00\x01": `2+ A? a.\x1b. (21)`,
		"\x40\x00\x00\x01\x00\x01":       "2+ [|domain]",
		"\x05ab":                         "2+ [|domain]",
		strings.Repeat("\x3f"+strings.Repeat("y", 63), 5) + "\x00\x00\x01\x00\x01": "2+ A? " + strings.Repeat(strings.Repeat("y", 63)+".", 3) + "… (337)",
	} {
		_, got, _ := strings.Cut(printed(udpPacket(40000, 53, []byte(header+name))), ".53: ")
		assert.Equal(t, want, got)
	}
}

// everyday are packets that are printed without allocating.
func everyday(t testing.TB) map[string][]byte {
	clientHello, data := tlsSamples(t)
	dns := dnsPackets(t)
	return map[string][]byte{
		"tcp":          segment(9999, bytes.Repeat([]byte{0x99}, 1000)),
		"tcp, zeros":   segment(9999, make([]byte, 1000)),
		"udp":          udpPacket(40000, 9999, bytes.Repeat([]byte{0x99}, 1000)),
		"dns question": dns[1],
		"dns answer":   udpPacket(53, 40000, []byte("\x00\x02\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x5d\xb8\xd8\x22")),
		"dhcp":         udpPacket(68, 67, append([]byte{1, 1, 6, 0}, make([]byte, 296)...)),
		"ntp":          udpPacket(123, 123, append([]byte{0x23}, make([]byte, 47)...)),
		"syslog":       udpPacket(40000, 514, []byte("<13>text")),
		"snmp":         udpPacket(40000, 161, snmp("\x01", "\xa0", "\x05\x00")),
		"http":         segment(80, []byte("GET /dicom-web/studies HTTP/1.1\r\nHost: pacs\r\n\r\n")),
		"ssh":          segment(22, []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")),
		"client hello": segment(443, clientHello),
		"tls data":     segment(443, data),
		"quic":         udpPacket(40000, 443, append([]byte("\xc0\x00\x00\x00\x01\x08abcdefgh\x00\x00\x44\x96"), make([]byte, 1200-18)...)),
		"hl7":          segment(2575, []byte("\x0bMSH|^~\\&|HIS|WARD|LAB|X|20261123||ADT^A01|7|P|2.5\r")),
		"associate":    segment(104, []byte("\x01\x00\x00\x00\x00\x44\x00\x01\x00\x00PACS            CT01            "+strings.Repeat("\x00", 32))),
		"echo":         segment(104, []byte("\x04\x00\x00\x00\x00\x4a\x00\x00\x00\x46\x01\x03"+echoRQ)),
		"dicom data":   segment(104, append([]byte("\x04\x00\x00\x00\x40\x00\x00\x00\x3f\xfc\x01\x00"), make([]byte, 1448-12)...)),
		"command":      segment(104, []byte(echoRSP)),
	}
}

func TestPayloadAllocations(t *testing.T) {
	for name, data := range everyday(t) {
		pk := &pcapfile.Packet{Time: at, HasTime: true, Data: data, Length: uint32(len(data)), Interface: &pcapfile.Interface{LinkType: pcapfile.LinkTypeRaw}}
		var p decode.Printer
		dst := make([]byte, 0, 1024)
		assert.Zero(t, testing.AllocsPerRun(100, func() { p.Append(dst, pk) }), name)
	}
}

func BenchmarkPayloads(b *testing.B) {
	for name, data := range everyday(b) {
		b.Run(name, func(b *testing.B) {
			pk := &pcapfile.Packet{Time: at, HasTime: true, Data: data, Length: uint32(len(data)), Interface: &pcapfile.Interface{LinkType: pcapfile.LinkTypeRaw}}
			var p decode.Printer
			dst := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				dst = p.Append(dst[:0], pk)
			}
		})
	}
}
