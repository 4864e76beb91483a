package diagnosis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
	"netcap/pcapfile"
)

// losing sends bytes, of which some segments are lost on one side of the capture point and
// sent again when the others have arrived.
func (l *line) losing(from int, b []byte, where tap, lost ...int) {
	var again []func()
	for n := 0; len(b) > 0; n++ {
		size := min(len(b), l.mss)
		piece, seq := b[:size], l.ends[from].seq
		if slices.Contains(lost, n) {
			l.tap = where
			again = append(again, func() { l.at(from, seq, l.ends[1-from].seq, ack|psh, piece) })
		}
		l.segment(from, piece)
		l.tap = intact
		b = b[size:]
		if again == nil && n%2 == 1 {
			l.acknowledge(1 - from)
		}
	}
	for _, resend := range again {
		l.pass(time.Millisecond)
		resend()
	}
	l.pass(time.Millisecond)
	l.acknowledge(1 - from)
}

// echoes are so many C-ECHOs in short.
func echoes(n int) string {
	var b strings.Builder
	for id := range n {
		fmt.Fprintf(&b, "; C-ECHO %d client 0000 0/0", id+1)
	}
	return b.String()
}

// TestNetwork tells slow servers, networks and receivers from one another.
func TestNetwork(t *testing.T) {
	set := command(cStore, 1, true, class(ctImage))
	// done is the answer to that, and the end.
	done := func(p *peers) {
		p.pass(time.Millisecond)
		p.send(server, message(3, command(cStore|response, 1, false, class(ctImage), status(0)), -1, 16384))
		p.release()
	}
	stored := []string{"CT01→PACS accepted released; C-STORE 1 client 0000 100000/0"}
	checkAll(t, []scenario{
		{
			name: "a slow server",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				for range 3 {
					p.echo(1500 * time.Millisecond)
				}
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-ECHO 1 client 0000 0/0; C-ECHO 2 client 0000 0/0; C-ECHO 3 client 0000 0/0"},
			findings:     []string{"slow-response warning 1"},
			says:         []string{"3 of 3 operations took it more than 1 s, the longest 1.5 s"},
		},
		{
			name: "a request that is lost behind the capture point, and sent again late",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(1, command(cEcho, 1, false, class(verification)), -1, 16384)
				p.segment(client, b)
				p.pass(1500 * time.Millisecond)
				p.again(client, b)
				p.acknowledge(server)
				p.send(server, message(1, command(cEcho|response, 1, false, class(verification), status(0)), -1, 16384))
				p.release()
			},
			associations: []string{"CT01→PACS accepted released" + echoes(1)},
		},
		{
			name: "one slow answer of twenty",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				for n := range 20 {
					p.echo([]time.Duration{time.Millisecond, 1500 * time.Millisecond}[min(1, n/19)])
				}
				p.release()
			},
			associations: []string{"CT01→PACS accepted released" + echoes(20)},
		},
		{
			name: "a slow line",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, set, 1<<20, 16384)
				for len(b) > 0 {
					n := min(len(b), 14480)
					p.send(client, b[:n])
					p.pass(100 * time.Millisecond)
					b = b[n:]
				}
				done(p)
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 1048576/0"},
			findings:     []string{"slow-transfer warning 1"},
			says:         []string{"the line between the two, or the client"},
		},
		{
			name: "a receiver that closes its window for 300 ms, and probes of the closed window",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, set, 100_000, 16384)
				p.send(client, b[:50_000])
				p.ends[server].window = 0
				p.acknowledge(server)
				for range 3 {
					p.pass(100 * time.Millisecond)
					p.at(client, p.ends[client].seq-1, p.ends[server].seq, ack, nil)
					p.pass(time.Millisecond)
					p.acknowledge(server)
				}
				p.ends[server].window = 500
				p.acknowledge(server)
				p.send(client, b[50_000:])
				done(p)
			},
			associations: stored,
			findings:     []string{"receiver-stalled warning 1"},
			says:         []string{"the server does not take the data as fast as it comes: the sender had to wait 303 ms"},
		},
		{
			name: "segments sent again into a closed window",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, set, 100_000, 16384)
				p.send(client, b[:50_000])
				p.ends[server].window = 0
				p.acknowledge(server)
				p.segment(client, b[50_000:51_448])
				for range 4 {
					p.pass(100 * time.Millisecond)
					p.again(client, b[50_000:51_448])
					p.at(server, p.ends[server].seq, p.ends[client].seq-1448, ack, nil)
				}
				p.ends[server].window = 500
				p.acknowledge(server)
				p.send(client, b[51_448:])
				done(p)
			},
			associations: stored,
			findings:     []string{"receiver-stalled warning 1"},
		},
		{
			name: "a window that closes for a moment",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, set, 100_000, 16384)
				p.send(client, b[:50_000])
				p.ends[server].window = 0
				p.acknowledge(server)
				p.pass(50 * time.Millisecond)
				p.ends[server].window = 500
				p.acknowledge(server)
				p.send(client, b[50_000:])
				done(p)
			},
			associations: stored,
		},
		{
			name: "three segments lost before the capture point",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.losing(client, message(3, set, 100_000, 16384), before, 10, 20, 30)
				done(p)
			},
			associations: stored,
			findings:     []string{"retransmissions warning 1"},
			says:         []string{"packets of the client are lost before the capture point: 3 of"},
		},
		{
			name: "three segments lost behind the capture point",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.losing(client, message(3, set, 100_000, 16384), behind, 10, 20, 30)
				done(p)
			},
			associations: stored,
			findings:     []string{"retransmissions warning 1"},
			says:         []string{"packets of the client are lost behind the capture point: 3 of"},
		},
		{
			name: "lost before the capture point with 600 kB under way, each with the header of a PDU",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.losing(client, message(3, set, 600_000, 16384), before, 11, 22, 34)
				done(p)
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 600000/0"},
			findings:     []string{"retransmissions warning 1"},
		},
		{
			name: "two segments lost on each side",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				p.losing(client, message(3, set, 100_000, 16384), before, 10, 11)
				done(p)
				p = tr.open(mr, "10.0.0.3:104")
				p.losing(client, message(3, set, 100_000, 16384), behind, 10, 11)
				done(p)
			},
			associations: []string{stored[0], stored[0]},
		},
		{
			name: "three of more than 3000 segments",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				for id := range uint16(5) {
					p.send(client, message(3, command(cStore, id+2, true, class(ctImage)), 1<<20, 16384))
					p.send(server, message(3, command(cStore|response, id+2, false, status(0)), -1, 16384))
				}
				p.losing(client, message(3, set, 100_000, 16384), behind, 10, 20, 30)
				done(p)
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 2 client 0000 1048576/0; C-STORE 3 client 0000 1048576/0; C-STORE 4 client 0000 1048576/0; C-STORE 5 client 0000 1048576/0; C-STORE 6 client 0000 1048576/0; C-STORE 1 client 0000 100000/0"},
		},
		{
			name: "overtaken on the way",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				b := message(3, set, 100_000, 16384)
				for ; len(b) >= 2*1448; b = b[2*1448:] { // each second one first
					n := len(tr.frames)
					p.segment(client, b[:1448])
					p.segment(client, b[1448:2*1448])
					x, y := &tr.frames[n], &tr.frames[n+1]
					x.at, y.at = y.at, x.at
					*x, *y = *y, *x
					p.acknowledge(server)
				}
				p.send(client, b)
				done(p)
			},
			associations: stored,
		},
		{
			name: "Nagle's algorithm and delayed acknowledgements",
			build: func(tr *traffic) {
				p := tr.open(ct, pacs)
				for range 3 {
					p.id++
					b := message(3, command(cStore, p.id, true, class(ctImage)), 20_000, 16384)
					p.send(client, b[:16_000])
					p.segment(client, b[16_000:17_000])
					p.pass(40 * time.Millisecond)
					p.acknowledge(server)
					p.send(client, b[17_000:])
					p.pass(time.Millisecond)
					p.send(server, message(3, command(cStore|response, p.id, false, class(ctImage), status(0)), -1, 16384))
				}
				p.release()
			},
			associations: []string{"CT01→PACS accepted released; C-STORE 1 client 0000 20000/0; C-STORE 2 client 0000 20000/0; C-STORE 3 client 0000 20000/0"},
			findings:     []string{"nagle-delayed-ack warning 1"},
			says:         []string{"by the client"},
		},
	})
}

// TestCopies has each packet two and three times, at once and after others: what is found is
// the same as without, but for that the capture holds copies.
func TestCopies(t *testing.T) {
	build := func(tr *traffic) {
		p := tr.open(ct, pacs)
		p.losing(client, message(3, command(cStore, 1, true, class(ctImage)), 100_000, 16384), behind, 10, 20, 30, 40)
		p.send(server, message(3, command(cStore|response, 1, false, status(0xa700)), -1, 16384))
		p.release()
		p = tr.open(mr, pacs)
		p.losing(client, message(3, command(cStore, 1, true, class(ctImage)), 100_000, 16384), before, 10, 20, 30, 40)
		p.send(server, message(3, command(cStore|response, 1, false, status(0)), -1, 16384))
		p.ends[server].window = 0
		p.acknowledge(server)
		p.pass(10 * time.Millisecond)
		p.ends[server].window = 500
		p.acknowledge(server)
		p.echo(1500 * time.Millisecond)
		p.release()
		tr.connect("10.0.0.9:1", pacs).close(client)
		l := tr.dial("10.0.0.9:2", "10.0.0.2:11112")
		l.raw(client, syn, nil)
		l.ends[client].seq++
		l.ends[server].seq = 0
		l.raw(server, rst|ack, nil)
		for range 3 {
			tr.arp(1, "10.0.0.11", "10.0.0.8")
			tr.pass(time.Second)
		}
	}
	plain := &traffic{}
	build(plain)
	cfg := &diagnosis.Config{Operations: true}
	want := plain.report(t, cfg)
	require.Len(t, want.Findings, 7)
	for name, copies := range map[string][]time.Duration{
		"doubled":          {0},
		"tripled":          {0, 30 * time.Microsecond},
		"tripled, later":   {50 * time.Microsecond, 400 * time.Microsecond},
		"doubled, at once": {time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			tr := &traffic{onWire: func(f frame) []frame {
				all := []frame{f}
				for _, late := range copies {
					again := f
					again.at += late
					all = append(all, again)
				}
				return all
			}}
			build(tr)
			r := tr.report(t, cfg)
			holds(t, r)
			assert.Equal(t, associations(want), associations(r))
			assert.Equal(t, connections(want), connections(r))
			assert.Equal(t, append([]string{findings(want)[0], "capture-duplicates info 1"}, findings(want)[1:]...), findings(r))
			for n, as := range r.Associations {
				for _, side := range [][2]diagnosis.Flow{{want.Associations[n].TCP.Client, as.TCP.Client}, {want.Associations[n].TCP.Server, as.TCP.Server}} {
					side[1].Copies = 0
					assert.Equal(t, side[0], side[1])
				}
				assert.Equal(t, want.Associations[n].Time, as.Time)
			}
		})
	}
}

// TestCaptures has the same associations in other captures: in tunnels, over IPv6, in several
// files, with segments as large as a host's own, cut off by the snap length.
func TestCaptures(t *testing.T) {
	build := func(tr *traffic, from, to string) {
		p := tr.open(from, to)
		p.store(client, 300_000, 0)
		p.store(client, 100_000, 0xa700)
		p.release()
	}
	plain := &traffic{}
	build(plain, ct, pacs)
	cfg := &diagnosis.Config{Operations: true}
	want := plain.report(t, cfg)
	require.Equal(t, []string{"dimse-failure problem 1"}, findings(want))
	tagged := func(ip []byte) []byte {
		b := ethernet(ip)
		return slices.Concat(b[:12], []byte{0x81, 0, 0, 42}, b[12:])
	}
	vxlan := func(ip []byte) []byte {
		inner := ethernet(ip)
		udp := slices.Concat([]byte{0xc0, 0, 0x12, 0xb5, byte((len(inner) + 16) >> 8), byte(len(inner) + 16), 0, 0, 8, 0, 0, 0, 0, 0, 1, 0}, inner)
		return ethernet(datagram(addr("192.168.0.1"), addr("192.168.0.2"), 17, 7, udp, 0))
	}
	for name, run := range map[string]func() *diagnosis.Report{
		"IPv6": func() *diagnosis.Report {
			tr := &traffic{}
			build(tr, "[fd00::11]:40001", "[fd00::2]:104")
			return tr.report(t, cfg)
		},
		"VLAN": func() *diagnosis.Report {
			tr := &traffic{wrap: tagged}
			build(tr, ct, pacs)
			return tr.report(t, cfg)
		},
		"VXLAN": func() *diagnosis.Report {
			tr := &traffic{wrap: vxlan}
			build(tr, ct, pacs)
			return tr.report(t, cfg)
		},
		"raw IP": func() *diagnosis.Report {
			tr := &traffic{wrap: func(ip []byte) []byte { return ip }, link: pcapfile.LinkTypeRaw}
			build(tr, ct, pacs)
			return tr.report(t, cfg)
		},
		"files in turn": func() *diagnosis.Report { return plain.report(t, cfg, "a.pcap", "b.pcap") },
	} {
		t.Run(name, func(t *testing.T) {
			r := run()
			holds(t, r)
			assert.Equal(t, associations(want), associations(r))
			assert.Equal(t, findings(want), findings(r))
			assert.Equal(t, want.Associations[0].TCP, r.Associations[0].TCP)
			assert.Equal(t, want.Associations[0].Time, r.Associations[0].Time)
		})
	}
	t.Run("segments of 65 kB", func(t *testing.T) {
		tr := &traffic{}
		p := tr.open(ct, pacs)
		p.mss = 65_160
		p.store(client, 300_000, 0)
		p.store(client, 100_000, 0xa700)
		p.release()
		r := tr.report(t, cfg)
		holds(t, r)
		assert.Equal(t, associations(want), associations(r))
		assert.Equal(t, findings(want), findings(r))
	})
	t.Run("snap length 128", func(t *testing.T) {
		tr := &traffic{snap: 128}
		p := tr.open(ct, pacs)
		p.store(client, 300_000, 0)
		p.release()
		r := tr.report(t, cfg)
		holds(t, r)
		assert.Equal(t, []string{"capture-truncated info 1"}, findings(r))
		assert.True(t, r.Associations[0].Incomplete)
		assert.LessOrEqual(t, r.Associations[0].Bytes, int64(300_000))
	})
}
