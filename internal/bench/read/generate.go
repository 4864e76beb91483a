package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"netcap/pcapfile"
)

// generate writes a pcap file of packets such as a server's are: TCP of many
// connections, in both directions and with DICOM among it, names asked for and answered,
// ARP, ICMP, IPv6, VLAN tags; a million of them make 540 MB. The same number gives the
// same bytes.
func generate(path string, count int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriterSize(f, 1<<20)
	g := &generator{random: rand.New(rand.NewPCG(1, 2)), buffer: gopacket.NewSerializeBuffer()}
	for range 2000 {
		g.flows = append(g.flows, g.newFlow())
	}
	b := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 262144, false)
	at := time.Date(2026, 11, 23, 13, 4, 5, 0, time.UTC)
	for range count {
		frame, err := g.packet()
		if err != nil {
			return err
		}
		at = at.Add(time.Duration(g.random.IntN(200)) * time.Microsecond)
		b = pcapfile.AppendRecord(b, at.UnixNano(), frame, uint32(len(frame)), false)
		if _, err := out.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	return out.Flush()
}

type generator struct {
	random *rand.Rand
	flows  []*flow
	buffer gopacket.SerializeBuffer
}

// flow is a TCP connection.
type flow struct {
	six      bool
	vlan     uint16 // 0: untagged
	a, b     net.IP
	pa, pb   uint16
	sa, sb   uint32 // sequence numbers
	ta       uint32 // time stamps
	sent     int
	lifetime int
}

func (g *generator) newFlow() *flow {
	r := g.random
	f := &flow{
		a: net.IPv4(10, 0, byte(r.IntN(4)), byte(1+r.IntN(250))).To4(), b: net.IPv4(172, 17, 0, byte(2+r.IntN(20))).To4(),
		pa: uint16(32768 + r.IntN(28000)), pb: []uint16{104, 443, 80, 22, 5432, 11112, 8443, 3306}[r.IntN(8)],
		sa: r.Uint32(), sb: r.Uint32(), ta: r.Uint32(), lifetime: 20 + r.IntN(1000),
	}
	if r.IntN(20) == 0 {
		f.six = true
		f.a, f.b = net.ParseIP(fmt.Sprintf("2001:db8::%x", 1+r.IntN(200))), net.ParseIP(fmt.Sprintf("2001:db8:1::%x", 1+r.IntN(20)))
	}
	if r.IntN(25) == 0 {
		f.vlan = uint16(1 + r.IntN(100))
	}
	return f
}

var macs = [2]net.HardwareAddr{{2, 0x42, 0xac, 0x11, 0, 1}, {2, 0x42, 0xac, 0x11, 0, 2}}

var options = gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}

func (g *generator) serialize(l ...gopacket.SerializableLayer) ([]byte, error) {
	if err := gopacket.SerializeLayers(g.buffer, options, l...); err != nil {
		return nil, err
	}
	return g.buffer.Bytes(), nil
}

func (g *generator) packet() ([]byte, error) {
	switch n := g.random.IntN(100); {
	case n < 3:
		return g.arp()
	case n < 5:
		return g.echo()
	case n < 12:
		return g.name()
	}
	return g.segment()
}

func (g *generator) arp() ([]byte, error) {
	return g.serialize(&layers.Ethernet{SrcMAC: macs[0], DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
			SourceHwAddress: macs[0], SourceProtAddress: net.IPv4(172, 17, 0, 1).To4(),
			DstHwAddress: make([]byte, 6), DstProtAddress: net.IPv4(172, 17, 0, byte(2+g.random.IntN(20))).To4(),
		})
}

func (g *generator) ip(f *flow, from bool, protocol layers.IPProtocol) (link []gopacket.SerializableLayer, network gopacket.NetworkLayer) {
	src, dst := f.a, f.b
	if !from {
		src, dst = dst, src
	}
	ethernet := &layers.Ethernet{SrcMAC: macs[0], DstMAC: macs[1], EthernetType: layers.EthernetTypeIPv4}
	typ := layers.EthernetTypeIPv4
	if f.six {
		typ = layers.EthernetTypeIPv6
	}
	ethernet.EthernetType = typ
	link = append(link, ethernet)
	if f.vlan != 0 {
		ethernet.EthernetType = layers.EthernetTypeDot1Q
		link = append(link, &layers.Dot1Q{VLANIdentifier: f.vlan, Type: typ})
	}
	if f.six {
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: src, DstIP: dst}
		return append(link, ip), ip
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, Id: uint16(g.random.Uint32()), Flags: layers.IPv4DontFragment, Protocol: protocol, SrcIP: src, DstIP: dst}
	return append(link, ip), ip
}

func (g *generator) echo() ([]byte, error) {
	f := &flow{a: net.IPv4(172, 17, 0, 1).To4(), b: net.IPv4(172, 17, 0, byte(2+g.random.IntN(20))).To4()}
	l, _ := g.ip(f, true, layers.IPProtocolICMPv4)
	return g.serialize(append(l, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: 7, Seq: uint16(g.random.Uint32())},
		gopacket.Payload(make([]byte, 56)))...)
}

func (g *generator) name() ([]byte, error) {
	r := g.random
	f := &flow{a: net.IPv4(172, 17, 0, byte(2+r.IntN(20))).To4(), b: net.IPv4(10, 0, 0, 53).To4()}
	question := layers.DNSQuestion{Name: fmt.Appendf(nil, "host%d.example.org", r.IntN(1000)), Type: layers.DNSTypeA, Class: layers.DNSClassIN}
	dns := &layers.DNS{ID: uint16(r.Uint32()), RD: true, Questions: []layers.DNSQuestion{question}}
	from := r.IntN(2) == 0
	udp := &layers.UDP{SrcPort: layers.UDPPort(32768 + r.IntN(28000)), DstPort: 53}
	if !from {
		udp.SrcPort, udp.DstPort = udp.DstPort, udp.SrcPort
		dns.QR, dns.RA = true, true
		dns.Answers = []layers.DNSResourceRecord{{Name: question.Name, Type: layers.DNSTypeA, Class: layers.DNSClassIN, TTL: 300, IP: net.IPv4(10, 1, byte(r.IntN(250)), 1).To4()}}
	}
	l, ip := g.ip(f, from, layers.IPProtocolUDP)
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	return g.serialize(append(l, udp, dns)...)
}

// payloads are what TCP carries: bytes without a meaning, cut where they are wanted.
var payloads = func() []byte {
	b := make([]byte, 1448*2)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b) // it never fails
	return b
}()

func (g *generator) segment() ([]byte, error) {
	r := g.random
	n := r.IntN(len(g.flows))
	f := g.flows[n]
	from := r.IntN(2) == 0
	tcp := &layers.TCP{SrcPort: layers.TCPPort(f.pa), DstPort: layers.TCPPort(f.pb), Seq: f.sa, Ack: f.sb, ACK: true, Window: 501}
	if !from {
		tcp.SrcPort, tcp.DstPort, tcp.Seq, tcp.Ack = tcp.DstPort, tcp.SrcPort, f.sb, f.sa
	}
	f.ta += uint32(r.IntN(10))
	var stamps [8]byte
	stamps[0], stamps[1], stamps[2], stamps[3] = byte(f.ta>>24), byte(f.ta>>16), byte(f.ta>>8), byte(f.ta)
	copy(stamps[4:], stamps[:4])
	nop := layers.TCPOption{OptionType: layers.TCPOptionKindNop, OptionLength: 1}
	tcp.Options = []layers.TCPOption{nop, nop, {OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: stamps[:]}}
	size := 0
	switch {
	case f.sent == 0:
		from = true
		tcp.SYN, tcp.ACK = true, false
		tcp.Options = append([]layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}}}, tcp.Options...)
	case f.sent == f.lifetime:
		tcp.FIN = true
		g.flows[n] = g.newFlow()
	default:
		switch k := r.IntN(100); {
		case k < 33:
			size = 1448
		case k < 45:
			size = 100 + r.IntN(600)
			tcp.PSH = true
		}
	}
	f.sent++
	if from {
		f.sa += uint32(size)
	} else {
		f.sb += uint32(size)
	}
	l, ip := g.ip(f, from, layers.IPProtocolTCP)
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	at := r.IntN(1448)
	return g.serialize(append(l, tcp, gopacket.Payload(payloads[at:at+size]))...)
}
