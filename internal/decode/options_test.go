package decode_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

// TestMadeAgainstTcpdump compares packets of kinds that the corpus doesn't have.
func TestMadeAgainstTcpdump(t *testing.T) {
	const (
		ip6Quote = "60000000 000c 11 40" + ip6Head + "9000 1234 000c 0000" + data4
		inner    = ip4UDP + udp4 + data4
	)
	// Headers of IPv4 without a checksum: -v says on both sides that it is wrong.
	ip4 := func(protocol, payload string) string {
		n := len(strings.ReplaceAll(payload, " ", "")) / 2
		return fmt.Sprintf("4500%04x 00010000 40%s0000 c0000201 c0000202 ", 20+n, protocol) + payload
	}
	ip6 := func(next, payload string) string {
		n := len(strings.ReplaceAll(payload, " ", "")) / 2
		return fmt.Sprintf("60000000 %04x %s 40 ", n, next) + ip6Head + payload
	}
	everywhere := []string{"", "-e", "-q", "-v", "-eXX"}
	for _, tt := range []struct {
		name  string
		link  pcapfile.LinkType
		data  string
		flags []string
	}{
		{"vlan with DEI", 1, macs + "8100 b007 0800" + inner, []string{"-e", "-eq", "-eX"}},
		{"vlan in vlan", 1, macs + "88a8 000c 8100 0007 86dd" + ip6("11", udp4+data4), []string{"-e", "-eXX"}},
		{"null", 0, "02000000" + inner, everywhere},
		{"loop", 108, "00000002" + inner, everywhere},
		{"raw", 101, inner, everywhere},
		{"ppp", 9, "ff030021" + inner, everywhere},
		{"lcp", 9, "ff03c021 01 07 0008 00000000", []string{"", "-e"}},
		{"sll", 113, "0004 0001 0006 024200000002 0000 0800" + inner, everywhere},
		{"gre", 101, ip4("2f", "00000800"+inner), everywhere},
		{"gre, checksum, key and sequence", 101, ip4("2f", "b0000800 00000000 000003e8 00000007"+inner), everywhere},
		{"nvgre", 101, ip4("2f", "20006558 00138901"+macs+"0800"+inner), []string{"", "-e"}},
		{"geneve", 101, ip4("11", "9000 17c1 0040 0000 0000 6558 00138900"+macs+"0800"+inner), []string{"", "-e"}},
		{"ipv6 in ipv4", 101, ip4("29", ip6("11", udp4+data4)), []string{"", "-v"}},
		{"ipv4 in ipv6", 101, ip6("04", inner), []string{"", "-v"}},
		{"mpls", 1, macs + "8847 00064040 00065140" + inner, []string{"", "-e", "-v"}},
		{"pppoe", 1, macs + "8864 1100 0017 0022 0021" + inner, []string{"", "-e"}},
		{"pppoe discovery", 1, macs + "8863 1109 0000 0010 0101 0000 0103 0008 0102030405060708", []string{"", "-e"}},
		{"esp", 101, ip4("32", "00001000 0000002a 01020304"), everywhere},
		{"ah", 101, ip4("33", "11040000 00001000 00000001 000102030405060708090a0b"+udp4+data4), []string{"", "-v"}},
		{"sctp", 101, ip4("84", "9000 1234 00000001 00000000 0700 0008 00000005 0b00 0004 0600 0004"), []string{"", "-e"}},
		{"icmp time exceeded", 101, ip4("01", "0b00 0000 00000000"+inner), []string{"", "-v"}},
		{"icmp redirect", 101, ip4("01", "0501 0000 0a0000fe"+inner), []string{"", "-v"}},
		{"icmp admin prohibited", 101, ip4("01", "030d 0000 00000000"+inner), []string{"", "-v"}},
		{"icmpv6 port unreachable", 101, ip6("3a", "0104 0000 00000000"+ip6Quote), []string{"", "-e"}},
		{"icmpv6 too big", 101, ip6("3a", "0200 0000 00000500"+ip6Quote), []string{"", "-e"}},
		{"icmpv6 time exceeded", 101, ip6("3a", "0300 0000 00000000"+ip6Quote), []string{"", "-e"}},
		{"icmp redirect for a service", 101, ip4("01", "0503 0000 0a0000fe"+inner), []string{""}},
		{"icmp redirect, unknown", 101, ip4("01", "0509 0000 0a0000fe"+inner), []string{""}},
		{"icmpv6 parameter problem, a field", 101, ip6("3a", "0400 0000 00000028"+ip6Quote), []string{""}},
		{"icmpv6 parameter problem", 101, ip6("3a", "0401 0000 00000028"+ip6Quote), []string{"", "-e"}},
		{"mld query", 101, ip6("3a", "8200 0000 03e80000"+strings.Repeat("00", 16)), []string{""}},
		{"mld report", 101, ip6("3a", "8300 0000 00000000 ff0200000000000000000000000000fb"), []string{""}},
		{"mld done", 101, ip6("3a", "8400 0000 00000000 ff0200000000000000000000000000fb"), []string{""}},
		{"igmp leave", 101, ip4("02", "1700e8fe effffffa"), everywhere},
		{"igmp v3 report", 101, ip4("02", "22000000 00000001 04000000 e00000fb"), []string{"", "-e"}},
		{"options of ipv6", 101, ip6("00", "1100 0502 0000 0100"+udp4+data4), []string{"", "-v"}},
		{"ipv6, the whole as a fragment", 101, ip6("2c", "11000000 00000009"+udp4+data4), []string{"", "-v"}},
		{"options of ipv4", 101, "46000024 00010000 40110000 0a000001 0a000002 94040000" + udp4 + data4, []string{"", "-v"}},
		{"tcp, wrong checksum", 101, ip4TCP + tcpPSH + data4, everywhere},
		{"ospf", 101, ip4("59", "0201 002c 0a000001 00000000 0000 0000 0000000000000000 ffffff00 000a 02 01 00000028 0a000001 00000000"), []string{"", "-e"}},
		{"vrrp", 101, ip4("70", "2101 6401 0001 0000 0a0000fe 0000000000000000"), []string{"", "-e"}},
		{"arp reply", 1, macs + "0806 0001 0800 06 04 0002 024200000001 0a000001 024200000002 0a000002", everywhere},
		{"stp", 1, "0180c2000000 024200000001 0026 424203 0000 00 00 00 8000024200000001 00000000 8000024200000001 8001 0000 1400 0200 0f00", everywhere},
		{"lldp", 1, "0180c200000e 024200000001 88cc 0207 04 024200000001 0405 05 65746830 0602 0078 0a06 737769746368 0000", []string{"", "-e"}},
		{"lacp", 1, "0180c2000002 024200000001 8809 0101" + strings.Repeat("00", 108), []string{"", "-e"}},
	} {
		pk := packet(t, tt.link, tt.data)
		path := filepath.Join(t.TempDir(), "made.pcap")
		file := pcapfile.AppendFileHeader(nil, tt.link, 0, true)
		file = pcapfile.AppendRecord(file, at.UnixNano(), pk.Data, pk.Length, true)
		require.NoError(t, os.WriteFile(path, file, 0o600))
		for _, flag := range tt.flags {
			p := decode.Printer{
				Location: time.UTC, LinkHeader: strings.Contains(flag, "e"), Quiet: strings.Contains(flag, "q"), Verbose: strings.Count(flag, "v"),
			}
			switch {
			case strings.Contains(flag, "XX"):
				p.Dump = decode.DumpHexASCIILink
			case strings.Contains(flag, "X"):
				p.Dump = decode.DumpHexASCII
			}
			flags := []string{"-n"}
			if flag != "" {
				flags = append(flags, flag)
			}
			theirs, ok := dumpAll(t, "UTC", path, flags...)
			require.True(t, ok)
			require.Len(t, theirs, 1, tt.name)
			// tcpdump forgets the space.
			want := regexp.MustCompile(`(query|report|done)max resp`).ReplaceAllString(theirs[0], "$1 max resp")
			assert.Equal(t, want, string(p.Append(nil, pk)), "%s %s", tt.name, flag)
		}
	}
}
