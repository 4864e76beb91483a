package decode_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// dump runs tcpdump over a file. It returns what it says of each packet, of
// several lines the first, and whether it read the whole file.
func dump(t testing.TB, zone, path string, flags ...string) (lines []string, ok bool) {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, "tcpdump"), append(flags, "-#", "-nn", "-S", "-r", path)...)
	cmd.Env = append(os.Environ(), "TZ="+zone)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit)
	}
	for text := range strings.Lines(string(out)) {
		// -# numbers the packets; no other line goes on with the next number.
		if rest, ok := strings.CutPrefix(text, fmt.Sprintf("%5d  ", len(lines)+1)); ok {
			lines = append(lines, strings.TrimSuffix(rest, "\n"))
		}
	}
	return lines, err == nil
}

// dumpAll is dump with all lines of each packet.
func dumpAll(t testing.TB, zone, path string, flags ...string) (packets []string, ok bool) {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, "tcpdump"), append(flags, "-#", "-nn", "-S", "-r", path)...)
	cmd.Env = append(os.Environ(), "TZ="+zone)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit)
	}
	all, start, at := string(out), 0, 0
	for text := range strings.Lines(all) {
		if strings.HasPrefix(text, fmt.Sprintf("%5d  ", len(packets)+1)) {
			if start > 0 {
				packets[len(packets)-1] = strings.TrimSuffix(all[start:at], "\n")
			}
			packets, start = append(packets, ""), at+7
		}
		at += len(text)
	}
	if start > 0 {
		packets[len(packets)-1] = strings.TrimSuffix(all[start:], "\n")
	}
	return packets, err == nil
}

// What tcpdump's lines have in common with ours.
var (
	// Up to the length of a segment; what is behind looks into it.
	tcpLine = regexp.MustCompile(`^\S+ IP6? (truncated-ip6? - \d+ bytes missing! )?\S+ > \S+: Flags \[.*?length \d+`)
	// What tcpdump prints behind that, where we print it as well: it names HTTP by its
	// ports even where no message begins.
	tcpPayload = regexp.MustCompile(`length \d+(: (HTTP|SSH): | \d+\S* )`)
	udpLine    = regexp.MustCompile(`^\S+ IP6? (truncated-ip6? - \d+ bytes missing! )?\S+ > \S+: UDP, length \d+`)
	// Whole lines of what is in UDP.
	udpPayload = regexp.MustCompile(`^\S+ IP6? (truncated-ip6? - \d+ bytes missing! )?\S+ > \S+: ` +
		`(BOOTP/DHCP|NTP|dhcp6|RADIUS|SYSLOG|TFTP|SIP|domain|\d+\S* .*\(\d+\)$)`)
	// Whole lines of these protocols.
	wholeLine = regexp.MustCompile(`^\S+ (ARP, (Request|Reply)|IP6? \S+ > \S+: (ICMP echo|ICMP .*unreachable|ICMP time|(HBH )?` +
		`ICMP6, (echo|neighbor|router (s|a)|multicast listener report v2)))`)
	// Whole lines of link layers, tunnels and what routers say. What is in a tunnel is
	// compared where we decode it.
	otherLine = regexp.MustCompile(`^\S+ (` +
		`IP6? \S+ > \S+: (igmp (query|v[123]|leave|pimv1)|OSPFv|PIMv2|EIGRP|VRRPv|RSVPv|ESP\(|AH\(|sctp|GREv[01]|VXLAN|Geneve|RT6|IP6? \S+ > )` +
		`|MPLS|PPPoE|STP|LLDP|CDPv|LACPv|UDLDv|DTPv|VTPv|EAP|Loopback|NSH|LCP|IPCP|CCP|\S+ > \S+, ethertype Unknown)`)
	otherKind = regexp.MustCompile(`^(\S+ > \S+: )?(igmp|OSPF|PIM|EIGRP|VRRP|RSVP|ESP|AH|sctp|GRE|VXLAN|Geneve|RT6|MPLS|PPPoE|STP|LLDP|CDP|LACP|UDLD|DTP|VTP|EAP|Loopback|NSH|LCP|IPCP|CCP|IP6?|\S+ >)`)
	// What tcpdump doesn't decode, or prints on another line.
	inTunnel = regexp.MustCompile(`: (?:gre-proto-0x(?:88be|22eb)|ERSPAN .*)$|(VXLAN, flags \[.\] \(0x..\), vni \d+)(?:: .*)?$`)

	// Time, addresses and ports of any other.
	endsLine = regexp.MustCompile(`^\S+ IP6? (truncated-ip6? - \d+ bytes missing! )?\S+ > [0-9a-f.:]+:`)

	ourVLAN = regexp.MustCompile(`vlan \d+, p \d, (DEI, )?`)
	missing = regexp.MustCompile(`missing! ?`) // tcpdump has a space for IPv4 only
	ourFrag = regexp.MustCompile(` \(frag \d+:\d+@\d+\+?\)$`)
	mptcp   = regexp.MustCompile(`mptcp (\d+).*(\], length)`)
)

// decoded reports whether packets of a link type are looked into.
func decoded(t pcapfile.LinkType) bool {
	switch t {
	case 0, 1, 12, 14, 101, 108, 113, 228, 229, 276:
		return true
	}
	return false
}

// deviations are files in which lines differ, and why.
var deviations = map[string]string{
	"dns_udp_2.pcap":                         "cut within the answers: tcpdump says so only if it is within one",
	"bgp-aigp-oobr.pcap":                     "tcpdump says of an MD5 option that it has no secret",
	"bgp-bgp_capabilities_print-oobr-1.pcap": "flag AE, which tcpdump 4.99 doesn't print",
	"bgp-bgp_capabilities_print-oobr-2.pcap": "flag AE",
	"bgp_mp_reach_nlri-oobr.pcap":            "flag AE",
	"rpki-rtr-oobr.pcap":                     "flag AE",
	"beep-oobr.pcap":                         "flag AE, and options that were not captured",
	"icmp-rfc8335-missing-bytes.pcap":        "inside MACsec, which is not decoded",
	"macsec-short-longer.pcap":               "inside MACsec",
	"macsec-short-valid.pcap":                "inside MACsec",
	"macsec-integonly.pcap":                  "inside MACsec",
	"gre-heapoverflow-2.pcap":                "cut within a source route, which is not printed",
	"heapoverflow-ip_demux_print.pcap":       "cut within an ICV, of which we print nothing",
	"hoobr_pimv1.pcap":                       "cut within IGMP's header",
	"icmp-icmp_print-oobr-1.pcap":            "cut within VRRP's header",
	"ipv6-srh-tlv-hmac.pcap":                 "TLVs behind the addresses of a route, which tcpdump calls invalid",
	"ipv6-srh-tlv-pad1-padn-5.pcap":          "TLVs behind the addresses of a route",
	"lldp_8023_mtu-oobr.pcap":                "cut within a TLV that is not printed",
	"lldp_mgmt_addr_tlv_asan.pcap":           "cut within a TLV",
	"stp-v4-length-sigsegv.pcap":             "lengths within a BPDU that we don't look at",
	"tok2str-oobr-2.pcap":                    "LSP ping, which is not decoded",
	"timestamp_invalid_micro.pcap":           "microseconds beyond a million, which we add up",
	"timestamp_invalid_nano.pcap":            "nanoseconds beyond a thousand million, which we add up",
	"bigtcp-ipv6.pcap":                       "segments of more than 64 KiB, which tcpdump 4.99 calls cut",
	"bigtcp-ipv6-geneve-ipv6.pcap":           "segments of more than 64 KiB",
	"bigtcp-ipv6-vxlan-ipv4.pcap":            "segments of more than 64 KiB",
}

// compared takes the part out of two lines that they should have in common, and
// says which kind it is: "" if there is nothing to compare.
func compared(theirs, ours string) (want, got, kind string) {
	theirs = missing.ReplaceAllString(theirs, "missing! ")
	ours = ourFrag.ReplaceAllString(ourVLAN.ReplaceAllString(ours, ""), "")
	switch {
	case tcpLine.MatchString(theirs):
		want = mptcp.ReplaceAllString(tcpLine.FindString(theirs), "mptcp $1$2")
		got = mptcp.ReplaceAllString(tcpLine.FindString(ours), "mptcp $1$2")
		if payload := tcpPayload.FindStringSubmatchIndex(theirs); payload != nil {
			_, more, _ := strings.Cut(ours, tcpLine.FindString(ours))
			return want + theirs[payload[2]:], got + more, "payloads of TCP"
		}
		return want, got, "TCP segments"
	case udpPayload.MatchString(theirs):
		kind = udpPayload.FindStringSubmatch(theirs)[2]
		if kind[0] < 'A' {
			kind = "domain"
		}
		return theirs, ours, kind
	case udpLine.MatchString(theirs):
		return udpLine.FindString(theirs), udpLine.FindString(ours), "UDP"
	case wholeLine.MatchString(theirs):
		return theirs, ours, "lines of ICMP and ARP"
	case otherLine.MatchString(theirs):
		_, text, _ := strings.Cut(theirs, " ")
		kind = otherKind.FindStringSubmatch(strings.TrimPrefix(strings.TrimPrefix(text, "IP6 "), "IP "))[2]
		if strings.Contains(kind, ">") {
			kind = "unknown EtherTypes"
		}
		return inTunnel.ReplaceAllString(strings.TrimSuffix(theirs, ": "), "$1"), inTunnel.ReplaceAllString(ours, "$1"), kind
	case endsLine.MatchString(theirs):
		return endsLine.FindString(theirs), endsLine.FindString(ours), "addresses and ports of others"
	}
	return "", "", ""
}

// TestAgainstTcpdump holds the number of lines to tcpdump's for every file, and
// what is common to the lines for every packet of a link type that is decoded.
func TestAgainstTcpdump(t *testing.T) {
	testenv.Program(t, "tcpdump")
	files, packets := 0, 0
	equal, deviated := make(map[string]int), make(map[string]bool)
	for _, path := range captures(t) {
		theirs, ok := dump(t, "UTC", path)
		if !ok {
			continue
		}
		files++
		name := filepath.Base(path)
		p := decode.Printer{Location: time.UTC}
		ours := 0
		each(t, path, func(n int, pk *pcapfile.Packet) bool {
			ours++
			text := string(p.Append(nil, pk))
			assert.NotContains(t, text, "\n")
			if n > len(theirs) || !decoded(pk.Interface.LinkType) {
				return true
			}
			want, got, kind := compared(theirs[n-1], text)
			switch {
			case kind == "":
			case deviations[name] != "":
				deviated[name] = deviated[name] || want != got
			default:
				assert.Equal(t, want, got, "%s packet %d", path, n)
				equal[kind]++
			}
			return true
		})
		if len(theirs) > ours { // zeros, which tcpdump prints as packets without length
			empty := testenv.OdditiesOf(t, path).Empty
			require.Positive(t, empty, path)
			theirs = theirs[:empty-1]
		}
		assert.Equal(t, len(theirs), ours, path)
		packets += ours
	}
	for name := range deviations {
		assert.True(t, deviated[name], "%s no longer deviates", name)
	}
	t.Logf("%d files with %d packets: the same number of lines; equal: %v", files, packets, equal)
	for _, kind := range []string{"TCP segments", "payloads of TCP", "UDP", "domain", "BOOTP/DHCP", "NTP", "dhcp6", "RADIUS", "SYSLOG"} {
		assert.NotZero(t, equal[kind], kind)
	}
}

// TestTimesAgainstTcpdump compares whole lines in each style of time.
func TestTimesAgainstTcpdump(t *testing.T) {
	path := filepath.Join(testenv.Corpus(t), "dicom", "echo_ok.pcap")
	zone, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	for style, flag := range map[decode.TimeStyle]string{
		decode.TimeOfDay: "", decode.TimeNone: "-t", decode.TimeUnix: "-tt",
		decode.TimeDelta: "-ttt", decode.TimeDate: "-tttt", decode.TimeOffset: "-ttttt",
	} {
		flags := []string{flag}
		if flag == "" {
			flags = nil
		}
		want, ok := dump(t, zone.String(), path, flags...)
		require.True(t, ok)
		require.NotEmpty(t, want)
		p := decode.Printer{Time: style, Location: zone}
		var got []string
		each(t, path, func(_ int, pk *pcapfile.Packet) bool {
			text, _, _ := strings.Cut(string(p.Append(nil, pk)), ": DICOM ") // tcpdump has no such thing
			got = append(got, text)
			return true
		})
		assert.Equal(t, want, got, flag)
	}
}

// TestSLL2AgainstTcpdump compares direction and columns. The number of the
// interface is one that no machine has: tcpdump would take the name of ours.
func TestSLL2AgainstTcpdump(t *testing.T) {
	var file []byte
	file = pcapfile.AppendFileHeader(file, pcapfile.LinkTypeLinuxSLL2, 0, true)
	var ours []string
	for typ := range byte(6) {
		pk := packet(t, pcapfile.LinkTypeLinuxSLL2, "0800 0000 7fff0001 0001 00 06 0242000000020000"+ip4UDP+"9000 1234 000c 0000"+data4)
		pk.Data[10] = typ
		file = pcapfile.AppendRecord(file, at.UnixNano(), pk.Data, pk.Length, true)
		text := line(pk)
		assert.Contains(t, text, " #2147418113 ")
		ours = append(ours, strings.Replace(text, "#2147418113", "?    ", 1))
	}
	path := filepath.Join(t.TempDir(), "sll2.pcap")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	theirs, ok := dump(t, "UTC", path)
	require.True(t, ok)
	assert.Equal(t, theirs, ours)
}
