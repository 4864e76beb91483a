package record

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netcap/capture"
	"netcap/pcapfile"
)

// linkTypeOf tells what the frames of an interface begin with. Those for which
// there is no type of file, or whose headers Linux leaves out or mangles, are
// written behind a header of our making, as libpcap's cooked mode does
// (iface_get_arptype and map_arphrd_to_dlt in libpcap's pcap-linux.c).
func linkTypeOf(hardwareType uint16) pcapfile.LinkType {
	switch hardwareType {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return pcapfile.LinkTypeEthernet
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		return pcapfile.LinkTypeRaw
	case unix.ARPHRD_IEEE80211:
		return pcapfile.LinkTypeIEEE802_11
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		return pcapfile.LinkTypeRadiotap
	case unix.ARPHRD_VSOCKMON:
		return pcapfile.LinkTypeVsock
	}
	return pcapfile.LinkTypeLinuxSLL2
}

// sll2Size is the length of a LINKTYPE_LINUX_SLL2 header in bytes.
const sll2Size = 20

// appendSLL2 appends a packet as LINKTYPE_LINUX_SLL2 has it: a header that
// tells where the packet came from, and what followed its link-layer header.
// https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html
func appendSLL2(dst []byte, p *capture.Packet) []byte {
	payload := p.Data[min(p.HeaderLen, len(p.Data)):]
	var h [sll2Size]byte
	binary.BigEndian.PutUint16(h[0:], p.Protocol)
	binary.BigEndian.PutUint32(h[4:], uint32(p.Interface))
	binary.BigEndian.PutUint16(h[8:], p.HardwareType)
	h[10] = uint8(p.Type)
	h[11] = uint8(len(p.Source))
	copy(h[12:], p.Source)
	return append(append(dst, h[:]...), payload...)
}
