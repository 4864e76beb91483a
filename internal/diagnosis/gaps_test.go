package diagnosis_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/diagnosis"
)

// TestIncomplete has captures that lack something: nothing is said of the network, and what
// isn't known is not made up.
func TestIncomplete(t *testing.T) {
	set := command(cStore, 1, true, class(ctImage))
	answer := message(3, command(cStore|response, 1, false, class(ctImage), status(0)), -1, 16384)
	checkAll(t, []scenario{
		{
			name: "it begins between two operations",
			build: func(tr *traffic) {
				p := &peers{line: tr.dial(ct, pacs), request: storage()}
				p.store(client, 50_000, 0)
				p.store(client, 10_000, 0)
				p.release()
			},
			associations: []string{"→ unknown released incomplete; C-STORE 1 client 0000 50000/0; C-STORE 2 client 0000 10000/0"},
			findings:     []string{"capture-starts-in-association info 1"},
		},
		{
			name: "it begins with the request, and by its ports the client is taken for the server",
			build: func(tr *traffic) {
				p := tr.dial("10.0.0.11:700", "10.0.0.2:50104").associate(storage())
				p.store(client, 50_000, 0)
				p.store(server, 10_000, 0xa700)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 50000/0; C-STORE 2 server A700 10000/0"},
			findings:     []string{"dimse-failure problem 1"},
			says:         []string{"CT01 (10.0.0.11) → PACS (10.0.0.2:50104)"},
		},
		{
			name: "it begins in the middle of a data set",
			build: func(tr *traffic) {
				p := &peers{line: tr.dial(ct, pacs), request: storage(), id: 1}
				p.send(client, message(3, set, 100_000, 16384)[20_000:])
				p.send(server, answer)
				p.store(client, 10_000, 0)
				p.release()
			},
			associations: []string{"→ unknown released incomplete; C-STORE 1 client 0000 0/0 without request; C-STORE 2 client 0000 10000/0"},
			findings:     []string{"capture-starts-in-association info 1"},
		},
		{
			name: "it ends in the middle of a data set",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.send(client, message(3, set, 100_000, 16384)[:50_000])
			},
			associations: []string{"CT01→PACS accepted cut; C-STORE 1 client  49864/0 cut"},
			findings:     []string{"capture-ends-in-association info 1"},
		},
		{
			name: "it ends between two operations",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.store(client, 100, 0)
			},
			associations: []string{"CT01→PACS accepted open; C-STORE 1 client 0000 100/0"},
			findings:     []string{"capture-ends-in-association info 1"},
		},
		{
			name: "the capture has lost data",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, set, 100_000, 16384)
				p.send(client, b[:20_000])
				p.tap = unseen
				p.send(client, b[20_000:25_000])
				p.tap = intact
				p.send(client, b[25_000:])
				p.send(server, answer)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released incomplete; C-STORE 1 client 0000 100000/0"},
			findings:     []string{"capture-gap warning 1"},
			says:         []string{"lacks 5000 bytes that arrived"},
		},
		{
			name: "the capture has lost everything for some time, the end of a request and the beginning of the next",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, set, 100_000, 16384)
				p.send(client, b[:20_000])
				tr.unread = true
				p.send(client, b[20_000:])
				p.send(server, answer)
				p.pass(3 * time.Second)
				b = message(3, command(cStore, 2, true, class(ctImage)), 100_000, 16384)
				p.send(client, b[:30_000])
				tr.unread = false
				p.send(client, b[30_000:])
				p.pass(time.Millisecond)
				p.send(server, message(3, command(cStore|response, 2, false, class(ctImage), status(0)), -1, 16384))
				p.id = 2
				p.store(client, 500, 0)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released incomplete; C-STORE 1 client  32756/0 cut; C-STORE 2 client 0000 0/0 without request; C-STORE 3 client 0000 500/0"},
			findings:     []string{"capture-gap warning 1"},
		},
		{
			name: "the capture has lost the negotiation",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				tr.unread = true
				p := l.associate(storage())
				tr.unread = false
				p.store(client, 500, 0)
				p.release()
			},
			associations: []string{"→ unknown released incomplete; C-STORE 1 client 0000 500/0"},
			findings:     []string{"capture-gap warning 1"},
		},
		{
			name: "a window that closed, and was opened in what is lost",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, set, 100_000, 16384)
				p.send(client, b[:20_000])
				p.ends[server].window = 0
				p.acknowledge(server)
				p.ends[server].window = 500
				p.pass(time.Millisecond)
				tr.unread = true
				p.acknowledge(server)
				p.send(client, b[20_000:])
				p.pass(2 * time.Second)
				tr.unread = false
				p.send(server, answer)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released incomplete; C-STORE 1 client 0000 32756/0 cut"},
			findings:     []string{"capture-gap warning 1"},
		},
	})
}

// TestOneDirection has captures that hold only what one of the sides sends.
func TestOneDirection(t *testing.T) {
	whole := &traffic{}
	p := whole.open(ct, pacs)
	for range 5 {
		p.store(client, 50_000, 0)
	}
	p.release()
	for _, side := range []byte{11, 2} {
		tr := &traffic{}
		for _, f := range whole.frames {
			if f.data[14+15] == side {
				tr.frames = append(tr.frames, f)
			}
		}
		r := tr.report(t, &diagnosis.Config{Operations: true})
		holds(t, r)
		for _, f := range r.Findings {
			assert.Contains(t, []string{"capture-gap", "capture-ends-in-association", "capture-starts-in-association"}, f.ID, texts(r))
		}
	}
}

// TestOneDirectionOfTLS: who goes on was answered, captured or not.
func TestOneDirectionOfTLS(t *testing.T) {
	whole := &traffic{}
	l := whole.connect(ct, "10.0.0.2:2762")
	l.send(client, clientHello)
	l.close(client)
	tr := &traffic{}
	for _, f := range whole.frames {
		if f.data[14+15] == 11 {
			tr.frames = append(tr.frames, f)
		}
	}
	r := tr.report(t, nil)
	holds(t, r)
	assert.Equal(t, []string{"tls info 1"}, findings(r))
}
