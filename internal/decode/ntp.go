package decode

// RFC 5905 section 7.3, as tcpdump calls them.
var ntpModes = [8]string{
	"unspecified", "symmetric active", "symmetric passive", "Client", "Server", "Broadcast",
	"Control Message", "Reserved",
}

func (p *Printer) ntp(v view) bool {
	p.protocol = "ntp"
	if len(v.data) == 0 {
		p.text(" ")
		p.cut("ntp")
		return true
	}
	p.text("NTPv").int(int64(v.data[0] >> 3 & 7)).text(", ").text(ntpModes[v.data[0]&7]).length(v.length)
	return true
}
