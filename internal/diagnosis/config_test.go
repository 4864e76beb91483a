package diagnosis_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/diagnosis"
)

// TestConfig has reports of a part of what is in the packets.
func TestConfig(t *testing.T) {
	tr := &traffic{}
	p := tr.open(ct, pacs)
	p.store(client, 100, 0xa700)
	p.release()
	r := storage()
	r.calling = "MR01"
	p = tr.connect(mr, "10.0.0.3:11112").associate(r)
	p.echo(time.Millisecond)
	p.release()
	tr.connect("10.0.0.9:50000", pacs).close(client)
	first := []string{"CT01→PACS accepted released; C-STORE 1 client A700 100/0"}
	second := []string{"MR01→PACS accepted released; C-ECHO 1 client 0000 0/0"}
	for name, c := range map[string]struct {
		cfg                    diagnosis.Config
		associations, findings []string
	}{
		"all":   {diagnosis.Config{}, append(first, second...), []string{"connected-but-silent info 1", "dimse-failure problem 1"}},
		"AE":    {diagnosis.Config{AE: "MR01"}, second, nil},
		"ports": {diagnosis.Config{Ports: []uint16{11112}}, second, nil},
		"hosts": {diagnosis.Config{Hosts: []netip.Addr{addr("10.0.0.11")}}, first, []string{"dimse-failure problem 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Operations = true
			r := tr.report(t, &c.cfg)
			holds(t, r)
			assert.Equal(t, c.associations, associations(r))
			assert.Equal(t, c.findings, findings(r))
		})
	}
	with := tr.report(t, &diagnosis.Config{Operations: true, Instances: true})
	assert.Equal(t, "1.2.3.4.5.6", with.Associations[0].Operations[0].Instance)
	without := tr.report(t, nil)
	assert.Empty(t, without.Associations[0].Operations)
	assert.Equal(t, with.Associations[0].Summary, without.Associations[0].Summary)
	assert.Equal(t, findings(with), findings(without))
}

// TestNames has names of addresses in what is found, quoted.
func TestNames(t *testing.T) {
	tr := &traffic{}
	p := tr.open(ct, pacs)
	p.store(client, 100, 0xa700)
	p.release()
	tr.connect("10.0.0.11:50000", pacs).close(client)
	for range 3 {
		tr.arp(1, "10.0.0.11", "10.0.0.8")
		tr.pass(time.Second)
	}
	a := diagnosis.New(nil)
	f := a.File("made.pcap")
	for host, name := range map[string]string{"10.0.0.11": "ct\x1b[2J", "10.0.0.2": "pacs.example", "10.0.0.8": "gone\r\n"} {
		a.Name(addr(host), name)
	}
	for n := range tr.frames {
		a.Add(f, tr.packet(&tr.frames[n], tr.on()))
	}
	r := a.Close()
	holds(t, r)
	assert.Equal(t, "pacs.example", r.Associations[0].Server.Name)
	for _, words := range []string{"(10.0.0.2:104 pacs.example)", `10.0.0.11 ("ct\x1b[2J")`, `10.0.0.8 ("gone\r\n")`} {
		assert.Contains(t, texts(r), words)
	}
}

// TestEnded hands over the same as a report has.
func TestEnded(t *testing.T) {
	build := func(tr *traffic) {
		p := tr.open(ct, pacs)
		p.store(client, 100, 0xa700)
		p.release()
		tr.connect("10.0.0.11:50000", pacs).close(client)
		p = tr.open(mr, pacs)
		p.echo(2 * time.Second)
		p.close(server)
	}
	tr := &traffic{}
	build(tr)
	want := tr.report(t, nil)
	got := &diagnosis.Report{}
	rest := tr.report(t, &diagnosis.Config{
		Ended: func(as *diagnosis.Association, found []*diagnosis.Finding) {
			got.Associations = append(got.Associations, as)
			got.Findings = append(got.Findings, found...)
		},
		EndedConnection: func(c *diagnosis.Connection, found []*diagnosis.Finding) {
			got.Connections = append(got.Connections, c)
			got.Findings = append(got.Findings, found...)
		},
	})
	assert.Equal(t, want.Associations, got.Associations)
	assert.Equal(t, connections(want), connections(got))
	assert.Equal(t, findings(want), findings(got))
	assert.Empty(t, rest.Associations)
	assert.Empty(t, rest.Connections)
	assert.Empty(t, rest.Findings)
}

// TestPercentiles holds those of many durations, of which no more is kept than a histogram,
// to those of the durations.
func TestPercentiles(t *testing.T) {
	tr := &traffic{}
	p := tr.open(ct, pacs)
	for n := range 2000 {
		p.echo(time.Duration(1+n*7919%2000) * time.Millisecond) // 1 to 2000 ms, each once
	}
	p.release()
	r := tr.report(t, nil)
	got := r.Associations[0].Response
	assert.InEpsilon(t, 1.0, got.P50, 0.021)
	assert.InEpsilon(t, 1.9, got.P95, 0.021)
	assert.InDelta(t, 2.0, got.Max, 0.0001)
	assert.Equal(t, []string{"slow-response warning 1"}, findings(r))
}
