// Package printable keeps what comes out of files from being acted on by a terminal:
// control characters of C0 and C1, those that turn the direction of text, and what is no
// UTF-8.
package printable

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s if it is text that stays on its line and in its column, and quoted as a
// Go string otherwise.
func Text(s string) string {
	if s == "" || odd(s) {
		return strconv.Quote(s)
	}
	return s
}

// Line is for text that others' words are in the middle of, such as errors: it returns s
// with what a terminal would act on as Go writes it in a string, and the rest as it is.
func Line(s string) string {
	if !odd(s) {
		return s
	}
	return string(Append(nil, s))
}

func odd(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Append appends what Line returns.
func Append(dst []byte, s string) []byte {
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, '\\', 'x', hexAlphabet[s[i]>>4], hexAlphabet[s[i]&0xf])
		case unicode.IsPrint(r):
			dst = append(dst, s[i:i+size]...)
		default:
			start := len(dst)
			dst = strconv.AppendQuoteRune(dst, r)
			dst = append(dst[:start], dst[start+1:len(dst)-1]...)
		}
	}
	return dst
}

const hexAlphabet = "0123456789abcdef"
