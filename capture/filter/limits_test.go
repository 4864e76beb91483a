package filter

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hosts is an expression of n addresses from 10.0.0.0 on, each other one left
// out: no two are one interval.
func hosts(n int) string {
	return "host " + joinNumbers(n, " or ", func(i int) string { return fmt.Sprintf("10.%d.%d.%d", 2*i>>16&255, 2*i>>8&255, 2*i&255|1) })
}

func joinNumbers(n int, by string, word func(int) string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = word(i)
	}
	return strings.Join(list, by)
}

// TestHostile compiles expressions made to take long. Some are refused, all come
// to an end: the test's time-out is what they are held to.
func TestHostile(t *testing.T) {
	t.Parallel()
	for name, expr := range map[string]string{
		"parentheses":         strings.Repeat("(", 5000) + "ip" + strings.Repeat(")", 5000),
		"opening parentheses": strings.Repeat("(", 200_000),
		"not":                 strings.Repeat("not ", 5000) + "ip",
		"exclamation marks":   strings.Repeat("!", 200_000) + "ip",
		"minus signs":         strings.Repeat("-", 200_000) + "len = 0",
		"arithmetic":          strings.Repeat("(len+", 1200) + "1" + strings.Repeat(")", 1200) + "=1",
		"operators in a row":  "len" + strings.Repeat("+len", 50_000) + " = 1",
		"brackets":            strings.Repeat("ip[", 1200) + "0" + strings.Repeat("]", 1200) + " = 1",
		"too long":            strings.Repeat("ip or ", 100_000) + "ip",
		"and, or":             strings.Repeat("ip and tcp or ", 15_000) + "ip",
		"ports, odd":          "port " + joinNumbers(6000, " or ", func(i int) string { return fmt.Sprint(3 * i) }),
		"hosts":               hosts(5000),
		"hosts and ports": joinNumbers(1000, " or ", func(i int) string {
			return fmt.Sprintf("(host 10.%d.%d.1 and port %d)", i>>8, i&255, 1+7*i%60000)
		}),
		"nets of all sizes": joinNumbers(2000, " or ", func(i int) string {
			return fmt.Sprintf("net %d.%d.0.0/%d", 1+i%200, i&0xfc, 14+i%3)
		}),
		"not any of": joinNumbers(1500, " and ", func(i int) string { return fmt.Sprintf("not src host 10.9.%d.%d", i>>8, i&255) }),
		"products": joinNumbers(600, " and ", func(i int) string {
			return fmt.Sprintf("(tcp[%d] = %d or udp[%d] = %d)", i, i%256, i+1, i%251)
		}),
		"vlan":           strings.Repeat("vlan and ", 2000) + "ip",
		"vlan or":        strings.Repeat("vlan or ", 2000) + "ip",
		"mpls":           strings.Repeat("mpls and ", 2000) + "ip",
		"pppoes":         strings.Repeat("pppoes and ", 2000) + "ip",
		"geneve":         strings.Repeat("geneve and ", 200) + "ip",
		"vxlan":          strings.Repeat("vxlan and ", 200) + "tcp port 80",
		"protochain":     joinNumbers(255, " or ", func(i int) string { return fmt.Sprintf("protochain %d", i) }),
		"deep loads":     strings.Repeat("ip[tcp[", 400) + "0" + strings.Repeat("]]", 400) + " = 1",
		"wide relations": joinNumbers(300, " or ", func(i int) string { return fmt.Sprintf("ip[%d]*len+tcp[%d] < udp[%d]/3", i, i, i) }),
	} {
		t.Run(name, func(t *testing.T) {
			for _, link := range []LinkType{LinkTypeEthernet, LinkTypeIEEE80211Radio} {
				p, err := Compile(expr, &Config{LinkType: link, Resolver: Files{}})
				if err != nil {
					var e *Error
					require.ErrorAs(t, err, &e)
					assert.Less(t, len(err.Error()), 400)
					assert.Less(t, len(e.Caret()), 2*maxExpression+4)
					continue
				}
				if p.Kernel() == nil {
					assert.LessOrEqual(t, len(p.Instructions()), MaxInstructions)
				}
				p.Match(make([]byte, 2000), 2000)
			}
		})
	}
}
