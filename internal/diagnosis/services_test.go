package diagnosis_test

import (
	"testing"
	"time"
)

// TestServices has associations in which nothing is wrong: all services of PS3.7, in both
// directions, and several ways to cut them into PDUs.
func TestServices(t *testing.T) {
	checkAll(t, []scenario{
		{
			name: "C-ECHO",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.echo(time.Millisecond)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-ECHO 1 client 0000 0/0"},
		},
		{
			name: "C-STORE",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				for range 3 {
					p.store(client, 500_000, 0)
				}
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 500000/0; C-STORE 2 client 0000 500000/0; C-STORE 3 client 0000 500000/0"},
		},
		{
			name: "C-GET with C-STOREs from the server",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.send(client, message(5, command(cGet, 7, true, class(studyGet)), 80, 16384))
				for n := range uint16(3) {
					p.pass(time.Millisecond)
					p.store(server, 20_000, 0)
					p.send(server, message(5, command(cGet|response, 7, false, class(studyGet), status(0xff00), suboperations(2-n, n+1, 0, 0)), -1, 16384))
				}
				p.send(server, message(5, command(cGet|response, 7, false, class(studyGet), status(0), suboperations(0, 3, 0, 0)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-GET 7 client 0000 80/0 3 pending; C-STORE 1 server 0000 20000/0; C-STORE 2 server 0000 20000/0; C-STORE 3 server 0000 20000/0"},
		},
		{
			name: "N-services, and N-EVENT-REPORT from the server with the same message ID",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				for n, field := range []uint16{nCreate, nSet, nGet, nAction, nDelete} {
					set := command(field, uint16(n+1), field != nGet && field != nDelete, text(0x0003, commitment), text(0x1001, "1.2.3"))
					data := 300
					if field == nGet || field == nDelete {
						data = -1
					}
					p.send(client, message(7, set, data, 16384))
					p.pass(time.Millisecond)
					back := -1
					if field == nGet {
						back = 120
					}
					p.send(server, message(7, command(field|response, uint16(n+1), back > 0, class(commitment), status(0)), back, 16384))
					p.pass(time.Millisecond)
				}
				p.send(client, message(7, command(nAction, 9, true, text(0x0003, commitment)), 50, 16384))
				p.send(server, message(7, command(nEventReport, 9, true, class(commitment)), 60, 16384))
				p.pass(time.Millisecond)
				p.send(client, message(7, command(nEventReport|response, 9, false, class(commitment), status(0)), -1, 16384))
				p.send(server, message(7, command(nAction|response, 9, false, class(commitment), status(0)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; N-CREATE 1 client 0000 300/0; N-SET 2 client 0000 300/0; N-GET 3 client 0000 0/120; N-ACTION 4 client 0000 300/0; N-DELETE 5 client 0000 0/0; N-ACTION 9 client 0000 50/0; N-EVENT-REPORT 9 server 0000 60/0"},
		},
		{
			name: "C-FIND that is cancelled",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.send(client, message(5, command(cFind, 4, true, class(studyFind)), 60, 16384))
				for range 5 {
					p.pass(time.Millisecond)
					p.send(server, message(5, command(cFind|response, 4, true, class(studyFind), status(0xff00)), 200, 16384))
				}
				p.send(client, message(5, command(cCancel, 4, false), -1, 16384))
				p.pass(time.Millisecond)
				p.send(server, message(5, command(cFind|response, 4, false, class(studyFind), status(0xfe00)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-FIND 4 client FE00 60/1000 5 pending canceled"},
		},
		{
			name: "asynchronous operations answered in another order",
			build: func(tr *traffic) {
				r := storage()
				r.user = item(0x53, []byte{0, 3, 0, 1})
				p := tr.connect(ct, pacs).associate(r)
				for id := range uint16(3) {
					p.storeRQ(client, id+1, 10_000)
				}
				for _, id := range []uint16{2, 3, 1} {
					p.pass(time.Millisecond)
					p.send(server, message(3, command(cStore|response, id, false, status([]uint16{0, 0, 0xb000, 0}[id])), -1, 16384))
				}
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 10000/0; C-STORE 2 client B000 10000/0; C-STORE 3 client 0000 10000/0"},
			findings:     []string{"dimse-warning warning 1"},
		},
		{
			name: "the same message ID for each operation, one after the other",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				for range 2 {
					p.id = 0
					p.store(client, 5_000, 0)
				}
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 5000/0; C-STORE 1 client 0000 5000/0"},
		},
		{
			name: "the same message ID for two operations at once: answers come in order",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.storeRQ(client, 1, 5_000)
				p.storeRQ(client, 1, 6_000)
				p.send(server, message(3, command(cStore|response, 1, false, status(0)), -1, 16384))
				p.send(server, message(3, command(cStore|response, 1, false, status(0xa700)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 5000/0; C-STORE 1 client A700 6000/0"},
			findings:     []string{"dimse-failure problem 1"},
		},
		{
			name: "command and data set in one PDU, as fo-dicom does, and in many values",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				set := command(cStore, 1, true, class(ctImage))
				p.send(client, pdu(4, value(3, 3, set), value(3, 0, pixels[:1000]), value(3, 0, nil), value(3, 2, pixels[:500])))
				p.pass(time.Millisecond)
				p.send(server, pdu(4, value(3, 3, command(cStore|response, 1, false, status(0)))))
				// A command set in pieces, in as many PDUs; the segments end elsewhere.
				set = command(cStore, 2, true, class(ctImage))
				p.mss = 11
				p.send(client, append(append(pdu(4, value(3, 1, set[:7])), pdu(4, value(3, 1, set[7:9]), value(3, 3, set[9:]))...), pdu(4, value(3, 2, pixels[:333]))...))
				p.pass(time.Millisecond)
				p.send(server, pdu(4, value(3, 3, command(cStore|response, 2, false, status(0)))))
				p.mss = 1448
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 1500/0; C-STORE 2 client 0000 333/0"},
		},
		{
			name: "an empty data set",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.send(client, message(5, command(cFind, 4, true, class(studyFind)), 0, 16384))
				p.pass(time.Millisecond)
				p.send(server, message(5, command(cFind|response, 4, false, class(studyFind), status(0)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-FIND 4 client 0000 0/0"},
		},
		{
			name: "one client, one association after the other",
			build: func(tr *traffic) {
				for _, from := range []string{"10.0.0.11:40001", "10.0.0.11:40002", "10.0.0.11:40003"} {
					p := tr.open(from, pacs)
					p.store(client, 1000, 0)
					p.release()
					p.pass(time.Second)
				}
			},
			associations: []string{
				"CT01→PACS accepted released; C-STORE 1 client 0000 1000/0", "CT01→PACS accepted released; C-STORE 1 client 0000 1000/0",
				"CT01→PACS accepted released; C-STORE 1 client 0000 1000/0",
			},
		},
		{
			name: "one connection, one association after the other",
			build: func(tr *traffic) {
				l := tr.connect(ct, pacs)
				for range 3 {
					p := l.associate(storage())
					p.store(client, 1000, 0)
					p.send(client, releaseRQ())
					p.pass(time.Millisecond)
					p.send(server, releaseRP())
					p.pass(20 * time.Second)
				}
				l.close(client)
			},
			associations: []string{
				"CT01→PACS accepted released; C-STORE 1 client 0000 1000/0", "CT01→PACS accepted released; C-STORE 1 client 0000 1000/0",
				"CT01→PACS accepted released; C-STORE 1 client 0000 1000/0",
			},
		},
		{
			name: "the ports of a connection are used again at once",
			build: func(tr *traffic) {
				for range 2 {
					p := tr.open(ct, pacs)
					p.echo(time.Millisecond)
					p.release()
				}
			},
			associations: []string{"CT01→PACS accepted released; C-ECHO 1 client 0000 0/0", "CT01→PACS accepted released; C-ECHO 1 client 0000 0/0"},
		},
		{
			name: "the server asks for the release, and the client resets the connection afterwards",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.echo(time.Millisecond)
				p.send(server, releaseRQ())
				p.pass(time.Millisecond)
				p.send(client, releaseRP())
				p.reset(client)
			},
			associations: []string{"CT01→PACS accepted released; C-ECHO 1 client 0000 0/0"},
		},
		{
			name: "an hour of nothing between operations, with keep-alives",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.echo(time.Millisecond)
				for range 12 {
					p.pass(5 * time.Minute)
					p.at(client, p.ends[client].seq-1, p.ends[server].seq, ack, nil)
					p.pass(time.Millisecond)
					p.acknowledge(server)
				}
				p.echo(time.Millisecond)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-ECHO 1 client 0000 0/0; C-ECHO 2 client 0000 0/0"},
		},
	})
}
