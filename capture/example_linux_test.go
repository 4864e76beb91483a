package capture_test

import (
	"fmt"
	"io"
	"log"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"netcap/capture"
	"netcap/capture/capturetest"
)

// source reads a capture packet by packet, as gopacket wants them: a
// gopacket.ZeroCopyPacketDataSource.
type source struct {
	handle *capture.Handle
	batch  *capture.Batch
	packet capture.Packet
}

// ZeroCopyReadPacketData returns the next packet. It lies in the ring until the next call.
func (s *source) ZeroCopyReadPacketData() (data []byte, ci gopacket.CaptureInfo, err error) {
	for s.batch == nil || !s.batch.Next(&s.packet) {
		if s.batch != nil {
			s.batch.Release()
		}
		if s.batch, err = s.handle.Next(); err != nil {
			return nil, ci, err
		}
	}
	p := &s.packet
	return p.Data, gopacket.CaptureInfo{Timestamp: time.Unix(0, p.Time), CaptureLength: len(p.Data), Length: p.Length, InterfaceIndex: p.Interface}, nil
}

// What is captured is decoded by gopacket, without a copy of the packets. An interface in memory
// stands for one that capture.Open opens.
func Example() {
	handle, wire, err := capturetest.Open(&capture.Config{Interface: "eth0"}, capturetest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer handle.Close()
	arp := append(append(make([]byte, 12), 0x08, 0x06), make([]byte, 46)...)
	wire.Send(capturetest.Frame{Data: arp}, capturetest.Frame{Data: arp})
	if err := handle.Stop(); err != nil { // what was received is still handed out
		log.Fatal(err)
	}
	s := &source{handle: handle}
	for {
		data, ci, err := s.ZeroCopyReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
		fmt.Println(ci.Length, p.LinkLayer().(*layers.Ethernet).EthernetType)
	}
	// Output:
	// 60 ARP
	// 60 ARP
}
