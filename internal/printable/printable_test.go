package printable_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

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
