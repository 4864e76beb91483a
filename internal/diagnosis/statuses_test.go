package diagnosis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/diagnosis"
)

// TestStatuses has statuses that mean different things to different operations, and
// failures that are told once however often they come.
func TestStatuses(t *testing.T) {
	// retrieve is a C-MOVE or C-GET that is answered with a status.
	retrieve := func(p *peers, field uint16, answer uint16, failed uint16) {
		p.id++
		more := [][]byte{class(studyMove)}
		if field == cMove {
			more = append(more, text(0x0600, "WS7"))
		}
		p.send(client, message(5, command(field, p.id, true, more...), 50, 16384))
		p.pass(time.Millisecond)
		p.send(server, message(5, command(field|response, p.id, false, class(studyMove), status(answer), suboperations(0, 1, failed, 0)), -1, 16384))
		p.pass(time.Millisecond)
	}
	checkAll(t, []scenario{
		{
			name: "of C-STORE",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.store(client, 10, 0xb000)
				p.store(client, 10, 0xa700)
				p.store(client, 10, 0xa700)
				p.store(client, 10, 0x0122)
				p.store(client, 10, 0x0124)
				p.store(client, 10, 0xc000, text(0x0902, "cannot parse (0028,0010)"))
				p.store(client, 10, 0xc000, text(0x0902, "cannot parse (0028,0010)"))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client B000 10/0; C-STORE 2 client A700 10/0; C-STORE 3 client A700 10/0; C-STORE 4 client 0122 10/0; C-STORE 5 client 0124 10/0; C-STORE 6 client C000 10/0; C-STORE 7 client C000 10/0"},
			findings:     []string{"dimse-warning warning 1", "dimse-failure problem 2", "dimse-failure problem 1", "dimse-failure problem 1", "dimse-failure problem 2"},
			says: []string{
				"B000 (Coercion of data elements)", "A700 (Out of resources)", "disk is full", "SOP class not supported", "Not authorised",
				"C000 (Cannot understand): cannot parse (0028,0010)",
			},
		},
		{
			name: "of C-MOVE and C-GET",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				retrieve(p, cMove, 0xb000, 2)
				retrieve(p, cMove, 0xa801, 0)
				retrieve(p, cMove, 0xa702, 3)
				retrieve(p, cGet, 0xb000, 1)
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-MOVE 1 client B000 50/0; C-MOVE 2 client A801 50/0; C-MOVE 3 client A702 50/0; C-GET 4 client B000 50/0"},
			findings:     []string{"dimse-warning warning 1", "dimse-failure problem 1", "dimse-failure problem 1", "dimse-warning warning 1"},
			says: []string{
				"C-MOVE B000 (Some sub-operations failed), to WS7; 2 sub-operations failed", "C-MOVE A801 (Move destination unknown), to WS7",
				`doesn't know the destination "WS7"`, "C-MOVE A702", "C-GET B000 (Some sub-operations failed); 1 sub-operations failed",
			},
		},
		{
			name: "of N-CREATE and C-FIND",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.send(client, message(7, command(nCreate, 1, true, class(mpps)), 300, 16384))
				p.send(server, message(7, command(nCreate|response, 1, false, status(0x0111)), -1, 16384))
				p.send(client, message(5, command(cFind, 2, true, class(studyFind)), 60, 16384))
				p.send(server, message(5, command(cFind|response, 2, false, status(0xa900)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; N-CREATE 1 client 0111 300/0; C-FIND 2 client A900 60/0"},
			findings:     []string{"dimse-failure problem 1", "dimse-failure problem 1"},
			says:         []string{"N-CREATE 0111 (Duplicate SOP instance)", "C-FIND A900 (Identifier does not match SOP class)"},
		},
		{
			name: "C-MOVE to a destination that refuses, at a port where DICOM is never spoken",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.send(client, message(5, command(cMove, 1, true, class(studyMove), text(0x0600, "WS7")), 50, 16384))
				l := tr.dial("10.0.0.2:50000", "10.0.0.77:11119")
				l.raw(client, syn, nil)
				l.ends[client].seq++
				l.pass(time.Millisecond)
				l.ends[server].seq = 0
				l.raw(server, rst|ack, nil)
				p.send(server, message(5, command(cMove|response, 1, false, class(studyMove), status(0xa702), suboperations(0, 0, 3, 0)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-MOVE 1 client A702 50/0"},
			findings:     []string{"dimse-failure problem 1"},
			says:         []string{"Its connection to 10.0.0.77:11119 was refused."},
		},
		{
			name: "C-MOVE to a destination that rejects the association",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.send(client, message(5, command(cMove, 1, true, class(studyMove), text(0x0600, "WS7")), 50, 16384))
				r := storage()
				r.calling, r.called = "PACS", "WS7"
				tr.connect("10.0.0.2:50000", "10.0.0.77:11112").refuse(r, 1, 1, 7)
				p.send(server, message(5, command(cMove|response, 1, false, class(studyMove), status(0xb000), suboperations(0, 0, 3, 0)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-MOVE 1 client B000 50/0", "PACS→WS7 rejected closed by client"},
			findings:     []string{"dimse-warning warning 1", "association-rejected problem 1"},
			says:         []string{"It was rejected by 10.0.0.77:11112: permanent"},
		},
	})
}

// TestManyFailures has an application say something else of each failure: there are few
// findings all the same, and all failures are counted.
func TestManyFailures(t *testing.T) {
	tr := &traffic{}
	p := tr.open(ct, pacs)
	for n := range 1000 {
		p.store(client, 10, 0xc000, text(0x0902, fmt.Sprintf("object %d is odd", n)))
	}
	p.release()
	r := tr.report(t, nil)
	holds(t, r)
	assert.Less(t, len(r.Findings), 30)
	var count int64
	for _, f := range r.Findings {
		count += f.Count
	}
	assert.EqualValues(t, 1000, count)
	assert.Equal(t, []diagnosis.Count{{Kind: "C-STORE", By: "client", Status: "C000", Category: "failure", Text: "Cannot understand", Operations: 1000, Bytes: 10_000}}, r.Associations[0].Summary)
}
