package scrub

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"netcap/internal/dicom"
)

// foreign follows one side of a connection of another protocol, from its first byte on, and
// keeps what can't be anybody's: the numbers and words that the protocol itself defines.
// Encrypted data isn't kept either: who has the key can read it.
type foreign struct {
	kind   dicom.Kind
	left   int64 // of a record of TLS, or a packet of SSH
	have   int   // bytes in head
	head   [tlsHeader]byte
	secret bool // what follows is encrypted, or can't be told
	lost   bool
}

// write takes the next bytes, which are those of one segment from seq on. Of a guarded
// connection only that is kept by which its protocol is known.
func (f *foreign) write(k *kept, b []byte, seq uint32, first, guarded bool) {
	switch f.kind {
	case dicom.TLS:
		f.tls(k, b, seq, guarded)
	case dicom.SSH:
		if first {
			f.ssh(k, b, seq, guarded)
		}
	case dicom.HTTP:
		if dicom.Detect(b) == dicom.HTTP {
			http(k, b, seq, guarded)
		}
	case dicom.HL7:
		if dicom.Detect(b) == dicom.HL7 {
			hl7(k, b, seq, guarded)
		}
	}
}

// missing says that the next bytes are not in the capture.
func (f *foreign) missing(n int64) {
	if f.kind == dicom.TLS && n <= f.left {
		f.left -= n
		return
	}
	f.lost = true
}

// Records of TLS: RFC 8446, section 5.
const (
	tlsHeader    = 5
	tlsLongest   = 1<<14 + 2048
	tlsChange    = 20
	tlsAlert     = 21
	tlsHandshake = 22
	tlsData      = 23
)

func (f *foreign) tls(k *kept, b []byte, seq uint32, guarded bool) {
	for len(b) > 0 && !f.lost {
		if f.left > 0 {
			n := int(min(int64(len(b)), f.left))
			f.left -= int64(n)
			b, seq = b[n:], seq+uint32(n)
			continue
		}
		n := copy(f.head[f.have:], b)
		f.have += n
		size := int64(binary.BigEndian.Uint16(f.head[3:]))
		if f.head[0] < tlsChange || f.head[0] > tlsData || f.have > 1 && f.head[1] != 3 || f.have > 2 && f.head[2] > 4 || f.have == tlsHeader && size > tlsLongest {
			f.lost = true
			return
		}
		k.add(seq, b[:n])
		b, seq = b[n:], seq+uint32(n)
		if f.have < tlsHeader {
			return
		}
		f.have, f.left = 0, size
		body := b[:min(int64(len(b)), size)]
		switch kind := f.head[0]; {
		case kind == tlsChange || kind == tlsData:
			f.secret = true
		case f.secret:
		case kind == tlsAlert && len(body) == 2 && size == 2 && body[0] <= 2:
			k.add(seq, body)
		case kind == tlsHandshake:
			hello(k, body, seq, guarded)
		}
	}
}

// hello keeps of a handshake message what is a number of the protocol's, and the name of the
// server that a client asks for: RFC 8446, section 4.1, and RFC 6066, section 3. The name is
// an address.
func hello(k *kept, b []byte, seq uint32, guarded bool) {
	const header, version, random = 4, 2, 32
	if len(b) < header || b[0] > 24 || b[1] != 0 {
		return
	}
	k.add(seq, b[:header])
	client := b[0] == 1
	if !client && b[0] != 2 || len(b) < header+version+random+1 || b[header] != 3 {
		return
	}
	k.add(seq+header, b[header:header+version])
	at := header + version + random
	keep := func(n int) bool {
		if at+n > len(b) {
			return false
		}
		k.add(seq+uint32(at), b[at:at+n])
		at += n
		return true
	}
	if b[at] > 32 || !keep(1) { // session
		return
	}
	at += int(b[at-1])
	suites, methods := 2, 1 // of a server
	if client {
		if at+2 > len(b) || b[at] >= maxHigh || !keep(2) {
			return
		}
		suites = int(binary.BigEndian.Uint16(b[at-2:]))
	}
	if at+suites > len(b) {
		return
	}
	for end := at + suites; at+2 <= end; at += 2 {
		if slices.Contains([]byte{0, 0x13, 0xc0, 0xcc}, b[at]) {
			k.add(seq+uint32(at), b[at:at+2])
		}
	}
	if client {
		if at >= len(b) || b[at] > 2 || !keep(1) {
			return
		}
		methods = int(b[at-1])
	}
	at += methods // no compression, which is 0
	if at+2 > len(b) || b[at] >= maxHigh || !keep(2) {
		return
	}
	for at+4 <= len(b) && b[at+2] < maxHigh {
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		if b[at] == 0 || b[at] == 0xff {
			k.add(seq+uint32(at), b[at:at+4])
		} else {
			k.add(seq+uint32(at)+2, b[at+2:at+4])
		}
		at += 4
		if at+size > len(b) {
			return
		}
		const serverName, groups, signatures, versions = 0, 10, 13, 43
		switch value := b[at : at+size]; {
		case kind == serverName && len(value) > 5 && !guarded:
			// A list of one name, of a host.
			if n := len(value) - 5; value[2] == 0 && int(binary.BigEndian.Uint16(value)) == n+3 && int(binary.BigEndian.Uint16(value[3:])) == n && hostName.Match(value[5:]) {
				k.add(seq+uint32(at), value)
			}
		case kind == groups || kind == signatures || kind == versions:
			k.some(seq+uint32(at), value, func(c byte) bool { return c <= ' ' })
		}
		at += size
	}
}

// hostName is for names of at least two labels, RFC 1123, section 2.1.
var hostName = regexp.MustCompile(`^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+$`)

// banner is how those programs call themselves that are often met.
var banner = regexp.MustCompile(`^SSH-(2\.0|1\.99)-((OpenSSH|dropbear|libssh|libssh2|PuTTY_Release|paramiko)_[0-9][0-9.p]{0,11}|Go)?`)

// ssh keeps the beginning, RFC 4253, section 4.2.
func (f *foreign) ssh(k *kept, b []byte, seq uint32, guarded bool) {
	if n := len(banner.Find(b)); !guarded || n == 0 {
		k.add(seq, b[:n])
		return
	}
	k.add(seq, b[:len("SSH-")])
}

// What is kept of HTTP, RFC 9110: the method or the status, the version, and of the fields
// names and values of these kinds.
var (
	requestLine = regexp.MustCompile(`^([A-Z]{3,7} )(\S*)( HTTP/1\.[01])?`)
	statusLine  = regexp.MustCompile(`^HTTP/[12](\.[01])?( [1-5][0-9][0-9])?\b`)
	httpField   = regexp.MustCompile(`(?i)^(host|user-agent|accept|accept-encoding|authorization|cache-control|connection|content-encoding|content-length|content-type|cookie|date|etag|expect|location|server|set-cookie|transfer-encoding|upgrade|www-authenticate):`)
	httpValue   = regexp.MustCompile(`(?i)^(connection: ?(close|keep-alive|upgrade)|content-encoding: ?(gzip|deflate|identity)|content-length: ?[0-9]{1,12}|transfer-encoding: ?chunked|expect: ?100-continue|content-type: ?(application/(dicom|dicom\+json|dicom\+xml|json|octet-stream)|multipart/related|text/html|text/plain))$`)
)

func http(k *kept, b []byte, seq uint32, guarded bool) {
	for n := 0; len(b) > 0; n++ {
		line, _, whole := bytes.Cut(b, []byte("\r\n"))
		if n > 0 && len(line) == 0 {
			k.add(seq, b[:min(2, len(b))])
			return // the body follows
		}
		switch {
		case n == 0 && bytes.HasPrefix(line, []byte("HTTP/")):
			k.add(seq, b[:len(statusLine.Find(line))])
			if statusLine.Find(line) == nil {
				k.add(seq, b[:len("HTTP/")])
			}
		case n == 0:
			m := requestLine.FindSubmatchIndex(line)
			if m == nil {
				return
			}
			k.add(seq, b[:m[3]])
			if !guarded && m[6] >= 0 && whole {
				k.add(seq+uint32(m[6]), b[m[6]:m[7]])
			}
		case whole && httpValue.Match(line):
			k.add(seq, line)
		default:
			k.add(seq, b[:len(httpField.Find(line))])
		}
		if !whole || guarded {
			return
		}
		k.add(seq+uint32(len(line)), b[len(line):len(line)+2])
		b, seq = b[len(line)+2:], seq+uint32(len(line)+2)
	}
}

// hl7 keeps of the header of a message, HL7 v2 section 2.14.9, what kind it is, of which
// version, and the separators.
func hl7(k *kept, b []byte, seq uint32, guarded bool) {
	const begin = "\vMSH"
	k.add(seq, b[:len(begin)])
	if guarded || !bytes.HasPrefix(b[len(begin):], []byte(`|^~\&|`)) {
		return
	}
	line, _, whole := bytes.Cut(b, []byte("\r"))
	at := uint32(len(begin))
	for n, field := range strings.Split(string(line[at+1:]), "|") {
		k.add(seq+at, []byte("|"))
		at++
		if n == 0 || whole && hl7Field(n+2, field) {
			k.add(seq+at, []byte(field))
		}
		at += uint32(len(field))
	}
}

var (
	hl7Type    = regexp.MustCompile(`^(ACK|ADT|DFT|MDM|MFN|OMG|OMI|ORM|ORR|ORU|QBP|QRY|RSP|SIU)(\^[A-Z][0-9]{2}(\^(ACK|ADT|OMG|OMI|ORL|ORM|ORU|QBP|RSP|SIU)_[A-Z][0-9]{2})?)?$`)
	hl7Version = regexp.MustCompile(`^2\.[1-9](\.[1-9])?$`)
)

func hl7Field(number int, value string) bool {
	switch number {
	case 9:
		return hl7Type.MatchString(value)
	case 11:
		return value == "P" || value == "T" || value == "D"
	case 12:
		return hl7Version.MatchString(value)
	}
	return false
}

// proxy keeps what is known of a header of HAProxy's PROXY protocol: addresses and ports.
func proxy(k *kept, b []byte, seq uint32) {
	if b[0] == 'P' {
		words := strings.Split(strings.TrimRight(string(b), "\r\n"), " ")
		known := len(words) == 6 && (words[1] == "TCP4" || words[1] == "TCP6") && port.MatchString(words[4]) && port.MatchString(words[5])
		for i := 2; known && i < 4; i++ {
			a, err := netip.ParseAddr(words[i])
			known = err == nil && a.Zone() == ""
		}
		if !known {
			b = b[:len("PROXY ")]
		}
		k.add(seq, b)
		return
	}
	const fixed, tcp4, tcp6 = 16, 0x11, 0x21
	n := fixed
	switch b[13] {
	case tcp4:
		n += 12
	case tcp6:
		n += 36
	}
	k.add(seq, b[:min(n, len(b))])
}

var port = regexp.MustCompile(`^[0-9]{1,5}$`)
