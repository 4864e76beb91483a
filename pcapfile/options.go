package pcapfile

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Option codes, draft-ietf-opsawg-pcapng sections 3.5 and 4.
const (
	optEnd     = 0
	optComment = 1

	optSectionHardware    = 2
	optSectionOS          = 3
	optSectionApplication = 4

	optInterfaceName        = 2
	optInterfaceDescription = 3
	optInterfaceIPv4        = 4
	optInterfaceIPv6        = 5
	optInterfaceMAC         = 6
	optInterfaceSpeed       = 8
	optInterfaceResolution  = 9
	optInterfaceFilter      = 11
	optInterfaceOS          = 12
	optInterfaceFCSLen      = 13
	optInterfaceOffset      = 14
	optInterfaceHardware    = 15

	optPacketFlags   = 2
	optPacketDropped = 4

	optStatisticsStart              = 2
	optStatisticsEnd                = 3
	optStatisticsReceived           = 4
	optStatisticsDroppedByInterface = 5
	optStatisticsFilterAccepted     = 6
	optStatisticsDroppedByOS        = 7
	optStatisticsDelivered          = 8

	recordEnd   = 0
	recordIPv4  = 1
	recordIPv6  = 2
	recordEUI48 = 3
	recordEUI64 = 4
)

// maxOption is the longest value of an option, in bytes.
const maxOption = 65535

func appendOptionHeader(dst []byte, code uint16, size int) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, code)
	return binary.LittleEndian.AppendUint16(dst, uint16(size))
}

// appendPadding fills up to 4 bytes after a value of the given size.
func appendPadding(dst []byte, size int) []byte {
	return append(dst, "\x00\x00\x00"[:-size&3]...)
}

func appendStringOption(dst []byte, code uint16, s string) []byte {
	if s == "" {
		return dst
	}
	return appendPrefixedString(dst, code, "", s)
}

func appendPrefixedString(dst []byte, code uint16, prefix, s string) []byte {
	s = cut(s, maxOption-len(prefix))
	size := len(prefix) + len(s)
	dst = appendOptionHeader(dst, code, size)
	dst = append(append(dst, prefix...), s...)
	return appendPadding(dst, size)
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := 0; i < utf8.UTFMax-1 && n > 0 && !utf8.RuneStart(s[n]); i++ {
		n--
	}
	return s[:n]
}

// maxComments is how many bytes the comments of a block may take: well below
// the 1 MiB that libpcap takes for a section header.
const maxComments = 256 << 10

func appendComments(dst []byte, comments []string) []byte {
	room := maxComments
	for _, c := range comments {
		if room -= len(c) + 8; room < 0 {
			break
		}
		dst = appendStringOption(dst, optComment, c)
	}
	return dst
}

func appendUint64Option(dst []byte, code uint16, v uint64) []byte {
	dst = appendOptionHeader(dst, code, 8)
	return binary.LittleEndian.AppendUint64(dst, v)
}

func appendByteOption(dst []byte, code uint16, v byte) []byte {
	dst = appendOptionHeader(dst, code, 1)
	return append(dst, v, 0, 0, 0)
}

func appendCounter(dst []byte, code uint16, c Counter) []byte {
	if !c.Known {
		return dst
	}
	return appendUint64Option(dst, code, c.Value)
}

// appendPrefixOption writes an address: IPv4 with a mask, IPv6 with the number
// of bits in its prefix.
func appendPrefixOption(dst []byte, p netip.Prefix) []byte {
	if !p.IsValid() {
		return dst
	}
	if p.Addr().Is4() {
		dst = appendOptionHeader(dst, optInterfaceIPv4, 8)
		dst = append(dst, p.Addr().AsSlice()...)
		mask := ^uint32(0) << (32 - p.Bits())
		return binary.BigEndian.AppendUint32(dst, mask)
	}
	dst = appendOptionHeader(dst, optInterfaceIPv6, 17)
	dst = append(dst, p.Addr().AsSlice()...)
	return append(dst, byte(p.Bits()), 0, 0, 0)
}

// endOptions ends a list of options that began at mark. An empty list has no
// end either.
func endOptions(dst []byte, mark int) []byte {
	if len(dst) == mark {
		return dst
	}
	return append(dst, 0, 0, 0, 0)
}

func containsNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// byteOrder is true for big-endian. A branch costs less than the interface
// call of a binary.ByteOrder.
type byteOrder bool

func (big byteOrder) uint16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if big {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (big byteOrder) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (big byteOrder) uint64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if big {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// timestamp reads the two halves of a timestamp, the upper one first in either
// byte order.
func (big byteOrder) timestamp(b []byte) uint64 {
	return uint64(big.uint32(b))<<32 | uint64(big.uint32(b[4:]))
}

func (big byteOrder) binary() binary.ByteOrder {
	if big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// optionList walks over the options of a block.
type optionList struct {
	rest  []byte
	order byteOrder
}

// next returns the next option. At the end of the list ok is false, and torn
// says whether the list ended in the middle of an option.
func (l *optionList) next() (code uint16, value []byte, ok, torn bool) {
	if len(l.rest) == 0 {
		return 0, nil, false, false
	}
	if len(l.rest) < 4 {
		return 0, nil, false, true
	}
	code = l.order.uint16(l.rest)
	size := int(l.order.uint16(l.rest[2:]))
	if code == optEnd {
		l.rest = nil
		return code, nil, false, false
	}
	padded := (size + 3) &^ 3
	if padded > len(l.rest)-4 {
		return code, nil, false, true
	}
	value = l.rest[4 : 4+size]
	l.rest = l.rest[4+padded:]
	return code, value, true, false
}
