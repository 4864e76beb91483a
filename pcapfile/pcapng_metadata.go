package pcapfile

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// readInterface reads an Interface Description Block. Unlike those of other
// blocks its options must be whole: the timestamps depend on them.
func (r *Reader) readInterface(body []byte) error {
	if len(body) < 8 {
		return r.bad("interface block of %d bytes is too short", len(body)+minBlock)
	}
	if len(r.ng.interfaces) == maxInterfaces {
		return r.bad("section with more than %d interfaces", maxInterfaces)
	}
	i := &Interface{
		LinkType:   LinkType(r.big.uint16(body)),
		SnapLen:    r.big.uint32(body[4:]),
		FCSLen:     -1,
		Resolution: Microseconds,
		Section:    len(r.sections) - 1,
		ID:         len(r.ng.interfaces),
	}
	if err := r.readInterfaceOptions(i, body[8:]); err != nil {
		return err
	}
	i.clock = newClock(i.Resolution, i.TimestampOffset)

	// A block has to hold the longest packet, its header and 128 KiB of
	// options.
	most := PacketHeaderSize + int(i.LinkType.maxSnapLen()) + 128<<10 + trailerSize
	r.ng.maxBlock = max(r.ng.maxBlock, most)
	r.ng.interfaces = append(r.ng.interfaces, i)
	if r.keep(interfaceCost) {
		r.all = append(r.all, i)
	}
	return nil
}

func (r *Reader) readInterfaceOptions(i *Interface, b []byte) error {
	options := optionList{b, r.big}
	var resolutions, offsets int
	other := func(code uint16, value []byte) {
		i.Options = r.keepOption(i.Options, ofInterface, code, value)
	}
	for {
		code, value, ok, torn := options.next()
		if torn {
			return r.bad("options of the interface are cut short")
		}
		if !ok {
			return nil
		}
		switch code {
		case optComment:
			i.Comments = r.addComment(i.Comments, value)
		case optInterfaceName:
			i.Name = r.keepString(value)
		case optInterfaceDescription:
			i.Description = r.keepString(value)
		case optInterfaceIPv4, optInterfaceIPv6:
			if p := decodePrefix(value); !p.IsValid() {
				other(code, value)
			} else if r.keep(nameCost) {
				i.Addrs = append(i.Addrs, p)
			}
		case optInterfaceMAC:
			if len(value) == 6 {
				i.MAC = bytes.Clone(value)
			} else {
				other(code, value)
			}
		case optInterfaceSpeed:
			if len(value) == 8 {
				i.Speed = r.big.uint64(value)
			} else {
				other(code, value)
			}
		case optInterfaceResolution:
			if resolutions++; len(value) != 1 || resolutions > 1 {
				return r.bad("if_tsresol option of %d bytes, number %d of its interface", len(value), resolutions)
			}
			i.Resolution = Resolution(value[0])
		case optInterfaceFilter:
			if len(value) > 1 && value[0] == 0 {
				i.Filter = r.keepString(value[1:])
			} else {
				other(code, value)
			}
		case optInterfaceOS:
			i.OS = r.keepString(value)
		case optInterfaceFCSLen:
			if len(value) == 1 {
				i.FCSLen = int(value[0])
			}
			if i.FCSLen <= 0 { // which AppendInterface takes for nothing said
				other(code, value)
			}
		case optInterfaceOffset:
			if offsets++; len(value) != 8 || offsets > 1 {
				return r.bad("if_tsoffset option of %d bytes, number %d of its interface", len(value), offsets)
			}
			i.TimestampOffset = int64(r.big.uint64(value))
		case optInterfaceHardware:
			i.Hardware = r.keepString(value)
		default:
			other(code, value)
		}
	}
}

// decodePrefix reads the value of if_IPv4addr, an address and a mask, or of
// if_IPv6addr, an address and a prefix length. The zero Prefix is returned
// for what is neither.
func decodePrefix(b []byte) netip.Prefix {
	switch len(b) {
	case 8:
		mask := binary.BigEndian.Uint32(b[4:])
		ones := bits.LeadingZeros32(^mask)
		if mask<<ones != 0 {
			return netip.Prefix{}
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), ones)
	case 17:
		return netip.PrefixFrom(netip.AddrFrom16([16]byte(b)), int(b[16]))
	}
	return netip.Prefix{}
}

// readStatistics reads an Interface Statistics Block. One that makes no sense
// is passed over: no packet depends on it.
func (r *Reader) readStatistics(body []byte) {
	if len(body) < 12 {
		return
	}
	id := r.big.uint32(body)
	if uint64(id) >= uint64(len(r.ng.interfaces)) {
		return
	}
	i := r.ng.interfaces[id]
	s := InterfaceStatistics{Interface: i, Time: i.clock.time(r.big.timestamp(body[4:]))}
	options := optionList{body[12:], r.big}
	for {
		code, value, ok, _ := options.next()
		if !ok {
			break
		}
		if code == optComment {
			s.Comments = r.addComment(s.Comments, value)
			continue
		}
		if code > optStatisticsDelivered {
			s.Options = r.keepOption(s.Options, ofStatistics, code, value)
		}
		if len(value) != 8 {
			continue
		}
		switch n := r.big.uint64(value); code {
		case optStatisticsStart:
			s.Start = UnixNano(i.clock.time(r.big.timestamp(value)))
		case optStatisticsEnd:
			s.End = UnixNano(i.clock.time(r.big.timestamp(value)))
		case optStatisticsReceived:
			s.Received = Count(n)
		case optStatisticsDroppedByInterface:
			s.DroppedByInterface = Count(n)
		case optStatisticsFilterAccepted:
			s.FilterAccepted = Count(n)
		case optStatisticsDroppedByOS:
			s.DroppedByOS = Count(n)
		case optStatisticsDelivered:
			s.Delivered = Count(n)
		}
	}
	if r.keep(statisticsCost) {
		r.statistics = append(r.statistics, s)
		return
	}
	for n := len(r.statistics) - 1; n >= 0; n-- {
		if r.statistics[n].Interface == i {
			r.statistics[n] = s
			return
		}
	}
}

// readNames reads the records of a Name Resolution Block, as far as they are
// whole.
func (r *Reader) readNames(body []byte) {
	records := optionList{body, r.big} // records look like options
	options := r.nameOptions(body)
	for {
		typ, value, ok, _ := records.next()
		if !ok {
			return
		}
		size := 0
		switch typ {
		case recordIPv4:
			size = 4
		case recordIPv6:
			size = 16
		case recordEUI48:
			size = 6
		case recordEUI64:
			size = 8
		default:
			continue
		}
		if len(value) < size {
			continue
		}
		n := Name{Options: options}
		if typ == recordEUI48 || typ == recordEUI64 {
			n.MAC = bytes.Clone(value[:size])
		} else {
			n.Addr, _ = netip.AddrFromSlice(value[:size])
		}
		for name := range bytes.SplitSeq(value[size:], []byte{0}) {
			if len(name) == 0 {
				continue
			}
			if r.keep(len(name) + stringCost) {
				n.Names = append(n.Names, string(name))
			}
		}
		switch {
		case len(n.Names) == 0 || !r.keep(nameCost):
		case n.MAC != nil:
			r.macNames = append(r.macNames, n)
		default:
			r.names = append(r.names, n)
		}
	}
}

// nameOptions reads the options behind the records of a Name Resolution Block.
func (r *Reader) nameOptions(body []byte) (kept []Option) {
	records := optionList{body, r.big}
	for ok := true; ok; {
		body = records.rest
		if _, _, ok, _ = records.next(); !ok && (len(body) < 4 || r.big.uint16(body) != recordEnd) {
			return nil
		}
	}
	options := optionList{body[4:], r.big}
	for {
		code, value, ok, _ := options.next()
		if !ok {
			return kept
		}
		kept = r.keepOption(kept, ofNames, code, value)
	}
}

// readCustom keeps a Custom Block.
func (r *Reader) readCustom(typ uint32, body []byte) {
	if len(body) < 4 || !r.keep(len(body)+customCost) {
		return
	}
	r.custom = append(r.custom, Custom{
		PEN:      r.big.uint32(body),
		Data:     bytes.Clone(body[4:]),
		Copyable: typ == blockCustom,
		Offset:   r.w.offset,
	})
}
