package tcp_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/tcp"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// TestStreamAgainstTshark holds what is handed out to what tshark puts together, byte by
// byte: without loss, with it on either side of the capture point, and for what began
// before the capture.
func TestStreamAgainstTshark(t *testing.T) {
	for _, name := range []string{"store_ok", "loss_after_tap", "loss_before_tap", "midstream", "async_window", "client_killed"} {
		path := filepath.Join(testenv.Corpus(t), "dicom", name+".pcap")
		book := &book{keep: true}
		follow(t, tcp.New(&tcp.Config{Open: book.open}), path)
		require.Len(t, book.pages, 1)
		out, err := exec.Command(testenv.Program(t, "tshark"), "-n", "-q", "-r", path, "-z", "follow,tcp,raw,0").Output()
		require.NoError(t, err)
		// Of a line what Node 1 sent is behind a tab. Node 0 is who sent first.
		var theirs [2][]byte
		client := tcp.Client
		for line := range strings.Lines(string(out)) {
			if node, ok := strings.CutPrefix(line, "Node 0: "); ok && strings.TrimSpace(node) != book.pages[0].conn.Addr(tcp.Client).String() {
				client = tcp.Server
			}
			data, second := strings.CutPrefix(strings.TrimRight(line, "\n"), "\t")
			b, err := hex.DecodeString(data)
			if err != nil {
				continue // a header
			}
			from := client
			if second {
				from = from.Other()
			}
			theirs[from] = append(theirs[from], b...)
		}
		for _, side := range []tcp.Side{tcp.Client, tcp.Server} {
			assert.NotEmpty(t, theirs[side], name)
			assert.True(t, bytes.Equal(theirs[side], book.pages[0].stream[side]), "%s, %s: %d and %d bytes", name, side, len(theirs[side]), len(book.pages[0].stream[side]))
		}
	}
}

// follow gives a tracker all of a capture.
func follow(t testing.TB, tracker *tcp.Tracker, path string) {
	t.Helper()
	var s tcp.Segment
	each(t, path, func(p *pcapfile.Packet) {
		s.Packet++
		if s.Read(p) == tcp.TCP {
			tracker.Segment(&s)
		}
	})
	tracker.Close()
}

// TestCopies has each packet of a capture several times, as one on all interfaces has them:
// everything but the number of copies is as without.
func TestCopies(t *testing.T) {
	for name, want := range expected(t) {
		for _, delay := range []int{0, 5} { // how many packets later the copies come
			book := &book{}
			tracker := tcp.New(&tcp.Config{Open: book.open})
			var queue []tcp.Segment
			var s tcp.Segment
			again := func() {
				for range 2 {
					tracker.Segment(&queue[0])
				}
				queue = queue[1:]
			}
			data := make(map[[2]netip.AddrPort]int64)
			each(t, filepath.Join(testenv.Corpus(t), "dicom", name), func(p *pcapfile.Packet) {
				s.Packet++
				if s.Read(p) != tcp.TCP {
					return
				}
				if s.Length > 0 {
					data[[2]netip.AddrPort{s.Src, s.Dst}]++
				}
				tracker.Segment(&s)
				kept := s
				kept.Payload = bytes.Clone(s.Payload)
				queue = append(queue, kept)
				if len(queue) > delay {
					again()
				}
			})
			for len(queue) > 0 {
				again()
			}
			tracker.Close()
			require.Len(t, book.pages, len(want.Wire.Connections), name)
			for i, p := range book.pages {
				expect, got := want.Wire.Connections[i], p.summary()
				for side, s := range map[tcp.Side]*sent{tcp.Client: &got.ToServer, tcp.Server: &got.ToClient} {
					f := p.conn.Flow(side)
					assert.Equal(t, 2*data[[2]netip.AddrPort{p.conn.Addr(side), p.conn.Addr(side.Other())}], f.Copies, name)
					s.SeenBefore -= f.Copies
					s.Copies = 0
				}
				// Of each segment's bytes the copies have two more, whatever they were.
				got.ToServer.BytesSeenBefore, got.ToClient.BytesSeenBefore = expect.ToServer.BytesSeenBefore, expect.ToClient.BytesSeenBefore
				assert.Equal(t, expect, got, "%s, copies %d packets later", name, delay)
			}
		}
	}
}

// sender makes the segments of one side of a connection, as a sender does that is told by
// a script what becomes of them.
type sender struct {
	client bool
	isn    uint32
	id     uint16
	now    *int64
}

var (
	clientAddr = netip.MustParseAddrPort("192.0.2.1:40000")
	serverAddr = netip.MustParseAddrPort("192.0.2.2:11112")
)

// segment is the part of the stream from a number on, counted from its first byte.
func (s *sender) segment(from int, payload []byte, flags tcp.Flags) *tcp.Segment {
	s.id++
	*s.now += 1000
	g := &tcp.Segment{
		Time: *s.now, Src: clientAddr, Dst: serverAddr, ID: s.id, Seq: s.isn + 1 + uint32(from),
		Flags: flags, Window: 1000, Payload: payload, Length: len(payload),
	}
	if flags&tcp.SYN != 0 {
		g.Seq--
	}
	if !s.client {
		g.Src, g.Dst = g.Dst, g.Src
	}
	return g
}

// FuzzStream has a known stream captured with losses, cuts, copies, retransmissions of other
// boundaries, and in any order. What is handed out, together with what is said to be
// missing, is the stream, byte by byte, up to its last byte captured, and no byte is handed
// out that wasn't captured.
func FuzzStream(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed, uint32(seed*99_999_999), uint8(seed*7), uint8(seed*3), uint8(seed), seed%3 == 0)
	}
	f.Fuzz(streams)
}

func streams(t *testing.T, seed uint64, isn uint32, loss, disorder, cut uint8, acks bool) {
	random := rand.New(rand.NewPCG(seed, 1))
	now := int64(1e9)
	from, to := &sender{client: true, isn: isn, now: &now}, &sender{isn: 5, now: &now}
	biggest := []int{10, 1448, 10_000}[random.IntN(3)] // bytes of a segment
	stream := make([]byte, random.IntN(10+biggest*30))
	for i := range stream {
		stream[i] = byte(random.Uint32())
	}
	var segments []*tcp.Segment
	captured := make([]bool, len(stream))
	add := func(a, b int) {
		g := from.segment(a, stream[a:b], tcp.ACK)
		if random.IntN(256) < int(cut) {
			g.Payload = g.Payload[:random.IntN(len(g.Payload)+1)]
		}
		for i := range g.Payload {
			captured[a+i] = true
		}
		segments = append(segments, g)
	}
	for at := 0; at < len(stream); {
		n := min(1+random.IntN(biggest), len(stream)-at)
		if random.IntN(512) >= int(loss) {
			add(at, at+n)
		}
		if random.IntN(512) < int(loss) { // again, from somewhere before to somewhere
			a := max(0, at-random.IntN(biggest))
			add(a, min(len(stream), a+1+random.IntN(biggest)))
		}
		at += n
	}
	for range len(segments) * int(disorder) / 256 {
		i := random.IntN(len(segments))
		j := min(len(segments)-1, i+random.IntN(20))
		segments[i], segments[j] = segments[j], segments[i]
	}
	book := &book{keep: true}
	tracker := tcp.New(&tcp.Config{Open: book.open, MaxParked: 1000 + random.IntN(100_000)})
	tracker.Segment(from.segment(0, nil, tcp.SYN))
	synack := to.segment(0, nil, tcp.SYN|tcp.ACK)
	synack.Ack = isn + 1
	tracker.Segment(synack)
	highest := 0
	for _, g := range segments {
		tracker.Segment(g)
		highest = max(highest, int(g.Seq-isn-1)+g.Length)
		for random.IntN(5) == 0 {
			tracker.Segment(g) // a copy
		}
		if acks && random.IntN(3) == 0 { // of what the receiver may have, the capture or not
			ack := to.segment(0, nil, tcp.ACK)
			ack.Ack = isn + 1 + uint32(random.IntN(highest+1))
			if random.IntN(5) == 0 {
				ack.Payload, ack.Length = []byte{1}, 1
			}
			tracker.Segment(ack)
		}
	}
	tracker.Close()
	require.Len(t, book.pages, 1)
	p := book.pages[0]
	got, flow := p.stream[tcp.Client], p.conn.Flow(tcp.Client)
	require.Len(t, got, highest)
	require.EqualValues(t, highest, flow.Bytes)
	p.check(t)
	next := 0
	for _, piece := range p.pieces[tcp.Client] {
		require.Equal(t, next, piece.at)
		next += piece.length
		if piece.known {
			require.True(t, bytes.Equal(stream[piece.at:next], got[piece.at:next]))
			require.False(t, slices.Contains(captured[piece.at:next], false))
		}
	}
	require.Equal(t, highest, next)
	if loss == 0 && disorder == 0 {
		require.Zero(t, flow.Lost+flow.Open+flow.Resent+flow.HolesOpened)
		require.EqualValues(t, bytesOf(captured, false), flow.Cut)
	}
}

func bytesOf(captured []bool, what bool) (n int) {
	for _, c := range captured {
		if c == what {
			n++
		}
	}
	return n
}

// TestStreams runs many streams at random.
func TestStreams(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 2))
		loss, disorder, cut := uint8(random.UintN(256)), uint8(random.UintN(256)), uint8(random.UintN(256))
		switch seed % 4 {
		case 0:
			loss = 0
		case 1:
			disorder = 0
		case 2:
			cut = 0
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			streams(t, seed, random.Uint32(), loss, disorder, cut, seed%5 < 3)
		})
	}
}

// FuzzSegments gives a tracker any segments: their fields as they are in the bytes. Whatever
// they are, each connection ends once, the sums hold, and nothing stays behind.
func FuzzSegments(f *testing.F) {
	f.Add([]byte{0x02, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x12, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0})
	f.Add(bytes.Repeat([]byte{0x18, 0x10, 0, 1, 0, 0, 0, 0, 9, 200, 1}, 40))
	f.Add(bytes.Repeat([]byte{0x11, 0x80, 0, 0, 7, 0x80, 0, 0, 3, 0, 60}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		book := &book{}
		tracker := tcp.New(&tcp.Config{Open: book.open, MaxConnections: 3, MaxParked: 2000})
		now := int64(0)
		for n := int64(1); len(b) >= 11; n++ {
			g := &tcp.Segment{
				Packet: n, Src: clientAddr, Dst: serverAddr, Flags: tcp.Flags(b[0] & 0x3f), ID: uint16(b[0]>>6) * 3,
				Seq: binary.BigEndian.Uint32(b[1:]), Ack: binary.BigEndian.Uint32(b[5:]), Window: uint16(b[9] & 1),
				Length: int(b[9]), Payload: make([]byte, min(b[9], b[10])),
			}
			if b[10]&1 != 0 {
				g.Src, g.Dst = g.Dst, g.Src
			}
			if b[10]&0x60 != 0 {
				g.Src = netip.AddrPortFrom(g.Src.Addr(), g.Src.Port()+uint16(b[10]>>5&3))
			}
			now += int64(int8(b[10])) << (b[9] % 32)
			g.Time = now
			tracker.Segment(g)
			b = b[11:]
		}
		tracker.Close()
		require.EqualValues(t, len(book.pages), tracker.Connections)
		for _, p := range book.pages {
			p.check(t)
		}
	})
}
