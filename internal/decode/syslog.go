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
	priority, n := 0, 1
	for n < len(v.data) && n < 4 && v.data[n] >= '0' && v.data[n] <= '9' {
		priority = priority*10 + int(v.data[n]-'0')
		n++
	}
	if n == 1 || n >= len(v.data) || v.data[0] != '<' || v.data[n] != '>' || priority>>3 >= len(syslogFacilities) {
		return false
	}
	p.protocol = "syslog"
	p.text("SYSLOG ").text(syslogFacilities[priority>>3]).text(".").text(syslogSeverities[priority&7])
	p.text(", length: ").int(int64(v.length))
	return true
}
