package scrub

import (
	"encoding/binary"

	"netcap/internal/tcp"
)

const protocolUDP = 17

// mend makes checksums right that were right before old became fresh, of which nothing but
// payload and options differ; payload is where that begins. The innermost ones come first, for the others cover them.
func mend(checksums []tcp.Checksum, payload int, old, fresh []byte) {
	for i := len(checksums) - 1; i >= 0; i-- {
		c := &checksums[i]
		if c.At+2 > payload { // it isn't in a header that was told of
			continue
		}
		was := binary.BigEndian.Uint16(old[c.At:])
		if c.Protocol == protocolUDP && was == 0 { // none
			continue
		}
		end := len(old)
		if c.Length >= 0 {
			end = min(end, c.From+c.Length)
		}
		if end < c.From {
			continue
		}
		whole := end == c.From+c.Length
		before := sum(old[c.From:end])
		var now uint16
		switch addresses := pseudo(c, old, c.Length); {
		case whole && fold(before+addresses) != 0xffff:
			continue // wrong, or left to the network card
		case whole:
			binary.BigEndian.PutUint16(fresh[c.At:], 0)
			now = ^fold(sum(fresh[c.From:end]) + addresses)
		case c.IP >= 0 && (was == fold(addresses) || was == fold(pseudo(c, old, 0))):
			continue // of the addresses alone: left to the network card
		default:
			// RFC 1624, equation 3. The field is in both sums, and takes itself away.
			now = ^fold(uint64(^was) + uint64(^fold(before)) + uint64(fold(sum(fresh[c.From:end]))))
		}
		if c.Protocol == protocolUDP && now == 0 {
			now = 0xffff
		}
		binary.BigEndian.PutUint16(fresh[c.At:], now)
	}
}

// pseudo is the sum of the header that isn't in the packet: RFC 9293, section 3.1, and RFC
// 8200, section 8.1.
func pseudo(c *tcp.Checksum, data []byte, length int) uint64 {
	if c.IP < 0 {
		return 0
	}
	const ipv4, ipv6 = 12, 8 // where the addresses are
	addresses := data[c.IP+ipv4 : c.IP+20]
	if data[c.IP]>>4 == 6 {
		addresses = data[c.IP+ipv6 : c.IP+40]
	}
	return sum(addresses) + uint64(c.Protocol) + uint64(max(0, length))
}

// sum adds 16-bit words, 32 bits at a time: RFC 1071, section 2.
func sum(b []byte) (s uint64) {
	for ; len(b) >= 4; b = b[4:] {
		s += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
		if len(b) == 1 {
			s += uint64(b[0]) << 8
		}
	} else if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold adds the carries.
func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
