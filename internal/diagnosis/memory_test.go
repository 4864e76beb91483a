package diagnosis_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
	"netcap/pcapfile"
)

// heap is what is in use, in bytes, when all that isn't is collected.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// live feeds an analysis with traffic as it is made, of which nothing is kept.
type live struct {
	*traffic
	analysis *diagnosis.Analysis
	file     *diagnosis.File
}

func newLive(cfg *diagnosis.Config) *live {
	l := &live{traffic: &traffic{}, analysis: diagnosis.New(cfg)}
	l.file = l.analysis.File("live.pcap")
	on := l.on()
	var p pcapfile.Packet
	l.onWire = func(f frame) []frame {
		p = pcapfile.Packet{Time: epoch.Add(f.at), HasTime: true, Data: f.data, Length: uint32(f.length), Interface: on}
		l.analysis.Add(l.file, &p)
		return nil
	}
	return l
}

// TestOpenAssociations has 10,000 associations open at once, in the middle of a C-STORE.
func TestOpenAssociations(t *testing.T) {
	before := heap()
	l := newLive(nil)
	for n := range 10_000 {
		r := request{calling: fmt.Sprintf("CT%d", n), called: "PACS", maxPDU: 16384}
		for id := range byte(8) {
			r.contexts = append(r.contexts, context{2*id + 1, fmt.Sprintf("1.2.840.10008.5.1.4.1.1.%d", id), []string{explicitLittle, implicitLittle, jpegBaseline}, 0})
		}
		p := l.connect(fmt.Sprintf("10.1.%d.%d:%d", n>>8, n&255, 1024+n), pacs).associate(r)
		p.send(client, message(3, command(cStore, 1, true, class(ctImage)), 20_000, 16384)[:10_000])
	}
	used := heap() - before
	t.Logf("%d bytes an association", used/10_000)
	assert.Less(t, used, int64(100<<20))
	r := l.analysis.Close()
	require.Len(t, r.Associations, 10_000)
	assert.Equal(t, diagnosis.CutOff, r.Associations[0].Outcome)
}

// TestLargeDataSets has an association with 5 GB of data sets, of which nothing is kept, and
// more than the sequence numbers of TCP reach.
func TestLargeDataSets(t *testing.T) {
	before := heap()
	l := newLive(nil)
	p := l.open(ct, pacs)
	const header = 12
	beginning := pdu(4, value(3, 0, pixels[:49_152]))[:header]
	for id := range uint16(100) {
		p.send(client, message(3, command(cStore, id, true, class(ctImage)), -1, 0))
		for range 1024 {
			// A P-DATA-TF of which the header is captured, and 48 KiB are not.
			p.pass(20 * time.Microsecond)
			p.raw(client, ack, beginning, 49_152)
			p.ends[client].seq += header + 49_152
			p.acknowledge(server)
		}
		p.send(client, pdu(4, value(3, 2, nil)))
		p.send(server, message(3, command(cStore|response, id, false, status(0)), -1, 16384))
	}
	assert.Less(t, heap()-before, int64(1<<20))
	p.release()
	r := l.analysis.Close()
	require.Len(t, r.Associations, 1)
	assert.Equal(t, int64(100*1024*49_152), r.Associations[0].Bytes)
	assert.EqualValues(t, 100, r.Associations[0].Summary[0].Operations)
}

// TestManyOperations has an association of operations without end: memory doesn't grow with
// them unless they are asked for.
func TestManyOperations(t *testing.T) {
	l := newLive(nil)
	p := l.open(ct, pacs)
	run := func(n int) {
		for range n {
			p.id++
			p.send(client, message(1, command(cEcho, p.id, false, class(verification)), -1, 16384))
			p.pass(time.Millisecond)
			p.send(server, message(1, command(cEcho|response, p.id, false, class(verification), status(0)), -1, 16384))
			p.pass(5 * time.Second)
		}
	}
	run(10_000)
	before := heap()
	run(40_000)
	assert.Less(t, heap()-before, int64(64<<10))
	p.release()
	r := l.analysis.Close()
	assert.EqualValues(t, 50_000, r.Associations[0].Summary[0].Operations)
	assert.InDelta(t, 0.00106, r.Associations[0].Response.P95, 0.0001)
	holds(t, r)
}

// TestJournal has an analysis that tells of what ended as it ends: memory doesn't grow with
// associations, nor with probes, scans, refusals and questions for who isn't there.
func TestJournal(t *testing.T) {
	var associations, connections, findings, absent int
	l := newLive(&diagnosis.Config{
		MaxIdle: time.Hour,
		Ended: func(as *diagnosis.Association, found []*diagnosis.Finding) {
			associations++
			findings += len(found)
		},
		EndedConnection: func(_ *diagnosis.Connection, found []*diagnosis.Finding) {
			connections++
			findings += len(found)
		},
		Found: func(f *diagnosis.Finding) {
			assert.Equal(t, "arp-unanswered", f.ID)
			absent++
		},
	})
	n := 0
	run := func(times int) {
		for range times {
			n++
			host := fmt.Sprintf("10.2.%d.%d", n>>8, n&255)
			from := host + ":4001"
			p := l.open(from, pacs)
			p.store(client, 100, uint16(0xc000+n%4096), text(0x0902, fmt.Sprintf("object %d", n)))
			if n%10 != 0 {
				p.release()
			}
			l.connect(host+":4002", "10.0.0.2:11112").close(client)
			d := l.dial(from, "10.0.0.3:104")
			d.raw(client, syn, nil)
			d = l.dial(from, fmt.Sprintf("10.0.0.4:%d", 1+n%60000))
			d.raw(client, syn, nil)
			l.arp(1, "10.0.0.2", host)
			for range min(4, 4*(n%100/99)) {
				l.arp(1, "10.0.0.2", "10.9.9.9")
				l.pass(time.Second)
			}
			l.pass(20 * time.Second)
			l.arp(2, "10.9.9.9", "10.0.0.2")
		}
	}
	run(6_000)
	before := heap()
	run(6_000)
	grown := heap() - before
	t.Logf("%d bytes more", grown)
	assert.Less(t, grown, int64(4<<20))
	r := l.analysis.Close()
	assert.Equal(t, 12_000, associations)
	assert.GreaterOrEqual(t, connections, 23_000)
	assert.GreaterOrEqual(t, findings, 12_000+23_000)
	assert.Equal(t, 120, absent)
	assert.Empty(t, r.Associations)
	assert.Empty(t, r.Connections)
	assert.Empty(t, r.Findings)
}
