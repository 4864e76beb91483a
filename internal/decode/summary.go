package decode

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket/layers"

	"netcap/pcapfile"
)

// A Summary is what packets are counted by: who talks to whom, and what.
type Summary struct {
	// Protocol is the application that a port is known for, or "tcp", "udp", "icmp",
	// "arp" and so on, or "other".
	Protocol                    string
	Source, Destination         netip.Addr // of the outermost IP header; not valid without one
	SourcePort, DestinationPort uint16     // of TCP, UDP and SCTP; 0 without one, and in later fragments
}

// Read reads a packet, and keeps nothing of it. Tags and labels before IP are passed
// over; tunnels in IP are not entered.
func (s *Summary) Read(pk *pcapfile.Packet) {
	*s = Summary{Protocol: "other"}
	b := pk.Data
	switch pk.Interface.LinkType {
	case pcapfile.LinkTypeEthernet:
		if len(b) >= etherSize {
			s.etherType(binary.BigEndian.Uint16(b[12:]), b[etherSize:])
		}
	case pcapfile.LinkTypeLinuxSLL:
		if len(b) >= sllSize {
			s.etherType(binary.BigEndian.Uint16(b[14:]), b[sllSize:])
		}
	case pcapfile.LinkTypeLinuxSLL2:
		if len(b) >= sll2Size {
			s.etherType(binary.BigEndian.Uint16(b), b[sll2Size:])
		}
	case pcapfile.LinkTypeRaw, 12, 14, pcapfile.LinkTypeIPv4, pcapfile.LinkTypeIPv6:
		s.ip(b)
	case pcapfile.LinkTypeNull, pcapfile.LinkTypeLoop:
		if len(b) >= 4 {
			s.ip(b[4:])
		}
	case pcapfile.LinkTypePPP, linkTypePPPSerial:
		s.ppp(b)
	}
}

func (s *Summary) etherType(t uint16, b []byte) {
	for {
		switch t {
		case etherTypeIP, etherTypeIP6:
			s.ip(b)
			return
		case 0x8100, 0x88a8, 0x9100, 0x9200:
			if len(b) < 4 {
				return
			}
			t, b = binary.BigEndian.Uint16(b[2:]), b[4:]
			continue
		case 0x8847, 0x8848:
			s.mpls(b)
			return
		case 0x8864:
			s.Protocol = "pppoe"
			if len(b) >= pppoeSize {
				s.ppp(b[pppoeSize:])
			}
			return
		}
		break
	}
	switch name, ok := etherFields[layers.EthernetType(t)]; {
	case ok:
		s.Protocol = name
	case t < minEtherType:
		s.llc(b)
	}
}

// llc knows what is behind IEEE 802.2.
func (s *Summary) llc(b []byte) {
	s.Protocol = "llc"
	if len(b) < 3 {
		return
	}
	switch b[0] {
	case sapSTP:
		s.Protocol = "stp"
	case sapIPX, 0xff:
		s.Protocol = "ipx"
	case sapISO:
		s.Protocol = "osi"
	case sapSNAP:
		if len(b) < 8 {
			return
		}
		oui, pid := uint32(b[3])<<16|uint32(b[4])<<8|uint32(b[5]), binary.BigEndian.Uint16(b[6:])
		switch {
		case oui == ouiEthernet && pid >= minEtherType:
			s.etherType(pid, b[8:])
		case oui == ouiCisco && pid == 0x2000:
			s.Protocol = "cdp"
		case oui == ouiCisco && pid == 0x010b:
			s.Protocol = "stp"
		}
	}
}

func (s *Summary) ppp(b []byte) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	if len(b) < 2 {
		return
	}
	protocol, size := uint16(b[0]), 1
	if b[0]&1 == 0 {
		protocol, size = binary.BigEndian.Uint16(b), 2
	}
	switch protocol {
	case 0x0021, 0x0057:
		s.ip(b[size:])
	case 0x0281, 0x0283:
		s.mpls(b[size:])
	default:
		s.Protocol = "ppp"
	}
}

func (s *Summary) mpls(b []byte) {
	s.Protocol = "mpls"
	for len(b) >= 4 {
		bottom := b[2]&1 != 0
		b = b[4:]
		if bottom {
			if len(b) > 0 && (b[0]>>4 == 4 || b[0]>>4 == 6) {
				s.ip(b)
			}
			return
		}
	}
}

func (s *Summary) ip(b []byte) {
	s.Protocol = "ip"
	switch {
	case len(b) >= ip4Size && b[0]>>4 == 4:
		header := int(b[0]&0xf) * 4
		s.Source, s.Destination = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		later := binary.BigEndian.Uint16(b[6:])&0x1fff != 0
		s.transport(b[9], b[min(max(header, ip4Size), len(b)):], later)
	case len(b) >= ip6Size && b[0]>>4 == 6:
		s.Protocol = "ip6"
		s.Source, s.Destination = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		s.extensions(b[6], b[ip6Size:])
	case len(b) > 0 && b[0]>>4 == 6:
		s.Protocol = "ip6"
	}
}

func (s *Summary) extensions(next uint8, b []byte) {
	later := false
	for range maxDepth {
		size := 0
		switch layers.IPProtocol(next) {
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Destination, layers.IPProtocolIPv6Routing:
			if len(b) >= 2 {
				size = (int(b[1]) + 1) * 8
			}
		case layers.IPProtocolIPv6Fragment:
			size = 8
			later = len(b) >= 4 && binary.BigEndian.Uint16(b[2:])&^7 != 0
		default:
			s.transport(next, b, later)
			return
		}
		if size == 0 || len(b) < size {
			break
		}
		next, b = b[0], b[size:]
		if later {
			s.transport(next, nil, true)
			return
		}
	}
	s.Protocol = "ip6"
}

// transport is told whether b is from the middle of a datagram, where no ports are.
func (s *Summary) transport(protocol uint8, b []byte, later bool) {
	switch layers.IPProtocol(protocol) {
	case layers.IPProtocolTCP:
		s.Protocol = "tcp"
	case layers.IPProtocolUDP:
		s.Protocol = "udp"
	case layers.IPProtocolSCTP:
		s.Protocol = "sctp"
	case layers.IPProtocolIPv4, layers.IPProtocolIPv6:
		s.Protocol = "ipip"
		return
	default:
		if name, ok := protocolFields[layers.IPProtocol(protocol)]; ok {
			s.Protocol = name
		}
		return
	}
	if later || len(b) < 4 {
		return
	}
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	s.SourcePort, s.DestinationPort = src, dst
	tcp := layers.IPProtocol(protocol) == layers.IPProtocolTCP
	if !tcp && layers.IPProtocol(protocol) != layers.IPProtocolUDP {
		return
	}
	// Of two ports that are known, the one assigned earlier is more likely meant.
	name := application(tcp, min(src, dst))
	if name == "" {
		name = application(tcp, max(src, dst))
	}
	if name != "" {
		s.Protocol = name
	}
}

// application is what a port is known for, "" for nothing.
func application(tcp bool, port uint16) string {
	switch port {
	case 53:
		return "dns"
	case 88:
		return "kerberos"
	case 111:
		return "portmap"
	case 123:
		return either(tcp, "", "ntp")
	case 389, 636:
		return "ldap"
	case 443, 8443:
		return either(tcp, "https", "quic")
	case 514:
		return either(tcp, "shell", "syslog")
	case 2049:
		return "nfs"
	case 3389:
		return "rdp"
	case 5060, 5061:
		return "sip"
	case 11211:
		return "memcached"
	}
	if tcp {
		return tcpApplication(port)
	}
	return udpApplication(port)
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func tcpApplication(port uint16) string {
	switch port {
	case 20, 21:
		return "ftp"
	case 22:
		return "ssh"
	case 23:
		return "telnet"
	case 25, 465, 587:
		return "smtp"
	case 80, 8000, 8080:
		return "http"
	case 104, 2761, 2762, 11112:
		return "dicom"
	case 110, 995:
		return "pop3"
	case 139, 445:
		return "smb"
	case 143, 993:
		return "imap"
	case 179:
		return "bgp"
	case 873:
		return "rsync"
	case 1433:
		return "mssql"
	case 1521:
		return "oracle"
	case 1883, 8883:
		return "mqtt"
	case 2575:
		return "hl7"
	case 2379, 2380:
		return "etcd"
	case 3306:
		return "mysql"
	case 5432:
		return "postgresql"
	case 5672:
		return "amqp"
	case 5900:
		return "vnc"
	case 6379:
		return "redis"
	case 6443:
		return "https"
	case 9092:
		return "kafka"
	case 9200:
		return "elasticsearch"
	case 27017:
		return "mongodb"
	}
	return ""
}

func udpApplication(port uint16) string {
	switch port {
	case 67, 68:
		return "dhcp"
	case 69:
		return "tftp"
	case 137, 138:
		return "netbios"
	case 161, 162:
		return "snmp"
	case 500, 4500:
		return "ipsec"
	case 546, 547:
		return "dhcpv6"
	case 623:
		return "ipmi"
	case 1194:
		return "openvpn"
	case 1645, 1646, 1812, 1813:
		return "radius"
	case 1900:
		return "ssdp"
	case 2055:
		return "netflow"
	case 3478:
		return "stun"
	case 4739:
		return "ipfix"
	case 4789, 8472:
		return "vxlan"
	case 5353:
		return "mdns"
	case 5355:
		return "llmnr"
	case 6081:
		return "geneve"
	case 6343:
		return "sflow"
	case 51820:
		return "wireguard"
	}
	return ""
}
