package diagnosis

import "encoding/binary"

// serverName is the server that a TLS client asks for in the segment that its stream
// begins with, "" if it says none (RFC 8446 section 4.1.2, RFC 6066 section 3).
func serverName(b []byte) string {
	const record, handshake, version, random = 5, 4, 2, 32
	b = skip(b, record+handshake+version+random)
	b = skipCounted(b, 1) // session
	b = skipCounted(b, 2) // cipher suites
	b = skipCounted(b, 1) // compression methods
	b = skip(b, 2)        // length of the extensions
	for len(b) >= 4 {
		kind, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		if length > len(b) {
			return ""
		}
		const list, entry = 2, 3
		if kind == 0 && length > list+entry && b[list] == 0 {
			name := b[list+entry : length]
			return string(name[:min(len(name), int(binary.BigEndian.Uint16(b[list+1:])))])
		}
		b = b[length:]
	}
	return ""
}

// skip is b behind n bytes, nothing if there are less.
func skip(b []byte, n int) []byte { return b[min(n, len(b)):] }

// skipCounted is b behind a vector whose length is in so many bytes before it.
func skipCounted(b []byte, size int) []byte {
	if len(b) < size {
		return nil
	}
	n := 0
	for _, c := range b[:size] {
		n = n<<8 | int(c)
	}
	return skip(b, size+n)
}
