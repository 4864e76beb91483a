package filter

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// number reads a number as C writes it: 0x before hexadecimal, 0 before octal
// digits. It has the form that lengthNumber knows.
func number(s string) (uint32, error) {
	base, kind, digits := uint64(10), "decimal", s
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		base, kind, digits = 16, "hexadecimal", s[2:]
	case s[0] == '0':
		base, kind = 8, "octal"
	}
	n := uint64(0)
	for i := range len(digits) {
		d := uint64(hexDigit(digits[i]))
		if d >= base {
			return 0, fmt.Errorf("octal number %s has the digit %d", clip(s, longestQuote), d)
		}
		if n = n*base + d; n > math.MaxUint32 {
			return 0, fmt.Errorf("%s number %s does not fit into 32 bits", kind, clip(s, longestQuote))
		}
	}
	return uint32(n), nil
}

func hexDigit(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// dottedIPv4 reads two to four numbers with dots between, as inet_network(3)
// does, and tells how many bits they stand for.
func dottedIPv4(s string) (addr uint32, bits int, err error) {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || lengthNumber(part) != len(part) || bits == 32 {
			return 0, 0, fmt.Errorf("%q is no IPv4 address", clip(s, longestQuote))
		}
		n, err := number(part)
		if err != nil || n > 255 {
			return 0, 0, fmt.Errorf("%q is no IPv4 address: each part is at most 255", clip(s, longestQuote))
		}
		addr = addr<<8 | n
		bits += 8
	}
	return addr, bits, nil
}

// dottedDECnet reads an area and a node number with a dot between.
func dottedDECnet(s string) (uint32, error) {
	areaText, nodeText, ok := strings.Cut(s, ".")
	if ok {
		area, ok1 := decimal(areaText, 63)
		node, ok2 := decimal(nodeText, 1023)
		if ok1 && ok2 {
			return area<<10 | node, nil
		}
	}
	return 0, fmt.Errorf("%q is no DECnet address: expected an area up to 63, a dot, and a node up to 1023", clip(s, longestQuote))
}

func decimal(s string, limit uint32) (n uint32, ok bool) {
	if s == "" {
		return 0, false
	}
	wide := uint64(0)
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		if wide = wide*10 + uint64(s[i]-'0'); wide > uint64(limit) {
			return 0, false
		}
	}
	return uint32(wide), true
}

// etherAddress reads a 48-bit hardware address in any of the forms that
// lengthEther knows.
func etherAddress(s string) (a [6]byte, err error) {
	if s == "" || lengthEther(s) != len(s) {
		return a, errors.New("no Ethernet address")
	}
	n := 0
	separated := strings.ContainsAny(s, ":-") || strings.Count(s, ".") == 5
	for i := 0; i < len(s); n++ {
		if !isHex(s[i]) {
			i++
		}
		digits := 2
		if separated {
			digits = count(s[i:], isHex, 2)
		}
		for range digits {
			a[n] = a[n]<<4 | hexDigit(s[i])
			i++
		}
	}
	return a, nil
}

// shortAddress reads an 8-bit hardware address, $ and one or two digits.
func shortAddress(s string) (a byte, err error) {
	if len(s) < 2 || len(s) > 3 || s[0] != '$' || count(s[1:], isHex, 2) != len(s)-1 {
		return 0, errors.New("no 8-bit hardware address")
	}
	for i := 1; i < len(s); i++ {
		a = a<<4 | hexDigit(s[i])
	}
	return a, nil
}
