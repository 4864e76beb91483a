package record

import (
	"golang.org/x/sys/unix"

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
