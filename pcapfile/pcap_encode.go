package pcapfile

import (
	"encoding/binary"
	"math"
	"slices"
)

// The magic numbers at the beginning of a pcap file. The byte order of the
// rest is the one in which the number reads so.
const (
	magicMicro     = 0xa1b2c3d4
	magicNano      = 0xa1b23c4d
	magicKuznetsov = 0xa1b2cd34 // microseconds and longer record headers
)

// FileHeaderSize and RecordHeaderSize are bytes of a pcap file: its header,
// and what precedes the data of each packet.
const (
	FileHeaderSize   = 24
	RecordHeaderSize = 16
)

// AppendFileHeader appends the header of a pcap file, version 2.4,
// little-endian, to dst. The snapLen is in bytes; nano selects nanoseconds
// instead of microseconds, which AppendRecord then has to be told as well.
func AppendFileHeader(dst []byte, linkType LinkType, snapLen uint32, nano bool) []byte {
	magic := uint32(magicMicro)
	if nano {
		magic = magicNano
	}
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = append(dst, 2, 0, 4, 0)             // version
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0) // two fields that are always 0
	dst = binary.LittleEndian.AppendUint32(dst, snapLen)
	return binary.LittleEndian.AppendUint32(dst, uint32(linkType))
}

// RecordSize returns how many bytes AppendRecord appends for capLen bytes of
// packet.
func RecordSize(capLen int) int { return RecordHeaderSize + min(capLen, MaxCapLen) }

// AppendRecord appends a packet of a pcap file to dst: ns is its time in
// nanoseconds since the epoch, length its length on the wire (raised to
// len(data) if it is less). Seconds are 32 bits unsigned in this format: a
// time before 1970 is written as 0, one after February 2106 as the last second
// there is. More than MaxCapLen bytes of data are cut to that.
func AppendRecord(dst []byte, ns int64, data []byte, length uint32, nano bool) []byte {
	capLen := min(len(data), MaxCapLen)
	n := len(dst)
	dst = slices.Grow(dst, RecordHeaderSize+capLen)[:n+RecordHeaderSize+capLen]
	ns = max(ns, 0)
	sec := ns / 1e9
	frac := uint32(ns - sec*1e9)
	if !nano {
		frac /= 1000
	}
	h := (*[RecordHeaderSize]byte)(dst[n:])
	binary.LittleEndian.PutUint32(h[0:], uint32(min(sec, math.MaxUint32)))
	binary.LittleEndian.PutUint32(h[4:], frac)
	binary.LittleEndian.PutUint32(h[8:], uint32(capLen))
	binary.LittleEndian.PutUint32(h[12:], max(length, uint32(capLen)))
	copy(dst[n+RecordHeaderSize:], data)
	return dst
}
