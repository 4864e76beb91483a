package decode

// Content types of records, RFC 8446 section 5.1.
const (
	tlsChangeCipherSpec = 20
	tlsAlert            = 21
	tlsHandshake        = 22
	tlsApplicationData  = 23
)

const (
	tlsRecordSize = 5                  // of a record's header
	tlsMaxRecord  = 1<<14 + 2048       // of TLS 1.2, encrypted
	tlsListed     = 6                  // records and messages that are named in a segment
	tlsGREASE     = 0x0a0a             // RFC 8701
	helloRetry    = "\xcf\x21\xad\x74" // how the random of a HelloRetryRequest begins
)

// tlsRecord reads the header of a record, if there is one.
func tlsRecord(v view) (kind byte, body view, ok bool) {
	if len(v.data) < tlsRecordSize {
		return 0, v, false
	}
	kind = v.data[0]
	length := v.uint16At(3)
	if kind < tlsChangeCipherSpec || kind > tlsApplicationData || v.data[1] != 3 || v.data[2] > 4 ||
		length == 0 || length > tlsMaxRecord {
		return 0, v, false
	}
	body = v.after(tlsRecordSize).first(length)
	switch {
	case kind == tlsChangeCipherSpec:
		ok = length == 1 && (len(body.data) == 0 || body.data[0] == 1)
	case kind == tlsAlert:
		// In the clear, two bytes; encrypted with one more at least.
		ok = length != 2 || len(body.data) == 0 || body.data[0] == 1 || body.data[0] == 2
	case kind == tlsHandshake:
		ok = length >= 4
	case kind == tlsApplicationData:
		ok = v.data[2] > 0
	}
	return kind, view{body.data, length}, ok
}

// tls names the records that begin in a segment, RFC 8446, and what those in the clear say.
func (p *Printer) tls(v view) {
	kind, body, ok := tlsRecord(v)
	if !ok {
		return
	}
	rest := v.after(tlsRecordSize + body.length)
	if _, _, next := tlsRecord(rest); len(rest.data) >= tlsRecordSize && !next {
		return // what looked like a header was data
	}
	p.protocol = "tls"
	p.text(": TLS ")
	printed := 0
	encrypted := false
	for previous := byte(0); ok; kind, body, ok = tlsRecord(rest) {
		rest = v.after(tlsRecordSize + body.length)
		v = rest
		if kind == tlsApplicationData && previous == kind {
			continue
		}
		previous = kind
		if kind == tlsHandshake {
			if !p.handshakes(body, encrypted, &printed) {
				return
			}
			continue
		}
		if !p.more(&printed, tlsListed, ", ") {
			return
		}
		switch kind {
		case tlsChangeCipherSpec:
			encrypted = true
			p.text("ChangeCipherSpec")
		case tlsAlert:
			p.alert(body)
		default:
			p.text("Application Data")
		}
	}
}

// alert prints an alert, RFC 8446 section 6.
func (p *Printer) alert(v view) {
	p.text("Alert")
	switch {
	case v.length != 2:
		p.text(" (encrypted)")
	case len(v.data) < 2:
		p.text(" ")
		p.cut("tls")
	default:
		if v.data[0] == 1 {
			p.text(" warning ")
		} else {
			p.text(" fatal ")
		}
		p.alertName(v.data[1])
	}
}

func (p *Printer) alertName(n byte) *Printer {
	if name, ok := alertNames[n]; ok {
		return p.text(name)
	}
	return p.uint(uint32(n))
}

// alertNames are of the IANA registry.
var alertNames = map[byte]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed",
	22: "record_overflow", 30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate",
	42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked",
	45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca",
	49: "access_denied", 50: "decode_error", 51: "decrypt_error", 60: "export_restriction",
	70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
	86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
	109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable",
	112: "unrecognized_name", 113: "bad_certificate_status_response", 114: "bad_certificate_hash_value",
	115: "unknown_psk_identity", 116: "certificate_required", 120: "no_application_protocol",
	121: "ech_required",
}

// handshakeNames are the types of RFC 8446 section 4 and those of older versions.
var handshakeNames = [...]string{
	0: "HelloRequest", 1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest",
	4: "NewSessionTicket", 5: "EndOfEarlyData", 8: "EncryptedExtensions", 11: "Certificate",
	12: "ServerKeyExchange", 13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify",
	16: "ClientKeyExchange", 20: "Finished", 21: "CertificateURL", 22: "CertificateStatus",
	23: "SupplementalData", 24: "KeyUpdate",
}

const (
	clientHello = 1
	serverHello = 2
)

// handshakes prints the messages of a record, and returns false if no more is printed.
func (p *Printer) handshakes(v view, encrypted bool, printed *int) bool {
	const header = 4
	for v.length > 0 {
		if !p.more(printed, tlsListed, ", ") {
			return false
		}
		if len(v.data) < header {
			if encrypted {
				p.text("Handshake (encrypted)")
				return true
			}
			p.cut("tls")
			return false
		}
		kind, length := int(v.data[0]), int(v.data[1])<<16|v.uint16At(2)
		// A message may go on in another record, but only a full one does.
		known := kind < len(handshakeNames) && handshakeNames[kind] != "" &&
			(header+length <= v.length || v.length >= 1<<12) && (length > 0 || kind == 0 || kind == 14)
		if encrypted || !known {
			p.text("Handshake (encrypted)")
			return true
		}
		body := v.after(header).first(length)
		body.length = length
		switch kind {
		case clientHello:
			p.text("ClientHello").clientHello(body)
		case serverHello:
			p.serverHello(body)
		default:
			p.text(handshakeNames[kind])
		}
		v = v.after(header + length)
	}
	return true
}

// A tlsReader takes fields from a message; what isn't there is empty, and sets short.
type tlsReader struct {
	b     []byte
	short bool
}

func (r *tlsReader) take(n int) []byte {
	if n > len(r.b) {
		r.short = true
		n = len(r.b)
	}
	field := r.b[:n]
	r.b = r.b[n:]
	return field
}

// number reads a number of n bytes.
func (r *tlsReader) number(n int) int {
	number := 0
	field := r.take(n)
	if len(field) < n {
		return 0
	}
	for _, c := range field {
		number = number<<8 | int(c)
	}
	return number
}

// vector reads what has its length before it, in n bytes.
func (r *tlsReader) vector(n int) []byte { return r.take(r.number(n)) }

// Extensions, of the IANA registry.
const (
	extensionServerName        = 0
	extensionALPN              = 16
	extensionSupportedVersions = 43
)

func (p *Printer) clientHello(v view) {
	r := tlsReader{b: v.data}
	version := r.number(2)
	r.take(32)  // random
	r.vector(1) // session
	r.vector(2) // cipher suites
	r.vector(1) // compression methods
	var name, protocols []byte
	r.number(2) // length of the extensions
	for len(r.b) > 0 {
		extension, body := r.number(2), tlsReader{b: r.vector(2)}
		switch extension {
		case extensionServerName:
			body.number(2)
			if body.number(1) == 0 { // a host's
				name = body.vector(2)
			}
		case extensionALPN:
			protocols = body.vector(2)
		case extensionSupportedVersions:
			offered := tlsReader{b: body.vector(1)}
			for highest := 0; len(offered.b) > 0; {
				if n := offered.number(2); n&0x0f0f != tlsGREASE && n > highest {
					highest, version = n, n
				}
			}
		}
	}
	short := r.short || len(v.data) < v.length
	if version != 0 && !(short && version == 0x303) { // 1.3 may be offered behind
		p.text(" ").tlsVersion(version)
	}
	if len(name) > 0 {
		p.text(" sni ").clipped(name)
	}
	p.alpn(protocols)
	if short {
		p.text("…") // it goes on in another segment, or was not captured
	}
}

func (p *Printer) alpn(protocols []byte) {
	if len(protocols) == 0 {
		return
	}
	p.text(" alpn ")
	r := tlsReader{b: protocols}
	for printed := 0; len(r.b) > 0; {
		protocol := r.vector(1)
		if !p.more(&printed, 4, ",") {
			return
		}
		p.bytes(protocol[:min(len(protocol), 32)])
	}
}

func (p *Printer) serverHello(v view) {
	r := tlsReader{b: v.data}
	version := r.number(2)
	random := r.take(32)
	r.vector(1) // session
	r.take(3)   // cipher suite, compression method
	r.number(2) // length of the extensions
	if len(r.b) == 0 {
		r.short = false // an old version has none
	}
	var protocols []byte
	for len(r.b) > 0 {
		extension, body := r.number(2), tlsReader{b: r.vector(2)}
		switch extension {
		case extensionSupportedVersions:
			if n := body.number(2); n != 0 {
				version = n
			}
		case extensionALPN:
			protocols = body.vector(2)
		}
	}
	if len(random) == 32 && string(random[:4]) == helloRetry {
		p.text("HelloRetryRequest") // has the same type
	} else {
		p.text("ServerHello")
	}
	if version != 0 {
		p.text(" ").tlsVersion(version)
	}
	p.alpn(protocols)
	if r.short || len(v.data) < v.length {
		p.text("…")
	}
}

func (p *Printer) tlsVersion(n int) *Printer {
	switch {
	case n == 0x300:
		return p.text("SSL 3.0")
	case n > 0x300 && n <= 0x304:
		return p.text("1.").int(int64(n - 0x301))
	}
	return p.hex16(uint16(n))
}
