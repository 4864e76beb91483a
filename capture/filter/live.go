package filter

import "encoding/binary"

// LivePacket is what the kernel's filter of a packet socket sees of a packet.
type LivePacket struct {
	// Data is the packet as the socket shows it, but without the VLAN tag that the
	// kernel keeps beside it.
	Data []byte
	// Length is how long it was on the wire, in bytes, without that tag.
	Length int
	// Network is the offset in Data of the network layer.
	Network int
	// Protocol is the EtherType that the kernel takes it for, in host byte order.
	Protocol uint16
	// Type is sll_pkttype of packet(7).
	Type uint8
	// Interface is the index of the interface.
	Interface int
	// HardwareType is the interface's, ARPHRD_* of <linux/if_arp.h>.
	HardwareType uint16
	// VLAN is the tag control information beside it, if Tagged.
	VLAN   uint16
	Tagged bool
}

// MatchLive tells whether a program of Config.Live accepts a packet, as the kernel would.
// It doesn't allocate, and keeps no reference to the packet.
//
// The kernel sees nothing behind the first segment of a packet that it keeps in
// several, if the offset is relative to the network layer, as in programs for
// LinkTypeLinuxSLL2. MatchLive does.
func (p *Program) MatchLive(l *LivePacket) bool {
	var a, x uint32
	var mem scratch
	// Jumps go forward, and a program ends with a return.
	for n := 0; ; n++ {
		i := &p.raw[n]
		ok := true
		switch i.Op & classMask {
		case classRet:
			return i.K > 0
		case classLd:
			a, ok = l.load(i.Op, i.K, x, &mem)
		case classLdx:
			if i.Op&modeMask == modeMsh {
				x, ok = l.at(int32(i.K), sizeB)
				x = x & 0xf << 2
			} else {
				x, ok = l.load(i.Op, i.K, x, &mem)
			}
		case classSt:
			mem[i.K%scratchWords] = a
		case classStx:
			mem[i.K%scratchWords] = x
		case classAlu:
			operand := i.K
			if i.Op&srcX != 0 {
				operand = x
			}
			if i.Op&opMask == aluNeg {
				a = -a
			} else {
				a, ok = calculate(i.Op&opMask, a, operand)
			}
		case classJmp:
			n += jump(i.Op, i.K, a, x, i.Jt, i.Jf)
		case classMisc:
			switch {
			case i.Op == opHeaderChain:
				a, ok = p.follow(l, i.K)
			case i.Op&miscTxa != 0:
				a = x
			default:
				x = a
			}
		}
		if !ok {
			return false
		}
	}
}

// jump is how many instructions are passed over.
func jump(op uint16, k, a, x uint32, yes, no uint8) int {
	if op == classJmp|jmpJA {
		return int(k)
	}
	if op&srcX != 0 {
		k = x
	}
	holds := false
	switch op & opMask {
	case jmpJEq:
		holds = a == k
	case jmpJGt:
		holds = a > k
	case jmpJGe:
		holds = a >= k
	case jmpJSet:
		holds = a&k != 0
	}
	if holds {
		return int(yes)
	}
	return int(no)
}

// load is what a load has in its register.
func (l *LivePacket) load(op uint16, k, x uint32, mem *scratch) (uint32, bool) {
	switch op & modeMask {
	case modeImm:
		return k, true
	case modeLen:
		return uint32(l.Length), true
	case modeMem:
		return mem[k%scratchWords], true
	case modeInd:
		return l.at(int32(x+k), op&sizeMask)
	}
	switch k - extraOffset {
	case extraProtocol:
		return uint32(l.Protocol), true
	case extraPacketType:
		return uint32(l.Type), true
	case extraInterface:
		return uint32(l.Interface), true
	case extraHardwareType:
		return uint32(l.HardwareType), true
	case extraVLANTag:
		return uint32(l.VLAN), true
	case extraVLANTagPresent:
		if l.Tagged {
			return 1, true
		}
		return 0, true
	}
	return l.at(int32(k), op&sizeMask)
}

// at is what stands at an offset, which is relative to the network layer from
// networkOffset on.
func (l *LivePacket) at(off int32, size uint16) (uint32, bool) {
	at := int64(off)
	if off < 0 {
		const relative = -0x100000 // SKF_NET_OFF
		if at < relative {
			return 0, false
		}
		at += -relative + int64(l.Network)
	}
	if at > int64(len(l.Data)) {
		return 0, false
	}
	data := l.Data[at:]
	switch {
	case size == sizeB && len(data) >= 1:
		return uint32(data[0]), true
	case size == sizeH && len(data) >= 2:
		return uint32(binary.BigEndian.Uint16(data)), true
	case size == sizeW && len(data) >= 4:
		return binary.BigEndian.Uint32(data), true
	}
	return 0, false
}

// follow follows a chain of headers. Without the cooked header that it is for,
// data begins with the network layer.
func (p *Program) follow(l *LivePacket, k uint32) (uint32, bool) {
	c, data := p.chains[k], l.Data
	if c.cooked > 0 {
		c.header -= c.cooked
		data = data[min(l.Network, len(data)):]
	}
	found, ok := c.find(data)
	if found {
		return 1, ok
	}
	return 0, ok
}
