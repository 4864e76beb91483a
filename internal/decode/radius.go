package decode

// radiusCodes are of RFC 2865, 2866 and 5176.
var radiusCodes = [...]string{
	1: "Access-Request", 2: "Access-Accept", 3: "Access-Reject", 4: "Accounting-Request",
	5: "Accounting-Response", 11: "Access-Challenge", 12: "Status-Server", 13: "Status-Client",
	40: "Disconnect-Request", 41: "Disconnect-ACK", 42: "Disconnect-NAK",
	43: "CoA-Request", 44: "CoA-ACK", 45: "CoA-NAK",
}

func (p *Printer) radius(v view) bool {
	const header = 20
	if v.length < header {
		return false
	}
	p.protocol = "radius"
	if len(v.data) < header {
		p.text(" ")
		p.cut("radius")
		return true
	}
	code := int(v.data[0])
	p.text("RADIUS, ")
	if code < len(radiusCodes) && radiusCodes[code] != "" {
		p.text(radiusCodes[code])
	} else {
		p.text("Unknown Command")
	}
	p.text(" (").int(int64(code)).text("), id: ").hex8(v.data[1]).text(" length: ").int(int64(v.uint16At(2)))
	return true
}
