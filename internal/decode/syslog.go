package decode

// RFC 5424 section 6.2.1, as tcpdump calls them.
var syslogFacilities = [...]string{
	"kernel", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
	"ftp", "ntp", "security", "console", "cron", "local0", "local1", "local2", "local3", "local4",
	"local5", "local6", "local7",
}

var syslogSeverities = [8]string{
	"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug",
}

// syslog prints facility and severity of a message, but not its text.
func (p *Printer) syslog(v view) bool {
	b := v.data
	n := 1
	priority := 0
	for n < len(b) && n < 4 && b[n] >= '0' && b[n] <= '9' {
		priority = priority*10 + int(b[n]-'0')
		n++
	}
	switch {
	case n >= len(b) && len(b) < v.length:
		p.protocol = "syslog"
		p.text(" ")
		p.cut("syslog")
		return true
	case n == 1 || n >= len(b) || b[0] != '<' || b[n] != '>' || priority>>3 >= len(syslogFacilities):
		return false
	}
	p.protocol = "syslog"
	p.text("SYSLOG ").text(syslogFacilities[priority>>3]).text(".").text(syslogSeverities[priority&7])
	p.text(", length: ").int(int64(v.length))
	return true
}
