package testenv

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// SeqOffset is where a frame of UDPFrame has its number, 32 bits big-endian:
// at the start of the UDP payload.
const SeqOffset = udpOffset + 8

// MinFrame and MaxFrame bound the size of a frame of UDPFrame, in bytes from
// the Ethernet header on, without a frame check sequence.
const (
	MinFrame = SeqOffset + 4
	MaxFrame = ipOffset + 0xffff
)

const (
	ipOffset  = 14
	udpOffset = ipOffset + 20

	udpChecksumOffset = udpOffset + 6
)

// The Ethernet addresses of a veth pair, and of the frames that cross it.
var (
	macA = []byte{0x02, 0, 0, 0, 0, 0x01}
	macB = []byte{0x02, 0, 0, 0, 0, 0x02}
)

// UDPFrame returns an Ethernet frame of size bytes with an IPv4 UDP datagram
// whose payload begins with seq; lengths and checksums are right. It goes from
// the first to the second end of a NewVeth pair, from 198.18.0.1 port 49152 to
// port 9, discard, of 198.18.0.2 (RFC 2544's addresses for benchmarks, which
// no test needs to assign). A size outside MinFrame to MaxFrame panics.
func UDPFrame(seq uint32, size int) []byte {
	if size < MinFrame || size > MaxFrame {
		panic(fmt.Sprintf("testenv: frame of %d bytes, want %d to %d", size, MinFrame, MaxFrame))
	}
	f := make([]byte, size)
	copy(f[0:], macB)
	copy(f[6:], macA)
	binary.BigEndian.PutUint16(f[12:], 0x0800)

	ip := f[ipOffset:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	ip[6] = 0x40 // don't fragment
	ip[8] = 64   // time to live
	ip[9] = 17   // UDP
	copy(ip[12:], []byte{198, 18, 0, 1})
	copy(ip[16:], []byte{198, 18, 0, 2})
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip[:20]))

	udp := f[udpOffset:]
	binary.BigEndian.PutUint16(udp[0:], 49152)
	binary.BigEndian.PutUint16(udp[2:], 9)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	for i := MinFrame; i < size; i++ {
		f[i] = byte(i)
	}
	setSeq(f, seq, payloadSum(f))
	return f
}

// Seq returns the number of a frame that UDPFrame built, of which the first
// MinFrame bytes are enough, and false for any other frame.
func Seq(frame []byte) (seq uint32, ok bool) {
	if len(frame) < MinFrame ||
		!bytes.Equal(frame[12:14], []byte{0x08, 0x00}) ||
		!bytes.Equal(frame[ipOffset+12:udpOffset+4], []byte{198, 18, 0, 1, 198, 18, 0, 2, 49152 >> 8, 0, 0, 9}) {
		return 0, false
	}
	return binary.BigEndian.Uint32(frame[SeqOffset:]), true
}

// payloadSum is the part of the UDP checksum that doesn't depend on the
// frame's number: a flood computes it once.
func payloadSum(f []byte) uint16 {
	pseudo := append(bytes.Clone(f[ipOffset+12:ipOffset+20]), 0, 17, f[udpOffset+4], f[udpOffset+5])
	s := sum(0, pseudo)
	s = sum(s, f[udpOffset:udpChecksumOffset])
	return sum(s, f[MinFrame:])
}

// setSeq numbers a frame.
func setSeq(f []byte, seq uint32, payload uint16) {
	binary.BigEndian.PutUint32(f[SeqOffset:], seq)
	checksum := ^sum(payload, f[SeqOffset:MinFrame])
	if checksum == 0 {
		checksum = 0xffff // RFC 768: 0 would say that there is none
	}
	binary.BigEndian.PutUint16(f[udpChecksumOffset:], checksum)
}

// sum adds b to a ones' complement sum (RFC 1071).
func sum(s uint16, b []byte) uint16 {
	total := uint32(s)
	for ; len(b) >= 2; b = b[2:] {
		total += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		total += uint32(b[0]) << 8
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}
