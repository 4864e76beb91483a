package rewrite

import (
	"encoding/binary"

	"netcap/internal/input"
	"netcap/pcapfile"
)

// Snapshot lengths that are written: that of libpcap, and that of the few link types whose
// packets may be larger.
const (
	snapLen      = 256 << 10
	largeSnapLen = 128 << 20
)

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
