package pcapfile

import (
	"encoding/binary"
	"math/bits"
)

// BeginsCapture reports whether the first FileHeaderSize bytes of b are the header of a pcap
// file, in either byte order, or the beginning of a pcapng section header. It is for those who
// look for captures within a file: what a file begins with, NewReader says.
func BeginsCapture(b []byte) bool {
	if len(b) < FileHeaderSize || !mayBeginCapture(b) {
		return false
	}
	if binary.LittleEndian.Uint32(b) == blockSection {
		if !isByteOrderMagic(b[8:]) {
			return false
		}
		big := byteOrder(binary.BigEndian.Uint32(b[8:]) == byteOrderMagic)
		size := big.uint32(b[4:])
		return size >= minSectionBlock && size%4 == 0 && size <= maxSectionBlock
	}
	big := byteOrder(!isPCAPMagic(binary.LittleEndian.Uint32(b)))
	major, minor := big.uint16(b[4:]), big.uint16(b[6:])
	const reserved = 0x03ff0000 // bits of the link type field
	return (major == 2 && minor <= 4 || major == 543 && minor == 0) && big.uint32(b[20:])&reserved == 0
}

// mayBeginCapture looks at the first 4 bytes alone.
func mayBeginCapture(b []byte) bool {
	n := binary.LittleEndian.Uint32(b)
	return n == blockSection || isPCAPMagic(n) || isPCAPMagic(bits.ReverseBytes32(n))
}

func isPCAPMagic(n uint32) bool {
	return n == magicMicro || n == magicNano || n == magicKuznetsov
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
