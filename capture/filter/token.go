package filter

import "fmt"

type tokenKind uint8

const (
	tokEnd      tokenKind = iota
	tokKeyword            // a word of the language; word is its usual form
	tokName               // a name to be looked up, or one that a keyword takes
	tokNumber             // num
	tokDotted             // two to four numbers with dots between
	tokIPv6               // an IPv6 address
	tokEther              // a 48-bit hardware address
	tokShort              // an 8-bit hardware address, $xx
	tokOperator           // word
)

// A token is a piece of an expression. text is as written, but for a name the
// backslash before it is left out.
type token struct {
	kind     tokenKind
	word     string
	text     string
	num      uint32
	pos, len int
}

func (t token) is(word string) bool {
	return (t.kind == tokKeyword || t.kind == tokOperator) && t.word == word
}

func (t token) String() string {
	if t.kind == tokEnd {
		return "the end of the expression"
	}
	return fmt.Sprintf("%q", clip(t.text, longestQuote))
}

// keywords maps all words of the language to the form the parser knows, which is
// the word itself where the value is empty.
var keywords = map[string]string{
	"dst": "", "src": "", "link": "", "ether": "link", "ppp": "link", "slip": "link",
	"fddi": "link", "tr": "link", "wlan": "link",
	"arp": "", "rarp": "", "ip": "", "sctp": "", "tcp": "", "udp": "", "icmp": "", "igmp": "",
	"igrp": "", "pim": "", "vrrp": "", "carp": "", "radio": "", "ip6": "", "icmp6": "", "ah": "",
	"esp": "", "atalk": "", "aarp": "", "decnet": "", "lat": "", "sca": "", "moprc": "", "mopdl": "",
	"iso": "", "esis": "", "es-is": "esis", "isis": "", "is-is": "isis", "l1": "", "l2": "",
	"iih": "", "lsp": "", "snp": "", "csnp": "", "psnp": "", "clnp": "", "stp": "", "ipx": "",
	"netbeui": "", "host": "", "net": "", "mask": "", "port": "", "portrange": "", "proto": "",
	"protochain": "", "gateway": "", "type": "", "subtype": "", "direction": "dir", "dir": "",
	"address1": "addr1", "addr1": "", "address2": "addr2", "addr2": "", "address3": "addr3",
	"addr3": "", "address4": "addr4", "addr4": "", "ra": "", "ta": "", "less": "", "greater": "",
	"byte": "", "broadcast": "", "multicast": "", "and": "", "or": "", "not": "!", "len": "",
	"length": "len", "inbound": "", "outbound": "", "ifindex": "", "vlan": "", "mpls": "",
	"pppoed": "", "pppoes": "", "geneve": "", "vxlan": "", "lane": "", "llc": "", "metac": "",
	"bcc": "", "oam": "", "oamf4": "", "oamf4ec": "", "oamf4sc": "", "sc": "", "ilmic": "",
	"vpi": "", "vci": "", "connectmsg": "", "metaconnect": "", "on": "ifname", "ifname": "",
	"rset": "ruleset", "ruleset": "", "rnr": "", "rulenum": "rnr", "srnr": "", "subrulenum": "srnr",
	"reason": "", "action": "", "fisu": "", "lssu": "", "lsu": "lssu", "msu": "", "hfisu": "",
	"hlssu": "", "hmsu": "", "sio": "", "opc": "", "dpc": "", "sls": "", "hsio": "", "hopc": "",
	"hdpc": "", "hsls": "",
}

// namedNumbers are offsets and values of fields that have names.
var namedNumbers = map[string]uint32{
	"icmptype": 0, "icmpcode": 1,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5,
	"icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11,
	"icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15,
	"icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6type": 0, "icmp6code": 1,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
	"icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129,
	"icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131,
	"icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134,
	"icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139,
	"icmp6-nodeinformationresponse": 140, "icmp6-ineighbordiscoverysolicit": 141,
	"icmp6-ineighbordiscoveryadvert": 142, "icmp6-multicastlistenerreportv2": 143,
	"icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145,
	"icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152,
	"icmp6-multicastrouterterm": 153,

	"tcpflags": 13, "tcp-fin": 0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08,
	"tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40, "tcp-cwr": 0x80,
}
