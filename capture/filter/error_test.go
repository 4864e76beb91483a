package filter

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestErrorPlace says where a mistake is: the carets of each pair stand under what
// is wrong.
func TestErrorPlace(t *testing.T) {
	for _, c := range []struct{ expr, carets, says string }{
		{"tcp prot 80", "    ^^^^", `not "prot"`},
		{"tcp port", "        ^", "expected a name, a number or an address, not the end of the expression"},
		{"tcp port 80 and", "               ^", "not the end"},
		{"tcp port 65536", "         ^^^^^", "at most 65535"},
		{"(tcp port 80", "            ^", "a closing parenthesis"},
		{"tcp port 80)", "           ^", "expected and, or, or the end"},
		{"host 10.0.0.256", "     ^^^^^^^^^^", "each part is at most 255"},
		{"net 10.0.0.1/8", "    ^^^^^^^^^^", "bits are set"},
		{"port 80 port 443", "        ^^^^", "and, or"},
		{"ether[0:3] = 1", "        ^", "1, 2 or 4 bytes"},
		{"ip[0] & 1", "         ^", "a comparison"},
		{"ip and\nhost 1.2.3.4.5", "     ^^^^^^^^^", ""},
		{"port nosuchport", "     ^^^^^^^^^^", `unknown port "nosuchport"`},
		{"host no.such.host.invalid", "     ^^^^^^^^^^^^^^^^^^^^", "unknown host"},
		{"vlan 4096", "     ^^^^", "at most 4095"},
		{"inbound", "^^^^^^^", "inbound in files is not supported"},
		{"wlan addr4 0:1:2:3:4:5", "           ^^^^^^^^^^^", "802.11"},
		{"ip == 5", "   ^^", ""},
		{"host 10.0.0.1 % 2", "              ^", ""},
		{"tcp § 80", "    ^", "expected"},
	} {
		_, err := Compile(c.expr, &Config{LinkType: LinkTypeEthernet, Resolver: Files{}})
		var e *Error
		if !assert.ErrorAs(t, err, &e, c.expr) {
			continue
		}
		line, carets, ok := strings.Cut(e.Caret(), "\n")
		require.True(t, ok)
		assert.Contains(t, c.expr, line)
		assert.Equal(t, c.carets, carets, "%s\n%s", c.expr, err)
		assert.Contains(t, err.Error(), c.says, c.expr)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestUnsupportedLinkType(t *testing.T) {
	_, err := Compile("ip", &Config{LinkType: 9999})
	assert.ErrorContains(t, err, "link type LINKTYPE_9999 is not supported")
	_, err = ParseLinkType("EN10GB")
	assert.ErrorContains(t, err, `unknown link type "EN10GB"`)
	for _, name := range []string{"EN10MB", "en10mb", "DLT_EN10MB"} {
		link, err := ParseLinkType(name)
		require.NoError(t, err)
		assert.Equal(t, LinkTypeEthernet, link)
	}
}
