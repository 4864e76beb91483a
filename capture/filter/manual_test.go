package filter

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// TestManual goes through pcap-filter(7) primitive by primitive, with the
// examples it ends with, and compares with tcpdump on several link types.
func TestManual(t *testing.T) {
	v := &rival{t: t, tcpdump: testenv.Program(t, "tcpdump"), packets: corpusPackets(t)}
	links := []LinkType{
		LinkTypeEthernet, LinkTypeLinuxSLL2, LinkTypeRaw, LinkTypePPP, LinkTypeIEEE80211, LinkTypeIEEE80211Radio,
	}
	for n, expr := range manualExpressions {
		for _, link := range links {
			v.compare(rand.New(rand.NewPCG(13, uint64(n))), link, expr)
		}
	}
	t.Logf("%d compiled by both, %d refused by both, %d never match; %d instructions, libpcap's %d",
		v.compiled, v.refused, v.never, v.ours, v.theirs)
	require.Greater(t, v.compiled, 2*len(manualExpressions))
	require.Less(t, v.ours, v.theirs)
}

// TestLinkTypes does the same with a few expressions on all link types that both
// know, but for those of which libpcap 1.10 knows less than 1.11, or by mistake more.
func TestLinkTypes(t *testing.T) {
	v := &rival{t: t, tcpdump: testenv.Program(t, "tcpdump"), packets: corpusPackets(t)}
	known := 0
	for n, link := range slices.Sorted(maps.Keys(linkTypeNames)) {
		switch link {
		case linkTypeDSABroadcom, linkTypeDSAMarvell, linkTypeBACnet, linkTypeARCNet, linkTypeARCNetLinux:
			continue
		}
		if _, says := askTcpdump(t, v.tcpdump, link, "len > 1"); says != "" {
			continue
		}
		known++
		for _, expr := range []string{
			"ip", "arp", "ip6 and not udp", "tcp port 80", "host 10.0.0.1", "net 2001:db8::/32", "ether host 0:1:2:3:4:5",
			"broadcast", "multicast", "llc", "stp", "atalk", "ipx", "iso", "isis", "decnet host 1.2", "vlan 5 and arp", "mpls 7 and ip",
			"pppoes 7 and ip", "geneve and arp", "ip[2:2] > 100", "ether[3] = 1",
		} {
			v.compare(rand.New(rand.NewPCG(19, uint64(n))), link, expr)
		}
	}
	t.Logf("%d link types: %d expressions compiled by both, %d refused by both, %d never match; %d verdicts",
		known, v.compiled, v.refused, v.never, v.verdicts)
	require.Greater(t, known, 60)
	require.Greater(t, v.compiled, 500)
}

// manualExpressions lack what libpcap 1.10 gets wrong: PDU types of IS-IS, ip
// multicast and byte. TestAccept has them from libpcap 1.11.
var manualExpressions = []string{
	"dst host 192.0.2.1", "src host 192.0.2.1", "host 192.0.2.1", "ip host 192.0.2.1", "arp host 192.0.2.1",
	"rarp src host 192.0.2.1", "ip6 host 2001:db8::1", "host 2001:db8::1", "ether dst 0:1:2:3:4:5",
	"ether src host 00-01-02-03-04-05", "ether host 0001.0203.0405", "ether host 000102030405",
	"dst net 192.0.2.0/24", "src net 192.0.2", "net 192.0", "net 10", "net 192.0.2.0 mask 255.255.255.0",
	"net 2001:db8::/32", "net 128.0.0.0/1", "net 0.0.0.0/0", "dst port 80", "src port 80", "port 80", "port http",
	"tcp port domain", "udp port domain", "sctp port 2905", "tcp src port 80", "dst portrange 6000-6008",
	"src portrange 6008-6000", "tcp portrange 6000-6008", "portrange 0-65535", "portrange ftp-http",
	"less 128", "greater 128", "len <= 128", "ip proto 6", `ip proto \tcp`, `ip6 proto \icmp`, `proto \udp`, "ip6 proto 6",
	"proto 17", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "pim", "vrrp", "carp", "ah", "esp", "igrp",
	"ether broadcast", "broadcast", "ether multicast", "multicast", "ip6 multicast",
	`ether proto \ip`, `ether proto \ip6`, `ether proto \arp`, `ether proto \rarp`, `ether proto \atalk`,
	`ether proto \aarp`, `ether proto \decnet`, `ether proto \iso`, `ether proto \stp`, `ether proto \ipx`,
	`ether proto \netbeui`, "ether proto 0x88cc", `ether proto \lat`, `ether proto \moprc`, `ether proto \mopdl`,
	"ip", "ip6", "arp", "rarp", "atalk", "aarp", "decnet", "iso", "stp", "ipx", "netbeui", "lat", "moprc", "mopdl", "sca",
	"decnet src 1.2", "decnet dst 10.1", "decnet host 1.2", "llc", "llc i", "llc s", "llc u", "llc rr", "llc rnr", "llc rej",
	"llc ui", "llc ua", "llc disc", "llc sabme", "llc test", "llc xid", "llc frmr", "wlan host 0:1:2:3:4:5",
	"wlan src 0:1:2:3:4:5", "wlan dst 0:1:2:3:4:5", "wlan ra 0:1:2:3:4:5", "wlan ta 0:1:2:3:4:5",
	"wlan addr1 0:1:2:3:4:5", "wlan addr2 0:1:2:3:4:5", "wlan addr3 0:1:2:3:4:5", "wlan addr4 0:1:2:3:4:5",
	"type mgt", "type ctl", "type data", "type mgt subtype assoc-req", "type mgt subtype probe-resp",
	"type ctl subtype rts", "type data subtype qos-data", "subtype beacon", "subtype cf-end", "dir nods", "dir tods",
	"dir fromds", "dir dstods", "dir 2", "vlan", "vlan 300", "vlan and ip", "vlan && vlan 300 && ip", "vlan or tcp port 80",
	"tcp port 80 or vlan", "not vlan and tcp port 80", "mpls", "mpls 1024", "mpls 100000 && mpls 1024", "mpls and host 10.0.0.1",
	"pppoed", "pppoes", "pppoes 0x27", "pppoes and ip", "pppoes 0x27 and tcp port 80", "geneve", "geneve 0xb", "geneve and ip",
	"geneve 11 and tcp port 80", "iso proto 0x81", `iso proto \isis`, "clnp", "esis", "isis",
	"ether[0] & 1 != 0", "ip[0] & 0xf != 5", "ip[6:2] & 0x1fff = 0", "icmp[icmptype] = icmp-echo",
	"icmp[icmpcode] = 0", "icmp6[icmp6type] = icmp6-echo", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"tcp[tcpflags] = tcp-syn", "tcp[tcpflags] & (tcp-rst|tcp-push|tcp-ack|tcp-urg|tcp-ece|tcp-cwr) == 0",
	"tcp[0:2] > 1023", "udp[4:2] = 8", "sctp[0:2] = 80", "ip6[6] = 58", "arp[6:2] = 1", "igmp[0] = 0x16", "pim[0] = 0x20",
	"vrrp[0] = 0x21", "ip[8] < 5", "ip[2:2] % 4 = 0", "ip[8] ^ 1 = 0", "ip[8] << 2 > 100", "ip[8] >> 2 > 10",
	"-ip[8] = 0xffffffc0", "len - 14 = ip[2:2]", "ip[ip[0] & 0xf] = 0", "byte 0 = 1",
	"protochain 6", "ip protochain 17", `ip6 protochain \tcp`,
	// The examples.
	"host 192.0.2.1", "host 192.0.2.1 and \\( 192.0.2.2 or 192.0.2.3 \\)", "host 192.0.2.1 and (192.0.2.2 or 192.0.2.3)",
	"ip host 192.0.2.1 and not 192.0.2.9", "net 192.0.2 and (port ftp or ftp-data)", "port 80 or 443",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 192.0.2.0/24",
	"tcp[tcpflags] & (tcp-rst|tcp-ack) == (tcp-rst|tcp-ack)",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"ip[2:2] > 576", "ether[0] & 1 = 0 and ip[16] >= 224", "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
	"tcp dst port ftp or ftp-data or domain", "not host 10.0.0.1 and 10.0.0.2", "not (host 10.0.0.1 and 10.0.0.2)",
	"ip and not net 10", "host 10.0.0.1 and not arp", "src or dst port 80", "src and dst port 80", "src or dst net 10",
}
