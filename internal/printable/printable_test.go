package printable_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/printable"
)

func TestText(t *testing.T) {
	for s, want := range map[string]string{
		"/var/lib/netcap/a b": "/var/lib/netcap/a b",
		"Müller":              "Müller",
		"":                    `""`,
		"a\nb":                `"a\nb"`,
		"\x1b[2J":             `"\x1b[2J"`,
		"gnp.\u202etxt":       `"gnp.\u202etxt"`,
		"\xff":                `"\xff"`,
	} {
		assert.Equal(t, want, printable.Text(s))
	}
}

func TestLine(t *testing.T) {
	for s, want := range map[string]string{
		"":                             "",
		`open "Müller": no`:            `open "Müller": no`,
		"open \x1b[2J\x7f: no":         `open \x1b[2J\x7f: no`,
		"a\nb\tc":                      `a\nb\tc`,
		"csi \u009b, bidi \u202e":      `csi \u009b, bidi \u202e`,
		"\xff\x9b1m, whole \U0001f600": `\xff\x9b1m, whole ` + "\U0001f600",
	} {
		assert.Equal(t, want, printable.Line(s))
	}
}

func TestJSON(t *testing.T) {
	document := []string{"plain", "Müller\n", "\x1b[2J\x7f", "csi \u009b, bidi \u202e", "tag \U000e0041", "\xff"}
	var b bytes.Buffer
	e := json.NewEncoder(printable.JSON{W: &b})
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(document))
	var again []string
	require.NoError(t, json.Unmarshal(b.Bytes(), &again))
	document[5] = "\ufffd"
	assert.Equal(t, document, again)
	assert.Contains(t, b.String(), `\u009b`)
	assert.Contains(t, b.String(), `\udb40\udc41`)
	nothingOdd(t, b.String(), "\n")
}

// FuzzLine: nothing that a terminal acts on comes out, and what was put in is read back.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"plain", "\x1b]0;x\x07", "\u009b2J", "\u202e\u2066", "\xff\xfe", `\x1b`, "a'b\"c", "\U000e0041"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, text := range []string{printable.Line(s), printable.Text(s)} {
			nothingOdd(t, text, "")
			if !strings.ContainsAny(s, "\\\"`") {
				back, err := strconv.Unquote(`"` + strings.Trim(text, `"`) + `"`)
				require.NoError(t, err)
				require.Equal(t, s, back)
			}
		}
		var b bytes.Buffer
		require.NoError(t, json.NewEncoder(printable.JSON{W: &b}).Encode(s))
		nothingOdd(t, b.String(), "\n")
		var back string
		require.NoError(t, json.Unmarshal(b.Bytes(), &back))
		require.Equal(t, string([]rune(s)), back) // with U+FFFD for what is no UTF-8
	})
}

func nothingOdd(t *testing.T, text, also string) {
	t.Helper()
	require.True(t, utf8.ValidString(text), "%q", text)
	for _, r := range text {
		require.True(t, unicode.IsPrint(r) || strings.ContainsRune(also, r), "%q in %q", r, text)
	}
}
