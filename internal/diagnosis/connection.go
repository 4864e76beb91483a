package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"

	"netcap/internal/dicom"
	"netcap/internal/printable"
	"netcap/internal/tcp"
)

// Outcomes of connections without an association, beside what was spoken.
const (
	refused  = "refused"
	noAnswer = "unanswered"
	silent   = "silent"
	unknown  = "unknown"
)

// mostFailed bounds the connections that are remembered though nothing is known of DICOM at
// their servers: it may be spoken there later.
const mostFailed = 10_000

// mostConnections bounds those that are reported. Findings count the others too.
const mostConnections = 20_000

// endConnection takes a connection that ended without an association.
func (a *Analysis) endConnection(c *conn, e tcp.End) {
	outcome := c.outcome()
	failed := outcome == refused || outcome == noAnswer
	place, by := c.tcp.Addr(tcp.Server), c.tcp.Addr(tcp.Client).Addr()
	if failed {
		a.servers.tried(attempt{by, c.tcp.First, fmt.Sprintf("Its connection to %s was %s.", place, outcome)})
	}
	known := a.servers.speaks(place, a.cfg.Ports)
	if !known && !failed || a.cfg.AE != "" {
		return
	}
	client, server := c.tcp.Flow(tcp.Client), c.tcp.Flow(tcp.Server)
	closer, _ := c.endedBy(e)
	r := &Connection{
		Start: at(c.tcp.First), End: at(c.tcp.Last), Duration: seconds(c.tcp.First, c.tcp.Last),
		Client: a.endpoint(c.tcp.Addr(tcp.Client)), Server: a.endpoint(place), Outcome: outcome, EndedBy: closer,
		ServerName: clip(c.hello), ClientBytes: client.Bytes, ServerBytes: server.Bytes, SYN: client.SYN, TCP: c.flows(), Packet: a.place(c.packet),
		packet: c.packet, mismatch: c.spoken[tcp.Server] == dicom.UpperLayer,
	}
	if c.unreachable() {
		r.icmp = c.icmp
	}
	if known {
		a.keepConnection(r)
		return
	}
	if len(a.failed) == mostFailed {
		a.failed = slices.Delete(a.failed, 0, mostFailed/2)
	}
	a.failed = append(a.failed, r)
}

// speaks notes that DICOM is spoken at a place, which makes connections to it that failed
// before of interest.
func (a *Analysis) speaks(place netip.AddrPort) *server {
	if a.servers.places[place] == nil {
		a.failed = slices.DeleteFunc(a.failed, func(c *Connection) bool {
			same := c.Server.AddrPort() == place
			if same {
				a.keepConnection(c)
			}
			return same
		})
	}
	return a.servers.at(place)
}

// keepConnection puts a connection into the report, or hands it on, and finds what is wrong
// with it.
func (a *Analysis) keepConnection(c *Connection) {
	if a.cfg.EndedConnection != nil {
		f := &findings{place: a.place}
		a.judgeConnection(f, c)
		a.cfg.EndedConnection(c, f.close(nil))
		return
	}
	a.judgeConnection(&a.findings, c)
	if len(a.report.Connections) == mostConnections {
		a.report.Omitted.Connections++
		return
	}
	a.report.Connections = append(a.report.Connections, c)
}

// outcome says what became of a connection.
func (c *conn) outcome() string {
	client, server := c.tcp.Flow(tcp.Client), c.tcp.Flow(tcp.Server)
	switch {
	case client.SYN > 0 && server.SYN == 0 && server.Bytes == 0 && (server.RST > 0 || c.unreachable()):
		return refused
	case client.SYN > 0 && server.Segments == 0 && client.Segments == client.SYN+client.RST: // who goes on was answered
		return noAnswer
	case c.spoken[tcp.Client] != dicom.Unknown:
		return c.spoken[tcp.Client].String()
	case c.spoken[tcp.Server] == dicom.UpperLayer: // its answer to what isn't DICOM
	case c.spoken[tcp.Server] != dicom.Unknown: // SSH's server begins
		return c.spoken[tcp.Server].String()
	case client.Bytes+server.Bytes == 0:
		return silent
	}
	return unknown
}

// unreachable reports whether ICMP said that the server can't be reached.
func (c *conn) unreachable() bool {
	const unreachable4, unreachable6 = 3, 1
	return c.icmp != nil && c.icmp.from == tcp.Client && (c.icmp.kind == unreachable4 && !c.icmp.six || c.icmp.kind == unreachable6 && c.icmp.six)
}

// judgeConnection finds what is wrong with a connection that became no association.
func (a *Analysis) judgeConnection(f *findings, c *Connection) {
	client := c.Client.Address.String()
	if c.Client.Name != "" {
		client += " (" + printable.Text(c.Client.Name) + ")"
	}
	place := c.Server.AddrPort().String()
	if c.Server.Name != "" {
		place += " (" + printable.Text(c.Server.Name) + ")"
	}
	found := func(o occurrence) {
		o.subject, o.when, o.packet = client+" → "+place, c.Start.UnixNano(), c.packet
		f.add(o)
	}
	server := c.Server.AddrPort()
	switch c.Outcome {
	case refused:
		cause := fmt.Sprintf("Nothing listens at port %d there: the server is down, or has another port.", server.Port())
		if c.icmp != nil {
			cause = fmt.Sprintf("%s answers that it can't be reached (ICMP type %d, code %d): a firewall that refuses, or a machine or network that is gone.", c.icmp.reporter, c.icmp.kind, c.icmp.code)
		}
		found(occurrence{
			id: "connection-refused", severity: Problem, what: "connection refused", cause: cause,
			more: func() string { return a.servers.otherPorts(server) },
		})
	case noAnswer:
		if c.SYN < 2 && at(a.last).Sub(c.Start) < patience { // the capture ended too soon
			return
		}
		found(occurrence{
			id: "no-answer-to-syn", severity: Problem, what: "no answer to the connection's request", amounts: amounts{float64(c.SYN), 0, c.Duration},
			text: func(_ int64, total amounts) string {
				return fmt.Sprintf("no answer: %.0f requests for a connection (SYN), for %s", total[0], span(total[2]))
			},
			cause: "A firewall drops them, the address is wrong, or the machine is down.",
		})
	case silent:
		found(occurrence{
			id: "connected-but-silent", severity: Info, what: "connected, and nothing said",
			cause: "Health checks of a load balancer or monitoring do that; a client that does hangs before its request.",
		})
	case dicom.TLS.String():
		judgeTLS(c, found)
	case unknown:
	default:
		found(occurrence{
			id: "not-dicom", severity: Problem, what: c.Outcome + " at a DICOM port",
			cause: "The client is another program, or its address and port are another service's: DICOM is not spoken by it.",
		})
	}
}

// judgeTLS tells a connection in TLS from one with a side that doesn't speak it.
func judgeTLS(c *Connection, found func(occurrence)) {
	if c.mismatch || c.ServerBytes == 0 && c.EndedBy == tcp.Server.String() {
		found(occurrence{id: "tls-mismatch", severity: Problem, what: "the client begins with TLS, and the server doesn't answer that", cause: "The server doesn't speak TLS at this port: turn it off in the client, or use the server's port for TLS."})
		found(occurrence{id: "not-dicom", severity: Problem, what: "TLS at a port for DICOM in clear", cause: "See tls-mismatch."})
		return
	}
	name := ""
	if c.ServerName != "" {
		name = " for " + printable.Text(c.ServerName)
	}
	found(occurrence{
		id: "tls", severity: Info, what: "in TLS" + name, amounts: amounts{float64(c.ClientBytes), float64(c.ServerBytes)},
		text: func(_ int64, total amounts) string {
			return fmt.Sprintf("in TLS%s: %.0f bytes to the server, %.0f back", name, total[0], total[1])
		},
		cause: "What is said in TLS can't be read here; how long it took, and how much it was, can.",
	})
}
