package filter

// EtherTypes and, up to maxLength, LLC service access points: one number space,
// as a length field never reaches 1536.
const (
	maxLength = 1500

	sapIP      = 0x06
	sapSTP     = 0x42
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0
	sapISO     = 0xfe

	etherNS     = 0x0600
	etherIP     = 0x0800
	etherARP    = 0x0806
	etherMOPDL  = 0x6001
	etherMOPRC  = 0x6002
	etherDECnet = 0x6003
	etherLAT    = 0x6004
	etherSCA    = 0x6007
	etherTEB    = 0x6558
	etherRARP   = 0x8035
	etherATalk  = 0x809b
	etherAARP   = 0x80f3
	ether8021Q  = 0x8100
	etherIPX    = 0x8137
	etherIPv6   = 0x86dd
	etherSlow   = 0x8809
	etherMPLS   = 0x8847
	etherPPPoED = 0x8863
	etherPPPoES = 0x8864
	ether8021AD = 0x88a8
	etherLLDP   = 0x88cc
	etherLoop   = 0x9000
	etherQinQ   = 0x9100
)

// PPP protocols.
const (
	pppIP     = 0x0021
	pppNS     = 0x0025
	pppDECnet = 0x0027
	pppATalk  = 0x0029
	pppIPX    = 0x002b
	pppVJC    = 0x002d
	pppVJNC   = 0x002f
	pppBridge = 0x0031
	pppOSI    = 0x0023
	pppIPv6   = 0x0057
	pppMPLS   = 0x0281
)

// Protocols above IP, and NLPIDs of OSI.
const (
	protoICMP     = 1
	protoIGMP     = 2
	protoTCP      = 6
	protoIGRP     = 9
	protoUDP      = 17
	protoFragment = 44
	protoESP      = 50
	protoAH       = 51
	protoICMPv6   = 58
	protoNone     = 59
	protoPIM      = 103
	protoVRRP     = 112
	protoSCTP     = 132

	nlpidCLNP = 0x81
	nlpidESIS = 0x82
	nlpidISIS = 0x83
)

const (
	genevePort = 6081
	vxlanPort  = 4789
)

// etherNames are the names that link proto takes, llcNames those of service
// access points.
var etherNames = map[string]uint32{
	"aarp": etherAARP, "arp": etherARP, "atalk": etherATalk, "decnet": etherDECnet,
	"ip": etherIP, "ip6": etherIPv6, "lat": etherLAT, "lldp": etherLLDP, "loopback": etherLoop,
	"mopdl": etherMOPDL, "moprc": etherMOPRC, "rarp": etherRARP, "sca": etherSCA, "slow": etherSlow,
}

var llcNames = map[string]uint32{"iso": sapISO, "stp": sapSTP, "ipx": sapIPX, "netbeui": sapNetBEUI}

var isoNames = map[string]uint32{"clnp": nlpidCLNP, "esis": nlpidESIS, "isis": nlpidISIS}

// linkProtocols are the protocols that the link layer names.
var linkProtocols = map[string]uint32{
	"ip": etherIP, "ip6": etherIPv6, "arp": etherARP, "rarp": etherRARP, "atalk": etherATalk,
	"aarp": etherAARP, "decnet": etherDECnet, "sca": etherSCA, "lat": etherLAT, "mopdl": etherMOPDL,
	"moprc": etherMOPRC, "iso": sapISO, "stp": sapSTP, "ipx": sapIPX, "netbeui": sapNetBEUI,
}

// ipProtocols are the protocols above IPv4, IPv6 or both.
var ipProtocols = map[string]struct {
	number     uint32
	ipv4, ipv6 bool
}{
	"tcp": {protoTCP, true, true}, "udp": {protoUDP, true, true}, "sctp": {protoSCTP, true, true},
	"ah": {protoAH, true, true}, "esp": {protoESP, true, true}, "pim": {protoPIM, true, true},
	"icmp": {protoICMP, true, false}, "igmp": {protoIGMP, true, false}, "igrp": {protoIGRP, true, false},
	"vrrp": {protoVRRP, true, false}, "carp": {protoVRRP, true, false},
	"icmp6": {protoICMPv6, false, true},
}

// isisPDUs are the PDU types that the abbreviations for IS-IS stand for.
var isisPDUs = map[string][]uint32{
	"l1":   {15, 17, 18, 24, 26},
	"l2":   {16, 17, 20, 25, 27},
	"iih":  {15, 16, 17},
	"lsp":  {18, 20},
	"snp":  {24, 26, 25, 27},
	"csnp": {24, 25},
	"psnp": {26, 27},
}
