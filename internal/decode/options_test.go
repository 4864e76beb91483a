package decode_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/decode"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// verboseLine are lines of which -v tells no more than what we tell too.
var verboseLine = regexp.MustCompile(`^\S+ (ARP|(MPLS.*\) )?IP6? (truncated-ip6? - \d+ bytes missing! ?)?\S+ > \S+: ` +
	`(Flags.*length \d+$|UDP, length|ICMP|igmp|ESP|GRE.*UDP|VRRP|ICMP6, echo))`)

// optionDeviations are the files in which packets that are printed alike without an
// option differ with it, and why.
var optionDeviations = map[string]map[string]string{
	"-e": {
		"tftp-heapoverflow.pcap": "an address longer than its field, of which we print what is there",
	},
	"-v": {
		"afs.pcap":                 "ICMP about Rx, which is not decoded",
		"arp-too-long-tha.pcap":    "an unknown kind of hardware",
		"icmp-cksum-oobr-1.pcap":   "extensions of ICMP, which are not printed",
		"icmp-cksum-oobr-3.pcapng": "extensions of ICMP",
		"kday1.pcap":               "",
	},
}

// TestOptionsAgainstTcpdump compares all lines of each packet of which the line
// without options is the same.
func TestOptionsAgainstTcpdump(t *testing.T) {
	testenv.Program(t, "tcpdump")
	options := map[string]decode.Printer{
		"-e": {LinkHeader: true}, "-q": {Quiet: true}, "-v": {Verbose: 1}, "-vv": {Verbose: 2}, "-x": {Dump: decode.DumpHex},
		"-xx": {Dump: decode.DumpHexLink}, "-X": {Dump: decode.DumpHexASCII}, "-XX": {Dump: decode.DumpHexASCIILink},
		"-A": {Dump: decode.DumpASCII}, "-AA": {Dump: decode.DumpASCIILink},
	}
	equal, deviated := make(map[string]int), make(map[string]bool)
	for _, path := range captures(t) {
		name := filepath.Base(path)
		plain, ok := dumpAll(t, "UTC", path)
		if !ok {
			continue
		}
		same := sameLines(t, path, plain)
		for flag, printer := range options {
			theirs, _ := dumpAll(t, "UTC", path, flag)
			printer.Location = time.UTC
			each(t, path, func(n int, pk *pcapfile.Packet) bool {
				ours := string(printer.Append(nil, pk))
				if n > len(theirs) || !same[n-1] || strings.HasPrefix(flag, "-v") && !verboseLine.MatchString(plain[n-1]) {
					return true
				}
				// tcpdump forgets what separates the two.
				want := strings.ReplaceAll(theirs[n-1], "802.3LLC", "802.3, LLC")
				switch reason := optionDeviations[strings.Replace(flag, "vv", "v", 1)][name]; {
				case reason != "":
					deviated[flag+name] = deviated[flag+name] || want != ours
				default:
					assert.Equal(t, want, ours, "%s %s packet %d", flag, name, n)
					equal[flag]++
				}
				return true
			})
		}
	}
	for flag, files := range optionDeviations {
		for name := range files {
			assert.True(t, deviated[flag+name], "%s with %s no longer deviates", name, flag)
		}
	}
	t.Logf("equal: %v", equal)
}

// sameLines tells which packets are printed like tcpdump prints them, on one line.
func sameLines(t testing.TB, path string, plain []string) []bool {
	t.Helper()
	same := make([]bool, len(plain))
	p := decode.Printer{Location: time.UTC}
	each(t, path, func(n int, pk *pcapfile.Packet) bool {
		ours := string(p.Append(nil, pk)) // time styles that look back need all packets
		if n <= len(plain) && decoded(pk.Interface.LinkType) {
			same[n-1] = ours == plain[n-1]
		}
		return true
	})
	return same
}
