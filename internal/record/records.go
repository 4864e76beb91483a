package record

import (
	"encoding/binary"

	"netcap/pcapfile"
)

// wholeRecords returns the length of the whole records at the start of p, which
// a file of the given format holds, and how many of them are packets. Files are
// written little-endian.
func wholeRecords(format pcapfile.Format, p []byte) (n, packets int) {
	if format == pcapfile.PCAP {
		for len(p)-n >= pcapfile.RecordHeaderSize {
			size := pcapfile.RecordHeaderSize + int(binary.LittleEndian.Uint32(p[n+8:]))
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
