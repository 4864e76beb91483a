package filter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Error says what is wrong with an expression, and where.
type Error struct {
	// Expr is the whole expression.
	Expr string
	// Pos and Len tell where in Expr the fault is, in bytes. Len is 0 where
	// something is missing.
	Pos, Len int
	// Msg is one line without a full stop.
	Msg string
	// Err is the cause, if there is one to ask for with errors.Is: what a
	// Resolver returned, or one of the Err values of this package.
	Err error
}

// longestQuote is how many bytes of an expression an error quotes at most.
const longestQuote = 60

func (e *Error) Error() string {
	switch {
	case e.Pos == 0 && e.Len >= len(e.Expr), // it is about the whole
		strings.HasSuffix(e.Msg, "the end of the expression"):
		return "filter: " + e.Msg
	case e.Pos >= len(e.Expr):
		return fmt.Sprintf("filter: %s at the end of the expression", e.Msg)
	}
	end := min(e.Pos+max(e.Len, 1), len(e.Expr))
	return fmt.Sprintf("filter: %s at %q", e.Msg, clip(e.Expr[e.Pos:end], longestQuote))
}

func (e *Error) Unwrap() error { return e.Err }

// Caret returns two lines: the line of the expression with the fault, and
// carets under the place. White space is shown as spaces, other bytes that
// can't be shown as question marks.
func (e *Error) Caret() string {
	pos := min(max(e.Pos, 0), len(e.Expr))
	start := strings.LastIndexByte(e.Expr[:pos], '\n') + 1
	end := len(e.Expr)
	if i := strings.IndexByte(e.Expr[pos:], '\n'); i >= 0 {
		end = pos + i
	}
	line := e.Expr[start:end]
	shown := strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, line)
	before := utf8.RuneCountInString(e.Expr[start:pos])
	under := utf8.RuneCountInString(e.Expr[pos:min(pos+max(e.Len, 0), end)])
	return shown + "\n" + strings.Repeat(" ", before) + strings.Repeat("^", max(under, 1))
}
