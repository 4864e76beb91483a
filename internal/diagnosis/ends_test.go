package diagnosis_test

import (
	"testing"
	"time"
)

// TestConnecting has connections that don't come about.
func TestConnecting(t *testing.T) {
	syns := func(l *line, n int) {
		for wait := time.Second; n > 0; n-- {
			l.raw(client, syn, nil)
			l.pass(wait)
			wait *= 2
		}
	}
	checkAll(t, []scenario{
		{
			name: "refused by RST, three times",
			build: func(tr *traffic) {
				tr.open(mr, "10.0.0.2:11112").release()
				for range 3 {
					l := tr.dial(ct, pacs)
					l.raw(client, syn, nil)
					l.ends[client].seq++
					l.pass(time.Millisecond)
					l.ends[server].seq = 0
					l.raw(server, rst|ack, nil)
					l.pass(10 * time.Second)
				}
			},
			associations: []string{"CT01→PACS accepted released"},
			connections:  []string{"refused by server", "refused by server", "refused by server"},
			findings:     []string{"connection-refused problem 3"},
			says:         []string{"Nothing listens at port 104", "DICOM is spoken at its port 11112."},
		},
		{
			name: "refused by ICMP",
			build: func(tr *traffic) {
				l := tr.dial(ct, pacs)
				l.raw(client, syn, nil)
				l.pass(time.Millisecond)
				l.unreachable(client, "10.0.0.1", 10)
			},
			connections: []string{"refused"},
			findings:    []string{"connection-refused problem 1"},
			says:        []string{"10.0.0.1 answers that it can't be reached (ICMP type 3, code 10)"},
		},
		{
			name: "SYN without an answer, and one that the capture ends too soon after",
			build: func(tr *traffic) {
				l := tr.dial(ct, pacs)
				syns(l, 5)
				tr.dial(mr, pacs).raw(client, syn, nil)
			},
			connections: []string{"unanswered", "unanswered"},
			findings:    []string{"no-answer-to-syn problem 1"},
			says:        []string{"5 requests for a connection (SYN)"},
		},
		{
			name: "at a port that DICOM is spoken at before, or later, and at one where it never is",
			build: func(tr *traffic) {
				for _, place := range []string{"10.0.0.2:5678", "10.0.0.2:80", "10.0.0.2:6789"} {
					l := tr.dial(ct, place)
					syns(l, 2)
				}
				tr.open(mr, "10.0.0.2:5678").release()
				tr.pass(5 * time.Minute)
				tr.open("10.0.0.12:40009", "10.0.0.2:6789").release()
			},
			associations: []string{"CT01→PACS accepted released", "CT01→PACS accepted released"},
			connections:  []string{"unanswered", "unanswered"},
			findings:     []string{"no-answer-to-syn problem 1", "no-answer-to-syn problem 1"},
		},
		{
			name: "nobody answers ARP",
			build: func(tr *traffic) {
				for range 3 {
					tr.arp(1, "10.0.0.11", "10.0.0.2")
					tr.pass(time.Second)
				}
			},
			findings: []string{"arp-unanswered problem 1"},
		},
		{
			name: "the container is gone after an association",
			build: func(tr *traffic) {
				tr.arp(1, "10.0.0.11", "10.0.0.2")
				tr.arp(2, "10.0.0.2", "10.0.0.11")
				tr.open(ct, pacs).release()
				tr.pass(time.Minute)
				for range 4 {
					tr.arp(1, "10.0.0.11", "10.0.0.2")
					tr.pass(time.Second)
				}
			},
			associations: []string{"CT01→PACS accepted released"},
			findings:     []string{"arp-unanswered problem 1"},
			says:         []string{"10.0.0.11 asks for 10.0.0.2 4 times"},
		},
		{
			name: "a container that is started again",
			build: func(tr *traffic) {
				for range 5 {
					tr.arp(1, "10.0.0.11", "10.0.0.2")
					tr.pass(time.Second)
				}
				tr.arp(2, "10.0.0.2", "10.0.0.11")
				tr.open(ct, pacs).release()
			},
			associations: []string{"CT01→PACS accepted released"},
			findings:     []string{"arp-unanswered warning 1"},
			says:         []string{"5 times, and nobody answers for 5 s"},
		},
		{
			name: "ARP whose answers aren't captured, and copies of a question",
			build: func(tr *traffic) {
				tr.open(ct, pacs).release()
				for range 10 {
					tr.arp(1, "10.0.0.11", "10.0.0.7")
					tr.pass(30 * time.Second)
				}
				for range 4 {
					tr.arp(1, "10.0.0.11", "10.0.0.8")
					tr.pass(time.Millisecond)
				}
			},
			associations: []string{"CT01→PACS accepted released"},
		},
		{
			name: "ARP of those who have nothing to do with DICOM",
			build: func(tr *traffic) {
				tr.open(ct, pacs).release()
				for range 10 {
					tr.arp(1, "10.0.0.77", "10.0.0.78")
					tr.pass(time.Second)
				}
			},
			associations: []string{"CT01→PACS accepted released"},
		},
	})
}

// TestEnds has associations that don't end by a release.
func TestEnds(t *testing.T) {
	checkAll(t, []scenario{
		{
			name: "the client aborts after 30 s, the server after 60 s",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.storeRQ(client, 1, 100_000)
				p.pass(30 * time.Second)
				p.send(client, abort(0, 0))
				p.close(client)
				p = tr.open(mr, pacs)
				p.store(client, 100, 0)
				p.pass(60 * time.Second)
				p.send(server, abort(2, 0))
				p.close(server)
			},
			associations: []string{
				"CT01→PACS accepted aborted by client; C-STORE 1 client  100000/0",
				"CT01→PACS accepted aborted by server; C-STORE 1 client 0000 100/0",
			},
			findings: []string{"aborted problem 1", "aborted problem 1"},
			says:     []string{"aborted by the client during C-STORE", "waited 30 s", "aborted by the server after C-STORE", "waited 60 s"},
		},
		{
			name: "the client vanishes in the middle of an answer",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.storeRQ(client, 1, 1000)
				answer := message(3, command(cStore|response, 1, false, status(0)), -1, 16384)
				p.segment(server, answer)
				for wait := 200 * time.Millisecond; wait < 10*time.Second; wait *= 2 {
					p.pass(wait)
					p.again(server, answer)
				}
			},
			associations: []string{"CT01→PACS accepted open; C-STORE 1 client 0000 1000/0"},
			findings:     []string{"half-open problem 1"},
			says:         []string{"the client no longer answers"},
		},
		{
			name: "a firewall forgets a connection that was idle for 40 minutes",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.echo(time.Millisecond)
				p.pass(40 * time.Minute)
				b := message(1, command(cEcho, 2, false, class(verification)), -1, 16384)
				p.segment(client, b)
				for wait := 200 * time.Millisecond; wait < 20*time.Second; wait *= 2 {
					p.pass(wait)
					p.again(client, b)
				}
			},
			associations: []string{"CT01→PACS accepted cut; C-ECHO 1 client 0000 0/0; C-ECHO 2 client  0/0"},
			findings:     []string{"half-open problem 1"},
			says:         []string{"the server no longer answers", "idle for 40 min before"},
		},
		{
			name: "the same, and the client gives up by a RST",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.echo(time.Millisecond)
				p.pass(40 * time.Minute)
				b := message(1, command(cEcho, 2, false, class(verification)), -1, 16384)
				p.segment(client, b)
				for wait := 200 * time.Millisecond; wait < 20*time.Second; wait *= 2 {
					p.pass(wait)
					p.again(client, b)
				}
				p.reset(client)
			},
			associations: []string{"CT01→PACS accepted reset by client; C-ECHO 1 client 0000 0/0; C-ECHO 2 client  0/0"},
			findings:     []string{"half-open problem 1"},
		},
		{
			name: "a middle box resets a connection that was idle for 40 minutes",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.echo(time.Millisecond)
				p.pass(40 * time.Minute)
				p.segment(client, message(1, command(cEcho, 2, false, class(verification)), -1, 16384))
				p.reset(server)
			},
			associations: []string{"CT01→PACS accepted reset by server; C-ECHO 1 client 0000 0/0; C-ECHO 2 client  0/0"},
			findings:     []string{"closed-in-transfer problem 1"},
			says:         []string{"the server resets the connection during C-ECHO", "Nothing had been said for 40 min"},
		},
		{
			name: "closed without a release: at once, after a slow answer, and after an idle hour",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.echo(time.Millisecond)
				p.close(client)
				p = tr.open("10.0.0.11:40009", "10.0.0.3:104")
				p.send(client, message(5, command(cMove, 1, true, class(studyMove)), 50, 16384))
				p.pass(50 * time.Second)
				p.send(server, message(5, command(cMove|response, 1, false, class(studyMove), status(0)), -1, 16384))
				p.close(client)
				p = tr.open("10.0.0.11:40010", "10.0.0.4:104")
				p.echo(time.Millisecond)
				p.pass(time.Hour)
				p.close(server)
			},
			associations: []string{
				"CT01→PACS accepted closed by client; C-ECHO 1 client 0000 0/0", "CT01→PACS accepted closed by client; C-MOVE 1 client 0000 50/0",
				"CT01→PACS accepted closed by server; C-ECHO 1 client 0000 0/0",
			},
			findings: []string{"closed-without-release warning 1", "closed-without-release warning 1", "closed-without-release warning 1"},
			says: []string{
				"PACS (10.0.0.2:104): the client closes the connection without a release, after C-ECHO Its program ended",
				"PACS (10.0.0.3:104): the client closes the connection without a release, after C-MOVE Its program ended",
				"PACS (10.0.0.4:104): the server closes the connection without a release, after C-ECHO Nothing had been said for 60 min",
			},
		},
		{
			name: "the server is killed in the transfer: what arrived is what was acknowledged",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, command(cStore, 1, true, class(ctImage)), 100_000, 16384)
				p.send(client, b[:14480])
				for n := 14480; n < 28960; n += 1448 {
					p.segment(client, b[n:n+1448])
				}
				p.ends[client].seq -= 14480
				p.reset(server)
				p.ends[client].seq += 14480
			},
			associations: []string{"CT01→PACS accepted reset by server; C-STORE 1 client  28848/0 cut"},
			findings:     []string{"closed-in-transfer problem 1"},
			says:         []string{"14743 bytes of what the client sent had arrived"},
		},
		{
			name: "the answer comes before the end of the request",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, command(cStore, 1, true, class(ctImage)), 100_000, 16384)
				p.send(client, b[:50_000])
				p.send(server, message(3, command(cStore|response, 1, false, status(0xa700)), -1, 16384))
				p.send(client, b[50_000:])
				p.pass(time.Millisecond)
				p.id++
				p.store(client, 300, 0)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client A700 100000/0; C-STORE 2 client 0000 300/0"},
			findings:     []string{"dimse-failure problem 1"},
			says:         []string{"disk is full"},
		},
		{
			name: "the ports are used again, and the end of what was before isn't captured",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.echo(time.Millisecond)
				p.pass(time.Hour)
				p = tr.open(ct, pacs)
				p.echo(time.Millisecond)
				p.release()
			},
			associations: []string{"CT01→PACS accepted open; C-ECHO 1 client 0000 0/0", "CT01→PACS accepted released; C-ECHO 1 client 0000 0/0"},
			findings:     []string{"capture-ends-in-association info 1"},
			says:         []string{"the end of the association isn't in the capture"},
		},
		{
			name: "a PDU larger than agreed",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.send(client, message(3, command(cStore, 1, true, class(ctImage)), 100_000, 32768))
				p.pass(time.Millisecond)
				p.send(server, abort(2, 6))
				p.close(server)
			},
			associations: []string{"CT01→PACS accepted aborted by server; C-STORE 1 client  100000/0"},
			findings:     []string{"pdu-too-large problem 1", "aborted problem 1"},
			says:         []string{"P-DATA-TF of 32768 bytes, though the other side takes 16384 at most", "It was sent a PDU larger than it takes."},
		},
		{
			name: "a small maximum PDU length, of a side that is sent much, and of one that isn't",
			build: func(tr *traffic) {
				r := storage()
				r.maxPDU = 4096
				p := tr.connect(ct, pacs).associate(r)
				p.send(client, message(3, command(cStore, 1, true, class(ctImage)), 200_000, 4096))
				p.send(server, message(3, command(cStore|response, 1, false, status(0)), -1, 4096))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 200000/0"},
			findings:     []string{"small-max-pdu warning 1"},
			says:         []string{"the server takes PDUs of 4096 bytes at most"},
		},
	})
}
