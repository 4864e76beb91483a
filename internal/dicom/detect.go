package dicom

import (
	"bytes"
	"encoding/binary"
)

// Kind is what a stream is.
type Kind uint8

// What a stream may be. Unknown is a stream of another kind, or DICOM in the middle of a
// PDU.
const (
	Unknown Kind = iota
	UpperLayer
	TLS
	HTTP
	SSH
	HL7           // in the minimal lower layer protocol
	ProxyProtocol // HAProxy's, which precedes another
)

func (k Kind) String() string {
	return nameOr([]string{
		Unknown: "unknown", UpperLayer: "DICOM", TLS: "TLS", HTTP: "HTTP", SSH: "SSH", HL7: "HL7", ProxyProtocol: "PROXY protocol",
	}, int(k), "kind ")
}

// Foreign reports whether it is a protocol other than DICOM, and not one that precedes it.
func (k Kind) Foreign() bool { return k == TLS || k == HTTP || k == SSH || k == HL7 }

// Detect tells by the first bytes of a segment what its stream is, on any port. They are
// those at the beginning of the stream, or, for DICOM, those of any segment.
func Detect(b []byte) Kind {
	if len(b) < 3 {
		return Unknown
	}
	switch {
	case PDUType(b[0]).Known():
		if likeness(b) == begins {
			return UpperLayer
		}
	case b[0] == 0x16 || b[0] == 0x15: // a handshake or an alert, RFC 8446 section 5.1
		if b[1] == 3 && b[2] <= 4 && (len(b) < 5 || binary.BigEndian.Uint16(b[3:]) <= 1<<14+256) {
			return TLS
		}
	case b[0] == '\r':
		if bytes.HasPrefix(b, []byte("\r\n\r\n\x00\r\nQUIT\n")) {
			return ProxyProtocol
		}
	case b[0] == '\v':
		if bytes.HasPrefix(b[1:], []byte("MSH")) {
			return HL7
		}
	case bytes.HasPrefix(b, []byte("SSH-")):
		return SSH
	case bytes.HasPrefix(b, []byte("PROXY ")):
		return ProxyProtocol
	case isHTTP(b):
		return HTTP
	}
	return Unknown
}

// isHTTP reports whether b begins a request, a response, or HTTP/2, RFC 9110 and 9113.
func isHTTP(b []byte) bool {
	if bytes.HasPrefix(b, []byte("HTTP/")) {
		return true
	}
	word, _, ok := bytes.Cut(b[:min(len(b), 8)], []byte(" "))
	if !ok {
		return false
	}
	switch string(word) {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI":
		return true
	}
	return false
}

// BehindProxyProtocol returns what is behind the header of HAProxy's PROXY protocol, of
// either version, that b begins with, and nil if it doesn't or there is nothing behind it.
func BehindProxyProtocol(b []byte) []byte {
	if Detect(b) != ProxyProtocol {
		return nil
	}
	if b[0] == 'P' {
		_, rest, _ := bytes.Cut(b, []byte("\r\n"))
		return rest
	}
	const fixed = 16 // signature, version and command, protocol, length of what follows
	if len(b) < fixed {
		return nil
	}
	if size := fixed + int(binary.BigEndian.Uint16(b[fixed-2:])); size < len(b) {
		return b[size:]
	}
	return nil
}

// IsPort reports whether a port is one of those that DICOM is used at: 104 and 11112 are
// registered for it, 2761 and 2762 for it in TLS and ISCL, 4242 is Orthanc's. It may be
// spoken at any other.
func IsPort(port uint16) bool {
	switch port {
	case 104, 2761, 2762, 4242, 11112:
		return true
	}
	return false
}
