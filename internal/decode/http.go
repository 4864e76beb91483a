package decode

import "bytes"

// firstLine prints the first line of a text protocol that a segment begins with: a
// request or an answer of HTTP, RTSP or SIP, the banner of SSH, RFC 4253 section 4.2.
func (p *Printer) firstLine(v view) {
	const ssh = "SSH-"
	if len(v.data) >= len(ssh) && string(v.data[:len(ssh)]) == ssh {
		p.protocol = "ssh"
		p.text(": SSH: ").line(v, "ssh")
		return
	}
	name, protocol := textProtocol(v.data)
	if name == "" {
		return
	}
	p.protocol = protocol
	p.text(": ").text(name).text(": ").line(v, protocol)
}

// sip prints the first line of SIP, RFC 3261 section 7.
func (p *Printer) sip(v view) bool {
	if name, _ := textProtocol(v.data); name != "SIP" {
		return false
	}
	p.protocol = "sip"
	p.text("SIP: ").line(v, "sip")
	return true
}

// line prints the first line, and says so if the capture cut it.
func (p *Printer) line(v view, protocol string) {
	line := textLine(v.data)
	if target, rest, ok := query(line); ok && protocol == "http" && p.Verbose == 0 {
		p.clipped(target).text("?…").clipped(rest)
	} else {
		p.clipped(line)
	}
	if len(line) == len(v.data) && v.length > len(line) {
		p.text(" ")
		p.cut(protocol)
	}
}

// query finds the query of a request's target, RFC 3986 section 3.4: what is before it,
// and the version behind it.
func query(line []byte) (target, rest []byte, ok bool) {
	target, query, ok := bytes.Cut(line, []byte("?"))
	if space := bytes.IndexByte(query, ' '); space >= 0 {
		rest = query[space:]
	}
	isRequest := !bytes.HasPrefix(line, []byte("HTTP/"))
	return target, rest, ok && isRequest && bytes.IndexByte(target, ' ') > 0
}

// textLine is the first line, without its end.
func textLine(b []byte) []byte {
	b = b[:min(len(b), 2*maxText)]
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		b = b[:n]
	}
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return b
}

// textProtocol names the protocol whose version is at either end of the first line.
func textProtocol(b []byte) (name, protocol string) {
	if name, protocol = versioned(b); name != "" {
		// An answer: version, then a number.
		space := bytes.IndexByte(b[:min(len(b), 10)], ' ')
		if space < 0 || len(b) < space+4 {
			return "", ""
		}
		for _, c := range b[space+1 : space+4] {
			if c < '0' || c > '9' {
				return "", ""
			}
		}
		return name, protocol
	}
	// A request: method, target, version.
	n := 0
	for n < len(b) && n < maxMethod && (b[n] >= 'A' && b[n] <= 'Z' || b[n] == '-' || b[n] == '_') {
		n++
	}
	if n < 3 || n >= len(b)-1 || b[n] != ' ' || b[n+1] == ' ' {
		return "", ""
	}
	b = b[n+1:]
	end := bytes.IndexByte(b[:min(len(b), 8<<10)], '\n')
	if end < 0 {
		// The version is in another segment, or was not captured.
		if b[0] == '/' || bytes.HasPrefix(b, []byte("http://")) {
			return "HTTP", "http"
		}
		return "", ""
	}
	line := bytes.TrimSuffix(b[:end], []byte("\r"))
	space := bytes.LastIndexByte(line, ' ')
	return versioned(line[space+1:])
}

// maxMethod bounds a method: the longest registered one is UPDATEREDIRECTREF.
const maxMethod = 20

// versioned names the protocol whose version b begins with.
func versioned(b []byte) (name, protocol string) {
	switch {
	case bytes.HasPrefix(b, []byte("HTTP/")):
		return "HTTP", "http"
	case bytes.HasPrefix(b, []byte("RTSP/")):
		return "RTSP", "rtsp"
	case bytes.HasPrefix(b, []byte("SIP/")):
		return "SIP", "sip"
	}
	return "", ""
}
