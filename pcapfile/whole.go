package pcapfile

import "encoding/binary"

// Whole returns the length in bytes of the whole blocks of pcapng, or records of pcap, at the
// start of p, and how many of them are packets: in bytes that this package appended, which are
// little-endian, without pcap's file header. It reads lengths alone, and allocates nothing.
func Whole(format Format, p []byte) (n, packets int) {
	if format == PCAP {
		for len(p)-n >= RecordHeaderSize {
			size := RecordHeaderSize + int(binary.LittleEndian.Uint32(p[n+8:]))
			if size > len(p)-n {
				break
			}
			n += size
			packets++
		}
		return n, packets
	}
	const (
		enhancedPacketBlock = 6
		smallestBlock       = 12
	)
	for len(p)-n >= smallestBlock {
		size := int(binary.LittleEndian.Uint32(p[n+4:]))
		if size < smallestBlock || size > len(p)-n {
			break
		}
		if binary.LittleEndian.Uint32(p[n:]) == enhancedPacketBlock {
			packets++
		}
		n += size
	}
	return n, packets
}
