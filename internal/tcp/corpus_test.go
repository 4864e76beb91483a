package tcp_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/tcp"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// expectation is what the corpus's own decoder says of a connection: expected.json, where
// notes explain it. What is 0 is left out there.
type expectation struct {
	Client        string  `json:"client"`
	Server        string  `json:"server"`
	SYN           int64   `json:"syn"`
	SYNACK        int64   `json:"synack"`
	Seconds       float64 `json:"seconds"`
	BytesToServer int64   `json:"bytes_to_server"`
	BytesToClient int64   `json:"bytes_to_client"`
	Missing       int64   `json:"bytes_missing"`
	Cut           int64   `json:"bytes_cut_by_snaplen"`

	Stalls map[string]stalls `json:"nagle_stalls"`

	ToServer sent `json:"-"`
	ToClient sent `json:"-"`
}

type stalls struct {
	Count int `json:"count"`
	MS    int `json:"ms"`
}

// sent has the fields with the prefixes to_server_ and to_client_.
type sent struct {
	SeenBefore, BytesSeenBefore, Copies, Resent      int64
	HoleOpened, FillsHole, LateResent, LateReordered int64
	ZeroWindow, ZeroWindowMS, RST                    int64
}

// UnmarshalJSON takes no field that it doesn't know.
func (e *expectation) UnmarshalJSON(b []byte) error {
	type plain expectation
	if err := json.Unmarshal(b, (*plain)(e)); err != nil {
		return err
	}
	fields := make(map[string]json.RawMessage)
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	for _, name := range []string{
		"client", "server", "syn", "synack", "seconds", "bytes_to_server", "bytes_to_client",
		"bytes_missing", "bytes_cut_by_snaplen", "nagle_stalls",
	} {
		delete(fields, name)
	}
	for prefix, s := range map[string]*sent{"to_server_": &e.ToServer, "to_client_": &e.ToClient} {
		for name, to := range map[string]*int64{
			"seen_before": &s.SeenBefore, "bytes_seen_before": &s.BytesSeenBefore, "copies": &s.Copies, "resent": &s.Resent,
			"hole_opened": &s.HoleOpened, "fills_hole": &s.FillsHole, "late_resent": &s.LateResent, "late_reordered": &s.LateReordered,
			"zero_window": &s.ZeroWindow, "zero_window_ms": &s.ZeroWindowMS, "rst": &s.RST,
		} {
			if raw, ok := fields[prefix+name]; ok {
				if err := json.Unmarshal(raw, to); err != nil {
					return err
				}
				delete(fields, prefix+name)
			}
		}
	}
	for name := range fields {
		return errors.New("expected.json: unknown field " + name)
	}
	return nil
}

type capture struct {
	Packets int `json:"packets"`
	Wire    struct {
		Connections []expectation  `json:"connections"`
		Other       map[string]int `json:"other_packets"`
	} `json:"wire"`
}

func expected(t testing.TB) map[string]capture {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "dicom", "expected.json"))
	require.NoError(t, err)
	var all struct{ Captures map[string]capture }
	require.NoError(t, json.Unmarshal(b, &all))
	require.Len(t, all.Captures, 36)
	return all.Captures
}

// each calls do with each packet of a capture.
func each(t testing.TB, path string, do func(*pcapfile.Packet)) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapfile.NewReader(f)
	require.NoError(t, err)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		do(p)
	}
}

// TestCorpus reproduces what expected.json says of every connection.
func TestCorpus(t *testing.T) {
	for name, want := range expected(t) {
		t.Run(name, func(t *testing.T) {
			book := &book{}
			tracker := tcp.New(&tcp.Config{Open: book.open})
			var s tcp.Segment
			kinds := make(map[tcp.Kind]int)
			each(t, filepath.Join(testenv.Corpus(t), "dicom", name), func(p *pcapfile.Packet) {
				s.Packet++
				kind := s.Read(p)
				kinds[kind]++
				if kind == tcp.TCP {
					tracker.Segment(&s)
				}
			})
			tracker.Close()
			assert.Equal(t, want.Wire.Other["arp"], kinds[tcp.ARPRequest]+kinds[tcp.ARPReply])
			assert.Equal(t, want.Packets, kinds[tcp.TCP]+want.Wire.Other["arp"])
			require.Len(t, book.pages, len(want.Wire.Connections))
			for i, p := range book.pages {
				assert.Equal(t, want.Wire.Connections[i], p.summary())
				p.check(t)
			}
		})
	}
}

// book has a page for each connection, in the order in which they began.
type book struct {
	pages []*page
	keep  bool // what is said
}

func (b *book) open(c *tcp.Conn) tcp.Handler {
	p := &page{conn: c, keep: b.keep}
	b.pages = append(b.pages, p)
	return p
}

// page is a Handler that writes down what it is told.
type page struct {
	conn    *tcp.Conn
	bytes   [2]int64
	missing [2][4]int64
	pauses  [2][]tcp.Pause
	stalls  map[string]stalls
	wait    map[string]int64
	dicom   [2]messages
	ends    []tcp.End
	stream  [2][]byte // with zeros for what is missing, if keep
	pieces  [2][]piece
	keep    bool
}

type piece struct {
	at, length int
	known      bool
}

func (p *page) Data(from tcp.Side, _ *tcp.Segment, b []byte) {
	p.bytes[from] += int64(len(b))
	p.dicom[from].write(b)
	if p.keep {
		p.pieces[from] = append(p.pieces[from], piece{len(p.stream[from]), len(b), true})
		p.stream[from] = append(p.stream[from], b...)
	}
}

func (p *page) Missing(from tcp.Side, _, n int64, why tcp.Why) {
	p.missing[from][why] += n
	p.dicom[from].skip(n)
	if p.keep {
		p.pieces[from] = append(p.pieces[from], piece{len(p.stream[from]), int(n), false})
		p.stream[from] = append(p.stream[from], make([]byte, n)...)
	}
}

func (p *page) Pause(of tcp.Side, pause tcp.Pause) {
	p.pauses[of] = append(p.pauses[of], pause)
	if pause.Kind == tcp.DelayedACK && p.dicom[of].inside() {
		if p.stalls == nil {
			p.stalls, p.wait = make(map[string]stalls), make(map[string]int64)
		}
		s := p.stalls[of.String()]
		s.Count++
		p.wait[of.String()] += pause.To - pause.From
		s.MS = int(math.Round(float64(p.wait[of.String()]) / 1e6))
		p.stalls[of.String()] = s
	}
}

func (p *page) ICMP(tcp.Side, *tcp.Segment) {}

func (p *page) End(e tcp.End) { p.ends = append(p.ends, e) }

// check holds what the Handler was told to the counters.
func (p *page) check(t testing.TB) {
	assert.Len(t, p.ends, 1)
	for _, side := range []tcp.Side{tcp.Client, tcp.Server} {
		f := p.conn.Flow(side)
		assert.Equal(t, f.Bytes, p.bytes[side]+p.missing[side][tcp.Cut]+p.missing[side][tcp.Lost]+p.missing[side][tcp.Open])
		assert.Equal(t, f.Cut, p.missing[side][tcp.Cut])
		assert.Equal(t, f.Lost+f.Open, p.missing[side][tcp.Lost]+p.missing[side][tcp.Open])
		last := int64(0)
		for _, pause := range p.pauses[side] {
			assert.GreaterOrEqual(t, pause.From, last)
			assert.Greater(t, pause.To, pause.From)
			last = pause.To
		}
	}
}

// summary has the numbers of expected.json.
func (p *page) summary() expectation {
	c := p.conn
	client, server := c.Flow(tcp.Client), c.Flow(tcp.Server)
	return expectation{
		Client: c.Addr(tcp.Client).String(), Server: c.Addr(tcp.Server).String(),
		SYN: client.SYN, SYNACK: server.SYN,
		Seconds:       math.Round(float64(c.Last-c.First)/1e5) / 1e4,
		BytesToServer: client.Bytes, BytesToClient: server.Bytes,
		Missing: client.Lost + client.Open + server.Lost + server.Open,
		Cut:     client.Cut + server.Cut,
		Stalls:  p.stalls,
		// The prefix says where to, the Flow by whom.
		ToServer: sentOf(client), ToClient: sentOf(server),
	}
}

func sentOf(f *tcp.Flow) sent {
	return sent{
		f.SeenBefore, f.BytesSeenBefore, f.Copies, f.Resent,
		f.HolesOpened, f.FillsHole, f.LateResent, f.LateReordered,
		f.ZeroWindows, f.ZeroWindow / 1e6, f.RST,
	}
}

// messages follows the upper layer of DICOM (PS3.8, section 9.3) in one direction just so
// far that it tells whether a DIMSE message was begun and not ended. What isn't DICOM is
// never inside one. Once a header is missing it doesn't know, and says inside: in the two
// captures where that happens, most of the bytes are in one.
type messages struct {
	header   []byte // of a PDU or PDV, so far
	pdu, pdv int64  // bytes to come
	command  []byte
	control  byte // of the PDV
	open     bool // a message isn't complete
	foreign  bool // not DICOM
	lost     bool // a header is missing
}

func (m *messages) inside() bool {
	return m.lost || !m.foreign && (m.open || len(m.header) > 0 || m.pdu > 0)
}

func (m *messages) write(b []byte) {
	for len(b) > 0 && !m.lost && !m.foreign {
		n := m.need(int64(len(b)))
		m.take(b[:n], n)
		b = b[n:]
	}
}

func (m *messages) skip(n int64) {
	for n > 0 && !m.lost && !m.foreign {
		k := m.need(n)
		m.take(nil, k)
		n -= k
	}
}

// need is how many bytes of what is there belong together.
func (m *messages) need(n int64) int64 {
	switch {
	case m.pdv > 0:
		return min(n, m.pdv)
	case m.pdu > 0:
		return min(n, int64(6-len(m.header)))
	}
	return min(n, int64(6-len(m.header)))
}

func (m *messages) take(b []byte, n int64) {
	if m.pdv > 0 {
		if m.control&1 != 0 {
			m.command = append(m.command, b...)
		}
		m.pdv -= n
		m.pdu -= n
		if m.pdv == 0 && m.control&2 != 0 {
			m.open = m.control&1 != 0 && hasDataSet(m.command)
			m.command = m.command[:0]
		}
		return
	}
	if b == nil { // a header is missing
		m.lost = true
		return
	}
	m.header = append(m.header, b...)
	if len(m.header) < 6 {
		return
	}
	h := m.header
	m.header = m.header[:0]
	if m.pdu > 0 { // that of a PDV
		m.pdv, m.control = int64(binary.BigEndian.Uint32(h))-2, h[5]
		m.pdu -= 6
		m.foreign = m.pdv < 0 || m.pdv > m.pdu
		m.open = true
		return
	}
	length := int64(binary.BigEndian.Uint32(h[2:]))
	switch {
	case h[0] == 4:
		m.pdu = length
	case h[0] == 0 || h[0] > 7:
		m.foreign = true
	default: // another PDU: its body is passed over as one
		m.pdu, m.pdv, m.control = length, length, 0
	}
}

// hasDataSet looks for (0000,0800) in a command set: 0101H says that there is none (PS3.7,
// annex E.1).
func hasDataSet(command []byte) bool {
	for len(command) >= 8 {
		n := int(binary.LittleEndian.Uint32(command[4:]))
		if n > len(command)-8 {
			break
		}
		if binary.LittleEndian.Uint32(command) == 0x08000000 && n == 2 {
			return binary.LittleEndian.Uint16(command[8:]) != 0x0101
		}
		command = command[8+n:]
	}
	return true // cut by the snap length: then it is told of here what most messages have
}
