package input

import (
	"slices"
	"strings"

	"netcap/pcapfile"
)

// Packets of one file that came by several of the kernel's rings are in it as the rings'
// blocks came: in order of each ring, which epb_queue tells, and up to nine tenths of
// --flush apart between them, longer after a stall of the disk.
const (
	// orderSpan is how far apart they may be, in nanoseconds, and be put in order.
	orderSpan = 10e9
	// mostHeld is how many bytes of packets a Stream holds back for that.
	mostHeld = 64 << 20
)

// order puts the packets of a file in the order of their times, ring by ring.
type order struct {
	lanes []*lane
	held  *int64 // by all files of the Stream, in bytes
	now   int64  // the time of the packet read last
	out   *kept  // handed out
	free  []*kept
	err   error // that the file ends with
}

// lane is what one ring gave.
type lane struct {
	device, queue uint32
	packets       []*kept
}

// kept is a packet that is held back.
type kept struct {
	packet pcapfile.Packet
	data   []byte
	time   int64
}

// size is what it takes, about.
func (k *kept) size() int64 { return int64(cap(k.data)) + 256 }

// ofSeveral reports whether a packet of f is one of several rings' of netcap's: in others'
// files the order is theirs.
func ofSeveral(f *File, p *pcapfile.Packet) bool {
	_, ok := p.Queue()
	return ok && strings.HasPrefix(f.Section().Application, "netcap ")
}

// next returns the next packet of f. It is valid until the next one is asked for.
func (o *order) next(f *File) (*pcapfile.Packet, error) {
	if o.out != nil {
		*o.held -= o.out.size()
		if len(o.free) < mostFree {
			o.free = append(o.free, o.out)
		}
		o.out = nil
	}
	first := o.first()
	for o.err == nil && !o.due(first) {
		p, err := f.Next()
		if err != nil {
			o.err = err
			break
		}
		if l := o.keep(p); first == nil || l.packets[0].time < first.packets[0].time {
			first = l
		}
	}
	if first == nil {
		return nil, o.err
	}
	o.out = first.packets[0]
	first.packets = first.packets[1:]
	return &o.out.packet, nil
}

// mostFree is how many packets' memory is kept for others.
const mostFree = 1024

// first is the lane whose packet comes next, nil if none is held.
func (o *order) first() (first *lane) {
	for _, l := range o.lanes {
		if len(l.packets) > 0 && (first == nil || l.packets[0].time < first.packets[0].time) {
			first = l
		}
	}
	return first
}

// due reports whether a lane's packet isn't held back any longer.
func (o *order) due(first *lane) bool {
	if first == nil {
		return false
	}
	apart := o.now - first.packets[0].time
	return apart >= orderSpan || apart <= -orderSpan || *o.held > mostHeld
}

// keep holds a packet back.
func (o *order) keep(p *pcapfile.Packet) *lane {
	queue, _ := p.Queue()
	l := o.lane(uint32(p.InterfaceID), queue)
	k := &kept{}
	if n := len(o.free); n > 0 {
		k, o.free = o.free[n-1], o.free[:n-1]
	}
	k.data = append(k.data[:0], p.Data...)
	k.packet = *p
	k.packet.Data = k.data
	k.packet.Comments = slices.Clone(p.Comments)
	k.packet.Options = slices.Clone(p.Options)
	for i, option := range k.packet.Options {
		k.packet.Options[i].Value = slices.Clone(option.Value)
	}
	if p.HasTime {
		o.now = pcapfile.UnixNano(p.Time)
	}
	k.time = o.now
	*o.held += k.size()
	l.packets = append(l.packets, k)
	return l
}

// drop forgets what is held back.
func (o *order) drop() {
	for _, l := range o.lanes {
		for _, k := range l.packets {
			*o.held -= k.size()
		}
	}
	if o.out != nil {
		*o.held -= o.out.size()
	}
	*o = order{held: o.held, err: o.err}
}

func (o *order) lane(device, queue uint32) *lane {
	for _, l := range o.lanes {
		if l.device == device && l.queue == queue {
			return l
		}
	}
	l := &lane{device: device, queue: queue}
	o.lanes = append(o.lanes, l)
	return l
}
