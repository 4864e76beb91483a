package filter

import (
	"fmt"
	"strings"
)

// A LinkType says what packets begin with, by the LINKTYPE_ number that pcap and
// pcapng files have. The zero value is BSD loopback encapsulation, as in files;
// a nil Config means Ethernet.
type LinkType uint16

// The link types that most programs meet. ParseLinkType knows all.
const (
	LinkTypeNull            LinkType = 0
	LinkTypeEthernet        LinkType = 1
	LinkTypePPP             LinkType = 9
	LinkTypeRaw             LinkType = 101
	LinkTypeIEEE80211       LinkType = 105
	LinkTypeLoop            LinkType = 108
	LinkTypeLinuxSLL        LinkType = 113
	LinkTypeIEEE80211Radio  LinkType = 127
	LinkTypeIPv4            LinkType = 228
	LinkTypeIPv6            LinkType = 229
	LinkTypeLinuxSLL2       LinkType = 276
	linkTypeIEEE802         LinkType = 6
	linkTypeARCNet          LinkType = 7
	linkTypeSLIP            LinkType = 8
	linkTypeFDDI            LinkType = 10
	linkTypePPPSerial       LinkType = 50
	linkTypePPPEther        LinkType = 51
	linkTypeSymantec        LinkType = 99
	linkTypeATM             LinkType = 100
	linkTypeSLIPBSDOS       LinkType = 102
	linkTypePPPBSDOS        LinkType = 103
	linkTypeCHDLC           LinkType = 104
	linkTypeATMClip         LinkType = 106
	linkTypeFrameRelay      LinkType = 107
	linkTypeEnc             LinkType = 109
	linkTypeLocalTalk       LinkType = 114
	linkTypePFLog           LinkType = 117
	linkTypePrism           LinkType = 119
	linkTypeIPOverFC        LinkType = 122
	linkTypeSunATM          LinkType = 123
	linkTypeARCNetLinux     LinkType = 129
	linkTypeJuniperMLPPP    LinkType = 130
	linkTypeJuniperMLFR     LinkType = 131
	linkTypeJuniperES       LinkType = 132
	linkTypeJuniperGGSN     LinkType = 133
	linkTypeJuniperMFR      LinkType = 134
	linkTypeJuniperATM2     LinkType = 135
	linkTypeJuniperServices LinkType = 136
	linkTypeJuniperATM1     LinkType = 137
	linkTypeAppleIEEE1394   LinkType = 138
	linkTypeMTP2WithPHDR    LinkType = 139
	linkTypeMTP2            LinkType = 140
	linkTypeAVS             LinkType = 163
	linkTypeJuniperMonitor  LinkType = 164
	linkTypeBACnet          LinkType = 165
	linkTypePPPPPPD         LinkType = 166
	linkTypeJuniperPPPoE    LinkType = 167
	linkTypeJuniperPPPoEATM LinkType = 168
	linkTypeJuniperEther    LinkType = 178
	linkTypeJuniperPPP      LinkType = 179
	linkTypeJuniperFRelay   LinkType = 180
	linkTypeJuniperCHDLC    LinkType = 181
	linkTypeMFR             LinkType = 182
	linkTypeJuniperVP       LinkType = 183
	linkTypePPI             LinkType = 192
	linkTypeJuniperISM      LinkType = 194
	linkTypeERF             LinkType = 197
	linkTypeJuniperST       LinkType = 200
	linkTypeIPNet           LinkType = 226
	linkTypeJuniperVS       LinkType = 232
	linkTypeJuniperSRX      LinkType = 233
	linkTypeJuniperFibre    LinkType = 234
	linkTypeJuniperCEMIC    LinkType = 238
	linkTypeNetAnalyzer     LinkType = 240
	linkTypeNetAnalyzerT    LinkType = 241
	linkTypePFSync          LinkType = 246
	linkTypeDSABroadcom     LinkType = 281
	linkTypeDSAMarvell      LinkType = 284
)

// String is the name of the link type, EN10MB for Ethernet.
func (t LinkType) String() string {
	if name, ok := linkTypeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("LINKTYPE_%d", uint16(t))
}

// ParseLinkType finds a link type by the name that tcpdump -y and String have
// for it, in upper or lower case, with or without DLT_ before it.
func ParseLinkType(name string) (LinkType, error) {
	upper := strings.TrimPrefix(strings.ToUpper(name), "DLT_")
	for t, n := range linkTypeNames {
		if n == upper {
			return t, nil
		}
	}
	return 0, fmt.Errorf("filter: unknown link type %q", name)
}

// A family is how packets of a link type name the protocol they carry.
type family uint8

const (
	familyNone      family = iota // they don't, or not in a way that is known
	familyEther                   // EtherType, or length and LLC
	familyEtherOnly               // EtherType
	familyLLC                     // LLC, with SNAP for EtherTypes
	familyWLAN                    // data frames with LLC
	familySunATM
	familySLL
	familyIP   // the version in the first nibble
	familyIPv4 // always
	familyIPv6 // always
	familyPPP
	familyPPPBSDOS
	familyCHDLC
	familyLoopback
	familyPFLog
	familyARCNet
	familyLocalTalk
	familyFrameRelay
	familyJuniper
	familyIPNet
)

// A linkLayer is where the parts of the header are.
type linkLayer struct {
	family  family
	header  uint32 // where the link-layer header begins
	proto   int    // where the protocol is named, or -1
	payload uint32 // where what follows the header begins, LLC included
	// network is where the network layer begins behind payload: past LLC and SNAP.
	network uint32
	// noSNAP is where it begins behind LLC without SNAP.
	noSNAP uint32
	// src and dst are where the addresses are, of macSize bytes.
	src, dst uint32
	macSize  uint8
	ss7      uint32 // where MTP2's length field is, or 0
}

// unset is what offsets are that make no sense for a link type. libpcap goes on
// calculating with it, and so must we to agree with it.
const unset = ^uint32(0)

var juniperBare = linkLayer{family: familyJuniper, proto: 4, payload: 4, noSNAP: unset}

// linkLayers has the link types of which more is known than that they have
// bytes.
var linkLayers = map[LinkType]linkLayer{
	LinkTypeEthernet:        {family: familyEther, proto: 12, payload: 14, noSNAP: 3, src: 6, dst: 0, macSize: 6},
	linkTypeNetAnalyzer:     {family: familyEther, header: 4, proto: 16, payload: 18, noSNAP: 3, src: 10, dst: 4, macSize: 6},
	linkTypeNetAnalyzerT:    {family: familyEther, header: 12, proto: 24, payload: 26, noSNAP: 3, src: 18, dst: 12, macSize: 6},
	linkTypeDSABroadcom:     {family: familyEther, proto: 16, payload: 18, noSNAP: 3, src: 6, dst: 0, macSize: 6},
	linkTypeDSAMarvell:      {family: familyEther, proto: 16, payload: 18, noSNAP: 3, src: 6, dst: 0, macSize: 6},
	linkTypeIEEE802:         {family: familyLLC, proto: 14, payload: 14, network: 8, noSNAP: 3, src: 8, dst: 2, macSize: 6},
	linkTypeFDDI:            {family: familyLLC, proto: 13, payload: 13, network: 8, noSNAP: 3, src: 7, dst: 1, macSize: 6},
	linkTypeIPOverFC:        {family: familyLLC, proto: 16, payload: 16, network: 8, noSNAP: 3, src: 10, dst: 2, macSize: 6},
	linkTypeATM:             {family: familyLLC, network: 8, noSNAP: 3},
	linkTypeATMClip:         {family: familyLLC, network: 8, noSNAP: 3},
	linkTypeSunATM:          {family: familySunATM, proto: 4, payload: 4, network: 8, noSNAP: 3},
	LinkTypeIEEE80211:       {family: familyWLAN, proto: 24, network: 8, noSNAP: 3, macSize: 6},
	LinkTypeIEEE80211Radio:  {family: familyWLAN, proto: 24, network: 8, noSNAP: 3, macSize: 6},
	linkTypeAVS:             {family: familyWLAN, proto: 24, network: 8, noSNAP: 3, macSize: 6},
	linkTypePrism:           {family: familyWLAN, proto: 24, network: 8, noSNAP: 3, macSize: 6},
	linkTypePPI:             {family: familyWLAN, proto: 24, network: 8, noSNAP: 3, macSize: 6},
	LinkTypeLinuxSLL:        {family: familySLL, proto: 14, payload: 16},
	LinkTypeLinuxSLL2:       {family: familyEtherOnly, proto: 0, payload: 20},
	LinkTypeRaw:             {family: familyIP, proto: -1},
	LinkTypeIPv4:            {family: familyIPv4, proto: -1},
	LinkTypeIPv6:            {family: familyIPv6, proto: -1},
	linkTypeSLIP:            {family: familyIP, proto: -1, payload: 16},
	linkTypeSLIPBSDOS:       {family: familyIP, proto: -1, payload: 24},
	LinkTypePPP:             {family: familyPPP, proto: 2, payload: 4},
	linkTypePPPPPPD:         {family: familyPPP, proto: 2, payload: 4},
	linkTypePPPSerial:       {family: familyPPP, proto: 2, payload: 4},
	linkTypePPPEther:        {family: familyPPP, proto: 6, payload: 8},
	linkTypePPPBSDOS:        {family: familyPPPBSDOS, proto: 5, payload: 24},
	linkTypeCHDLC:           {family: familyCHDLC, proto: 2, payload: 4},
	LinkTypeNull:            {family: familyLoopback, payload: 4},
	LinkTypeLoop:            {family: familyLoopback, payload: 4},
	linkTypeEnc:             {family: familyLoopback, payload: 12},
	linkTypePFLog:           {family: familyPFLog},
	linkTypeARCNet:          {family: familyARCNet, proto: 2, payload: 6, src: 0, dst: 1, macSize: 1},
	linkTypeARCNetLinux:     {family: familyARCNet, proto: 4, payload: 8, src: 0, dst: 1, macSize: 1},
	linkTypeBACnet:          {proto: -1, payload: unset, network: unset, noSNAP: unset, src: 4, dst: 3, macSize: 1},
	linkTypeLocalTalk:       {family: familyLocalTalk, proto: -1},
	linkTypeFrameRelay:      {family: familyFrameRelay, proto: -1},
	linkTypeMFR:             {proto: -1, network: 4},
	linkTypeAppleIEEE1394:   {family: familyEtherOnly, proto: 16, payload: 18},
	linkTypeSymantec:        {family: familyEtherOnly, proto: 6, payload: 44},
	linkTypeIPNet:           {family: familyIPNet, proto: 1, payload: 24, noSNAP: unset},
	linkTypePFSync:          {proto: -1, payload: 4},
	linkTypeJuniperMFR:      juniperBare,
	linkTypeJuniperMLFR:     juniperBare,
	linkTypeJuniperMLPPP:    juniperBare,
	linkTypeJuniperPPP:      juniperBare,
	linkTypeJuniperCHDLC:    juniperBare,
	linkTypeJuniperFRelay:   juniperBare,
	linkTypeJuniperATM1:     {family: familyJuniper, proto: 4, payload: 4, noSNAP: 10},
	linkTypeJuniperATM2:     {family: familyJuniper, proto: 8, payload: 8, noSNAP: 10},
	linkTypeJuniperPPPoE:    {family: familyJuniper, proto: 16, payload: 14, network: 18, noSNAP: 21},
	linkTypeJuniperEther:    {family: familyJuniper, proto: 16, payload: 14, network: 18, noSNAP: 21},
	linkTypeJuniperPPPoEATM: {family: familyJuniper, proto: 4, payload: 6, noSNAP: unset},
	linkTypeJuniperGGSN:     {family: familyJuniper, proto: 6, payload: 12, noSNAP: unset},
	linkTypeJuniperMonitor:  {family: familyJuniper, proto: 12, payload: 12, noSNAP: unset},
	linkTypeJuniperES:       {family: familyJuniper, proto: 6, payload: unset, network: unset, noSNAP: unset},
	linkTypeJuniperServices: {family: familyJuniper, proto: 12, payload: unset, network: unset, noSNAP: unset},
	linkTypeJuniperVP:       {family: familyJuniper, proto: 18, payload: unset, network: unset, noSNAP: unset},
	linkTypeJuniperST:       {family: familyJuniper, proto: 18, payload: unset, network: unset, noSNAP: unset},
	linkTypeJuniperISM:      {family: familyJuniper, proto: 8, payload: unset, network: unset, noSNAP: unset},
	linkTypeJuniperVS:       {family: familyJuniper, proto: 8, payload: unset, network: unset, noSNAP: unset},
	linkTypeJuniperSRX:      {family: familyJuniper, proto: 8, payload: unset, network: unset, noSNAP: unset},
	linkTypeJuniperFibre:    {family: familyJuniper, proto: 8, payload: unset, network: unset, noSNAP: unset},
	linkTypeJuniperCEMIC:    {family: familyJuniper, proto: 8, payload: unset, network: unset, noSNAP: unset},
	linkTypeMTP2:            {proto: -1, payload: unset, network: unset, noSNAP: unset, ss7: 2},
	linkTypeMTP2WithPHDR:    {proto: -1, payload: unset, network: unset, noSNAP: unset, ss7: 6},
	linkTypeERF:             {proto: -1, payload: unset, network: unset, noSNAP: unset, ss7: 22},
}
