package filter

import (
	"fmt"
	"net/netip"
	"strings"
)

// maxExpression bounds the length of an expression in bytes: room for some ten
// thousand addresses.
const maxExpression = 256 << 10

// scan splits an expression into tokens. At each place the longest token is
// taken, and of equally long ones the most special.
func scan(expr string) ([]token, error) {
	if len(expr) > maxExpression {
		return nil, &Error{
			Expr: clip(expr, longestQuote), Pos: 0, Len: longestQuote,
			Msg: fmt.Sprintf("expression of %d bytes, at most %d are taken", len(expr), maxExpression), Err: ErrTooComplex,
		}
	}
	var tokens []token
	for pos := 0; pos < len(expr); {
		if strings.IndexByte(" \t\r\n", expr[pos]) >= 0 {
			pos++
			continue
		}
		t, err := scanOne(expr, pos)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		pos += t.len
	}
	return append(tokens, token{kind: tokEnd, pos: len(expr)}), nil
}

func scanOne(expr string, pos int) (token, error) {
	rest := expr[pos:]
	t := token{pos: pos}
	fail := func(n int, format string, args ...any) (token, error) {
		return token{}, &Error{Expr: expr, Pos: pos, Len: n, Msg: fmt.Sprintf(format, args...)}
	}
	take := func(kind tokenKind, n int) {
		t.kind, t.len, t.text = kind, n, rest[:n]
	}
	if n, word := operator(rest); n > 0 {
		take(tokOperator, n)
		t.word = word
		// What looks like an IPv6 address may begin with colons.
		if v6 := lengthIPv6(rest); v6 > n {
			take(tokIPv6, v6)
			return checkIPv6(expr, t)
		}
		return t, nil
	}
	switch rest[0] {
	case '$':
		if n := count(rest[1:], isHex, 2); n > 0 {
			take(tokShort, 1+n)
			return t, nil
		}
		return fail(1, "a hardware address has one or two hexadecimal digits after $, not %q", clip(rest[1:], fewBytes))
	case '\\':
		n := strings.IndexAny(rest[1:], " !()\n\t")
		if n < 0 {
			n = len(rest) - 1
		}
		if n == 0 {
			return fail(1, "expected a name after the backslash")
		}
		take(tokName, 1+n)
		t.text = t.text[1:]
		return t, nil
	}
	name := lengthName(rest)
	longest, kind := name, tokName
	for _, c := range []struct {
		n    int
		kind tokenKind
	}{
		{lengthBadEther(rest), tokEnd},
		{lengthIPv6(rest), tokIPv6},
		{lengthDotted(rest), tokDotted},
		{lengthNumber(rest), tokNumber},
		{lengthEther(rest), tokEther},
	} {
		if c.n > 0 && c.n >= longest {
			longest, kind = c.n, c.kind
		}
	}
	if longest == 0 {
		return fail(1, "expected a word, a number, an address or an operator, not %q", clip(rest, fewBytes))
	}
	take(kind, longest)
	switch kind {
	case tokEnd:
		return fail(longest, "%s is no Ethernet address", t)
	case tokIPv6:
		return checkIPv6(expr, t)
	case tokNumber:
		num, err := number(t.text)
		if err != nil {
			return fail(longest, "%s", err)
		}
		t.num = num
	}
	if longest == name && kind == tokName {
		if word, ok := keywords[t.text]; ok {
			t.kind, t.word = tokKeyword, word
			switch word {
			case "":
				t.word = t.text
			case "!":
				t.kind = tokOperator
			}
			if word == "" && (t.text == "and" || t.text == "or") {
				t.kind = tokOperator
			}
		} else if num, ok := namedNumbers[t.text]; ok {
			t.kind, t.num = tokNumber, num
		}
	}
	return t, nil
}

func checkIPv6(expr string, t token) (token, error) {
	if a, err := netip.ParseAddr(t.text); err != nil || !a.Is6() {
		return token{}, &Error{Expr: expr, Pos: t.pos, Len: t.len, Msg: fmt.Sprintf("%s is no IPv6 address", t)}
	}
	return t, nil
}

// fewBytes is what is quoted of what isn't even a token.
const fewBytes = 8

// clip cuts s off behind some n bytes.
func clip(s string, n int) string {
	for i := range s {
		if i >= n {
			return s[:i] + "…"
		}
	}
	return s
}

func operator(s string) (n int, word string) {
	if len(s) >= 2 {
		switch s[:2] {
		case "&&":
			return 2, "and"
		case "||":
			return 2, "or"
		case ">=", "<=", "!=", "<<", ">>":
			return 2, s[:2]
		case "==":
			return 2, "="
		}
	}
	if strings.IndexByte("+-*/%:[]!<>()&|^=", s[0]) >= 0 {
		return 1, s[:1]
	}
	return 0, ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isAlnum(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// count is how many bytes at the start of s are of a kind, at most limit.
func count(s string, of func(byte) bool, limit int) int {
	n := 0
	for n < len(s) && n < limit && of(s[n]) {
		n++
	}
	return n
}

// lengthName is the length of a name: letters, digits, and in its middle also
// dashes and underscores, anywhere but in front dots.
func lengthName(s string) int {
	if !isAlnum(s[0]) {
		return 0
	}
	n := 1
	for i := 1; i < len(s) && (isAlnum(s[i]) || s[i] == '-' || s[i] == '_' || s[i] == '.'); i++ {
		if s[i] != '-' && s[i] != '_' {
			n = i + 1
		}
	}
	return n
}

// lengthNumber is the length of a decimal, octal or hexadecimal number.
func lengthNumber(s string) int {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		if n := count(s[2:], isHex, len(s)); n > 0 {
			return 2 + n
		}
	}
	return count(s, isDigit, len(s))
}

// lengthDotted is the length of two to four numbers with dots between.
func lengthDotted(s string) int {
	n := lengthNumber(s)
	if n == 0 {
		return 0
	}
	found := 0
	for range 3 {
		if n >= len(s) || s[n] != '.' {
			break
		}
		next := lengthNumber(s[n+1:])
		if next == 0 {
			break
		}
		n += 1 + next
		found = n
	}
	return found
}

// lengthEther is the length of an Ethernet address: six groups of one or two
// digits with one kind of separator, three groups of four with dots, or twelve
// digits.
func lengthEther(s string) int {
	longest := 0
	for _, separator := range []byte{':', '-', '.'} {
		n := 0
		for group := range 6 {
			digits := count(s[n:], isHex, 2)
			if digits == 0 {
				break
			}
			n += digits
			if group == 5 {
				longest = max(longest, n)
				break
			}
			if n >= len(s) || s[n] != separator {
				break
			}
			n++
		}
	}
	if count(s, isHex, 12) == 12 {
		longest = max(longest, 12)
	}
	if len(s) >= 14 && s[4] == '.' && s[9] == '.' &&
		count(s, isHex, 4) == 4 && count(s[5:], isHex, 4) == 4 && count(s[10:], isHex, 4) == 4 {
		longest = max(longest, 14)
	}
	return longest
}

// lengthBadEther is the length of groups of one or two digits, each with colons
// behind it: the start of an Ethernet address that goes wrong.
func lengthBadEther(s string) int {
	n, groups, end := 0, 0, 0
	for {
		digits := count(s[n:], isHex, 2)
		if digits == 0 {
			break
		}
		colons := count(s[n+digits:], func(c byte) bool { return c == ':' }, len(s))
		if colons == 0 {
			break
		}
		n += digits + colons
		if groups++; groups >= 2 {
			end = n
		}
	}
	return end
}

// lengthIPv6 is the length of what has the form of an IPv6 address.
func lengthIPv6(s string) int {
	const longest = 64
	run := count(s, func(c byte) bool { return isHex(c) || c == ':' || c == '.' || c == 'x' || c == 'X' }, longest)
	if strings.IndexByte(s[:run], ':') < 0 {
		return 0
	}
	for n := run; n >= 2; n-- {
		if looksIPv6(s[:n]) {
			return n
		}
	}
	return 0
}

// looksIPv6 checks the form of an address, not the values of a dotted end.
func looksIPv6(s string) bool {
	groups, gap := 0, false
	if strings.HasPrefix(s, "::") {
		gap, s = true, s[2:]
	}
	for s != "" {
		if n := lengthDotted(s); n == len(s) && strings.Count(s, ".") == 3 {
			groups += 2
			break
		}
		n := count(s, isHex, 4)
		if n == 0 {
			return false
		}
		groups++
		s = s[n:]
		switch {
		case s == "":
		case strings.HasPrefix(s, "::"):
			if gap {
				return false
			}
			gap, s = true, s[2:]
		case s[0] == ':' && len(s) > 1:
			s = s[1:]
		default:
			return false
		}
	}
	return groups == 8 && !gap || groups < 8 && gap
}
