package pcapfile_test

import "encoding/binary"

// builder makes captures that the encoders don't: either byte order, and
// whatever is wrong.
type builder struct {
	b     []byte
	order binary.AppendByteOrder
}

func (f *builder) u16(v ...uint16) *builder {
	for _, v := range v {
		f.b = f.order.AppendUint16(f.b, v)
	}
	return f
}

func (f *builder) u32(v ...uint32) *builder {
	for _, v := range v {
		f.b = f.order.AppendUint32(f.b, v)
	}
	return f
}

func (f *builder) u64(v uint64) *builder {
	f.b = f.order.AppendUint64(f.b, v)
	return f
}

func (f *builder) bytes(s string) *builder {
	f.b = append(f.b, s...)
	return f
}

func (f *builder) pad() *builder {
	for len(f.b)%4 != 0 {
		f.b = append(f.b, 0)
	}
	return f
}

// block appends a pcapng block with the body that fill appends.
func (f *builder) block(typ uint32, fill func(*builder)) *builder {
	body := builder{order: f.order}
	fill(&body)
	body.pad()
	size := uint32(len(body.b) + 12)
	return f.u32(typ, size).bytes(string(body.b)).u32(size)
}

func (f *builder) section(major, minor uint16) *builder {
	return f.block(0x0a0d0d0a, func(b *builder) {
		b.u32(0x1a2b3c4d).u16(major, minor).u64(^uint64(0))
	})
}

// option appends an option, padded.
func (f *builder) option(code uint16, value string) *builder {
	return f.u16(code, uint16(len(value))).bytes(value).pad()
}

func (f *builder) iface(linkType uint16, snapLen uint32, options func(*builder)) *builder {
	return f.block(1, func(b *builder) {
		b.u16(linkType, 0).u32(snapLen)
		if options != nil {
			options(b)
		}
	})
}

func (f *builder) packet(id uint32, ts uint64, data string, length uint32) *builder {
	return f.block(6, func(b *builder) {
		b.u32(id, uint32(ts>>32), uint32(ts), uint32(len(data)), length).bytes(data)
	})
}

// pcapHeader appends the header of a pcap file.
func (f *builder) pcapHeader(magic uint32, major, minor uint16, snapLen, linkType uint32) *builder {
	return f.u32(magic).u16(major, minor).u32(0, 0, snapLen, linkType)
}
