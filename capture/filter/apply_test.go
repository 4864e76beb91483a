package filter

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/pcapfile"
)

// TestApply runs filters on captures, and compares the packets they accept.
func TestApply(t *testing.T) {
	resolver := corpusResolver(t)
	for _, c := range readCases(t, "apply-cases.jsonl", "") {
		t.Run(c.ID, func(t *testing.T) {
			var program *Program
			n := 0
			readPackets(t, filepath.Join(corpusFilter(t), c.Savefile), func(link LinkType, p testPacket) {
				if program == nil {
					var err error
					program, err = Compile(c.Expr, &Config{LinkType: link, Resolver: resolver})
					require.NoError(t, err)
				}
				require.Less(t, n, len(c.Results))
				assert.Equal(t, c.Results[n] != 0, program.Match(p.data, p.length), "packet %d", n+1)
				n++
			})
			assert.Len(t, c.Results, n)
		})
	}
}

// TestSavefileReject opens files that libpcap refuses before it comes to a filter.
// They are for pcapfile to refuse; here it is shown that they don't get as far as
// a packet.
func TestSavefileReject(t *testing.T) {
	for _, c := range readCases(t, "savefile-reject-cases.jsonl", "") {
		t.Run(c.ID, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(corpusFilter(t), c.Savefile))
			require.NoError(t, err)
			r, err := pcapfile.NewReader(bytes.NewReader(b))
			if err == nil {
				_, err = r.Next()
			}
			assert.Error(t, err, c.ErrorSubstr)
		})
	}
}

// TestTranslate checks names and addresses against libpcap's tables. Its other
// functions, for remote sources and for digits, have no counterpart here.
func TestTranslate(t *testing.T) {
	number := func(n uint32, width int) string {
		s := strconv.FormatUint(uint64(n), 16)
		for len(s) < width {
			s = "0" + s
		}
		return "0x" + s
	}
	lookup := func(table map[string]uint32, width int) func(string) (string, bool) {
		return func(arg string) (string, bool) {
			n, ok := table[arg]
			if !ok {
				return "PROTO_UNDEF", true
			}
			return number(n, width), true
		}
	}
	counterparts := map[string]func(arg string) (string, bool){
		"pcap_nametoeproto": lookup(etherNames, 4),
		"pcap_nametollc":    lookup(llcNames, 2),
		"pcapint_atodn": func(arg string) (string, bool) {
			n, err := dottedDECnet(arg)
			return strconv.Itoa(int(n>>10)) + "." + strconv.Itoa(int(n&1023)), err == nil
		},
		"pcapint_atoan": func(arg string) (string, bool) {
			a, err := shortAddress(arg)
			return "$" + number(uint32(a), 2)[2:], err == nil
		},
		"pcap_ether_aton": func(arg string) (string, bool) {
			a, err := etherAddress(arg)
			s := ""
			for i, b := range a {
				if i > 0 {
					s += ":"
				}
				s += number(uint32(b), 2)[2:]
			}
			return s, err == nil
		},
		"pcapint_get_decuint/noendp": func(arg string) (string, bool) {
			n, ok := decimal(arg, math.MaxUint32)
			return strconv.FormatUint(uint64(n), 10), ok
		},
	}
	checked, without := 0, map[string]int{}
	for _, c := range readCases(t, "translate-cases.jsonl", "") {
		if digit, ok := c.Arg.(float64); ok && c.CFunc == "pcapint_xdtoi" {
			checked++
			assert.Equal(t, c.Expect, number(uint32(hexDigit(byte(digit))), 2), c.ID)
			continue
		}
		arg, isString := c.Arg.(string)
		counterpart, ok := counterparts[c.CFunc]
		if !ok || !isString {
			without[c.CFunc]++
			continue
		}
		checked++
		got, ok := counterpart(arg)
		assert.Equal(t, c.Kind == "accept", ok, "%s(%q)", c.CFunc, arg)
		if ok {
			assert.Equal(t, c.Expect, got, "%s(%q)", c.CFunc, arg)
		}
	}
	t.Logf("%d checked; without counterpart: %v", checked, without)
	require.Positive(t, checked)
}
