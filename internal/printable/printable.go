// Package printable keeps what comes out of files from being acted on by a terminal.
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
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}
