package rewrite

import (
	"encoding/binary"
	"math"

	"netcap/internal/input"
	"netcap/pcapfile"
)

// Snapshot lengths that are written: that of libpcap, and that of the few link types whose
// packets may be larger.
const (
	snapLen      = 256 << 10
	largeSnapLen = 128 << 20
)

// maxPCAPTime is the last second that a pcap file has, in nanoseconds since the epoch.
const maxPCAPTime = math.MaxUint32*1_000_000_000 + 999_999_999

// beginPCAP writes the file header. The times are in nanoseconds if those of any file are
// finer than microseconds.
func (w *Writer) beginPCAP(files []*input.File, f *input.File, p *pcapfile.Packet) {
	w.linkType = pcapfile.LinkTypeEthernet
	var own *pcapfile.Interface
	if f != nil && len(f.Interfaces()) > 0 {
		own = f.Interfaces()[0]
	}
	if p != nil {
		own = p.Interface
	}
	snap, fcs := uint32(snapLen), 0
	if own != nil {
		w.linkType, fcs = own.LinkType, own.FCSLen
	}
	switch w.linkType {
	case pcapfile.LinkTypeDBus, pcapfile.LinkTypeEBHSCR, pcapfile.LinkTypeUSBPcap:
		snap = largeSnapLen
	}
	// A reader cuts packets to this. That of a single pcap file is known to suffice.
	if f != nil && len(files) == 1 && f.Format() == pcapfile.PCAP && own.SnapLen != 0 {
		snap = own.SnapLen
	}
	for _, file := range files {
		for _, i := range file.Interfaces() {
			w.nano = w.nano || i.Resolution.FinerThan(pcapfile.Microseconds)
		}
	}
	at := len(w.buf)
	w.buf = pcapfile.AppendFileHeader(w.buf, w.linkType, snap, w.nano)
	if f != nil && f.Format() == pcapfile.PCAP && fcs >= 0 {
		// The length of the frame check sequence, in 16-bit words, and that it is said.
		field := w.buf[at+20:]
		binary.LittleEndian.PutUint32(field, uint32(w.linkType)|1<<26|uint32(fcs/2)<<28)
	}
}

// leavePacket counts what a packet has that pcap has no place for.
func (w *Writer) leavePacket(p *pcapfile.Packet) {
	if p.Flags != 0 {
		w.leave(packetFlags, 1)
	}
	if p.Dropped.Known {
		w.leave(dropCount, 1)
	}
	w.leave(comment, len(p.Comments))
	w.leaveOptions(p.Options, true)
}

// leave counts what isn't written: pcap has no place for it, and a scrubbed copy wouldn't have
// it anyway.
func (w *Writer) leave(what thing, n int) {
	why := noPlace
	if w.cfg.Scrub && what.confidential(w.cfg.Bare) {
		why = confidential
	}
	w.losses.lose(what, why, n)
}

// leaveOptions counts options that pcap has no place for.
func (w *Writer) leaveOptions(options []pcapfile.Option, packet bool) {
	for i := range options {
		what := otherOption
		switch {
		case options[i].Custom():
			what = customOption
		case packet && options[i].Code == pcapfile.OptionHash:
			what = packetHash
		}
		w.leave(what, 1)
	}
}

// leaveFile counts what a file says beside its packets: pcap has no place for that.
func (w *Writer) leaveFile(f *input.File) {
	blocks, missed := f.Blocks()
	w.leave(unknownBlock, missed)
	for i := range blocks {
		w.leave(thingOf(&blocks[i]), 1)
	}
	w.leave(name, len(f.Names())+len(f.MACNames()))
	w.leave(customBlock, len(f.Custom()))
	if f.Format() == pcapfile.PCAP {
		return
	}
	for _, s := range f.Sections() {
		w.leaveSection(s)
		w.leaveOptions(s.Options, false)
	}
	for _, i := range f.Interfaces() {
		if said(i) {
			w.leave(description, 1)
		}
		w.leave(comment, len(i.Comments))
		w.leaveOptions(i.Options, false)
	}
	for _, s := range f.Statistics() {
		w.leave(statistics, 1)
		w.leave(comment, len(s.Comments))
		w.leaveOptions(s.Options, false)
	}
}

// said reports whether an interface is described by more than its link type.
func said(i *pcapfile.Interface) bool {
	return i.Name != "" || i.Description != "" || i.Filter != "" || i.Hardware != "" || i.OS != "" ||
		len(i.Addrs) > 0 || i.MAC != nil || i.Speed != 0
}
