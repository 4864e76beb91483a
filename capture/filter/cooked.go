package filter

// cook makes loads from LINUX_SLL and LINUX_SLL2 headers fit for a socket. The
// kernel has no such header: it is put before packets afterwards. What lies behind
// it is the network layer, which the kernel finds by itself, whatever link-layer
// header SOCK_RAW shows; and some of the header's fields are kept beside the packet.
func (vs *values) cook(t LinkType) {
	switch t {
	case LinkTypeLinuxSLL:
		vs.cookedHeader = 16
		vs.cookedField = func(off uint32, size uint8) (uint32, bool) {
			switch {
			case off == 0 && size == 2:
				return extraPacketType, true
			case off == 14 && size == 2:
				return extraProtocol, true
			}
			return 0, false
		}
	case LinkTypeLinuxSLL2:
		vs.cookedHeader = 20
		vs.cookedField = func(off uint32, size uint8) (uint32, bool) {
			switch {
			case off == 0 && size == 2:
				return extraProtocol, true
			case off == 4 && size == 4:
				return extraInterface, true
			case off == 10 && size == 1:
				return extraPacketType, true
			}
			return 0, false
		}
	}
}
