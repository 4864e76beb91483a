package rewrite

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"netcap/internal/input"
	"netcap/pcapfile"
)

// Config says how a capture is written. A nil Config is the zero one.
type Config struct {
	// Application is what the file says it was written by. That of a Whole file remains:
	// the statistics are its.
	Application string
	// Files are those whose packets will be written, as far as they are open: the header
	// speaks of them all. The file of the first packet needn't be among them.
	Files []*input.File
	// Whole says that all packets of one file are written: then its statistics are too.
	Whole bool
}

// A Writer writes a capture. It isn't for several goroutines.
type Writer struct {
	out     io.Writer
	cfg     Config
	format  pcapfile.Format
	buf     []byte
	err     error // of writing: nothing is written any more
	begun   bool
	packets int64

	file  *input.File // the last one, and what is known of it
	state *state
	iface *pcapfile.Interface // likewise
	id    uint32

	// Of a pcap file.
	linkType pcapfile.LinkType
	first    *input.File // whose link type it has
	nano     bool

	// Of a pcapng file.
	section pcapfile.Section
	states  map[*input.File]*state
	ids     map[string][]uint32 // interfaces, by all that they say
	snapLen []uint32            // of interfaces, by their numbers
	common  uint32              // snap length of interfaces of several files
	files   int                 // that were met
	named   map[string]bool     // names that were written
}

// state is how much of a file is written.
type state struct {
	interfaces, names, custom int

	ids  map[*pcapfile.Interface]uint32
	used map[string]int // how many interfaces say the same
}

// What is written at once, and what memory is taken for it, in bytes: the last packet goes
// beyond the former.
const (
	piece  = 512 << 10
	buffer = piece + 256<<10
)

// maxNamed bounds how many names are remembered.
const maxNamed = 1 << 16

// New returns a Writer of a capture of a format to out. Nothing is written before the first
// packet, or Close.
func New(out io.Writer, format pcapfile.Format, cfg *Config) *Writer {
	w := &Writer{
		out: out, format: format, buf: make([]byte, 0, buffer),
		states: make(map[*input.File]*state), ids: make(map[string][]uint32), named: make(map[string]bool),
	}
	if cfg != nil {
		w.cfg = *cfg
	}
	return w
}

// Packets is how many were added.
func (w *Writer) Packets() int64 { return w.packets }

// Add appends a packet of a file. A *LinkTypeError says that a pcap file can't hold it.
func (w *Writer) Add(f *input.File, p *pcapfile.Packet) error {
	if w.err != nil {
		return w.err
	}
	if !w.begun {
		w.begin(f, p)
	}
	ns := int64(0)
	if p.HasTime {
		ns = pcapfile.UnixNano(p.Time)
	}
	if w.format == pcapfile.PCAP {
		if p.Interface.LinkType != w.linkType {
			return &LinkTypeError{w.first.Path, w.linkType, f.Path, p.Interface.LinkType}
		}
		w.buf = pcapfile.AppendRecord(w.buf, ns, p.Data, p.Length, w.nano)
	} else {
		id := w.meet(f, p.Interface)
		switch {
		case !p.HasTime && id == 0 && whole(p.Data, p.Length, w.snapLen[0]):
			w.buf = pcapfile.AppendSimplePacket(w.buf, p.Data, p.Length)
		case p.Comments == nil && !p.Dropped.Known:
			w.buf = pcapfile.AppendPacket(w.buf, id, ns, p.Data, p.Length, p.Flags)
		default:
			w.buf = pcapfile.AppendPacketOptions(w.buf, id, ns, p.Data, p.Length, p.Flags, p.Dropped, p.Comments)
		}
	}
	w.packets++
	if len(w.buf) >= piece {
		return w.Flush()
	}
	return nil
}

// whole reports whether data is as long as a reader of a block without that number infers.
func whole(data []byte, length, snapLen uint32) bool {
	if snapLen != 0 {
		length = min(length, snapLen)
	}
	return uint32(len(data)) == length
}

// Ended takes what a file says behind its last packet. It suits input.Config.Ended.
func (w *Writer) Ended(f *input.File) {
	if w.format != pcapfile.PCAPNG || w.err != nil {
		return
	}
	if !w.begun {
		w.begin(f, nil)
	}
	w.meet(f, nil)
	if w.cfg.Whole {
		s := w.stateOf(f)
		for _, one := range f.Statistics() {
			if id, ok := s.ids[one.Interface]; ok {
				w.buf = pcapfile.AppendStatistics(w.buf, id, pcapfile.UnixNano(one.Time), &one.Statistics)
			}
		}
	}
	delete(w.states, f)
	w.file, w.state, w.iface = nil, nil, nil
}

// Flush writes what is buffered: for who reads along. Add does when there is enough.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.out.Write(w.buf)
		w.buf = w.buf[:0]
		if cap(w.buf) > 4*buffer {
			w.buf = make([]byte, 0, buffer) // after a giant packet
		}
	}
	return w.err
}

// Close writes what is left; the header too if there was no packet. It doesn't close the
// io.Writer.
func (w *Writer) Close() error {
	if !w.begun && w.err == nil {
		var f *input.File
		if len(w.cfg.Files) > 0 {
			f = w.cfg.Files[0]
		}
		w.begin(f, nil)
	}
	err := w.Flush()
	if w.err == nil {
		w.err = errors.New("the capture is closed")
	}
	return err
}

// begin writes the header. Where there is no packet, or no file even, it is one that any
// program reads.
func (w *Writer) begin(f *input.File, p *pcapfile.Packet) {
	w.begun, w.first = true, f
	files := w.cfg.Files
	if f != nil && !slices.Contains(files, f) {
		files = append([]*input.File{f}, files...)
	}
	if w.format == pcapfile.PCAP {
		w.beginPCAP(files, f, p)
		return
	}
	w.section = pcapfile.Section{Application: w.cfg.Application}
	for i, file := range files {
		s := file.Section()
		if i == 0 {
			w.section.Hardware, w.section.OS = s.Hardware, s.OS
		}
		if w.cfg.Whole && s.Application != "" {
			w.section.Application = s.Application
		}
		// What isn't so everywhere, interfaces say.
		if w.section.Hardware != s.Hardware {
			w.section.Hardware = ""
		}
		if w.section.OS != s.OS {
			w.section.OS = ""
		}
		for _, s := range file.Sections() {
			w.addComments(s.Comments)
		}
	}
	w.buf = pcapfile.AppendSection(w.buf, &w.section)
	w.beginSnapLen(files)
	if f != nil {
		w.meet(f, nil)
	}
}

// beginSnapLen finds a snap length for interfaces of several files: libpcap refuses a capture
// in which they differ. It is that of all of them, or not less than any.
func (w *Writer) beginSnapLen(files []*input.File) {
	w.files = max(0, len(files)-1) // the first will be met
	var all []uint32
	for _, f := range files {
		for _, i := range f.Interfaces() {
			all = append(all, i.SnapLen)
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 1 {
		w.common = all[0]
	} else if len(all) > 1 && all[0] != 0 {
		w.common = max(snapLen, all[len(all)-1])
	}
}

func (w *Writer) addComments(comments []string) {
	for _, c := range comments {
		if !slices.Contains(w.section.Comments, c) && len(w.section.Comments) < maxComments {
			w.section.Comments = append(w.section.Comments, c)
		}
	}
}

// maxComments bounds what merging thousands of files makes a header.
const maxComments = 100

func (w *Writer) stateOf(f *input.File) *state {
	s := w.states[f]
	if s == nil {
		s = &state{ids: make(map[*pcapfile.Interface]uint32), used: make(map[string]int)}
		w.states[f] = s
		w.files++
	}
	return s
}

// meet writes what a file has said since it was met last, and returns the number of an
// interface, if there is one.
func (w *Writer) meet(f *input.File, i *pcapfile.Interface) uint32 {
	if w.file != f {
		w.file, w.state, w.iface = f, w.stateOf(f), nil
	}
	s := w.state
	if len(f.Interfaces()) != s.interfaces || len(f.Names()) != s.names || len(f.Custom()) != s.custom {
		for _, i := range f.Interfaces()[s.interfaces:] {
			w.describe(f, i)
		}
		w.appendNames(f.Names()[s.names:])
		for _, c := range f.Custom()[s.custom:] {
			if c.Copyable {
				w.buf = pcapfile.AppendCustom(w.buf, c.PEN, c.Data, true)
			}
		}
		s.interfaces, s.names, s.custom = len(f.Interfaces()), len(f.Names()), len(f.Custom())
	}
	if i == nil || i == w.iface {
		return w.id
	}
	id, ok := s.ids[i]
	if !ok { // the Reader has stopped listing them
		id = w.describe(f, i)
	}
	w.iface, w.id = i, id
	return id
}

// describe gives an interface a number: that of one that says the same in another file, or
// the next.
func (w *Writer) describe(f *input.File, i *pcapfile.Interface) uint32 {
	described := *i
	if f.Format() == pcapfile.PCAPNG && i.Section >= 0 && i.Section < len(f.Sections()) {
		s := f.Sections()[i.Section]
		if described.Hardware == "" && s.Hardware != w.section.Hardware {
			described.Hardware = s.Hardware
		}
		if described.OS == "" && s.OS != w.section.OS {
			described.OS = s.OS
		}
		for _, c := range s.Comments {
			if !slices.Contains(w.section.Comments, c) && !slices.Contains(described.Comments, c) {
				described.Comments = append(slices.Clip(described.Comments), c)
			}
		}
	}
	if w.files > 1 && (w.common == 0 || described.SnapLen != 0 && described.SnapLen < w.common) {
		described.SnapLen = w.common
	}
	s := w.state
	at := len(w.buf)
	w.buf = pcapfile.AppendInterface(w.buf, &described)
	key := string(w.buf[at:])
	n := s.used[key]
	s.used[key]++
	if n < len(w.ids[key]) {
		w.buf = w.buf[:at]
		s.ids[i] = w.ids[key][n]
		return s.ids[i]
	}
	id := uint32(len(w.snapLen))
	w.snapLen = append(w.snapLen, described.SnapLen)
	w.ids[key] = append(w.ids[key], id)
	s.ids[i] = id
	return id
}

// appendNames writes names that weren't written before: each file of a set has them.
func (w *Writer) appendNames(names []pcapfile.Name) {
	var fresh []pcapfile.Name
	for _, n := range names {
		key := n.Addr.String()
		for _, name := range n.Names {
			key += "\x00" + name
		}
		if w.named[key] {
			continue
		}
		if len(w.named) < maxNamed {
			w.named[key] = true
		}
		fresh = append(fresh, n)
	}
	const most = 1000 // a block
	for block := range slices.Chunk(fresh, most) {
		w.buf = pcapfile.AppendNames(w.buf, block)
	}
}

// LinkTypeError says that packets begin with different headers, and can't be in one pcap
// file.
type LinkTypeError struct {
	Path      string // the file whose packets came first
	LinkType  pcapfile.LinkType
	OtherPath string
	Other     pcapfile.LinkType
}

func (e *LinkTypeError) Error() string {
	of := func(path string) string {
		if e.Path == e.OtherPath {
			return ""
		}
		return fmt.Sprintf(" (%q)", path)
	}
	return fmt.Sprintf("pcap can't hold packets of link type %v%s and of %v%s in one file: write pcapng, or filter for one of them",
		e.LinkType, of(e.Path), e.Other, of(e.OtherPath))
}
