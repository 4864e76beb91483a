package filter

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A sentence makes expressions of the language by chance, out of few enough
// values that their parts have to do with one another.
type sentence struct {
	r    *rand.Rand
	link LinkType
}

func (s *sentence) pick(list ...string) string { return list[s.r.IntN(len(list))] }

func (s *sentence) maybe(words ...string) string {
	if s.r.IntN(2) == 0 {
		return ""
	}
	return s.pick(words...) + " "
}

func (s *sentence) expr(depth int) string {
	n := 1 + s.r.IntN(3)
	parts := make([]string, 0, 2*n)
	for i := range n {
		if i > 0 {
			parts = append(parts, s.pick("and", "and", "or", "or", "&&", "||"))
		}
		parts = append(parts, s.term(depth))
	}
	return strings.Join(parts, " ")
}

func (s *sentence) term(depth int) string {
	switch {
	case s.r.IntN(5) == 0:
		return s.pick("not ", "!", "not not ") + s.term(depth)
	case depth > 0 && s.r.IntN(3) == 0:
		return "(" + s.expr(depth-1) + ")"
	case s.r.IntN(3) == 0:
		return s.relation()
	}
	return s.primitive()
}

func (s *sentence) ids(one func() string) string {
	switch s.r.IntN(6) {
	case 0:
		return "(" + one() + s.pick(" or ", " and ") + one() + ")"
	case 1:
		return one() + " or " + one()
	case 2:
		return "not " + one()
	}
	return one()
}

func (s *sentence) primitive() string {
	dir := s.maybe("src", "dst", "src or dst", "src and dst")
	switch s.r.IntN(20) {
	case 0, 1:
		return s.maybe("ip", "arp", "rarp") + s.pick("host ", "src ", "dst ", "src host ") + s.ids(s.ipv4)
	case 2:
		return s.maybe("ip", "arp") + dir + "net " + s.ids(func() string {
			return s.pick("10.0.0.0/8", "10.1", "10.1.2", "192.168.0.0/16", "192.168.1.0 mask 255.255.255.0", "172.16/12", "10", "224.0.0.0/4")
		})
	case 3:
		return s.maybe("ip6") + dir + s.pick("host ", "net ") + s.ids(func() string {
			return s.pick("::1", "fe80::1", "2001:db8::1", "2001:db8::2", "ff02::1")
		})
	case 4:
		return s.maybe("ip6") + dir + "net " + s.ids(func() string {
			return s.pick("fe80::/10", "2001:db8::/32", "2001:db8::/33", "::/0", "2001:db8:0:1::/64", "ff00::/8")
		})
	case 5, 6, 7:
		return s.maybe("tcp", "udp", "sctp") + dir + "port " + s.ids(s.port)
	case 8:
		a, b := s.port(), s.port()
		return s.maybe("tcp", "udp") + dir + "portrange " + a + "-" + b
	case 9, 10:
		return s.pick("ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "esp", "ah", "pim", "vrrp")
	case 11:
		return s.pick("ip", "ip6", "arp", "atalk", "aarp", "ipx", "stp", "netbeui", "iso", "decnet", "lat", "isis", "clnp")
	case 12:
		return s.pick("ip ", "ip6 ", "") + "proto " + s.pick("6", "17", "1", "58", "44", `\tcp`, `\udp`)
	case 13:
		return "ether proto " + s.pick("0x800", "0x86dd", `\arp`, "0x8100", "6", "0xe0", "1500", "2000")
	case 14:
		return s.pick("less ", "greater ") + s.pick("60", "64", "100")
	case 15:
		return s.pick("broadcast", "multicast", "ip6 multicast", "ether broadcast")
	case 16:
		return "ether " + s.pick("host ", "src ", "dst ", "src host ") + s.pick("00:01:02:03:04:05", "ff:ff:ff:ff:ff:ff", "0:1:2:3:4:6")
	case 17:
		return s.pick("llc", "llc i", "llc s", "llc ui", "inbound and len > 0", "byte 0 = 4", "byte 3 > 7")
	case 18:
		return s.pick("vlan", "vlan 5", "vlan 100", "mpls", "mpls 100", "pppoed", "pppoes", "pppoes 7")
	}
	if s.link == LinkTypeIEEE80211 || s.link == LinkTypeIEEE80211Radio {
		return s.pick("type mgt", "type data", "type ctl subtype ack", "subtype beacon", "dir fromds", "dir nods",
			"wlan ra 00:01:02:03:04:05", "wlan ta 00:01:02:03:04:05", "wlan addr4 00:01:02:03:04:05", "wlan addr2 0:1:2:3:4:6")
	}
	return s.pick("vlan", "ip", "tcp port 80", "host 10.0.0.1")
}

func (s *sentence) ipv4() string {
	return s.pick("10.0.0.1", "10.0.0.2", "10.0.0.3", "192.168.1.1", "224.0.0.1", "10.1", "0x0a000001")
}

func (s *sentence) port() string {
	return s.pick("22", "23", "53", "80", "443", "1024", "65535", "0", "8080")
}

func (s *sentence) relation() string {
	if s.link == LinkTypeIEEE80211 || s.link == LinkTypeIEEE80211Radio {
		// Of several operands libpcap checks the first only; see doc.go.
		return fmt.Sprintf("%s[%s] %s %s", s.pick("ip", "tcp", "udp", "ip6", "arp"), s.pick("0", "1", "9", "tcpflags", "2:2", "12:4"),
			s.pick("=", "!=", "<", ">="), s.number())
	}
	return s.arith(2) + " " + s.pick("=", "==", "!=", "<", ">", "<=", ">=") + " " + s.pick(s.number(), s.number(), s.number(), s.arith(1))
}

func (s *sentence) number() string {
	return s.pick("0", "1", "2", "4", "5", "6", "8", "17", "0x40", "0x45", "64", "80", "0xff", "0x800", "1500", "0xffffffff", "tcp-syn", "icmp-echo")
}

func (s *sentence) arith(depth int) string {
	if depth == 0 || s.r.IntN(3) == 0 {
		switch s.r.IntN(6) {
		case 0:
			return s.number()
		case 1:
			return "len"
		}
		proto := s.pick("ip", "ip", "tcp", "tcp", "udp", "ip6", "icmp", "icmp6", "ether", "arp", "link")
		index := s.pick("0", "1", "2", "6", "8", "9", "12", "13", "tcpflags", "icmptype", "20")
		if depth > 0 && s.r.IntN(4) == 0 {
			index = s.arith(depth - 1)
		}
		return fmt.Sprintf("%s[%s%s]", proto, index, s.pick("", "", ":1", ":2", ":4"))
	}
	if s.r.IntN(8) == 0 {
		return "(" + s.arith(depth-1) + " " + s.pick("+", "&") + " " + s.arith(depth-1) + ")"
	}
	if s.r.IntN(12) == 0 {
		return "- " + s.arith(depth-1)
	}
	return s.arith(depth-1) + " " + s.pick("+", "-", "*", "/", "&", "&", "&", "|", "<<", ">>", "%", "^") + " " + s.arith(depth-1)
}
