package diagnosis_test

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"netcap/internal/diagnosis"
	"netcap/pcapfile"
)

// traffic is a capture in the making: packets as they pass the capture point.
type traffic struct {
	now    time.Duration // since epoch
	frames []frame
	snap   int                    // captured bytes of a packet at most, 0 for all
	wrap   func(ip []byte) []byte // puts an IP datagram into a frame; nil for Ethernet
	link   pcapfile.LinkType      // of the frames, 0 for Ethernet
	cores  int                    // connections so far
	onWire func(f frame) []frame  // what the capture makes of a packet; nil for itself
	unread bool                   // the capture program is late: packets are lost
}

// epoch is when the traffic begins.
var epoch = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

// frame is a packet: what was captured of it, and its length on the wire.
type frame struct {
	at     time.Duration
	data   []byte
	length int
}

const (
	client = 0
	server = 1
)

// Bits of a TCP header, RFC 9293 section 3.1.
const (
	fin = 0x01
	syn = 0x02
	rst = 0x04
	psh = 0x08
	ack = 0x10
)

// pass lets time pass.
func (tr *traffic) pass(d time.Duration) { tr.now += d }

// emit captures an IP datagram of which all bytes but the last missing are in b.
func (tr *traffic) emit(ip []byte, missing int) {
	if tr.unread {
		return
	}
	wrap := tr.wrap
	if wrap == nil {
		wrap = ethernet
	}
	b := wrap(ip)
	f := frame{tr.now, b, len(b) + missing}
	if tr.snap > 0 && len(f.data) > tr.snap {
		f.data = f.data[:tr.snap]
	}
	if tr.onWire == nil {
		tr.frames = append(tr.frames, f)
		return
	}
	tr.frames = append(tr.frames, tr.onWire(f)...)
}

// ethernet puts a datagram into a frame of IEEE 802.3.
func ethernet(ip []byte) []byte {
	kind := []byte{0x08, 0x00}
	if ip[0]>>4 == 6 {
		kind = []byte{0x86, 0xdd}
	}
	return slices.Concat([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, kind, ip)
}

// datagram puts a payload, of which missing bytes are not there, between two hosts.
func datagram(src, dst netip.Addr, protocol byte, id uint16, payload []byte, missing int) []byte {
	if src.Is6() {
		b := make([]byte, 40)
		b[0], b[6], b[7] = 6<<4, protocol, 64
		binary.BigEndian.PutUint16(b[4:], uint16(len(payload)+missing))
		copy(b[8:], src.AsSlice())
		copy(b[24:], dst.AsSlice())
		return append(b, payload...)
	}
	b := make([]byte, 20)
	b[0], b[8], b[9] = 4<<4|5, 64, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)+missing))
	binary.BigEndian.PutUint16(b[4:], id)
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	return append(b, payload...)
}

// line is a TCP connection.
type line struct {
	*traffic
	ends [2]end
	mss  int
	// tap says what becomes of the next segments with payload: they are captured, and
	// arrive, unless it says otherwise.
	tap tap
}

type tap uint8

const (
	intact tap = iota
	before     // lost on the way to the capture point
	behind     // captured, and lost behind it
	unseen     // arrived, and the capture has lost it
)

type end struct {
	place  netip.AddrPort
	seq    uint32 // of its next byte
	id     uint16 // of its next datagram
	window uint16
}

// dial is a connection that nothing is said in yet: the numbers are as if it had been
// there before the capture.
func (tr *traffic) dial(from, to string) *line {
	tr.cores++
	n := uint32(tr.cores)
	return &line{traffic: tr, mss: 1448, ends: [2]end{
		{netip.MustParseAddrPort(from), 1000 + n<<16, uint16(100 * n), 502},
		{netip.MustParseAddrPort(to), 5000 + n<<17, uint16(20000 + 100*n), 509},
	}}
}

// connect is dial with TCP's handshake.
func (tr *traffic) connect(from, to string) *line {
	l := tr.dial(from, to)
	l.raw(client, syn, nil)
	l.ends[client].seq++
	l.pass(100 * time.Microsecond)
	l.raw(server, syn|ack, nil)
	l.ends[server].seq++
	l.pass(100 * time.Microsecond)
	l.raw(client, ack, nil)
	l.pass(100 * time.Microsecond)
	return l
}

// raw captures a segment with the numbers as they are. Missing bytes behind the payload
// are on the wire, and not captured.
func (l *line) raw(from int, flags byte, payload []byte, missing ...int) {
	me, other := &l.ends[from], &l.ends[1-from]
	l.at(from, me.seq, other.seq, flags, payload, missing...)
}

// at is raw with other numbers.
func (l *line) at(from int, seq, acked uint32, flags byte, payload []byte, missing ...int) {
	me, other := &l.ends[from], &l.ends[1-from]
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h, me.place.Port())
	binary.BigEndian.PutUint16(h[2:], other.place.Port())
	binary.BigEndian.PutUint32(h[4:], seq)
	if flags&ack != 0 {
		binary.BigEndian.PutUint32(h[8:], acked)
	}
	h[12], h[13] = 5<<4, flags
	binary.BigEndian.PutUint16(h[14:], me.window)
	me.id++
	n := 0
	if len(missing) > 0 {
		n = missing[0]
	}
	l.emit(datagram(me.place.Addr(), other.place.Addr(), 6, me.id, append(h, payload...), n), n)
}

// acknowledge captures a bare acknowledgement of all that the other side has sent.
func (l *line) acknowledge(from int) { l.raw(from, ack, nil) }

// send sends bytes in segments of the maximum size, of which each second one and the last
// are acknowledged at once.
func (l *line) send(from int, b []byte) {
	for n := 1; len(b) > 0; n++ {
		size := min(len(b), l.mss)
		l.segment(from, b[:size])
		b = b[size:]
		if n%2 == 0 || len(b) == 0 {
			l.pass(20 * time.Microsecond)
			l.acknowledge(1 - from)
		}
	}
}

// segment sends a segment, which the line may lose. What is lost is not sent again here.
func (l *line) segment(from int, b []byte) {
	l.pass(20 * time.Microsecond)
	switch l.tap {
	case before, unseen:
		l.ends[from].id++
	default:
		l.raw(from, ack|psh, b)
	}
	l.ends[from].seq += uint32(len(b))
}

// again sends again what was sent last.
func (l *line) again(from int, b []byte) {
	l.at(from, l.ends[from].seq-uint32(len(b)), l.ends[1-from].seq, ack|psh, b)
}

// close ends the connection by FIN, from one side first.
func (l *line) close(from int) {
	for _, s := range []int{from, 1 - from} {
		l.pass(100 * time.Microsecond)
		l.raw(s, fin|ack, nil)
		l.ends[s].seq++
	}
	l.pass(100 * time.Microsecond)
	l.acknowledge(from)
}

// reset ends the connection by RST.
func (l *line) reset(from int) {
	l.pass(100 * time.Microsecond)
	l.raw(from, rst|ack, nil)
}

// unreachable has a router answer what a side sent last with an ICMP error of type 3
// (RFC 792).
func (l *line) unreachable(about int, router string, code byte) {
	me, other := l.ends[about], l.ends[1-about]
	quoted := make([]byte, 8)
	binary.BigEndian.PutUint16(quoted, me.place.Port())
	binary.BigEndian.PutUint16(quoted[2:], other.place.Port())
	binary.BigEndian.PutUint32(quoted[4:], me.seq)
	b := slices.Concat([]byte{3, code, 0, 0, 0, 0, 0, 0}, datagram(me.place.Addr(), other.place.Addr(), 6, me.id, quoted, 0))
	l.emit(datagram(addr(router), me.place.Addr(), 1, 1, b, 0), 0)
}

// arp captures a request, or a reply, of RFC 826.
func (tr *traffic) arp(operation byte, sender, target string) {
	b := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1}
	b = append(b, addr(sender).AsSlice()...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = append(b, addr(target).AsSlice()...)
	f := frame{tr.now, b, len(b)}
	if tr.onWire == nil {
		tr.frames = append(tr.frames, f)
		return
	}
	tr.frames = append(tr.frames, tr.onWire(f)...)
}

// packet makes frame n a packet.
func (tr *traffic) packet(f *frame, on *pcapfile.Interface) *pcapfile.Packet {
	return &pcapfile.Packet{Time: epoch.Add(f.at), HasTime: true, Data: f.data, Length: uint32(f.length), Interface: on}
}

// on is the interface that the packets are captured on.
func (tr *traffic) on() *pcapfile.Interface {
	i := &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet}
	if tr.link != 0 {
		i.LinkType = tr.link
	}
	return i
}

// report is what an analysis makes of the packets, in so many files that have one packet
// each in turn.
func (tr *traffic) report(t testing.TB, cfg *diagnosis.Config, files ...string) *diagnosis.Report {
	t.Helper()
	require.NotEmpty(t, tr.frames)
	a := diagnosis.New(cfg)
	if len(files) == 0 {
		files = []string{"made.pcap"}
	}
	var all []*diagnosis.File
	for _, path := range files {
		all = append(all, a.File(path))
	}
	frames := slices.Clone(tr.frames)
	slices.SortStableFunc(frames, func(x, y frame) int { return cmp.Compare(x.at, y.at) })
	on := tr.on()
	for n := range frames {
		a.Add(all[n%len(all)], tr.packet(&frames[n], on))
	}
	return a.Close()
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
