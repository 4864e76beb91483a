package report

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"netcap/internal/damage"
	"netcap/internal/input"
	"netcap/internal/label"
	"netcap/internal/ledger"
	"netcap/pcapfile"
)

// FileInfo is what there is to say about a capture file.
type FileInfo struct {
	Path        string   `json:"path"`
	Format      string   `json:"format"`
	Compression string   `json:"compression"`
	ByteOrder   string   `json:"byte_order"` // of the first section, "little-endian" or "big-endian"
	LinkTypes   []string `json:"link_types"`

	Interfaces     []Interface `json:"interfaces"`
	SnapshotLength uint32      `json:"snapshot_length"` // in bytes, the largest of the interfaces'; 0: no limit

	Packets   uint64 `json:"packets"`
	BytesFile int64  `json:"bytes_file"`
	BytesData uint64 `json:"bytes_data"` // of the packets as they were on the wire

	// The earliest and the latest time of a packet, UTC; nil if none has one.
	FirstPacket *time.Time `json:"first_packet"`
	LastPacket  *time.Time `json:"last_packet"`
	Duration    *float64   `json:"duration_seconds"`

	// Dropped are the packets that interfaces and operating system had no room for: the
	// sum of those of the interfaces. It is nil if the file doesn't say.
	Dropped *uint64 `json:"dropped"`

	// StrictlyTimeOrdered is false if a packet is earlier than the one before.
	StrictlyTimeOrdered bool `json:"strictly_time_ordered"`

	// What the file says of its making; of several sections, all their comments.
	Hardware    string   `json:"hardware"`
	OS          string   `json:"os"`
	Application string   `json:"application"`
	Comments    []string `json:"comments"`
	// Names are those that the file gives addresses.
	Names []Name `json:"names"`
	// Gaps are what it says of intervals in which packets are or may be missing.
	Gaps []ledger.Gap `json:"gaps"`
	// Rate is how many packets came when, nil if none has a time.
	Rate *Rate `json:"rate"`

	// Top is who had most, nil if that was not asked for.
	Top *Top `json:"top,omitempty"`
	// Together is for the caller to say: who had most in this file and others (see Together).
	Together *Top `json:"top_together,omitempty"`

	// Complete is false if the file is damaged or ends in the middle of a
	// packet; TruncatedBytes are those behind the last one that is whole.
	Complete       bool  `json:"complete"`
	TruncatedBytes int64 `json:"truncated_bytes"`
	// Reason is why the file isn't complete; empty if it is.
	Reason string `json:"reason,omitempty"`
	// Following are the whole packets behind the damage, other captures' included, and
	// FollowingOffset is where they begin, in the decompressed bytes.
	Following       int64 `json:"following_packets,omitempty"`
	FollowingOffset int64 `json:"following_offset,omitempty"`
	// NotSearched is why nobody looked for such packets; empty if that was done.
	NotSearched string `json:"not_searched,omitempty"`
	// BeingWritten is for the caller to say, who knows what is running: that a capture is
	// still writing the file, which may be why it ends in the middle of a packet.
	BeingWritten bool `json:"being_written"`

	// closed: statistics stand behind the last packet, as at the end of a
	// pcapng file that was closed in an orderly way.
	closed bool

	counter *topCounter // that Top is of
}

// Interface is an interface that packets of a file were captured on. That of a
// pcap file has no name.
type Interface struct {
	Name           string `json:"name"`
	LinkType       string `json:"link_type"`
	SnapshotLength uint32 `json:"snapshot_length"`
	Filter         string `json:"filter,omitempty"`
	Packets        uint64 `json:"packets"` // in the file
	// Dropped is DroppedByInterface and DroppedByOS together, as far as they are known; if
	// the packets say that more were lost before them (epb_dropcount), it is that.
	Dropped *uint64 `json:"dropped"`

	// What the latest statistics say, each by itself, from the beginning of the capture on;
	// nil is not said.
	Received           *uint64 `json:"received"`          // isb_ifrecv
	DroppedByInterface *uint64 `json:"dropped_interface"` // isb_ifdrop
	FilterAccepted     *uint64 `json:"filter_accepted"`   // isb_filteraccept
	DroppedByOS        *uint64 `json:"dropped_os"`        // isb_osdrop
	Delivered          *uint64 `json:"delivered"`         // isb_usrdeliv: to the program that captured
}

// Name is an address and what it is called.
type Name struct {
	Address string   `json:"address"`
	Names   []string `json:"names"`
}

// InfoConfig says how Info reads. A nil one is as the zero one.
type InfoConfig struct {
	// Stdin is what the path - stands for.
	Stdin io.Reader
	// Top is how many talkers and protocols are wanted.
	Top int
	// Opened is told of the file, so that its progress can be asked for, unless it is nil.
	Opened func(*input.File)
	// Windows bounds what decompressing takes where several files are read at once.
	Windows *input.Windows
}

// Info opens and reads a file to its end, or standard input if the path is -. The error,
// which names the file, says what is wrong with it; if the file is a capture there is a
// FileInfo as well, of what precedes the damage.
func Info(path string, cfg *InfoConfig) (*FileInfo, error) {
	if cfg == nil {
		cfg = &InfoConfig{}
	}
	f, err := input.OpenWithin(path, cfg.Stdin, cfg.Windows)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if cfg.Opened != nil {
		cfg.Opened(f)
	}
	w := newWalk(cfg)
	err = w.run(f.Reader)
	info := w.info(f.Reader)
	info.Path, info.Compression = f.Path, f.Compression
	if err != nil {
		// A Reader stops at the first damage.
		rest, restErr := f.Rest()
		info.Reason, info.TruncatedBytes = err.Error(), rest
		size := f.Offset() + rest
		if restErr != nil && !errors.Is(err, restErr) {
			err = errors.Join(err, restErr)
			info.Reason += "; " + restErr.Error()
		}
		if damaged(err) {
			info, err = judge(info, err, f, size, cfg)
		}
		if restErr != nil {
			info.NotSearched = notDecompressed
		}
		err = FileError(f.Path, err)
	}
	if passed := PassedOver(f.Reader); err == nil && passed != "" {
		info.Reason = passed
	}
	info.BytesFile = f.BytesRead()
	if l, labelErr := label.ReadFile(path); err == nil && labelErr == nil && f.Size() == info.BytesFile && f.Compression != input.None {
		info.checkLabel(l)
	}
	info.Complete = info.Reason == ""
	return info, err
}

// checkLabel holds a file that can be read to its end to what its label says.
func (i *FileInfo) checkLabel(l *label.Label) {
	if i.Reason != "" {
		return
	}
	i.Complete = true
	i.Reason = contradicts(l, i)
}

// notDecompressed is why nobody looks for packets behind damage of the compression.
const notDecompressed = "it can't be decompressed any further"

// judge says what follows the damage in a file, of which so many bytes can be had, decompressed.
// What a reader that had lost its place took for packets isn't counted.
func judge(info *FileInfo, err error, f *input.File, size int64, cfg *InfoConfig) (*FileInfo, error) {
	r, end, openErr := anywhere(f, &size, cfg)
	if openErr != nil {
		info.NotSearched = openErr.Error()
		return info, err
	}
	defer end()
	j, judgeErr := damage.Judge(r, size)
	if judgeErr != nil {
		info.NotSearched = judgeErr.Error()
		return info, err
	}
	if j.Reason == nil {
		return info, err // it has changed
	}
	if uint64(j.Packets) < info.Packets {
		in, readErr := pcapfile.NewReader(io.NewSectionReader(r, 0, j.End))
		if readErr != nil {
			return info, err
		}
		w := newWalk(cfg)
		if readErr := w.run(in); readErr != nil {
			return info, err
		}
		again := w.info(in)
		again.Path, again.Compression = info.Path, info.Compression
		info = again
	}
	info.Reason, info.TruncatedBytes = j.Reason.Error(), size-j.End
	info.Following, info.FollowingOffset = j.Following, j.At
	var broken *input.CompressionError
	if errors.As(err, &broken) {
		info.Reason += "; " + broken.Error()
		return info, errors.Join(j.Reason, broken)
	}
	return info, j.Reason
}

// anywhere opens a file for reading at any place of what it holds, decompressed.
func anywhere(f *input.File, size *int64, cfg *InfoConfig) (r io.ReaderAt, end func(), err error) {
	if f.Size() < 0 {
		return nil, nil, errors.New("it can be read only once")
	}
	if f.Compression != input.None {
		// Its decompressor has done what it could, and another one is needed.
		if err := f.Close(); err != nil {
			return nil, nil, err
		}
		at, err := input.NewAt(f.Path, cfg.Windows, *size)
		if err != nil {
			return nil, nil, err
		}
		return at, func() { at.Close() }, nil
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, nil, err // it has been deleted
	}
	if st, statErr := file.Stat(); statErr == nil {
		*size = st.Size()
	}
	return file, func() { file.Close() }, nil
}

// Following says how many whole packets follow the damage in the file at a path, and where; "" if
// none do, or it can't be told.
func Following(path string) string {
	at, err := input.NewAt(path, nil, -1)
	if err != nil {
		return "" // standard input
	}
	defer at.Close()
	var j *damage.Judgement
	if at.Compression() == input.None {
		j, err = damage.JudgeFile(path)
	} else {
		var size int64
		if size, err = at.Size(); err == nil {
			j, err = damage.Judge(at, size)
		}
	}
	if err != nil {
		return ""
	}
	return j.String()
}

// PassedOver names the first section of a version that isn't known, which a Reader has passed
// over; "" if there is none.
func PassedOver(r *pcapfile.Reader) string {
	for _, s := range r.Sections() {
		if r.Format() == pcapfile.PCAPNG && s.Major != 1 {
			return fmt.Sprintf("the section at offset %d is of version %d.%d, which isn't known, and was passed over", s.Offset, s.Major, s.Minor)
		}
	}
	return ""
}

func newWalk(cfg *InfoConfig) *walk {
	w := &walk{packets: make(map[*pcapfile.Interface]uint64), lost: make(map[*pcapfile.Interface]uint64), ordered: true}
	if cfg.Top > 0 {
		w.top = newTopCounter(cfg.Top)
	}
	return w
}

// maxInterfaces bounds how many interfaces packets are counted for, each by
// itself. Files describe a handful; made-up ones don't get more memory.
const maxInterfaces = 1 << 16

// A walk sums up packets.
type walk struct {
	count, bytes          uint64
	packets               map[*pcapfile.Interface]uint64
	first, last, previous time.Time
	timed, ordered        bool
	lost                  map[*pcapfile.Interface]uint64 // epb_dropcount
	statistics            int                            // blocks before the last packet
	rate                  rateCounter
	top                   *topCounter // nil if that is not wanted
}

// run reads to the end; the error is nil if that is where it should be.
func (w *walk) run(r *pcapfile.Reader) error {
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w.add(p)
		w.statistics = len(r.Statistics())
	}
}

func (w *walk) add(p *pcapfile.Packet) {
	w.count++
	w.bytes += uint64(p.Length)
	if _, ok := w.packets[p.Interface]; ok || len(w.packets) < maxInterfaces {
		w.packets[p.Interface]++
	}
	if w.top != nil {
		w.top.add(p)
	}
	if p.Dropped.Known {
		if _, ok := w.lost[p.Interface]; ok || len(w.lost) < maxInterfaces {
			w.lost[p.Interface] += p.Dropped.Value
		}
	}
	if !p.HasTime {
		return
	}
	if !w.timed {
		w.first, w.last, w.previous, w.timed = p.Time, p.Time, p.Time, true
	}
	if p.Time.Before(w.previous) {
		w.ordered = false
	}
	w.previous = p.Time
	w.rate.add(p.Time)
	if p.Time.Before(w.first) {
		w.first = p.Time
	}
	if p.Time.After(w.last) {
		w.last = p.Time
	}
}

func (w *walk) info(r *pcapfile.Reader) *FileInfo {
	f := &FileInfo{
		Format: r.Format().String(), ByteOrder: "little-endian",
		LinkTypes: []string{}, Interfaces: []Interface{},
		Packets: w.count, BytesData: w.bytes, StrictlyTimeOrdered: w.ordered,
		Rate: w.rate.rate(), closed: len(r.Statistics()) > w.statistics,
	}
	f.describe(r)
	if w.top != nil {
		w.top.name(r.Names())
		f.Top, f.counter = w.top.top(), w.top
	}
	if r.Section().ByteOrder == binary.BigEndian {
		f.ByteOrder = "big-endian"
	}
	for _, t := range r.LinkTypes() {
		f.LinkTypes = append(f.LinkTypes, t.String())
	}
	counters := lastCounters(r.Statistics())
	unlimited := false
	for _, i := range r.Interfaces() {
		listed := Interface{
			Name: i.Name, LinkType: i.LinkType.String(), SnapshotLength: i.SnapLen,
			Filter: i.Filter, Packets: w.packets[i],
		}
		listed.count(counters[i])
		if n, ok := w.lost[i]; ok && (listed.Dropped == nil || n > *listed.Dropped) {
			listed.Dropped = &n
		}
		if listed.Dropped != nil {
			f.Dropped = sum(f.Dropped, *listed.Dropped)
		}
		f.Interfaces = append(f.Interfaces, listed)
		f.SnapshotLength = max(f.SnapshotLength, i.SnapLen)
		unlimited = unlimited || i.SnapLen == 0
	}
	if unlimited {
		f.SnapshotLength = 0
	}
	if w.timed {
		first, last, seconds := w.first.UTC(), w.last.UTC(), seconds(w.first, w.last)
		f.FirstPacket, f.LastPacket, f.Duration = &first, &last, &seconds
	}
	return f
}

// describe takes what a file says beside its packets.
func (f *FileInfo) describe(r *pcapfile.Reader) {
	f.Comments, f.Names, f.Gaps = []string{}, []Name{}, []ledger.Gap{}
	told := make(map[string]bool)
	for n, s := range r.Sections() {
		if n == 0 {
			f.Hardware, f.OS, f.Application = s.Hardware, s.OS, s.Application
		}
		for _, c := range s.Comments {
			if !told[c] {
				f.Comments = append(f.Comments, c)
			}
			told[c] = true
		}
	}
	clear(told)
	for _, n := range r.Names() { // each part of a file may say all of them
		name := Name{n.Addr.String(), n.Names}
		if key := name.Address + " " + strings.Join(n.Names, " "); !told[key] {
			told[key] = true
			f.Names = append(f.Names, name)
		}
	}
	clear(told)
	for _, s := range r.Statistics() {
		for _, c := range s.Comments {
			if g, ok := ledger.ParseComment(c); ok {
				f.Gaps = append(f.Gaps, g)
			} else if !told[c] { // of a hole, as repair notes it
				told[c] = true
				f.Comments = append(f.Comments, c)
			}
		}
	}
}

// lastCounters takes the latest of each counter of each interface: they only grow.
func lastCounters(all []pcapfile.InterfaceStatistics) map[*pcapfile.Interface]pcapfile.Statistics {
	last := make(map[*pcapfile.Interface]pcapfile.Statistics)
	for _, s := range all {
		l := last[s.Interface]
		for _, c := range []struct {
			to   *pcapfile.Counter
			from pcapfile.Counter
		}{
			{&l.Received, s.Received},
			{&l.DroppedByInterface, s.DroppedByInterface},
			{&l.FilterAccepted, s.FilterAccepted},
			{&l.DroppedByOS, s.DroppedByOS},
			{&l.Delivered, s.Delivered},
		} {
			if c.from.Known {
				*c.to = c.from
			}
		}
		last[s.Interface] = l
	}
	return last
}

// count takes the counters of an interface.
func (i *Interface) count(s pcapfile.Statistics) {
	i.Received, i.FilterAccepted, i.Delivered = known(s.Received), known(s.FilterAccepted), known(s.Delivered)
	i.DroppedByInterface, i.DroppedByOS = known(s.DroppedByInterface), known(s.DroppedByOS)
	i.Dropped = dropped(s)
}

// dropped is how many packets statistics say were lost, on the interface and behind it: no
// packet is counted at both. Programs differ in where they count: dumpcap has the kernel's
// drops in isb_ifdrop.
func dropped(s pcapfile.Statistics) (total *uint64) {
	for _, c := range []pcapfile.Counter{s.DroppedByInterface, s.DroppedByOS} {
		if c.Known {
			total = sum(total, c.Value)
		}
	}
	return total
}

// Dropped is how many packets a file that was read says that interfaces and operating system
// had no room for.
func Dropped(r *pcapfile.Reader) (n int64) {
	if r == nil {
		return 0
	}
	for _, c := range lastCounters(r.Statistics()) {
		if d := dropped(c); d != nil {
			n += int64(*d)
		}
	}
	return n
}

// known is a counter's value, or nil.
func known(c pcapfile.Counter) *uint64 {
	if !c.Known {
		return nil
	}
	return &c.Value
}

// sum adds to a number that may be unknown.
func sum(total *uint64, n uint64) *uint64 {
	if total != nil {
		n += *total
	}
	return &n
}

// seconds are those between two times, which can be further apart than a
// time.Duration holds.
func seconds(from, to time.Time) float64 {
	return float64(to.Unix()-from.Unix()) + float64(to.Nanosecond()-from.Nanosecond())/1e9
}
