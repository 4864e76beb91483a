package decode_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"netcap/internal/decode"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// verboseLine are lines of which -v tells no more than we tell too.
var verboseLine = regexp.MustCompile(`^\S+ (ARP|(MPLS.*\) )?IP6? (truncated-ip6? - \d+ bytes missing! ?)?\S+ > \S+: ` +
	`(Flags.*length \d+$|UDP, length|ICMP |igmp (query|v[12]|leave)|ESP|ICMP6, (echo|neighbor advertisement)))`)

// veryVerboseLine are those of which -vv doesn't.
var veryVerboseLine = regexp.MustCompile(`^\S+ IP6? \S+ > \S+: (Flags.*length \d+$|UDP, length)`)

// optionDeviations are files with packets that are printed alike without an option
// and differ with it, and why.
var optionDeviations = map[string]map[string]string{
	"-e": {"tftp-heapoverflow.pcap": "a longer address than its field has room for: we print what is there", "stp-heapoverflow-2.pcap": cutHeader, "mpls-label-heapoverflow.pcap": cutHeader},
	"-v": {"afs.pcap": "ICMP about Rx, which is not decoded", "icmp-cksum-oobr-1.pcap": "extensions of ICMP", "icmp-cksum-oobr-3.pcapng": "extensions of ICMP"},
	"-x": {"stp-heapoverflow-2.pcap": cutHeader, "mpls-label-heapoverflow.pcap": cutHeader},
	"-A": {"stp-heapoverflow-2.pcap": cutHeader, "mpls-label-heapoverflow.pcap": cutHeader},
}

const cutHeader = "where a header is cut, tcpdump takes all of the packet for the network layer's"

// TestOptionsAgainstTcpdump compares all lines of each packet of which the line
// without options is the same.
func TestOptionsAgainstTcpdump(t *testing.T) {
	testenv.Program(t, "tcpdump")
	// Together, since starting tcpdump takes most of the time.
	options := map[string]decode.Printer{
		"-eX": {LinkHeader: true, Dump: decode.DumpHexASCII}, "-xq": {Quiet: true, Dump: decode.DumpHex},
		"-v": {Verbose: 1}, "-vvxx": {Verbose: 2, Dump: decode.DumpHexLink}, "-A": {Dump: decode.DumpASCII},
		"-eqXX": {LinkHeader: true, Quiet: true, Dump: decode.DumpHexASCIILink},
	}
	equal, deviated := make(map[string]int), make(map[string]bool)
	for _, path := range captures(t) {
		name := filepath.Base(path)
		plain, ok := dumpAll(t, "UTC", path)
		if !ok {
			continue
		}
		same := sameLines(t, path, plain)
		if !slices.Contains(same, true) {
			continue
		}
		for flag, printer := range options {
			theirs, _ := dumpAll(t, "UTC", path, flag)
			printer.Location = time.UTC
			each(t, path, func(n int, pk *pcapfile.Packet) bool {
				ours := string(printer.Append(nil, pk))
				switch {
				case n > len(theirs), !same[n-1], strings.HasPrefix(flag, "-v") && !verboseLine.MatchString(plain[n-1]),
					strings.HasPrefix(flag, "-vv") && !veryVerboseLine.MatchString(plain[n-1]):
					return true
				}
				// tcpdump forgets what separates the two.
				want := strings.ReplaceAll(theirs[n-1], "802.3LLC", "802.3, LLC")
				switch reason := optionDeviations[flag[:2]][name]; {
				case reason != "":
					deviated[flag[:2]+name] = deviated[flag[:2]+name] || want != ours
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
