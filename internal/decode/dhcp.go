package decode

// bootp prints BOOTP, RFC 951, of which DHCP is made.
func (p *Printer) bootp(v view) bool {
	const request, reply, ethernet = 1, 2, 1
	p.protocol = "dhcp"
	if len(v.data) == 0 {
		p.text(" ")
		p.cut("bootp")
		return true
	}
	p.text("BOOTP/DHCP, ")
	switch op := v.data[0]; op {
	case request:
		p.text("Request")
		if len(v.data) < 3 || v.data[1] == ethernet && v.data[2] == 6 {
			if len(v.data) < 34 {
				p.text(" ")
				p.cut("bootp")
				return true
			}
			p.text(" from ").macAddr(v.data[28:34])
		}
	case reply:
		p.text("Reply")
	default:
		p.text("unknown (").hex8(op).text(")")
	}
	p.length(v.length)
	return true
}

// RFC 8415 section 7.3, as tcpdump calls them.
var dhcp6Types = []string{
	1: "solicit", 2: "advertise", 3: "request", 4: "confirm", 5: "renew", 6: "rebind", 7: "reply",
	8: "release", 9: "decline", 10: "reconfigure", 11: "inf-req", 12: "relay-fwd", 13: "relay-reply",
	14: "leasequery", 15: "leasequery-reply", 16: "leasequery-done", 17: "leasequery-data",
	18: "reconfigure-request", 19: "reconfigure-reply", 20: "dhcpv4-query", 21: "dhcpv4-response",
}

func (p *Printer) dhcp6(v view) bool {
	p.protocol = "dhcpv6"
	p.text("dhcp6 ")
	if len(v.data) < 4 {
		p.cut("dhcp6")
		return true
	}
	p.lookup(dhcp6Types, int(v.data[0]), "msgtype-")
	return true
}
