package rewrite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
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
	// Scrub says that the packets are scrubbed: what is no longer true of them, and what
	// may tell what was in them, is left out. That is decryption secrets, entries of a
	// journal, all blocks and options that only a vendor or nobody understands, those of
	// packets that have no field of Packet, and numbers that can't be what they are for.
	Scrub bool
	// Bare leaves out what people or programs wrote in words: comments, names of addresses,
	// machines, filters, descriptions, all options without a field, and names of interfaces
	// that aren't such as systems give.
	Bare bool
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
	kept    []pcapfile.Option   // of a block: memory

	losses losses
}

// state is how much of a file is written.
type state struct {
	interfaces, names, macNames, custom, statistics, sections int

	said int // of all these, but for sections

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

// Lost says, in a line for people, what the captures said beside the bytes of their packets
// and the one written doesn't, once it is closed. It is "" if that is nothing.
func (w *Writer) Lost() string { return w.losses.String() }

// Add appends a packet of a file. A *LinkTypeError says that a pcap file can't hold it.
func (w *Writer) Add(f *input.File, p *pcapfile.Packet) error {
	if w.err != nil {
		return w.err
	}
	if !w.begun {
		w.begin(f, p)
	}
	if w.format == pcapfile.PCAP {
		if p.Interface.LinkType != w.linkType {
			return &LinkTypeError{w.first.Path, w.linkType, f.Path, p.Interface.LinkType}
		}
		if w.file != f {
			w.file, w.state = f, w.stateOf(f)
		}
		w.leavePacket(p)
		w.buf = pcapfile.AppendRecord(w.buf, w.time(p), p.Data, p.Length, w.nano)
	} else {
		id, comments, flags, dropped := w.meet(f, p.Interface), p.Comments, p.Flags, p.Dropped
		if w.cfg.Scrub {
			flags, dropped = flags&definedFlags, w.plausible(dropped)
		}
		if w.cfg.Bare {
			w.losses.lose(comment, confidential, len(comments))
			comments = nil
		}
		switch {
		case !p.HasTime && whole(p.Data, p.Length, w.snapLen[id]):
			w.makeFirst(f, p.Interface)
			w.buf = pcapfile.AppendSimplePacket(w.buf, p.Data, p.Length)
		case comments == nil && !dropped.Known && p.Options == nil:
			w.buf = pcapfile.AppendPacket(w.buf, id, w.time(p), p.Data, p.Length, flags)
		default:
			w.checkComments(comments)
			w.buf = pcapfile.AppendPacketOptions(w.buf, id, w.time(p), p.Data, p.Length, flags, dropped, comments,
				w.options(p.Options, f, p.Interface.Section, true)...)
		}
	}
	w.packets++
	if len(w.buf) >= piece {
		return w.Flush()
	}
	return nil
}

// What is defined of a packet's flags, draft-ietf-opsawg-pcapng section 4.3.1, and what of
// numbers may be true: counters, and bits a second.
const (
	definedFlags = 0xff000fff
	maxCount     = 1 << 48
	maxSpeed     = 1_000_000_000_000_000
)

// plausible is a counter of a scrubbed copy, unless it is no such thing.
func (w *Writer) plausible(c pcapfile.Counter) pcapfile.Counter {
	if c.Value < maxCount {
		return c
	}
	w.losses.lose(number, confidential, 1)
	return pcapfile.Counter{}
}

// time is a packet's, in nanoseconds, or the nearest that the format has.
func (w *Writer) time(p *pcapfile.Packet) int64 {
	if !p.HasTime {
		w.losses.changed[untimed]++
		return 0
	}
	ns := pcapfile.UnixNano(p.Time)
	pcap := w.format == pcapfile.PCAP
	switch {
	case ns < 0 || ns == math.MaxInt64 || pcap && ns > maxPCAPTime:
		w.losses.changed[beyond]++
	case pcap && !w.nano && ns%1000 != 0, p.Interface.Resolution.FinerThan(pcapfile.Nanoseconds):
		w.losses.changed[coarser]++
	}
	return ns
}

// makeFirst makes an interface the first one, of another section if need be: a packet without
// a time is always the first one's.
func (w *Writer) makeFirst(f *input.File, i *pcapfile.Interface) {
	if w.id == 0 {
		return
	}
	again := w.section
	again.Comments, again.Options = nil, nil
	w.buf = pcapfile.AppendSection(w.buf, &again)
	w.snapLen = w.snapLen[:0]
	clear(w.ids)
	for _, s := range w.states {
		clear(s.ids)
		clear(s.used)
	}
	w.iface, w.id = i, w.describe(f, i)
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
	if w.err != nil {
		return
	}
	if w.format == pcapfile.PCAP {
		w.leaveFile(f)
		delete(w.states, f)
		w.file, w.state = nil, nil
		return
	}
	if !w.begun {
		w.begin(f, nil)
	}
	w.meet(f, nil)
	if f.Overflowed() {
		w.losses.lose(beside, tooMuch, 1)
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
	if w.format == pcapfile.PCAP {
		for f := range w.states { // not read to their end
			w.leaveFile(f)
		}
		clear(w.states)
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
		for n, s := range file.Sections() {
			w.addComments(s.Comments)
			for _, o := range w.options(s.Options, file, n, false) {
				if !slices.ContainsFunc(w.section.Options, func(other pcapfile.Option) bool {
					return o.Code == other.Code && bytes.Equal(o.Value, other.Value)
				}) {
					w.section.Options = append(w.section.Options, o)
				}
			}
		}
		w.stateOf(file).sections = len(file.Sections())
	}
	if w.cfg.Bare {
		for _, file := range files {
			for _, s := range file.Sections() {
				w.leaveSection(s)
			}
		}
		w.section = pcapfile.Section{Application: w.cfg.Application}
	}
	w.checkComments(w.section.Comments)
	w.buf = pcapfile.AppendSection(w.buf, &w.section)
	w.beginSnapLen(files)
	if f != nil {
		w.meet(f, nil)
	}
}

// leaveSection counts what a section says in words.
func (w *Writer) leaveSection(s *pcapfile.Section) {
	w.leave(comment, len(s.Comments))
	if s.Hardware != "" || s.OS != "" {
		w.leave(machine, 1)
	}
}

// beginSnapLen finds a snap length for interfaces of several files: libpcap refuses a capture
// in which they differ. It is that of all of them, or not less than any.
func (w *Writer) beginSnapLen(files []*input.File) {
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
		switch {
		case slices.Contains(w.section.Comments, c):
		case len(w.section.Comments) < maxComments:
			w.section.Comments = append(w.section.Comments, c)
		default:
			w.losses.lose(comment, tooMuch, 1)
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
	if n := len(f.Interfaces()) + len(f.Names()) + len(f.MACNames()) + len(f.Custom()) + len(f.Statistics()); n != s.said {
		s.said = n
		w.say(f, s)
	}
	blocks, missed := f.Blocks()
	w.losses.lose(unknownBlock, tooMuch, missed)
	if len(f.Custom()) != s.custom || blocks != nil {
		w.copyBlocks(blocks, f.Custom()[s.custom:])
		s.custom = len(f.Custom())
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

// say writes what is new of what a file says between its packets.
func (w *Writer) say(f *input.File, s *state) {
	for _, i := range f.Interfaces()[s.interfaces:] {
		w.describe(f, i)
	}
	s.interfaces = len(f.Interfaces())
	if sections := f.Sections(); len(sections) > s.sections {
		for n := s.sections; n < len(sections); n++ {
			w.losses.lose(customOption, joined, len(w.options(sections[n].Options, f, n, false)))
			if w.cfg.Bare {
				w.leaveSection(sections[n])
			}
		}
		s.sections = len(sections)
	}
	w.appendNames(f, f.Names()[s.names:])
	w.appendNames(f, f.MACNames()[s.macNames:])
	s.names, s.macNames = len(f.Names()), len(f.MACNames())
	for n := s.statistics; n < len(f.Statistics()); n++ {
		w.count(f, s, &f.Statistics()[n])
	}
	s.statistics = len(f.Statistics())
}

// count writes statistics, if they are of the packets that are written.
func (w *Writer) count(f *input.File, s *state, one *pcapfile.InterfaceStatistics) {
	if !w.cfg.Whole {
		// That they are of all packets of the original is no loss.
		w.losses.lose(comment, notOfThese, len(one.Comments))
		return
	}
	id, ok := s.ids[one.Interface]
	if !ok {
		id = w.describe(f, one.Interface)
	}
	kept := one.Statistics
	kept.Options = w.options(kept.Options, f, one.Interface.Section, false)
	if w.cfg.Bare {
		w.losses.lose(comment, confidential, len(kept.Comments))
		kept.Comments = nil
	}
	w.checkComments(kept.Comments)
	w.buf = pcapfile.AppendStatistics(w.buf, id, pcapfile.UnixNano(one.Time), &kept)
}

// copyBlocks writes blocks that nobody here decodes, in the order of the file.
func (w *Writer) copyBlocks(blocks []pcapfile.Block, custom []pcapfile.Custom) {
	for len(blocks) > 0 || len(custom) > 0 {
		if len(blocks) == 0 || len(custom) > 0 && custom[0].Offset < blocks[0].Offset {
			w.copyCustom(&custom[0])
			custom = custom[1:]
			continue
		}
		w.copyBlock(&blocks[0])
		blocks = blocks[1:]
	}
}

func (w *Writer) copyBlock(b *pcapfile.Block) {
	what := thingOf(b)
	if w.cfg.Scrub {
		w.losses.lose(what, confidential, 1)
		return
	}
	var ok bool
	if w.buf, ok = pcapfile.AppendBlock(w.buf, b); !ok {
		w.losses.lose(what, otherByteOrder, 1)
	}
}

func (w *Writer) copyCustom(c *pcapfile.Custom) {
	switch {
	case w.cfg.Scrub:
		w.losses.lose(customBlock, confidential, 1)
	case !c.Copyable:
		w.losses.lose(customBlock, notForCopies, 1)
	default:
		w.buf = pcapfile.AppendCustom(w.buf, c.PEN, c.Data, true)
	}
}

// options are those of a block that may be written, till they are asked for the next time.
func (w *Writer) options(all []pcapfile.Option, f *input.File, section int, packet bool) []pcapfile.Option {
	if len(all) == 0 {
		return nil
	}
	big := section >= 0 && section < len(f.Sections()) && f.Sections()[section].ByteOrder == binary.BigEndian
	w.kept = w.kept[:0]
	for i := range all {
		o := &all[i]
		what := otherOption
		if o.Custom() {
			what = customOption
		}
		switch {
		case w.cfg.Scrub && packet && o.Code == pcapfile.OptionHash:
			w.losses.lose(packetHash, confidential, 1)
		case w.cfg.Scrub && (packet || w.cfg.Bare || o.Custom() || o.Unknown):
			w.losses.lose(what, confidential, 1)
		case !o.Copyable():
			w.losses.lose(customOption, notForCopies, 1)
		case o.Unknown && big:
			w.losses.lose(otherOption, otherByteOrder, 1)
		default:
			w.kept = append(w.kept, *o)
		}
	}
	return w.kept
}

// checkComments counts those that a block has no room for.
func (w *Writer) checkComments(comments []string) {
	room := commentBytes
	for n, c := range comments {
		if room -= len(c) + 8; room < 0 {
			w.losses.lose(comment, tooMuch, len(comments)-n)
			return
		}
	}
}

// commentBytes is what the comments of a block may take, as pcapfile writes them.
const commentBytes = 256 << 10

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
	s := w.stateOf(f)
	described.Options = w.options(i.Options, f, i.Section, false)
	if w.cfg.Scrub && described.Speed > maxSpeed {
		w.losses.lose(number, confidential, 1)
		described.Speed = 0
	}
	if w.cfg.Scrub && described.SnapLen > largeSnapLen {
		described.SnapLen = largeSnapLen
	}
	if w.cfg.Bare {
		w.bare(i, &described)
	}
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
	w.checkComments(described.Comments)
	id := uint32(len(w.snapLen))
	w.snapLen = append(w.snapLen, described.SnapLen)
	w.ids[key] = append(w.ids[key], id)
	s.ids[i] = id
	return id
}

// bare takes the words from what is said of an interface.
func (w *Writer) bare(i, described *pcapfile.Interface) {
	w.losses.lose(comment, confidential, len(i.Comments)) // sections' were counted
	described.Description, described.Filter, described.Hardware, described.OS, described.Comments = "", "", "", "", nil
	if !interfaceName.MatchString(described.Name) {
		described.Name = ""
	}
	if described.Name != i.Name || i.Description != "" || i.Filter != "" || i.Hardware != "" || i.OS != "" {
		w.losses.lose(description, confidential, 1)
	}
}

// interfaceName is for the names that Linux, its tools and other systems give interfaces:
// systemd.net-naming-scheme(7), Docker's bridges, ends of containers, tags of VLANs.
var interfaceName = regexp.MustCompile(`^(any|lo|` +
	`(eth|wlan|wwan|br|docker|docker_gwbridge|veth|bond|team|vlan|tun|tap|wg|virbr|vmnet|ib|usb|ppp|dummy|vxlan|gre|sit|lo|utun|bridge|vmbr|ens|eno|c)[0-9]{0,5}|` +
	`(en|wl|ww|ib)(P[0-9]{1,5})?p[0-9]{1,3}s[0-9]{1,3}(f[0-9]{1,3})?(u[0-9]{1,3}|np?[0-9]{1,3}|d[0-9]{1,3}){0,2}|en[oPs][0-9]{1,4}(np?[0-9]{1,3})?|(en|wl)x[0-9a-f]{12}|` +
	`br-[0-9a-f]{12}|(veth|cali|lxc|vnet)[0-9a-f]{1,11}|cni0|flannel\.[0-9]{1,4})` +
	`([.:][0-9]{1,4}){0,2}(@if[0-9]{1,5})?$`)

// appendNames writes names that weren't written before: each file of a set has them.
func (w *Writer) appendNames(f *input.File, names []pcapfile.Name) {
	if w.cfg.Bare {
		w.losses.lose(name, confidential, len(names))
		return
	}
	var fresh []pcapfile.Name
	for _, n := range names {
		key := n.Addr.String() + string(n.MAC)
		for _, name := range n.Names {
			key += "\x00" + name
		}
		for _, o := range n.Options {
			key += fmt.Sprintf("\x00%d\x00%s", o.Code, o.Value)
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
	for len(fresh) > 0 {
		n := 1
		for n < min(most, len(fresh)) && sameBlock(&fresh[0], &fresh[n]) {
			n++
		}
		if w.cfg.Scrub {
			w.losses.lose(otherOption, confidential, len(fresh[0].Options))
			fresh[0].Options = nil
		}
		fresh[0].Options = w.options(fresh[0].Options, f, len(f.Sections())-1, false)
		w.buf = pcapfile.AppendNames(w.buf, fresh[:n])
		fresh = fresh[n:]
	}
}

// sameBlock reports whether two names have the options of the same block, or none.
func sameBlock(a, b *pcapfile.Name) bool {
	return len(a.Options) == len(b.Options) && (len(a.Options) == 0 || &a.Options[0] == &b.Options[0])
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
