package diagnosis_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refuse is a server's refusal of an association, after which the client closes.
func (l *line) refuse(r request, result, source, reason byte) {
	l.send(client, r.bytes())
	l.pass(time.Millisecond)
	l.send(server, reject(result, source, reason))
	l.close(client)
}

// clientHello is the beginning of one of TLS 1.2, for a server "pacs".
var clientHello = append(append([]byte{0x16, 3, 1, 0, 63, 1, 0, 0, 59, 3, 3}, make([]byte, 32)...),
	0, 0, 2, 0x13, 1, 1, 0, 0, 16, 0, 10, 0, 2, 0, 23, 0, 0, 0, 9, 0, 7, 0, 0, 4, 'p', 'a', 'c', 's')

// TestNegotiation has all ways in which an association doesn't come about.
func TestNegotiation(t *testing.T) {
	checkAll(t, []scenario{
		{
			name: "the server is full",
			build: func(tr *traffic) {
				open := []*peers{tr.open(mr, pacs)}
				for n := range 2 {
					r := storage()
					r.calling = "MR01"
					open = append(open, tr.connect(fmt.Sprintf("10.0.0.12:%d", 41000+n), pacs).associate(r))
				}
				gone := tr.open("10.0.0.13:40002", pacs)
				gone.release()
				tr.connect(ct, pacs).refuse(storage(), 2, 3, 2)
				for _, p := range open {
					p.release()
				}
			},
			associations: []string{
				"CT01→PACS accepted released", "MR01→PACS accepted released", "MR01→PACS accepted released",
				"CT01→PACS accepted released", "CT01→PACS rejected closed by client",
			},
			findings: []string{"association-rejected problem 1"},
			says:     []string{"no room (local limit exceeded), for the moment", "Open at that time: 2 by MR01, 1 by CT01."},
		},
		{
			name: "a client that aborts what was rejected",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, storage().bytes())
				l.send(server, reject(1, 1, 7))
				l.send(client, abort(0, 0))
				l.close(client)
			},
			associations: []string{"CT01→PACS rejected closed by client"},
			findings:     []string{"association-rejected problem 1"},
		},
		{
			name: "wrong titles, twice the same",
			build: func(tr *traffic) {
				tr.open(mr, pacs).release()
				r := storage()
				r.called = "PACSS"
				for n := range 2 {
					tr.connect(fmt.Sprintf("10.0.0.11:%d", 41000+n), pacs).refuse(r, 1, 1, 7)
				}
				tr.connect(ct, pacs).refuse(storage(), 1, 1, 3)
			},
			associations: []string{
				"CT01→PACS accepted released", "CT01→PACSS rejected closed by client",
				"CT01→PACSS rejected closed by client", "CT01→PACS rejected closed by client",
			},
			findings: []string{"association-rejected problem 2", "association-rejected problem 1"},
			says:     []string{`called AE title "PACSS" not recognised`, "Known here: PACS.", `calling AE title "CT01" not recognised`},
		},
		{
			name: "the request is not answered: the client gives up after 30 s",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, storage().bytes())
				l.pass(30 * time.Second)
				l.close(client)
			},
			associations: []string{"CT01→PACS unanswered closed by client"},
			findings:     []string{"no-association-answer problem 1"},
			says:         []string{"not answered, within 30 s"},
		},
		{
			name: "the request is answered when the client has given up",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, storage().bytes())
				l.pass(30 * time.Second)
				l.raw(client, fin|ack, nil)
				l.ends[client].seq++
				l.pass(2 * time.Second)
				l.send(server, storage().answer())
				l.reset(client)
			},
			associations: []string{"CT01→PACS unanswered closed by client"},
			findings:     []string{"no-association-answer problem 1"},
			says:         []string{"answered when the client has given up, after 32 s"},
		},
		{
			name: "the request is not answered: the client aborts after 30 s",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, storage().bytes())
				l.pass(30 * time.Second)
				l.send(client, abort(0, 0))
				l.close(client)
			},
			associations: []string{"CT01→PACS unanswered aborted by client"},
			findings:     []string{"aborted problem 1"},
			says:         []string{"waited 30 s"},
		},
		{
			name: "the request is not answered when the capture ends",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, storage().bytes())
				tr.pass(8 * time.Second)
				tr.connect(mr, pacs).close(client)
			},
			associations: []string{"CT01→PACS unanswered cut"},
			connections:  []string{"silent by client"},
			findings:     []string{"no-association-answer problem 1", "capture-ends-in-association info 1", "connected-but-silent info 1"},
		},
		{
			name: "the server closes, and another time resets, without an answer",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, storage().bytes())
				l.close(server)
				l = tr.connect("10.0.0.11:40009", pacs)
				l.send(client, storage().bytes())
				l.reset(server)
			},
			associations: []string{"CT01→PACS unanswered closed by server", "CT01→PACS unanswered reset by server"},
			findings:     []string{"closed-without-answer problem 2"},
		},
		{
			name: "nothing is accepted, and the client releases the association",
			build: func(tr *traffic) {
				r := storage()
				r.contexts = []context{{1, ctImage, []string{explicitLittle}, 3}, {3, mrImage, []string{jpegBaseline}, 4}}
				tr.connect(ct, pacs).associate(r).release()
			},
			associations: []string{"CT01→PACS accepted released"},
			findings:     []string{"no-presentation-context problem 1"},
			says:         []string{"CT Image Storage (abstract syntax not supported)", "MR Image Storage as JPEG Baseline", "enable the SOP classes there"},
		},
		{
			name: "one of the SOP classes is not accepted, and the client aborts",
			build: func(tr *traffic) {
				r := storage()
				r.contexts = append(r.contexts, context{5, mrImage, []string{explicitLittle}, 3})
				p := tr.connect(ct, pacs).associate(r)
				p.send(client, abort(0, 0))
				p.close(client)
			},
			associations: []string{"CT01→PACS accepted aborted by client"},
			findings:     []string{"context-refused warning 1", "aborted problem 1"},
		},
		{
			name: "of two offers for a SOP class one is accepted",
			build: func(tr *traffic) {
				r := storage()
				r.contexts = append(r.contexts, context{5, ctImage, []string{"1.2.840.10008.1.2.2"}, 4})
				p := tr.connect(ct, pacs).associate(r)
				p.store(client, 100, 0)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 100/0"},
		},
		{
			name: "TLS to a server that closes, and to one that answers with an A-ABORT",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, clientHello)
				l.close(server)
				l = tr.connect("10.0.0.11:40009", pacs)
				l.send(client, clientHello)
				l.send(server, abort(2, 1))
				l.close(server)
			},
			connections: []string{"TLS by server", "TLS by server"},
			findings:    []string{"tls-mismatch problem 2", "not-dicom problem 2"},
		},
		{
			name: "TLS as it should be",
			build: func(tr *traffic) {
				l := tr.connect(ct, "10.0.0.2:2762")
				l.send(client, clientHello)
				l.send(server, append([]byte{0x16, 3, 3, 0x0f, 0xa0}, pixels[:4000]...))
				l.send(client, append([]byte{0x17, 3, 3, 0x40, 0}, pixels[:16384]...))
				l.close(client)
			},
			connections: []string{"TLS by client"},
			findings:    []string{"tls info 1"},
			says:        []string{"in TLS for pacs"},
		},
		{
			name: "DICOM in clear to a server that answers with TLS's alert",
			build: func(tr *traffic) {
				l := tr.connect(ct, "10.0.0.2:2762")
				l.send(client, storage().bytes())
				l.send(server, []byte{0x15, 3, 1, 0, 2, 2, 22})
				l.close(server)
			},
			associations: []string{"CT01→PACS unanswered closed by server"},
			findings:     []string{"tls-mismatch problem 1"},
		},
		{
			name: "DICOM to a web server",
			build: func(tr *traffic) {
				l := tr.connect(ct, "10.0.0.2:8080")
				l.send(client, storage().bytes())
				l.send(server, []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
				l.close(server)
			},
			associations: []string{"CT01→PACS unanswered closed by server"},
			findings:     []string{"not-dicom problem 1"},
			says:         []string{"answered in HTTP"},
		},
		{
			name: "HTTP to a server of DICOM, which answers with an A-ABORT",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, []byte("GET / HTTP/1.1\r\nHost: pacs\r\n\r\n"))
				l.send(server, abort(2, 1))
				l.close(server)
			},
			connections: []string{"HTTP by server"},
			findings:    []string{"not-dicom problem 1"},
		},
		{
			name: "rubbish to a server of DICOM, which answers with an A-ABORT",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				l.send(client, []byte("\xff\xfe\x00\x00rubbish"))
				l.send(server, abort(2, 1))
				l.close(server)
			},
			connections: []string{"unknown by server"},
		},
		{
			name: "the PROXY protocol before the request, in its own segment and in the same",
			build: func(tr *traffic) {
				header := []byte("PROXY TCP4 10.0.0.11 10.0.0.2 40001 104\r\n")
				l := tr.connect(ct, pacs)
				l.send(client, header)
				l.associate(storage()).release()
				l = tr.connect("10.0.0.11:40009", pacs)
				r := storage()
				l.send(client, append(header, r.bytes()...))
				l.send(server, r.answer())
				(&peers{line: l, request: r}).release()
			},
			associations: []string{"CT01→PACS accepted released", "CT01→PACS accepted released"},
		},
		{
			name: "probes by load balancers",
			build: func(tr *traffic) {
				tr.open(ct, pacs).release()
				for n := range 200 {
					l := tr.connect(fmt.Sprintf("10.0.0.99:%d", 30000+n), pacs)
					if n%2 == 0 {
						l.close(client)
					} else {
						l.reset(client)
					}
					tr.pass(5 * time.Second)
				}
			},
			associations: []string{"CT01→PACS accepted released"},
			connections:  slices.Repeat([]string{"silent by client"}, 200),
			findings:     []string{"connected-but-silent info 200"},
		},
		{
			name: "a user name and a passcode in clear",
			build: func(tr *traffic) {
				r := storage()
				r.user = identity(2, "dr.house", "vicodin")
				tr.connect(ct, pacs).associate(r).release()
				r.user = identity(1, "dr.house", "")
				tr.connect("10.0.0.11:40009", pacs).associate(r).release()
			},
			associations: []string{"CT01→PACS accepted released", "CT01→PACS accepted released"},
			findings:     []string{"cleartext-identity warning 1"},
		},
	})
}

// TestSecrets has nothing of users and patients in a report: their names, passcodes, UIDs of
// instances, data sets.
func TestSecrets(t *testing.T) {
	tr := &traffic{}
	r := storage()
	r.user = identity(2, "dr.house", "vicodin")
	p := tr.connect(ct, pacs).associate(r)
	p.send(client, pdu(4, value(3, 3, command(cStore, 1, true, class(ctImage), instance("1.2.99.77")))))
	p.send(client, pdu(4, value(3, 2, []byte("\x10\x00\x10\x00PN\x0a\x00Doe^Jane  "))))
	p.send(server, message(3, command(cStore|response, 1, false, class(ctImage), instance("1.2.99.77"), status(0xc000)), -1, 16384))
	p.release()
	b, err := json.Marshal(tr.report(t, nil))
	require.NoError(t, err)
	for _, secret := range []string{"dr.house", "vicodin", "Jane", "1.2.99.77"} {
		assert.NotContains(t, string(b), secret)
	}
}

// TestUntrustedText quotes what comes out of packets.
func TestUntrustedText(t *testing.T) {
	tr := &traffic{}
	r := storage()
	r.calling, r.called = "\x1b[31mEVIL", "A\nB\xff\xfe"
	p := tr.connect(ct, pacs).associate(r)
	p.store(client, 100, 0xc000, text(0x0902, "\x1b]0;owned\x07\xe2\x80\xae\xff"))
	p.send(client, message(5, command(cMove, 9, true, class("\x1b[2J"), text(0x0600, "\x9b\x07DEST")), 60, 16384))
	p.send(server, message(5, command(cMove|response, 9, false, status(0xa801), text(0x0902, string(make([]byte, 100))+"x\r\nSTORE 1 ok")), -1, 16384))
	p.release()
	long := strings.Repeat("1.2\x1b[0m", 100)
	r.contexts = append(r.contexts, context{5, "1.2\x1b[0m", []string{"\x08"}, 4}, context{7, long, slices.Repeat([]string{long}, 100), 4})
	tr.connect("10.0.0.11:40009", pacs).associate(r).release()
	tr.connect("10.0.0.11:40010", pacs).refuse(r, 2, 3, 1)
	tr.connect("10.0.0.11:40011", pacs).refuse(r, 1, 1, 7)
	report := tr.report(t, nil)
	assert.NotEmpty(t, report.Findings)
	holds(t, report)
}
