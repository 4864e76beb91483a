package capture

import "encoding/binary"

// SLL2Size is the length of a LINKTYPE_LINUX_SLL2 header in bytes.
const SLL2Size = 20

// AppendSLL2 appends the packet as LINKTYPE_LINUX_SLL2 has it, which packets of several interfaces
// can share: a header that tells where it came from, SLL2Size bytes, and what followed its
// link-layer header.
// https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html
func (p *Packet) AppendSLL2(dst []byte) []byte {
	payload := p.Data[min(p.HeaderLen, len(p.Data)):]
	var h [SLL2Size]byte
	binary.BigEndian.PutUint16(h[0:], p.Protocol)
	binary.BigEndian.PutUint32(h[4:], uint32(p.Interface))
	binary.BigEndian.PutUint16(h[8:], p.HardwareType)
	h[10] = uint8(p.Type)
	h[11] = uint8(len(p.Source))
	copy(h[12:], p.Source)
	return append(append(dst, h[:]...), payload...)
}
