package printable

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON writes documents of encoding/json to another writer, with \u escapes, RFC 8259
// section 7, in place of what a terminal would act on and the encoder leaves as it is: DEL,
// C1, and what turns the direction of text. Each Write is one or more whole documents.
type JSON struct{ W io.Writer }

// Write implements io.Writer.
func (j JSON) Write(b []byte) (int, error) {
	written := 0
	for i := 0; i < len(b); {
		r, size := rune(b[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(b[i:])
		}
		if r < 0x7f || unicode.IsPrint(r) { // of C0 the encoder leaves its own line ends
			i += size
			continue
		}
		if _, err := j.W.Write(b[written:i]); err != nil {
			return written, err
		}
		if _, err := io.WriteString(j.W, escape(r)); err != nil {
			return written, err
		}
		i += size
		written = i
	}
	n, err := j.W.Write(b[written:])
	return written + n, err
}

func escape(r rune) string {
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
