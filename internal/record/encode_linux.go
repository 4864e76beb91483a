package record

import (
	"fmt"
	"net"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"netcap/capture"
	"netcap/pcapfile"
)

// device is an interface that packets came from, as a file describes it.
type device struct {
	index       int
	name        string
	description string // what else it is known by
	linkType    pcapfile.LinkType
	source      *source
	refused     string // why the filter isn't the kernel's, as the current file has it

	gone      bool   // it was deleted: the next file doesn't describe it
	id        int    // in the current file; absent if it isn't described there yet
	delivered uint64 // packets of the current file
}

// absent is the id of a device that the current file doesn't describe, and none the
// index of one that isn't there.
const (
	absent = -1
	none   = -1
)

// encoder makes the bytes of files. It belongs to whoever holds Recorder.mu,
// but for cutTrailer.
type encoder struct {
	format  pcapfile.Format
	section pcapfile.Section
	filter  string
	snapLen int
	cooked  bool // pcap: every packet behind an SLL2 header

	names   []pcapfile.Name // what each file says of addresses
	devices []*device
	recent  *device // of the packet before
	started int64   // when the current file was begun, ns since the epoch
	ids     atomic.Int32
	scratch []byte

	// queued has each packet say which of its interface's rings it is from: between several
	// rings of one set packets are in the file as their blocks came.
	queued bool
	queue  uint32 // of the batch at hand
}

// header begins a file.
func (e *encoder) header(dst []byte, first bool, now int64) []byte {
	e.started = now
	if e.format == pcapfile.PCAP {
		if !first {
			return dst
		}
		return pcapfile.AppendFileHeader(dst, e.pcapLinkType(), uint32(e.snapLen), true)
	}
	dst = pcapfile.AppendSection(dst, &e.section)
	e.ids.Store(0)
	e.devices = slices.DeleteFunc(e.devices, func(d *device) bool { return d.gone })
	// Every file says what its packets came from, one without packets too.
	for _, d := range e.devices {
		d.delivered = 0
		dst = e.describe(dst, d)
	}
	if len(e.names) > 0 {
		dst = pcapfile.AppendNames(dst, e.names)
	}
	return dst
}

// describe appends the interface description of a device, which gets the next
// id of the file.
func (e *encoder) describe(dst []byte, d *device) []byte {
	d.id = int(e.ids.Add(1)) - 1
	i := pcapfile.Interface{
		Name: d.name, Description: d.description, LinkType: d.linkType, SnapLen: uint32(e.snapLen), Filter: e.filter, OS: e.section.OS, FCSLen: -1,
	}
	if d.refused = d.source.why(); d.refused != "" {
		i.Comments = []string{"netcap ran the filter itself: " + d.refused}
	}
	return pcapfile.AppendInterface(dst, &i)
}

func (e *encoder) pcapLinkType() pcapfile.LinkType {
	if e.cooked || len(e.devices) == 0 {
		return pcapfile.LinkTypeLinuxSLL2
	}
	return e.devices[0].linkType
}

// device returns the device that a packet came from, making it known if it is
// the first of it.
func (e *encoder) device(s *source, index int, hardwareType uint16) *device {
	if d := e.recent; d != nil && d.index == index && d.source == s {
		return d
	}
	for _, d := range e.devices {
		if d.index == index && d.source == s && !d.gone {
			e.recent = d
			return d
		}
	}
	name := fmt.Sprintf("if%d", index)
	if ifi, err := net.InterfaceByIndex(index); err == nil {
		name = ifi.Name
	}
	return e.add(s, name, index, hardwareType)
}

// add makes a device known.
func (e *encoder) add(s *source, name string, index int, hardwareType uint16) *device {
	d := &device{index: index, name: name, linkType: linkTypeOf(hardwareType), source: s, id: absent}
	if s.name != name && s.name != capture.Any {
		d.description = s.name
	}
	e.devices = append(e.devices, d)
	e.recent = d
	return d
}

// attach makes the device known that a source has now. What describes the source while
// it has none describes the device too if that is what was waited for.
func (e *encoder) attach(s *source, name string, index int, hardwareType uint16) {
	for _, d := range e.devices {
		if d.source == s && d.index == none && !d.gone && d.name == name && d.linkType == linkTypeOf(hardwareType) &&
			(d.id == absent || d.refused == s.why()) {
			d.index, e.recent = index, nil
			return
		}
	}
	e.forget(s)
	e.add(s, name, index, hardwareType)
}

// rename has the packets of a device come from one of another name from now on, which
// a file describes when the first of them comes. It reports whether there is such a
// device.
func (e *encoder) rename(index int, name string) (s *source, before string) {
	for _, d := range e.devices {
		if d.index != index || d.gone || d.name == name {
			continue
		}
		d.gone, e.recent = true, nil
		renamed := &device{index: index, name: name, description: d.description, linkType: d.linkType, source: d.source, id: absent}
		e.devices = append(e.devices, renamed)
		return d.source, d.name
	}
	return nil, ""
}

// await describes a source in the files that are begun while it has no interface: a file
// without any is one that other programs don't merge.
func (e *encoder) await(s *source) {
	d := &device{index: none, name: s.name, linkType: pcapfile.LinkTypeEthernet, source: s, id: absent}
	for _, before := range e.devices {
		if before.source != s {
			continue
		}
		if before.index == none && !before.gone {
			return
		}
		d.linkType = before.linkType
	}
	e.forget(s)
	e.devices = append(e.devices, d)
}

// forget notes that the devices of a source won't come back under their index.
func (e *encoder) forget(s *source) {
	for _, d := range e.devices {
		d.gone = d.gone || d.source == s
	}
	e.recent = nil
}

// frame returns a packet's bytes and lengths as the file has them. They are
// valid until the next call.
func (e *encoder) frame(d *device, p *capture.Packet) (data []byte, length int) {
	if d.linkType != pcapfile.LinkTypeLinuxSLL2 && !e.cooked {
		return p.Data, p.Length
	}
	e.scratch = p.AppendSLL2(e.scratch[:0])
	return e.scratch, max(len(e.scratch), p.Length-p.HeaderLen+capture.SLL2Size)
}

// size is how many bytes packet will append.
func (e *encoder) size(data []byte, flags pcapfile.Flags) int {
	if e.format == pcapfile.PCAP {
		return pcapfile.RecordSize(len(data))
	}
	if e.queued {
		return pcapfile.QueuedPacketSize(len(data), flags)
	}
	return pcapfile.PacketSize(len(data), flags)
}

// packet appends a packet.
func (e *encoder) packet(dst []byte, d *device, ns int64, data []byte, length int, flags pcapfile.Flags) []byte {
	d.delivered++
	if e.format == pcapfile.PCAP {
		return pcapfile.AppendRecord(dst, ns, data, uint32(length), true)
	}
	if e.queued {
		return pcapfile.AppendQueuedPacket(dst, uint32(d.id), ns, data, uint32(length), flags, e.queue)
	}
	return pcapfile.AppendPacket(dst, uint32(d.id), ns, data, uint32(length), flags)
}

// flagsOf tells a packet's direction and how it was addressed.
func flagsOf(t capture.PacketType) pcapfile.Flags {
	switch t {
	case capture.ToHost:
		return pcapfile.FlagInbound | pcapfile.FlagUnicast
	case capture.Broadcast:
		return pcapfile.FlagInbound | pcapfile.FlagBroadcast
	case capture.Multicast:
		return pcapfile.FlagInbound | pcapfile.FlagMulticast
	case capture.OtherHost:
		return pcapfile.FlagInbound | pcapfile.FlagPromiscuous
	case capture.Outgoing:
		return pcapfile.FlagOutbound
	}
	return 0
}

// What a file needs for a device at most, in bytes: its statistics at the end,
// and its description.
const (
	statisticsSize  = 512
	descriptionSize = 128 << 10 // a filter may be long
)

// trailer ends a file: for each of its interfaces what was received, lost and
// delivered while it was the current one. lost is called once for each source. The
// comments are the first's.
func (e *encoder) trailer(dst []byte, now int64, comments []string, lost func(*source) loss) []byte {
	if e.format == pcapfile.PCAP {
		return dst
	}
	told := make(map[*source]bool)
	for _, d := range e.devices {
		if d.id == absent {
			continue
		}
		s := pcapfile.Statistics{Start: e.started, End: now}
		var l loss
		if !told[d.source] {
			told[d.source] = true
			l = lost(d.source)
		}
		s.Received = pcapfile.Count(d.delivered + l.kernel + l.disk + l.rejected)
		s.DroppedByInterface = l.device
		s.DroppedByOS = pcapfile.Count(l.kernel + l.disk)
		s.Delivered = pcapfile.Count(d.delivered)
		s.Comments, comments = comments, nil
		if d.refused != "" || l.rejected > 0 {
			// The kernel's drops never came to the filter.
			s.FilterAccepted = pcapfile.Count(d.delivered + l.disk)
			s.Comments = append(s.Comments, fmt.Sprintf("netcap ran the filter itself: it did not take %d of the packets received; whether it would have taken those dropped because the ring was full isn't known", l.rejected))
		}
		if l.disk > 0 {
			s.Comments = append(s.Comments, fmt.Sprintf("dropped because the ring was full: %d, because the disk was: %d", l.kernel, l.disk))
		}
		dst = pcapfile.AppendStatistics(dst, uint32(d.id), now, &s)
	}
	return dst
}

// loss is what was lost while a file was the current one, in packets.
type loss struct {
	kernel, disk uint64
	rejected     uint64           // no loss: what a filter of our own didn't take
	device       pcapfile.Counter // what the interface itself missed, if it says
}

// cutTrailer ends a file from which records had to be cut off again. It may be
// called by any goroutine.
func (e *encoder) cutTrailer(dst []byte, now int64) []byte {
	if e.format == pcapfile.PCAP || e.ids.Load() == 0 {
		return dst
	}
	return pcapfile.AppendStatistics(dst, 0, now, &pcapfile.Statistics{
		End:      now,
		Comments: []string{"the disk failed or was full: packets that came after the last one here were dropped; the next file counts them"},
	})
}

// hostOS is what uname(2) says: system, release and machine.
func hostOS() (system, machine string) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "Linux", ""
	}
	machine = unix.ByteSliceToString(u.Machine[:])
	return fmt.Sprintf("%s %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:])), machine
}
